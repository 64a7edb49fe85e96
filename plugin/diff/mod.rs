//! What differs between two configurations of one format, as operators ask it: which entities were added, removed and changed, and in
//! which fields.
//!
//! A configuration counts as secret, so values are never in here, save those of a few fields that help and hold none ([`values`]); even
//! consumers and credentials have no name (all-04). Order of keys, spacing, and when an entity was last written are no difference, nor is
//! an id, where two entities are one by their name. Knows no snapshot and no storage.

mod document;
mod entities;
mod fields;
mod kong;
mod names;
mod same;
#[cfg(test)]
mod tests;
mod values;
mod xds;

use std::fmt;

use serde::Serialize;

use crate::config::{CONFIG_BYTES_MAX, Finding, Format, Invalid};

/// Sorted; two configurations always have the same one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Diff {
    pub added: Vec<EntityRef>,
    pub removed: Vec<EntityRef>,
    pub changed: Vec<Changed>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct EntityRef {
    /// As in the configuration: `routes`; of xDS resources their type's short name. Empty in a document, where every member is as good as another.
    pub kind: String,
    /// What it is called, its id, or its place in its list; in a document its JSON pointer.
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Changed {
    pub entity: EntityRef,
    /// By field. Empty in a document: what changed there is what the pointer names.
    pub changes: Vec<Change>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// Its path within the entity: `config.redis.host`.
    pub field: String,
    /// The values, both or neither: they are shown of harmless fields only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// Fails if one of them is no configuration of this format, as far as its structure goes; the findings say which of the two.
pub fn diff(old: &[u8], new: &[u8], format: Format) -> Result<Diff, Invalid> {
    for (which, bytes) in [(Which::Old, old), (Which::New, new)] {
        if bytes.len() > CONFIG_BYTES_MAX {
            let size = bytes.len();
            return Err(which.blame(Invalid::whole(format!("it has {size} bytes; {CONFIG_BYTES_MAX} is the most that is taken"))));
        }
    }
    let mut diff = match format {
        Format::Kong => kong::diff(old, new)?,
        Format::Document => document::diff(old, new)?,
        Format::Xds => xds::diff(old, new)?,
    };
    diff.added.sort();
    diff.removed.sort();
    diff.changed.sort();
    Ok(diff)
}

impl Diff {
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// One of the two configurations.
#[derive(Clone, Copy)]
enum Which {
    Old,
    New,
}

impl Which {
    fn blame(self, invalid: Invalid) -> Invalid {
        let which = match self {
            Self::Old => "the old configuration",
            Self::New => "the new configuration",
        };
        let path = |path: String| if path.is_empty() { which.to_owned() } else { format!("{which}, {path}") };
        let findings = invalid.findings.into_iter().map(|finding| Finding { path: path(finding.path), message: finding.message });
        Invalid { findings: findings.collect(), more: invalid.more }
    }
}

/// One line each: `+ routes/a`, `- plugins/cors (id)`, `~ services/b: host x -> y, client_certificate`.
impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut end = "";
        for (sign, entities) in [('+', &self.added), ('-', &self.removed)] {
            for entity in entities {
                write!(f, "{end}{sign} {entity}")?;
                end = "\n";
            }
        }
        for changed in &self.changed {
            write!(f, "{end}~ {changed}")?;
            end = "\n";
        }
        if self.is_empty() { f.write_str("no difference") } else { Ok(()) }
    }
}

impl fmt::Display for EntityRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind.as_str() {
            "" => f.write_str(&self.name),
            kind => write!(f, "{kind}/{}", self.name),
        }
    }
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entity.fmt(f)?;
        for (index, change) in self.changes.iter().enumerate() {
            write!(f, "{} {change}", if index == 0 { ":" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.field)?;
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => write!(f, " {from} -> {to}"),
            (None, _) | (_, None) => Ok(()),
        }
    }
}
