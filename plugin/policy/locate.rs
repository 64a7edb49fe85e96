//! Station *locate*: all storages are asked for their heads at once; the highest of one lineage says what there is (export-15).
//!
//! ```text
//! heads ─ verified? ─ this cluster? ─ one lineage? ─ not too old? ─► the highest's generations, each with the storages that have it
//! ```
//!
//! A storage that is slow, away or lagging lowers nothing that another one shows. Two lineages are two stories: unless this node
//! knows its own, it takes neither.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::break_glass::Glass;
use super::candidate::{self, Skipped};
use super::capabilities::{Clock, Fetched, StorageFailure, StorageId, StorageRead};
use super::events::{Event, Name, Why};
use super::{Facts, Importing, OnStale, Settings};
use crate::model::{GatewayVersion, Lineage, UnixMs};
use crate::mutants::{Mutant, active};
use crate::snapshot::head::{Entry, HEAD_BYTES_MAX, Head, View};
use crate::snapshot::keys;

/// How long the other storages may still take once one has answered.
const OTHER_HEADS: Duration = Duration::from_secs(2);

/// One generation, and where it can be fetched.
#[derive(Clone, Debug)]
pub struct Offer {
    pub entry: Entry,
    pub lineage: Lineage,
    pub gateway_version: GatewayVersion,
    /// In the settings' order; at least one.
    pub storages: Vec<StorageId>,
    pub pinned: bool,
    /// An operator's token names it.
    pub by_token: bool,
}

/// What the storages answered.
pub struct Located {
    /// In the order they are to be tried.
    pub offers: Vec<Offer>,
    pub answers: Vec<Answer>,
    /// Whether any storage has a head, believed or not.
    pub has_head: bool,
}

/// One storage's answer, when it is not part of the offers.
pub struct Answer {
    pub storage: StorageId,
    pub said: Said,
}

pub enum Said {
    /// It did not give a head.
    Failed(StorageFailure),
    /// It did not answer as soon as another.
    Slow,
    /// Its head is not believed.
    Unbelievable(Skipped),
    /// It has nothing for gateways like this node's; there is this.
    NothingFitting(Vec<GatewayVersion>),
}

struct Found {
    storage: StorageId,
    head: Head,
}

pub async fn locate<C: Importing>(
    caps: &C,
    facts: &Facts,
    wanted: Option<Lineage>,
    glass: impl FnOnce(UnixMs) -> Glass,
) -> (Located, Glass) {
    let settings = &facts.settings;
    let (mut found, mut answers) = (Vec::new(), Vec::new());
    let heads = heads(caps, settings.storages.len()).await;
    let mut now = caps.now();
    let has_head = heads.iter().flatten().any(Result::is_ok);
    for fetched in heads.iter().flatten().flatten() {
        now = now.max(fetched.date.unwrap_or_default());
    }
    for (storage, answer) in (0..).zip(heads) {
        let said = match answer {
            None => Said::Slow,
            Some(Err(failure)) => Said::Failed(failure),
            Some(Ok(fetched)) => match believe(caps, &fetched, storage, settings, now).await {
                Ok(head) => {
                    found.push(Found { storage, head });
                    continue;
                }
                Err(skipped) => Said::Unbelievable(skipped),
            },
        };
        answers.push(Answer { storage, said });
    }
    let glass = glass(now);
    let by_token = by_token(&found, &glass);
    let found = of_one_lineage(caps, settings, found, wanted, &mut answers);
    let mut offers = offers(settings, &found, &mut answers);
    offers.splice(0..0, by_token);
    (Located { offers, answers, has_head }, glass)
}

type Asked<O> = Option<Result<Fetched<O>, StorageFailure>>;

