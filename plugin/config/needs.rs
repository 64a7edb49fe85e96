//! What a configuration still needs from its control plane while a node runs on a snapshot of it (boot-16).
//!
//! Each format's validator finds its own needs; here they have their form and their sentences. They stand in manifests, so the form
//! is read for ever: an object with a `kind`, and `plugin` (text), `count` and `ends_at` (whole numbers) where the kind has them. A kind
//! of a later version is read as [`Need::Other`]; those three members keep their types in every version. Knows no gateway and no clock.

use serde::{Deserialize, Serialize};

use crate::model::UnixMs;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "Form", into = "Form")]
pub enum Need {
    /// Values that the gateway reads from a vault when it runs.
    VaultReferences { count: u64 },
    /// Vaults that are set up.
    Vaults { count: u64 },
    /// Plugins that count in the control plane's database, over all nodes together.
    ClusterCounters { plugin: String, count: u64 },
    /// Plugins that keep tokens, codes or sessions in the control plane's database.
    StoredTokens { plugin: String, count: u64 },
    /// Plugins that keep the state of ACME, and the certificates got by it, in the control plane's database.
    AcmeState { count: u64 },
    /// Certificates whose end could be read, and when the first of them ends.
    Certificates { count: u64, ends_at: UnixMs },
    /// A kind that this version does not know.
    Other(String),
}

/// How long before its end a certificate is spoken of.
const CERTIFICATE_NOTICE_MS: u64 = 30 * DAY_MS;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Of a text that a manifest brought along, this much is repeated.
const REPEATED_CHARS_MAX: usize = 64;

/// The operator's sentences. Of certificates they speak only when one has ended by `now` or will within thirty days.
pub fn sentences(needs: &[Need], now: UnixMs) -> Vec<String> {
    needs.iter().filter_map(|need| sentence(need, now)).collect()
}

fn sentence(need: &Need, now: UnixMs) -> Option<String> {
    Some(match need {
        Need::VaultReferences { count: 1 } => {
            "1 value is a reference to a vault: the node resolves it by itself, and must reach the vault without the control plane".into()
        }
        Need::VaultReferences { count } => format!(
            "{count} values are references to a vault: the node resolves them by itself, and must reach the vault without the control plane"
        ),
        Need::Vaults { count } => format!(
            "{}: the node needs its own access to what is behind (address, credentials, environment variables)",
            counted(*count, "vault is set up", "vaults are set up")
        ),
        Need::ClusterCounters { plugin, count } => format!(
            "{} in the control plane's database: in fallback no limit is kept over all nodes together",
            plugins(*count, plugin, "counts", "count")
        ),
        Need::StoredTokens { plugin, count } => format!(
            "{} tokens or sessions in the control plane's database: in fallback a node has those of the snapshot at most, and none can be \
             added, renewed or revoked",
            plugins(*count, plugin, "keeps", "keep")
        ),
        Need::AcmeState { count } => format!(
            "{} certificates in the control plane's database: in fallback none is issued or renewed",
            plugins(*count, "acme", "keeps", "keep")
        ),
        Need::Certificates { count, ends_at } => return certificates(*count, *ends_at, now),
        Need::Other(kind) => {
            format!("something that this version of Holdover does not know, '{}': a later version says what it is", repeated(kind))
        }
    })
}

fn certificates(count: u64, ends_at: UnixMs, now: UnixMs) -> Option<String> {
    let left_ms = ends_at.0.saturating_sub(now.0);
    if left_ms > CERTIFICATE_NOTICE_MS {
        return None;
    }
    let which = if count == 1 { "the certificate".to_owned() } else { format!("the first of {count} certificates") };
    let day = ends_at.day();
    let ends = match left_ms / DAY_MS {
        _ if ends_at < now => format!("ended on {day}"),
        0 => format!("ends on {day}, within a day"),
        days => format!("ends on {day}, in {}", counted(days, "day", "days")),
    };
    Some(format!("{which} {ends}: in fallback no other takes its place"))
}

fn plugins(count: u64, name: &str, one: &str, several: &str) -> String {
    let name = repeated(name);
    if count == 1 { format!("1 '{name}' plugin {one}") } else { format!("{count} '{name}' plugins {several}") }
}

