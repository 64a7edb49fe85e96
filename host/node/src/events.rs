//! The journal: every decision of the policy as one log line, one count and one entry for `why` (all-03).
//!
//! Keeps the last entries, a count per name and the last failure per rung, all bounded. Judges nothing.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdover_plugin::model::UnixMs;
use holdover_ports::{Clock, EpisodeLost, Event, Events, Name, Severity, Unanswered};
use serde::Serialize;

const ENTRIES_MAX: usize = 200;
/// More rungs than anybody has storages.
const RUNGS_MAX: usize = 64;
/// The host's own entries; the policy's names stand in [`Name::ALL`].
const EPISODE_LOST: &str = "episode-lost";
const SESSION_LOST: &str = "session-lost";
const REASONS_MAX: usize = 256;
const STATE_NOT_KEPT: &str = "state-not-kept";

pub const CONTROL_PLANE: &str = "control-plane";
/// No rung, but what climbs them.
const POLICY: &str = "policy";

pub struct Journal {
    clock: Arc<dyn Clock>,
    pages: Mutex<Pages>,
}

struct Pages {
    entries: VecDeque<Entry>,
    counts: BTreeMap<&'static str, u64>,
    /// By name and reason, of the events that have one.
    reasons: BTreeMap<(&'static str, String), u64>,
    failures: BTreeMap<String, Failure>,
    /// Why the gateway does not run what came last.
    rejected: Option<String>,
    /// When the head was last known to say what the control plane says.
    confirmed_at: Option<UnixMs>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    pub at_unix_ms: UnixMs,
    pub name: &'static str,
    pub severity: &'static str,
    pub sentence: String,
    pub fields: BTreeMap<Cow<'static, str>, String>,
}

/// The last thing that went wrong on one rung of the ladder.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    pub at_unix_ms: UnixMs,
    pub sentence: String,
}

impl Journal {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        // Every name from the start: a rate over a counter that begins with its first event misses that event.
        let own = [EPISODE_LOST, SESSION_LOST, STATE_NOT_KEPT];
        let counts = Name::ALL.iter().map(|name| name.as_str()).chain(own).map(|name| (name, 0)).collect();
        let pages = Pages {
            entries: VecDeque::new(),
            counts,
            reasons: BTreeMap::new(),
            failures: BTreeMap::new(),
            rejected: None,
            confirmed_at: None,
        };
        Self { clock, pages: Mutex::new(pages) }
    }

    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.pages().counts.clone()
    }

    /// How often each decision had which reason.
    pub fn reasons(&self) -> BTreeMap<(&'static str, String), u64> {
        self.pages().reasons.clone()
    }

    /// The oldest first.
    pub fn entries(&self) -> Vec<Entry> {
        self.pages().entries.iter().cloned().collect()
    }

    /// By rung, for example `control-plane`; the policy's own under `policy`.
    pub fn failures(&self) -> BTreeMap<String, Failure> {
        self.pages().failures.clone()
    }

    /// Why the gateway does not run what came last, if it does not.
    pub(crate) fn rejected(&self) -> Option<String> {
        self.pages().rejected.clone()
    }

    /// When this node's exporter last knew that the head says what the control plane says.
    pub(crate) fn confirmed_at(&self) -> Option<UnixMs> {
        self.pages().confirmed_at
    }

    /// What decisions say of the gateway and the head, for who asks later.
    fn note(&self, event: &Event) {
        let mut pages = self.pages();
        if matches!(event.name, Name::ConfigRejected | Name::ConfigInvalid | Name::RejoinHeld) {
            pages.rejected = Some(event.sentence.clone());
        } else if matches!(event.name, Name::ConfigApplied | Name::ConfigUnchanged | Name::Rejoined) {
            pages.rejected = None;
        } else if matches!(event.name, Name::Exported | Name::HeadConfirmed | Name::ExportUnchanged) {
            pages.confirmed_at = Some(self.clock.now());
        }
    }

    /// `None`: the process ends, and nothing is tried again.
    pub(crate) fn episode_lost(&self, lost: &EpisodeLost, again_after: Option<Duration>) {
        let again = again_after.map(|pause| format!(", and it is tried again in {:.1} s", pause.as_secs_f32())).unwrap_or_default();
        let sentence = format!("{lost}; what is served goes on being served{again}");
        self.write(
            EPISODE_LOST,
            Severity::Warning,
            sentence,
            vec![("episode".into(), lost.episode.into()), ("rung".into(), POLICY.into())],
        );
    }

    pub(crate) fn session_lost(&self, unanswered: &Unanswered) {
        self.write(SESSION_LOST, Severity::Warning, unanswered.detail.clone(), vec![("rung".into(), CONTROL_PLANE.into())]);
    }

    pub(crate) fn state_not_kept(&self, sentence: String) {
        self.write(STATE_NOT_KEPT, Severity::Warning, sentence, Vec::new());
    }

    fn write(&self, name: &'static str, severity: Severity, sentence: String, fields: Vec<(Cow<'static, str>, String)>) {
        log(name, severity, &sentence, &fields);
        let entry =
            Entry { at_unix_ms: self.clock.now(), name, severity: severity_text(severity), sentence, fields: fields.into_iter().collect() };
        let mut pages = self.pages();
        if let Some(rung) = entry.fields.get("rung").filter(|_| severity != Severity::Info) {
            let failure = Failure { at_unix_ms: entry.at_unix_ms, sentence: entry.sentence.clone() };
            if pages.failures.len() < RUNGS_MAX || pages.failures.contains_key(rung) {
                pages.failures.insert(rung.clone(), failure);
            }
        }
        *pages.counts.entry(name).or_default() += 1;
        if let Some(reason) = entry.fields.get("reason") {
            let key = (name, reason.clone());
            // A policy of somebody else's may give a reason of its own each time.
            if pages.reasons.len() < REASONS_MAX || pages.reasons.contains_key(&key) {
                *pages.reasons.entry(key).or_default() += 1;
            }
        }
        pages.entries.push_back(entry);
        if pages.entries.len() > ENTRIES_MAX {
            pages.entries.pop_front();
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Events for Journal {
    fn emit(&self, event: Event) {
        self.note(&event);
        let mut fields = event.fields;
        let about_control_plane =
            matches!(event.name, Name::ControlPlaneTried | Name::ControlPlaneGivenUp | Name::ControlPlaneRefused | Name::ControlPlaneLost);
        if about_control_plane && !fields.iter().any(|(field, _)| field == "rung") {
            fields.push(("rung".into(), CONTROL_PLANE.into()));
        }
        self.write(event.name.as_str(), event.severity, event.sentence, fields);
    }
}

/// `tracing` wants its field names at compile time, so the fields of a decision are one text, `name=value` each.
fn log(name: &'static str, severity: Severity, sentence: &str, fields: &[(Cow<'static, str>, String)]) {
    let fields = fields.iter().map(|(field, value)| format!("{field}={value}")).collect::<Vec<_>>().join(" ");
    match severity {
        Severity::Info => tracing::info!(target: "holdover", name, fields, "{sentence}"),
        Severity::Warning => tracing::warn!(target: "holdover", name, fields, "{sentence}"),
        Severity::Alarm => tracing::error!(target: "holdover", name, fields, "{sentence}"),
    }
}

