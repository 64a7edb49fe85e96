//! Kong's declarative configuration, bare or inside the hybrid protocol's reconfigure message, in JSON or YAML.
//!
//! ```text
//! bytes ── yaml ──► JSON ── envelope ──► sections ── survey ──► findings, counts, index ──► Facts
//!                                                        └────────── flatten ─────────────► flat JSON
//! ```
//!
//! The tables and rules are those of Kong 3 without a database (KONG.md part B); what was delivered is read as Kong 3.9 with router flavour
//! `traditional_compatible` reads it. Of plugins, vaults and filters only the frame is checked then: which of them a gateway has, and
//! what their configuration may be, it alone knows, unless a verdict is asked for one [`Gateway`]. Of certificates and keys only the
//! frame of the PEM is looked at, not whether they match.

mod authentication;
mod credentials;
pub(crate) mod entities;
mod envelope;
mod fields;
mod flatten;
mod flattened;
mod gateway;
mod hash;
mod ids;
mod needs;
mod particular;
mod path;
mod place;
mod plugins;
mod references;
mod rejected;
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
pub use flattened::{EntityErrors, ErrorKind, FlatError, Flattened, flattened};
use gateway::Reading;
pub use gateway::{Flavor, Gateway, NotUnderstood, Role, Version};
pub use hash::Hashes;
pub use rejected::{Rejected, rejected};
use survey::Survey;

/// Types that are in every export, whether anything is configured or not.
const NOTHING_CONFIGURED: [&str; 3] = ["workspaces", "parameters", "clustering_data_planes"];

pub(super) fn validate(bytes: &[u8], strictness: Strictness) -> Result<Facts, Invalid> {
    let role = match strictness {
        Strictness::Delivered | Strictness::Live => Role::DataPlane,
        Strictness::HandWritten => Role::DbLess,
    };
    let text = yaml::as_json(bytes)?;
    let document = envelope::open(&text)?;
    let Survey { reports, counts, needs, .. } = survey::survey(&document, Reading::delivered(role))?;
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

/// The verdict of one gateway, as far as the tables know it. A document that configures nothing is fine with Kong.
pub fn judge(bytes: &[u8], gateway: &Gateway) -> Result<(), Invalid> {
    let text = yaml::as_json(bytes)?;
    survey::survey(&envelope::open(&text)?, gateway.reading())?.reports.into_result()
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
    let survey = survey::survey(&document, Reading::delivered(Role::DataPlane))?;
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