fn counted(count: u64, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

/// Names come from bytes that nobody may have signed.
fn repeated(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(REPEATED_CHARS_MAX).collect()
}

/// How a need is written.
#[derive(Serialize, Deserialize)]
struct Form {
    #[serde(default)]
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    plugin: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ends_at: Option<UnixMs>,
}

impl From<Form> for Need {
    fn from(form: Form) -> Self {
        let Form { kind, plugin, count, ends_at } = form;
        match (kind.as_str(), count, plugin, ends_at) {
            ("vault-references", Some(count), ..) => Self::VaultReferences { count },
            ("vaults", Some(count), ..) => Self::Vaults { count },
            ("cluster-counters", Some(count), Some(plugin), _) => Self::ClusterCounters { plugin, count },
            ("stored-tokens", Some(count), Some(plugin), _) => Self::StoredTokens { plugin, count },
            ("acme-state", Some(count), ..) => Self::AcmeState { count },
            ("certificates", Some(count), _, Some(ends_at)) => Self::Certificates { count, ends_at },
            _ => Self::Other(kind),
        }
    }
}

impl From<Need> for Form {
    fn from(need: Need) -> Self {
        let form = |kind: &str, plugin, count| Self { kind: kind.to_owned(), plugin, count: Some(count), ends_at: None };
        match need {
            Need::VaultReferences { count } => form("vault-references", None, count),
            Need::Vaults { count } => form("vaults", None, count),
            Need::ClusterCounters { plugin, count } => form("cluster-counters", Some(plugin), count),
            Need::StoredTokens { plugin, count } => form("stored-tokens", Some(plugin), count),
            Need::AcmeState { count } => form("acme-state", None, count),
            Need::Certificates { count, ends_at } => Self { ends_at: Some(ends_at), ..form("certificates", None, count) },
            Need::Other(kind) => Self { kind, plugin: None, count: None, ends_at: None },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    /// 2026-11-22T12:00:00Z
    const NOW: UnixMs = UnixMs(1_795_348_800_000);

    #[test]
    fn boot_16_every_need_has_one_form_and_reads_back_from_it() {
        let needs = every_need();
        let written = concat!(
            r#"[{"kind":"vault-references","count":3},{"kind":"vaults","count":1},"#,
            r#"{"kind":"cluster-counters","plugin":"rate-limiting","count":2},{"kind":"stored-tokens","plugin":"oauth2","count":1},"#,
            r#"{"kind":"acme-state","count":1},{"kind":"certificates","count":4,"ends_at":1795348800000},{"kind":"later"}]"#
        );
        assert_eq!(serde_json::to_string(&needs).unwrap(), written);
        assert_eq!(serde_json::from_str::<Vec<Need>>(written).unwrap(), needs);
    }

    #[test]
    fn a_need_of_a_later_version_is_read_as_another_one() {
        for (written, kind) in [
            (r#"{"kind":"licence","holder":{"name":["x"]},"count":1}"#, "licence"),
            (r#"{"kind":"certificates","count":1}"#, "certificates"),
            (r#"{"kind":"stored-tokens"}"#, "stored-tokens"),
            ("{}", ""),
        ] {
            assert_eq!(serde_json::from_str::<Need>(written).unwrap(), Need::Other(kind.to_owned()), "{written}");
        }
    }

    #[test]
    fn every_need_but_a_certificate_that_lasts_has_a_sentence() {
        assert_eq!(sentences(&every_need(), NOW).len(), 7);
        let long_before = UnixMs(NOW.0 - 31 * DAY_MS);
        assert_eq!(sentences(&every_need(), long_before).len(), 6);
        let one = Need::ClusterCounters { plugin: "rate-limiting".into(), count: 1 };
        let sentence =
            "1 'rate-limiting' plugin counts in the control plane's database: in fallback no limit is kept over all nodes together";
        assert_eq!(sentences(&[one], NOW), [sentence]);
    }

    #[test]
    fn a_certificate_is_spoken_of_from_thirty_days_before_its_end() {
        let said = |ends_at: u64| sentences(&[Need::Certificates { count: 2, ends_at: UnixMs(ends_at) }], NOW).concat();
        let of = |when: &str| format!("the first of 2 certificates {when}: in fallback no other takes its place");
        assert_eq!(said(NOW.0 + 30 * DAY_MS), of("ends on 2026-12-22, in 30 days"));
        assert_eq!(said(NOW.0 + 30 * DAY_MS + 1), "");
        assert_eq!(said(NOW.0 + DAY_MS), of("ends on 2026-11-23, in 1 day"));
        assert_eq!(said(NOW.0), of("ends on 2026-11-22, within a day"));
        assert_eq!(said(NOW.0 - 1), of("ended on 2026-11-22"));
        assert_eq!(said(0), of("ended on 1970-01-01"));
        assert_eq!(said(u64::MAX), "");
    }

    #[test]
    fn what_a_manifest_brings_along_is_repeated_without_control_characters_and_not_at_length() {
        let hostile = format!("\u{1b}[2J{}", "x".repeat(1000));
        for need in [Need::Other(hostile.clone()), Need::StoredTokens { plugin: hostile, count: 1 }] {
            let sentence = sentences(&[need], NOW).concat();
            assert!(!sentence.contains('\u{1b}') && sentence.len() < 300, "{sentence}");
        }
    }

    fn every_need() -> Vec<Need> {
        vec![
            Need::VaultReferences { count: 3 },
            Need::Vaults { count: 1 },
            Need::ClusterCounters { plugin: "rate-limiting".into(), count: 2 },
            Need::StoredTokens { plugin: "oauth2".into(), count: 1 },
            Need::AcmeState { count: 1 },
            Need::Certificates { count: 4, ends_at: NOW },
            Need::Other("later".into()),
        ]
    }
}
