//! The ladder: the ordered sources of a first configuration, climbed once the control plane is given up (boot-05).
//!
//! ```text
//! cache: applied ► cache: settled ► the storages' generations, newest first ► Kong's place ► bundle
//! ```
//!
//! Each call of [`Ladder::next`] goes as far as the next candidate. A rung that fails or is empty says so and is passed.

use std::collections::VecDeque;
use std::time::Duration;

use super::break_glass::Glass;
use super::candidate::{self, Candidate, Kept, Published, Skipped};
use super::capabilities::{Slot, StorageFailure, StorageFailureKind, StorageId};
use super::events::{Event, Name, Why};
use super::locate::{self, Answer, Offer, Said};
use super::marks::{Floor, Marks};
use super::quarantine::Attempts;
use super::{Facts, Importing, backoff, legacy};
use crate::config::CONFIG_BYTES_MAX;
use crate::model::GatewayVersion;
use crate::mutants::{Mutant, active};
use crate::snapshot::{FILE_BYTES_MAX, keys};

/// How far up a node may climb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Its own cache only: what a node does that its control plane refused.
    OwnCache,
    Everything,
}

enum Rung {
    Cache { slot: Slot, however_old: bool },
    Storages,
    Generation(Box<Offer>),
    KongPlace(StorageId),
    Bundle,
}

/// What this node remembers of its own disk, for one climb.
pub struct Memory {
    pub attempts: Attempts,
    pub marks: Marks,
}

pub struct Ladder<'a, C> {
    caps: &'a C,
    facts: &'a Facts,
    rungs: VecDeque<Rung>,
    /// Whether the first fetch may have to wait its jitter.
    first_climb: bool,
    floor: Floor,
    glass: Glass,
    /// What each rung said, for the sentence of a stranded node.
    said: Vec<String>,
    /// A storage asked for a pause, so the climb that follows takes its full jitter.
    pub slow_down: bool,
    /// The longest pause that a storage asked for.
    pub retry_after: Duration,
}

/// A candidate, and whether an operator's token let it pass.
pub struct Next<C: Importing> {
    pub candidate: Candidate<C>,
    pub by_token: bool,
}

impl<'a, C: Importing> Ladder<'a, C> {
    pub fn new(caps: &'a C, facts: &'a Facts, reach: Reach, first_climb: bool) -> Self {
        let cached = |slot| Rung::Cache { slot, however_old: false };
        let mut rungs = VecDeque::from([cached(Slot::Applied), cached(Slot::Settled)]);
        if reach == Reach::Everything {
            if facts.settings.import && !facts.settings.storages.is_empty() {
                rungs.push_back(Rung::Storages);
            }
            rungs.push_back(Rung::Bundle);
        }
        if active(Mutant::StorageBeforeCache) {
            rungs.rotate_left(2);
        }
        let (floor, glass) = (Floor::default(), Glass::default());
        Self { caps, facts, rungs, first_climb, floor, glass, said: Vec::new(), slow_down: false, retry_after: Duration::ZERO }
    }

    /// Takes every rung away but this node's own cache.
    pub fn keep_to_cache(&mut self) {
        self.rungs.retain(|rung| matches!(rung, Rung::Cache { .. }));
    }

    /// The next candidate that is not quarantined, or `None` at the top.
    pub async fn next(&mut self, memory: &mut Memory) -> Option<Next<C>> {
        while let Some(rung) = self.rungs.pop_front() {
            let (found, by_token) = match rung {
                Rung::Cache { slot, however_old } => (self.cached(slot, however_old, memory).await, false),
                Rung::Storages => {
                    self.locate(memory).await;
                    continue;
                }
                Rung::Generation(offer) => (self.fetch(&offer, memory).await, offer.by_token),
                Rung::KongPlace(storage) => (self.kong_place(storage).await, false),
                Rung::Bundle => (self.bundled(memory).await, false),
            };
            let Some(candidate) = found else { continue };
            let digest = candidate.proof().digest();
            if by_token || !memory.attempts.quarantined(digest) {
                return Some(Next { candidate, by_token });
            }
            self.quarantined(candidate.serving().origin.as_str(), &Skipped::Quarantined(digest));
        }
        None
    }

    /// Uses the token up, before what it let pass is applied.
    pub async fn break_glass(&mut self, memory: &mut Memory, published: &Published) -> Result<(), String> {
        self.glass.break_it(self.caps, &mut memory.marks, published).await
    }

    /// What was tried, for the operator.
    pub fn tried(&self) -> String {
        self.said.join("; ")
    }

