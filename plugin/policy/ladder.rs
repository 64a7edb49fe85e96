//! The ladder: the ordered sources of a first configuration, climbed once the control plane is given up (boot-05).
//!
//! ```text
//! cache: applied ► cache: settled ► storage 1: head ► its generations, newest first ► storage 2 … ► bundle
//! ```
//!
//! Each call of [`Ladder::next`] goes as far as the next candidate. A rung that fails or is empty says so and is passed.

use std::collections::VecDeque;

use super::candidate::{self, Candidate, Skipped};
use super::capabilities::{Slot, StorageFailure, StorageFailureKind, StorageId};
use super::events::{Event, Name, Why};
use super::quarantine::Attempts;
use super::{Facts, Importing, backoff};
use crate::model::UnixMs;
use crate::mutants::{Mutant, active};
use crate::snapshot::head::{Entry, HEAD_BYTES_MAX, Head};
use crate::snapshot::{FILE_BYTES_MAX, keys};

/// How far up a node may climb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Its own cache only: what a node does that its control plane refused.
    OwnCache,
    Everything,
}

enum Rung {
    Cache(Slot),
    Storage(StorageId),
    Generation(StorageId, Box<Entry>),
    Bundle,
}

pub struct Ladder<'a, C> {
    caps: &'a C,
    facts: &'a Facts,
    rungs: VecDeque<Rung>,
    /// Whether the first fetch may have to wait its jitter.
    first_climb: bool,
    /// What each rung said, for the sentence of a stranded node.
    said: Vec<String>,
    /// A storage asked for a pause, so the climb that follows takes its full jitter.
    pub slow_down: bool,
}

impl<'a, C: Importing> Ladder<'a, C> {
    pub fn new(caps: &'a C, facts: &'a Facts, reach: Reach, first_climb: bool) -> Self {
        let mut rungs = VecDeque::from([Rung::Cache(Slot::Applied), Rung::Cache(Slot::Settled)]);
        if reach == Reach::Everything {
            if facts.settings.import {
                rungs.extend((0..facts.settings.storages.len() as StorageId).map(Rung::Storage));
            }
            rungs.push_back(Rung::Bundle);
        }
        if active(Mutant::StorageBeforeCache) {
            rungs.rotate_left(2);
        }
        Self { caps, facts, rungs, first_climb, said: Vec::new(), slow_down: false }
    }

    /// Takes every rung away but this node's own cache.
    pub fn keep_to_cache(&mut self) {
        self.rungs.retain(|rung| matches!(rung, Rung::Cache(_)));
    }

    /// The next candidate that is not quarantined, or `None` at the top.
    pub async fn next(&mut self, attempts: &Attempts) -> Option<Candidate<C>> {
        while let Some(rung) = self.rungs.pop_front() {
            let found = match rung {
                Rung::Cache(slot) => self.cached(slot).await,
                Rung::Storage(storage) => {
                    self.locate(storage).await;
                    None
                }
                Rung::Generation(storage, entry) => self.fetch(storage, &entry, attempts).await,
                Rung::Bundle => self.bundled().await,
            };
            let Some(candidate) = found else { continue };
            let digest = candidate.proof().digest();
            if !attempts.quarantined(digest) {
                return Some(candidate);
            }
            self.quarantined(candidate.serving().origin.as_str(), &Skipped::Quarantined(digest));
        }
        None
    }

    /// What was tried, for the operator.
    pub fn tried(&self) -> String {
        self.said.join("; ")
    }

    async fn cached(&mut self, slot: Slot) -> Option<Candidate<C>> {
        let rung = format!("cache ({})", slot.as_str());
        let object = match self.caps.read(slot).await {
            Ok(Some(object)) => object,
            Ok(None) => {
                self.empty(&rung, "nothing is there");
                return None;
            }
            Err(sentence) => {
                self.failed(&rung, "unreadable", &sentence);
                return None;
            }
        };
        match candidate::of_cache(self.caps, slot, object, &self.facts.settings).await {
            Ok(candidate) => Some(candidate),
            Err(skipped) => {
                self.skipped(&rung, &skipped);
                candidate::set_aside(self.caps, slot, skipped.reason(), &skipped.to_string()).await;
                None
            }
        }
    }

