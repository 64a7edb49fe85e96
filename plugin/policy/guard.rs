//! Judges how much of a configuration went away, or came, at once (export-03, boot-14). Compares numbers: it knows no entity, and of
//! the control plane only that it may be wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Guard;
use crate::config::AUTHENTICATION_PLUGINS;
use crate::mutants::{Mutant, active};

/// Of a type with fewer entities a share says nothing: one service of two is half of all.
const BASE_ENTITIES_MIN: u64 = 10;
/// Of a smaller configuration neither does the size.
const BASE_BYTES_MIN: u64 = 4 * 1024;

/// What is known of a configuration's size.
#[derive(Clone, Copy, Debug)]
pub struct Counted<'a> {
    /// Entities per type.
    pub counts: &'a BTreeMap<String, u64>,
    /// Of the sealed file, when there is one.
    pub bytes: Option<u64>,
}

/// Why a change is not taken unasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Objection {
    /// There were some of this type, and there is none.
    Gone {
        kind: String,
        before: u64,
    },
    /// Routes that asked who is there no longer do.
    AuthenticationLost {
        before: u64,
        after: u64,
    },
    Shrunk {
        kind: String,
        before: u64,
        after: u64,
    },
    Grown {
        kind: String,
        before: u64,
        after: u64,
    },
}

/// Everything that is to be said against the change, by type.
pub fn judge(before: &Counted<'_>, after: &Counted<'_>, guard: &Guard) -> Vec<Objection> {
    let kinds: BTreeSet<&String> = before.counts.keys().chain(after.counts.keys()).collect();
    let count = |of: &Counted<'_>, kind: &String| of.counts.get(kind).copied().unwrap_or_default();
    let mut objections: Vec<_> =
        kinds.into_iter().filter_map(|kind| of_kind(kind, count(before, kind), count(after, kind), guard)).collect();
    if let (Some(before), Some(after)) = (before.bytes, after.bytes)
        && before >= BASE_BYTES_MIN
    {
        objections.extend(by_share("bytes", before, after, guard));
    }
    objections
}

fn of_kind(kind: &str, before: u64, after: u64, guard: &Guard) -> Option<Objection> {
    let holds_losses = guard.shrink_percent > 0;
    if kind == AUTHENTICATION_PLUGINS {
        let lost = holds_losses && after < before && !active(Mutant::ForgetsAuthentication);
        return lost.then_some(Objection::AuthenticationLost { before, after });
    }
    if holds_losses && before > 0 && after == 0 {
        return Some(Objection::Gone { kind: kind.to_owned(), before });
    }
    if before < BASE_ENTITIES_MIN { None } else { by_share(kind, before, after, guard) }
}

fn by_share(kind: &str, before: u64, after: u64, guard: &Guard) -> Option<Objection> {
    let kind = kind.to_owned();
    let share = |part: u64| u128::from(part) * 100;
    let limit = |percent: u32| u128::from(percent) * u128::from(before);
    if guard.shrink_percent > 0 && share(before.saturating_sub(after)) >= limit(guard.shrink_percent) {
        return Some(Objection::Shrunk { kind, before, after });
    }
    if guard.growth_percent > 0 && share(after.saturating_sub(before)) >= limit(guard.growth_percent) {
        return Some(Objection::Grown { kind, before, after });
    }
    None
}

/// What happened to a kind of entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    Gone,
    AuthenticationLost,
    Shrunk,
    Grown,
}

impl Change {
    /// A stable word for events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::AuthenticationLost => "authentication-lost",
            Self::Shrunk => "shrunk",
            Self::Grown => "grown",
        }
    }
}

impl Objection {
    pub fn change(&self) -> Change {
        match self {
            Self::Gone { .. } => Change::Gone,
            Self::AuthenticationLost { .. } => Change::AuthenticationLost,
            Self::Shrunk { .. } => Change::Shrunk,
            Self::Grown { .. } => Change::Grown,
        }
    }

    /// Whether something went away: what a returning control plane is asked about.
    pub fn is_loss(&self) -> bool {
        match self {
            Self::Gone { .. } | Self::AuthenticationLost { .. } | Self::Shrunk { .. } => true,
            Self::Grown { .. } => false,
        }
    }
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone { kind, before } => write!(f, "all {before} {kind} are gone"),
            Self::AuthenticationLost { before, after } => write!(f, "{} of {before} authentication plugins are gone", before - after),
            Self::Shrunk { kind, before, after } => write!(f, "{kind} shrank from {before} to {after}"),
            Self::Grown { kind, before, after } => write!(f, "{kind} grew from {before} to {after}"),
        }
    }
}

/// All of them in one sentence.
pub fn sentence(objections: &[Objection]) -> String {
    objections.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(before: &[(&str, u64)], after: &[(&str, u64)], bytes: (u64, u64)) -> Vec<&'static str> {
        let map = |pairs: &[(&str, u64)]| pairs.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect::<BTreeMap<_, _>>();
        let (before, after) = (map(before), map(after));
        let counted = |counts, bytes| Counted { counts, bytes: Some(bytes) };
        judge(&counted(&before, bytes.0), &counted(&after, bytes.1), &Guard::default())
            .iter()
            .map(|objection| objection.change().as_str())
            .collect()
    }

    const SAME: (u64, u64) = (100_000, 100_000);

    #[test]
    fn a_share_of_forty_percent_holds_and_one_below_does_not() {
        assert_eq!(judged(&[("routes", 100)], &[("routes", 60)], SAME), ["shrunk"]);
        assert!(judged(&[("routes", 100)], &[("routes", 61)], SAME).is_empty());
        assert_eq!(judged(&[("routes", 100)], &[("routes", 300)], SAME), ["grown"]);
        assert!(judged(&[("routes", 100)], &[("routes", 299)], SAME).is_empty());
    }

    #[test]
    fn of_a_few_entities_only_the_last_one_counts() {
        assert!(judged(&[("routes", 9)], &[("routes", 1)], SAME).is_empty());
        assert_eq!(judged(&[("routes", 1)], &[], SAME), ["gone"]);
        assert!(judged(&[], &[("routes", 500)], SAME).is_empty(), "a type that was not there");
    }

    #[test]
    fn one_authentication_plugin_less_holds() {
        assert_eq!(judged(&[(AUTHENTICATION_PLUGINS, 20)], &[(AUTHENTICATION_PLUGINS, 19)], SAME), ["authentication-lost"]);
        assert!(judged(&[(AUTHENTICATION_PLUGINS, 20)], &[(AUTHENTICATION_PLUGINS, 21)], SAME).is_empty());
    }

    #[test]
    fn the_size_counts_when_it_is_one() {
        assert_eq!(judged(&[], &[], (100_000, 60_000)), ["shrunk"]);
        assert!(judged(&[], &[], (4_000, 1)).is_empty());
    }
}