    async fn cached(&mut self, slot: Slot, however_old: bool, memory: &Memory) -> Option<Candidate<C>> {
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
        let settings = &self.facts.settings;
        let kept = Kept {
            lineage: memory.marks.lineage(settings),
            now: self.caps.now(),
            live_at: memory.marks.live_at(),
            age_max_ms: settings.cache_age_max.filter(|_| !however_old).map(backoff::millis),
        };
        match candidate::of_cache(self.caps, slot, object, settings, kept).await {
            Ok(candidate) => Some(candidate),
            Err(skipped @ Skipped::TooOld { .. }) => {
                self.skipped(&rung, &skipped);
                let before = self.rungs.iter().position(|rung| matches!(rung, Rung::Bundle)).unwrap_or(self.rungs.len());
                self.rungs.insert(before, Rung::Cache { slot, however_old: true });
                None
            }
            Err(skipped) => {
                self.skipped(&rung, &skipped);
                candidate::set_aside(self.caps, slot, skipped.reason(), &skipped.to_string()).await;
                None
            }
        }
    }

    /// Station *locate*: asks the storages for their heads, and puts what they offer next.
    async fn locate(&mut self, memory: &Memory) {
        self.wait_for_the_herd().await;
        let (caps, facts, marks) = (self.caps, self.facts, &memory.marks);
        self.floor = match marks.is_marked() {
            true => Floor::default(),
            false => Floor::new(facts, self.peek_bundle().await.as_ref()),
        };
        let wanted = marks.lineage(&facts.settings).or(self.floor.lineage);
        let (located, glass) = locate::locate(caps, facts, wanted, |now| Glass::read(caps, facts, marks, now)).await;
        self.glass = glass;
        let mut next: Vec<Rung> = located.offers.into_iter().map(|offer| Rung::Generation(Box::new(offer))).collect();
        for answer in located.answers {
            let kong_place = self.answered(answer, marks);
            // Where one storage has a head, what stands beside another's is older than its exporter.
            next.extend(kong_place.filter(|_| !located.has_head));
        }
        for rung in next.into_iter().rev() {
            self.rungs.push_front(rung);
        }
    }

    /// Says what a storage that offers nothing answered; one without a head may still hold Kong's own file.
    fn answered(&mut self, Answer { storage, said }: Answer, marks: &Marks) -> Option<Rung> {
        let rung = self.facts.settings.storage_name(storage);
        match said {
            Said::Slow => self.failed(&rung, "slow", "it did not give its head as soon as another storage did"),
            Said::Unbelievable(skipped) => self.head_refused(&rung, &skipped),
            Said::NothingFitting(others) => self.empty(&rung, &self.nothing_fitting(&others)),
            Said::Failed(failure) => {
                let no_head = matches!(failure.kind, StorageFailureKind::Absent | StorageFailureKind::AbsentOrForbidden);
                self.storage_failed(&rung, &failure);
                match legacy::may_be_read(&self.facts.settings, marks) {
                    Ok(true) if no_head => return Some(Rung::KongPlace(storage)),
                    Err(skipped) if no_head => self.skipped(&rung, &skipped),
                    Ok(_) | Err(_) => {}
                }
            }
        }
        None
    }

    fn nothing_fitting(&self, others: &[GatewayVersion]) -> String {
        let settings = &self.facts.settings;
        let others: Vec<String> = others.iter().map(ToString::to_string).collect();
        format!(
            "nothing was published for gateway version {} (rule '{}'); there is {}",
            settings.gateway_version,
            settings.version_rule,
            if others.is_empty() { "none at all".to_owned() } else { others.join(", ") }
        )
    }

    /// Station *fetch*: from the first storage that gives it whole.
    async fn fetch(&mut self, offer: &Offer, memory: &Memory) -> Option<Candidate<C>> {
        let settings = &self.facts.settings;
        let first = offer.storages.first().copied().unwrap_or_default();
        let rung = format!("{} generation {}", settings.storage_name(first), offer.entry.position());
        if let Err(skipped) = self.admit(offer, memory) {
            match matches!(skipped, Skipped::Quarantined(_)) {
                true => self.quarantined(&rung, &skipped),
                false => self.skipped(&rung, &skipped),
            }
            return None;
        }
        for storage in &offer.storages {
            let rung = format!("{} generation {}", settings.storage_name(*storage), offer.entry.position());
            let fetched = match self.caps.get(*storage, &offer.entry.key, offer.entry.file_bytes.min(FILE_BYTES_MAX)).await {
                Ok(fetched) => fetched,
                Err(failure) => {
                    self.storage_failed(&rung, &failure);
                    continue;
                }
            };
            match candidate::of_storage(self.caps, fetched.object, &offer.entry, offer.lineage, settings).await {
                Ok(candidate) => return Some(candidate),
                Err(skipped) => {
                    self.skipped_at(&rung, &offer.entry.key, &skipped);
                    if active(Mutant::StopsAtTheFirstBadSnapshot) {
                        self.rungs.clear();
                    }
                    // Only damage is one storage's own: everything else would be the same from another.
                    if !skipped.is_damage() {
                        break;
                    }
                }
            }
        }
        None
    }

