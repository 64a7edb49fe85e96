//! Kong's declarative configuration, bare or inside the hybrid protocol's reconfigure message, in JSON or YAML.
//!
//! ```text
//! bytes ── yaml ──► JSON ── envelope ──► sections ── survey ──► findings, counts, index ──► Facts
//!                                                        └────────── flatten ─────────────► flat JSON
//! ```
//!
//! The tables and rules are those of Kong 3.9 without a database (KONG.md part B), router flavour `traditional_compatible`. Of
//! plugins, vaults and filters only the frame is checked: which of them a gateway has, and what their configuration may be, it alone
//! knows. Of certificates and keys only the frame of the PEM is looked at, neither expiry nor whether they match.

mod authentication;
mod certificates;
mod credentials;
pub(crate) mod entities;
mod envelope;
mod fields;
mod flatten;
mod hash;
mod ids;
mod needs;
mod path;
mod place;
mod references;
mod route_rules;
mod rules;
pub(crate) mod schema;
mod shorthand;
mod survey;
mod text;
mod walk;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Facts, Invalid, Strictness, tree, yaml};
pub use hash::Hashes;
use survey::Survey;

/// In which of Kong's roles a document is read: a data plane forgives unknown fields that are null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    DbLess,
    DataPlane,
}

/// Types that are in every export, whether anything is configured or not.
const NOTHING_CONFIGURED: [&str; 3] = ["workspaces", "parameters", "clustering_data_planes"];

pub(super) fn validate(bytes: &[u8], strictness: Strictness) -> Result<Facts, Invalid> {
    let role = match strictness {
        Strictness::Delivered | Strictness::Live => Role::DataPlane,
        Strictness::HandWritten => Role::DbLess,
    };
    let text = yaml::as_json(bytes)?;
    let document = envelope::open(&text)?;
    let Survey { reports, counts, needs, .. } = survey::survey(&document, role)?;
    let warnings = match strictness {
        Strictness::Delivered | Strictness::Live => {
            reports.structural.into_result()?;
            reports.schema.into_sentences()
        }
        Strictness::HandWritten => {
            reports.into_result()?;
            Vec::new()
        }
    };
    if configures_nothing(&counts) && strictness != Strictness::Live {
        return Err(Invalid::whole("configures nothing: there is no service, route, upstream, consumer, plugin or other entity"));
    }
    let sameness = match document.config_hash {
        Some(hash) => hash.into_owned(),
        None => hash::of(&document.sections, document.depth)?.config,
    };
    Ok(Facts { sameness, counts, warnings, needs: needs.into_list() })
}

/// Kong's own verdict, as far as the tables know it. A document that configures nothing is fine with Kong.
pub fn judge(bytes: &[u8], role: Role) -> Result<(), Invalid> {
    let text = yaml::as_json(bytes)?;
    survey::survey(&envelope::open(&text)?, role)?.reports.into_result()
}

/// The flat form in JSON: what a control plane would export, without defaults. What is flat already is borrowed: the document
/// itself, or the config table inside its message. Only structural failures refuse; whether the rest is valid is not asked.
pub fn flatten(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Invalid> {
    match yaml::as_json(bytes)? {
        Cow::Borrowed(text) => flatten_text(text),
        Cow::Owned(text) => flatten_text(&text).map(|flat| Cow::Owned(flat.into_owned())),
    }
}

fn flatten_text(text: &str) -> Result<Cow<'_, [u8]>, Invalid> {
    let document = envelope::open(text)?;
    let survey = survey::survey(&document, Role::DataPlane)?;
    survey.reports.structural.into_result()?;
    if survey.flat {
        return Ok(Cow::Borrowed(document.table.as_bytes()));
    }
    flatten::write(&document, &survey.index, survey.old_paths).map(Cow::Owned)
}

/// The hashes that go with a config table in a reconfigure message.
pub fn hashes(config_table: &[u8]) -> Result<Hashes, Invalid> {
    let text = yaml::as_json(config_table)?;
    let sections = tree::sections(&text)?.ok_or_else(|| Invalid::whole("expected an object"))?;
    hash::of(&sections, 1)
}

pub(super) fn configures_nothing(counts: &BTreeMap<String, u64>) -> bool {
    counts.keys().all(|name| NOTHING_CONFIGURED.contains(&name.as_str()))
}