/// Every storage's head, or `None` for those that were not as quick.
async fn heads<C: StorageRead + Clock>(caps: &C, storages: usize) -> Vec<Asked<C::Object>> {
    let ids = 0..StorageId::try_from(storages).unwrap_or(StorageId::MAX);
    let mut asked: Vec<_> = ids.map(|storage| Some(Box::pin(caps.get(storage, keys::HEAD, HEAD_BYTES_MAX)))).collect();
    let mut answers: Vec<Asked<C::Object>> = asked.iter().map(|_| None).collect();
    let mut patience = pin!(None);
    poll_fn(|context| {
        for (slot, answer) in asked.iter_mut().zip(&mut answers) {
            let Some(asking) = slot else { continue };
            if let Poll::Ready(ready) = asking.as_mut().poll(context) {
                (*slot, *answer) = (None, Some(ready));
            }
        }
        if asked.iter().all(Option::is_none) {
            return Poll::Ready(());
        }
        if answers.iter().flatten().any(Result::is_ok) && patience.is_none() {
            patience.set(Some(caps.sleep(OTHER_HEADS, Why::OtherHeads)));
        }
        match patience.as_mut().as_pin_mut() {
            Some(patience) => patience.poll(context),
            None => Poll::Pending,
        }
    })
    .await;
    drop(asked);
    answers
}

/// Seal, cluster and age of a head.
async fn believe<C: Importing>(
    caps: &C,
    fetched: &Fetched<C::Object>,
    storage: StorageId,
    settings: &Settings,
    now: UnixMs,
) -> Result<Head, Skipped> {
    let bytes = candidate::read_body(&fetched.object).await.map_err(Skipped::Unread)?;
    let head = Head::read(&bytes, &settings.trusted).map_err(Skipped::Refused)?;
    if head.cluster != settings.cluster {
        return Err(Skipped::ForeignCluster { producer: head.cluster, consumer: settings.cluster.clone() });
    }
    judge_age(caps, &settings.storage_name(storage), &head, settings, now)?;
    Ok(head)
}

/// Age counts from the last confirmation, by the later of our clock and the storages' (boot-13).
fn judge_age<C: Importing>(caps: &C, rung: &str, head: &Head, settings: &Settings, now: UnixMs) -> Result<(), Skipped> {
    if head.confirmed_at > now {
        let sentence = format!("{rung}: its head was confirmed in the future: the clock of this node or of the backup node is wrong.");
        caps.emit(Event::warning(Name::Stale, sentence));
    }
    let age = now.since(head.confirmed_at);
    let too_old = age > settings.head_age_max;
    if too_old && settings.on_stale == OnStale::Refuse && !active(Mutant::IgnoresStaleness) {
        return Err(Skipped::Stale { age_s: age.as_secs() });
    }
    if age > settings.staleness_warn {
        let hours = age.as_secs() / 3600;
        let sentence =
            format!("{rung}: its head was last confirmed {hours} h ago: the backup node or its control plane has been silent since.");
        let event = if too_old { Event::alarm(Name::Stale, sentence) } else { Event::warning(Name::Stale, sentence) };
        caps.emit(event.with("age_s", age.as_secs()));
    }
    Ok(())
}

/// What an operator's token names, wherever it is.
fn by_token(found: &[Found], glass: &Glass) -> Vec<Offer> {
    let mut offers: Vec<Offer> = Vec::new();
    for Found { storage, head } in found.iter().filter(|found| glass.is_for_lineage(found.head.lineage)) {
        for (version, view) in &head.views {
            for entry in view.history.iter().filter(|entry| glass.allows(head.lineage, version, entry.file_digest)) {
                match offers.first_mut() {
                    Some(offer) => offer.storages.push(*storage),
                    None => offers.push(Offer { by_token: true, ..Offer::new(*storage, head, version, entry) }),
                }
            }
        }
    }
    offers
}

/// The heads of the wanted lineage, or of the only one there is.
fn of_one_lineage<C: Importing>(
    caps: &C,
    settings: &Settings,
    found: Vec<Found>,
    wanted: Option<Lineage>,
    answers: &mut Vec<Answer>,
) -> Vec<Found> {
    if active(Mutant::TakesAnyLineage) {
        return found;
    }
    let mut lineages: BTreeMap<Lineage, Vec<String>> = BTreeMap::new();
    for Found { storage, head } in &found {
        lineages.entry(head.lineage).or_default().push(settings.storage_name(*storage));
    }
    let Some(consumer) = wanted.or_else(|| lineages.keys().next().copied().filter(|_| lineages.len() == 1)) else {
        if !lineages.is_empty() {
            caps.emit(two_lineages(&lineages));
        }
        answers.extend(found.into_iter().map(|Found { storage, head }| {
            let others = lineages.keys().copied().filter(|lineage| *lineage != head.lineage).collect();
            let skipped = Skipped::SeveralLineages { lineage: head.lineage, others };
            Answer { storage, said: Said::Unbelievable(skipped) }
        }));
        return Vec::new();
    };
    let (ours, others): (Vec<Found>, Vec<Found>) = found.into_iter().partition(|found| found.head.lineage == consumer);
    answers.extend(others.into_iter().map(|Found { storage, head }| {
        let skipped = Skipped::ForeignLineage { producer: head.lineage, consumer };
        Answer { storage, said: Said::Unbelievable(skipped) }
    }));
    ours
}