    /// Station *locate*: reads the head, and puts its generations next.
    async fn locate(&mut self, storage: StorageId) {
        let rung = self.storage_name(storage);
        self.wait_for_the_herd().await;
        let fetched = match self.caps.get(storage, keys::HEAD, HEAD_BYTES_MAX).await {
            Ok(fetched) => fetched,
            Err(failure) => return self.storage_failed(&rung, &failure),
        };
        let read = candidate::read_body(&fetched.object).await;
        let head = match read.and_then(|bytes| Head::read(&bytes).map_err(|refusal| refusal.to_string())) {
            Ok(head) => head,
            Err(sentence) => return self.failed(&rung, "bad-head", &format!("the head cannot be used: {sentence}")),
        };
        if head.cluster != self.facts.settings.cluster {
            let skipped = Skipped::ForeignCluster { producer: head.cluster, consumer: self.facts.settings.cluster.clone() };
            return self.skipped(&rung, &skipped);
        }
        self.say_age(&rung, &head, fetched.date);
        self.queue(storage, &rung, head);
    }

    fn queue(&mut self, storage: StorageId, rung: &str, head: Head) {
        let settings = &self.facts.settings;
        let (fitting, other): (Vec<_>, Vec<_>) = head.views.into_iter().partition(|(version, _)| candidate::accepts(settings, version));
        if fitting.is_empty() {
            let others: Vec<String> = other.iter().map(|(version, _)| version.to_string()).collect();
            let sentence = format!(
                "nothing was published for gateway version {} (rule '{}'); there is {}",
                settings.gateway_version,
                settings.version_rule,
                if others.is_empty() { "none at all".to_owned() } else { others.join(", ") }
            );
            return self.empty(rung, &sentence);
        }
        let newest_first = fitting.into_iter().flat_map(|(_, view)| view.history);
        let rungs: Vec<Rung> = newest_first.map(|entry| Rung::Generation(storage, Box::new(entry))).collect();
        for rung in rungs.into_iter().rev() {
            self.rungs.push_front(rung);
        }
    }

    /// Station *fetch*.
    async fn fetch(&mut self, storage: StorageId, entry: &Entry, attempts: &Attempts) -> Option<Candidate<C>> {
        let rung = format!("{} generation {}", self.storage_name(storage), entry.position());
        if attempts.quarantined(entry.digest) {
            self.quarantined(&rung, &Skipped::Quarantined(entry.digest));
            return None;
        }
        let fetched = match self.caps.get(storage, &entry.key, entry.file_bytes.min(FILE_BYTES_MAX)).await {
            Ok(fetched) => fetched,
            Err(failure) => {
                self.storage_failed(&rung, &failure);
                return None;
            }
        };
        match candidate::of_storage(self.caps, fetched.object, entry, &self.facts.settings).await {
            Ok(candidate) => Some(candidate),
            Err(skipped) => {
                self.skipped_at(&rung, &entry.key, &skipped);
                if active(Mutant::StopsAtTheFirstBadSnapshot) {
                    self.rungs.clear();
                }
                None
            }
        }
    }

    async fn bundled(&mut self) -> Option<Candidate<C>> {
        let object = match self.caps.bundle().await {
            Ok(Some(object)) => object,
            Ok(None) => return None,
            Err(sentence) => {
                self.failed("bundle", "unreadable", &sentence);
                return None;
            }
        };
        match candidate::of_bundle(self.caps, object, &self.facts.settings).await {
            Ok(candidate) => Some(candidate),
            Err(skipped) => {
                self.skipped("bundle", &skipped);
                None
            }
        }
    }

    /// A thousand nodes born in one second need not ask in one second, if the operator says so.
    async fn wait_for_the_herd(&mut self) {
        let jitter = self.facts.settings.first_fetch_jitter;
        if self.first_climb && !jitter.is_zero() {
            self.caps.sleep(backoff::within(jitter, self.caps.random()), Why::FirstFetch).await;
        }
        self.first_climb = false;
    }

