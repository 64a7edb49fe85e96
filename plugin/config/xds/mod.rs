//! What a management server of Envoy's xDS protocol tells one node, as one set: clusters, listeners and what they ask for by name.
//!
//! ```text
//! bytes ── resource ──► one record   after the other ── references ──► names that are asked for
//!                              └──────── survey ────────► counts, rows, findings ──► Facts
//! ```
//!
//! The resources stay as they were sent: whether Envoy takes them it alone knows. Looked at is what makes them one set: that each can be
//! found by its name, and that whatever is asked for over the stream is there. Knows no stream and no node.

mod envoy;
mod naming;
mod references;
mod resource;
mod sockets;
mod survey;
#[cfg(test)]
mod tests;
pub mod types;
mod wire;

use std::collections::BTreeMap;

use super::{Facts, Invalid, Strictness};
pub use naming::name_of;
pub(crate) use naming::shown;
pub use references::{Wanted, references};
pub use resource::{Resource, decode, encode};
use survey::Survey;

pub(super) fn validate(bytes: &[u8], strictness: Strictness) -> Result<Facts, Invalid> {
    let survey = Survey::read(bytes)?.settle()?;
    let count = |kind| survey.counts.get(kind).copied().unwrap_or_default();
    let (clusters, listeners) = (count(types::CLUSTERS), count(types::LISTENERS));
    if (clusters == 0 || listeners == 0) && strictness != Strictness::Live {
        return Err(Invalid::whole(format!(
            "configures nothing that could serve: of clusters there are {clusters}, of listeners {listeners}, and it takes one of each"
        )));
    }
    let (sameness, warnings, needs) = (survey.sameness(), survey.warnings(), survey.needs());
    Ok(Facts { sameness, counts: survey.counts, warnings, needs })
}

pub(super) fn configures_nothing(counts: &BTreeMap<String, u64>) -> bool {
    !counts.contains_key(types::CLUSTERS) && !counts.contains_key(types::LISTENERS)
}