fn severity_text(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Alarm => "alarm",
    }
}

#[cfg(test)]
mod tests {
    // A test says what went wrong by panicking.
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn every_event_is_counted_and_only_the_last_ones_are_kept() {
        let journal = Journal::new(Arc::new(SystemClock::starting_here()));
        assert_eq!(journal.counts().get("exported"), Some(&0));
        for nth in 0..250 {
            journal.emit(Event::info(Name::Exported, format!("export {nth}")));
        }
        assert_eq!(journal.counts().get("exported"), Some(&250));
        let entries = journal.entries();
        assert_eq!(entries.len(), 200);
        assert_eq!(entries.first().unwrap().sentence, "export 50");
        assert_eq!(entries.last().unwrap().sentence, "export 249");
    }

    #[test]
    fn a_lost_episode_says_when_it_is_tried_again_and_is_the_policys_last_failure() {
        let journal = Journal::new(Arc::new(SystemClock::starting_here()));
        let lost = EpisodeLost { episode: "tick", reason: "it trapped".into() };
        let sentence = "the policy's episode 'tick' was lost: it trapped; what is served goes on being served";
        journal.episode_lost(&lost, Some(Duration::from_millis(1500)));
        assert_eq!(journal.failures().get(POLICY).unwrap().sentence, format!("{sentence}, and it is tried again in 1.5 s"));
        journal.episode_lost(&lost, None);
        assert_eq!(journal.failures().get(POLICY).unwrap().sentence, sentence, "a process that ends tries nothing again");
    }

    #[test]
    fn the_last_failure_of_each_rung_is_kept_and_an_empty_rung_is_none() {
        let journal = Journal::new(Arc::new(SystemClock::starting_here()));
        journal.emit(Event::warning(Name::RungFailed, "first").with("rung", "storage s3://a"));
        journal.emit(Event::warning(Name::RungFailed, "second").with("rung", "storage s3://a"));
        journal.emit(Event::info(Name::RungEmpty, "empty").with("rung", "bundle"));
        journal.emit(Event::warning(Name::ControlPlaneTried, "refused"));
        let failures = journal.failures();
        assert_eq!(failures.len(), 2);
        assert_eq!(failures.get("storage s3://a").unwrap().sentence, "second");
        assert_eq!(failures.get(CONTROL_PLANE).unwrap().sentence, "refused");
    }
}