    /// Age counts from the last confirmation, by the later of our clock and the storage's (boot-13).
    fn say_age(&self, rung: &str, head: &Head, date: Option<UnixMs>) {
        let now = self.caps.now().max(date.unwrap_or_default());
        let age = now.since(head.confirmed_at);
        let hours = age.as_secs() / 3600;
        if age > self.facts.settings.staleness_warn {
            let sentence =
                format!("{rung}: its head was last confirmed {hours} h ago: the backup node or its control plane has been silent since.");
            self.caps.emit(Event::warning(Name::Stale, sentence).with("age_s", age.as_secs()));
        }
        if head.confirmed_at > now {
            let sentence = format!("{rung}: its head was confirmed in the future: the clock of this node or of the backup node is wrong.");
            self.caps.emit(Event::warning(Name::Stale, sentence));
        }
    }

    fn storage_name(&self, storage: StorageId) -> String {
        let name = self.facts.settings.storages.get(storage as usize);
        format!("storage {}", name.map_or("unknown", String::as_str))
    }

    fn storage_failed(&mut self, rung: &str, failure: &StorageFailure) {
        self.slow_down |= failure.kind == StorageFailureKind::SlowDown;
        match failure.kind {
            StorageFailureKind::Absent => self.empty(rung, &failure.detail),
            StorageFailureKind::AbsentOrForbidden
            | StorageFailureKind::Forbidden
            | StorageFailureKind::Credentials
            | StorageFailureKind::NoSuchStorage
            | StorageFailureKind::SlowDown
            | StorageFailureKind::TooLarge
            | StorageFailureKind::Unreachable
            | StorageFailureKind::UnknownOutcome
            | StorageFailureKind::Other => self.failed(rung, failure.kind.reason(), &failure.detail),
        }
    }

    fn empty(&mut self, rung: &str, sentence: &str) {
        self.said.push(format!("{rung}: {sentence}"));
        self.caps.emit(Event::info(Name::RungEmpty, format!("{rung}: {sentence}.")).with("rung", rung));
    }

    fn failed(&mut self, rung: &str, reason: &str, sentence: &str) {
        self.said.push(format!("{rung}: {sentence}"));
        self.caps.emit(Event::warning(Name::RungFailed, format!("{rung}: {sentence}.")).with("reason", reason).with("rung", rung));
    }

    fn skipped(&mut self, rung: &str, skipped: &Skipped) {
        self.skipped_because(rung, skipped, &skipped.to_string());
    }

    /// An object of a storage: one that is damaged needs somebody who knows its key.
    fn skipped_at(&mut self, rung: &str, key: &str, skipped: &Skipped) {
        let repair = match skipped.is_damage() {
            true => {
                format!("; bring '{key}' back from a copy, or let the control plane deliver a change: the backup node publishes it beside")
            }
            false => String::new(),
        };
        self.skipped_because(rung, skipped, &format!("{skipped}{repair}"));
    }

    fn skipped_because(&mut self, rung: &str, skipped: &Skipped, sentence: &str) {
        self.said.push(format!("{rung}: {sentence}"));
        self.caps.emit(
            Event::warning(Name::SnapshotSkipped, format!("{rung}: {sentence}.")).with("reason", skipped.reason()).with("rung", rung),
        );
    }

    fn quarantined(&mut self, rung: &str, skipped: &Skipped) {
        self.said.push(format!("{rung}: {skipped}"));
        self.caps.emit(Event::alarm(Name::ConfigQuarantined, format!("{rung}: {skipped}.")).with("rung", rung));
    }
}

impl Slot {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Settled => "settled",
            Self::Attempts => "attempts",
        }
    }
}

impl StorageFailureKind {
    /// A stable word for events.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::AbsentOrForbidden => "absent-or-forbidden",
            Self::Forbidden => "forbidden",
            Self::Credentials => "credentials",
            Self::NoSuchStorage => "no-such-storage",
            Self::SlowDown => "slow-down",
            Self::TooLarge => "too-large",
            Self::Unreachable => "unreachable",
            Self::UnknownOutcome => "unknown-outcome",
            Self::Other => "other",
        }
    }
}