    /// Marks, floor and quarantine, before anything is fetched for them.
    fn admit(&self, offer: &Offer, memory: &Memory) -> Result<(), Skipped> {
        if offer.by_token {
            return Ok(());
        }
        if let Some(shown) = offer.entry.shown.as_ref().filter(|shown| memory.attempts.quarantined(shown.digest)) {
            return Err(Skipped::Quarantined(shown.digest));
        }
        let position = offer.entry.position();
        self.floor.admit(position)?;
        match offer.pinned {
            true => Ok(()),
            false => memory.marks.admit(offer.lineage, &offer.gateway_version, position, &memory.attempts),
        }
    }

    /// Kong's documented place, where a node knows nothing better.
    async fn kong_place(&mut self, storage: StorageId) -> Option<Candidate<C>> {
        let settings = &self.facts.settings;
        let rung = format!("{} (Kong's config.json)", settings.storage_name(storage));
        let key = keys::kong_place(&settings.gateway_version);
        let fetched = match self.caps.get(storage, &key, CONFIG_BYTES_MAX as u64).await {
            Ok(fetched) => fetched,
            Err(failure) => {
                self.storage_failed(&rung, &failure);
                return None;
            }
        };
        match candidate::of_kong_place(self.caps, fetched.object, settings).await {
            Ok(candidate) => Some(candidate),
            Err(skipped) => {
                self.skipped(&rung, &skipped);
                None
            }
        }
    }

    async fn bundled(&mut self, memory: &Memory) -> Option<Candidate<C>> {
        let object = match self.caps.bundle().await {
            Ok(Some(object)) => object,
            Ok(None) => return None,
            Err(sentence) => {
                self.failed("bundle", "unreadable", &sentence);
                return None;
            }
        };
        let settings = &self.facts.settings;
        let candidate = candidate::of_bundle(self.caps, object, settings).await;
        match candidate.and_then(|candidate| admit_bundle(candidate, self.facts, memory)) {
            Ok(candidate) => Some(candidate),
            Err(skipped) => {
                self.skipped("bundle", &skipped);
                None
            }
        }
    }

    /// What was baked into the image is what a new node does not go below.
    async fn peek_bundle(&self) -> Option<Published> {
        let object = self.caps.bundle().await.ok()??;
        candidate::peek(&object, &self.facts.settings).await
    }

    /// A thousand nodes born in one second need not ask in one second, if the operator says so.
    async fn wait_for_the_herd(&mut self) {
        let jitter = self.facts.settings.first_fetch_jitter;
        if self.first_climb && !jitter.is_zero() {
            self.caps.sleep(backoff::within(jitter, self.caps.random()), Why::FirstFetch).await;
        }
        self.first_climb = false;
    }
}

fn admit_bundle<C: Importing>(candidate: Candidate<C>, facts: &Facts, memory: &Memory) -> Result<Candidate<C>, Skipped> {
    if let Some(published) = candidate.published() {
        if let Some(consumer) = memory.marks.lineage(&facts.settings).filter(|lineage| *lineage != published.lineage) {
            return Err(Skipped::ForeignLineage { producer: published.lineage, consumer });
        }
        memory.marks.admit(published.lineage, &published.gateway_version, published.position, &memory.attempts)?;
    }
    Ok(candidate)
}

/// What the rungs say.
impl<C: Importing> Ladder<'_, C> {
    fn storage_failed(&mut self, rung: &str, failure: &StorageFailure) {
        self.slow_down |= failure.kind == StorageFailureKind::SlowDown;
        self.retry_after = self.retry_after.max(failure.retry_after.unwrap_or_default());
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

    fn head_refused(&mut self, rung: &str, skipped: &Skipped) {
        let sentence = format!("{rung}: its head is not used: {skipped}");
        self.caps.emit(Event::alarm(Name::HeadRefused, format!("{sentence}.")).with("reason", skipped.reason()).with("rung", rung));
        self.said.push(sentence);
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
            Self::Marks => "marks",
            Self::Approval => "approval",
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