fn two_lineages(lineages: &BTreeMap<Lineage, Vec<String>>) -> Event {
    let named: Vec<String> = lineages.iter().map(|(lineage, storages)| format!("{lineage} in {}", storages.join(", "))).collect();
    let sentence = format!(
        "The storages hold {} lineages, and this new node takes neither: {}. Remove the wrong one from cluster_fallback_config_storage, or \
         set holdover_accept_lineage to the right one.",
        lineages.len(),
        named.join("; ")
    );
    Event::alarm(Name::TwoLineages, sentence)
}

/// The highest head leads: its good generation and what stands behind it, wherever each can be fetched.
fn offers(settings: &Settings, found: &[Found], answers: &mut Vec<Answer>) -> Vec<Offer> {
    for Found { storage, head } in found {
        if !head.views.keys().any(|version| candidate::accepts(settings, version)) {
            let others = head.views.keys().cloned().collect();
            answers.push(Answer { storage: *storage, said: Said::NothingFitting(others) });
        }
    }
    let mut versions: Vec<&GatewayVersion> =
        found.iter().flat_map(|found| found.head.views.keys()).filter(|version| candidate::accepts(settings, version)).collect();
    // The nearest first: the very same, then the newest of the older ones.
    versions.sort_by_key(|version| std::cmp::Reverse((**version == settings.gateway_version, version.numbers())));
    versions.dedup();
    versions.into_iter().flat_map(|version| of_version(found, version)).collect()
}

fn of_version(found: &[Found], version: &GatewayVersion) -> Vec<Offer> {
    let views: Vec<(&Found, &View)> = found.iter().filter_map(|found| Some((found, found.head.views.get(version)?))).collect();
    let Some((leading, view)) = views.iter().max_by_key(|(found, _)| (found.head.position(), found.head.confirmed_at)) else {
        return Vec::new();
    };
    let offer = |from: &Found, entry: &Entry| Offer {
        storages: holders(&views, entry),
        pinned: Some(entry.position()) == view.pinned,
        ..Offer::new(from.storage, &from.head, version, entry)
    };
    let mut offers: Vec<Offer> = view.offered().map(|entry| offer(leading, entry)).collect();
    // What the leading head has let go of may still stand elsewhere: behind everything else.
    let mut elsewhere: Vec<Offer> = Vec::new();
    for (found, other) in &views {
        for entry in other.offered().filter(|entry| Some(entry.position()) <= view.good) {
            if !offers.iter().chain(&elsewhere).any(|offer| offer.entry.file_digest == entry.file_digest) {
                elsewhere.push(offer(found, entry));
            }
        }
    }
    elsewhere.sort_by_key(|offer| std::cmp::Reverse(offer.entry.position()));
    offers.extend(elsewhere);
    offers
}

fn holders(views: &[(&Found, &View)], entry: &Entry) -> Vec<StorageId> {
    let has = |view: &View| view.history.iter().any(|held| held.file_digest == entry.file_digest && held.key == entry.key);
    views.iter().filter(|(_, view)| has(view)).map(|(found, _)| found.storage).collect()
}

impl Offer {
    fn new(storage: StorageId, head: &Head, version: &GatewayVersion, entry: &Entry) -> Self {
        Self {
            entry: entry.clone(),
            lineage: head.lineage,
            gateway_version: version.clone(),
            storages: vec![storage],
            pinned: false,
            by_token: false,
        }
    }
}

impl Settings {
    pub(super) fn storage_name(&self, storage: StorageId) -> String {
        let name = self.storages.get(storage as usize);
        format!("storage {}", name.map_or("unknown", String::as_str))
    }
}
