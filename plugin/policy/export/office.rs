//! Who may publish (export-06). The lease is liveness: a leader renews it, and one that did not change for the expiry time on this
//! node's own monotonic clock is dead. Safety is the head: a new leader raises its epoch before it exports anything, and whoever
//! finds a higher epoch than its own there was succeeded.
//!
//! ```text
//!            lease free, CAS           head's epoch raised, CAS
//! standing by ─────────────► in office ───────────────────────► may publish ──► succeeded, or given up ──► standing by
//! ```

use std::time::Duration;

use super::located::{Fetched, Located, NotMoved, fetch, locate, move_head};
use super::state::{Copies, Seen, State, Tenure, left};
use super::{FIRST, located, soak};
use crate::model::{Digest, Epoch, Lineage};
use crate::mutants::{Mutant, active};
use crate::policy::backoff::millis;
use crate::policy::capabilities::{Etag, Swap};
use crate::policy::events::{Event, Name};
use crate::policy::{Exporting, Facts};
use crate::snapshot::head::Head;
use crate::snapshot::lease::{LEASE_BYTES_MAX, Lease};
use crate::snapshot::{Purpose, keys};

/// How often a new leader tries to raise the epoch of a head that moves under it.
const ROUNDS_MAX: u32 = 3;

/// Why this exporter is not in office.
pub(super) enum Denied {
    /// Somebody else leads, or may; the sentence says who.
    StandsBy(String),
    /// It could not be found out; a sentence.
    Unknown(String),
}

struct Read {
    lease: Option<Lease>,
    etag: Option<Etag>,
    file: Option<Digest>,
}

/// Takes, keeps or takes up again the office.
///
/// `may_succeed`: whether a leader that is dead may be followed. Without a control plane it is not: what it was about to publish may be
/// on its disk.
pub(super) async fn seek<C: Exporting>(caps: &C, facts: &Facts, state: &mut State, may_succeed: bool) -> Result<(), Denied> {
    if facts.settings.single_exporter {
        alone(caps, facts, state).await?;
    } else if state.is_to_resume() {
        resume(caps, facts, state, may_succeed).await?;
    } else if state.tenure.is_some() {
        keep(caps, facts, state).await?;
    } else {
        take(caps, facts, state, may_succeed).await?;
    }
    match &state.tenure {
        Some(tenure) if !tenure.raised => raise(caps, facts, state).await,
        Some(_) | None => Ok(()),
    }
}

/// Whether the lease was renewed recently enough to publish; renews it if not.
pub(super) async fn is_fresh<C: Exporting>(caps: &C, facts: &Facts, state: &mut State) -> Result<(), String> {
    if facts.settings.single_exporter || active(Mutant::PublishesWithoutRenewal) {
        return Ok(());
    }
    if is_recent(caps, facts, state) {
        return Ok(());
    }
    match renew(caps, facts, state).await {
        // It counts from when it was begun: an answer may have come late.
        Ok(()) if is_recent(caps, facts, state) => Ok(()),
        Ok(()) => Err("the lease could not be renewed in time".into()),
        Err(Denied::StandsBy(sentence) | Denied::Unknown(sentence)) => Err(sentence),
    }
}

fn is_recent<C: Exporting>(caps: &C, facts: &Facts, state: &State) -> bool {
    let age_max = millis(facts.settings.lease_expire / 2);
    state.tenure.as_ref().is_some_and(|tenure| !left(tenure.renewed_ms.saturating_add(age_max), caps.monotonic()).is_zero())
}

/// Gives the lease back, so that another may take it at once. That it could not is no harm: it expires.
pub(super) async fn give_up<C: Exporting>(caps: &C, facts: &Facts, state: &mut State, why: &str) {
    let Some(tenure) = state.tenure.take() else { return };
    state.lease = None;
    if !facts.settings.single_exporter
        && let Ok(Read { lease: Some(mut lease), etag, .. }) = read(caps, facts).await
        && tenure.is_named_by(&lease)
        && !lease.released
    {
        lease.released = true;
        lease.renewals += 1;
        lease.renewed_at = caps.now();
        // Whatever came of it: a lease that is not given back expires.
        let _released = write(caps, &lease, etag).await;
    }
    caps.emit(Event::info(Name::OfficeGivenUp, format!("This exporter gives its office up: {why}.")).with("epoch", tenure.epoch.0));
}

/// Station *locate*, for whoever is about to move the head: it bears this leader's epoch, or there is none. `Err` is a sentence.
pub(super) async fn own_head<C: Exporting>(caps: &C, facts: &Facts, state: &mut State) -> Result<Located, String> {
    let located = locate(caps, facts, FIRST).await?;
    let Some(head) = &located.head else { return Ok(located) };
    if let Some(sentence) = succeeded(caps, state, head.epoch, &head.writer) {
        return Err(sentence);
    }
    let Some(tenure) = &mut state.tenure else { return Err("this exporter is not in office".into()) };
    if head.epoch != tenure.epoch && !active(Mutant::DoesNotRaiseTheEpoch) {
        // It could not be seen when this exporter took office.
        tenure.raised = false;
        return Err("the head does not bear this leader's epoch yet".into());
    }
    Ok(located)
}

/// A head with a higher epoch than this leader's: it was succeeded, and what it wanted to publish is not its to publish any more.
fn succeeded<C: Exporting>(caps: &C, state: &mut State, epoch: Epoch, by: &str) -> Option<String> {
    let own = state.tenure.as_ref()?.epoch;
    if own >= epoch || active(Mutant::WritesAlthoughSucceeded) {
        return None;
    }
    let sentence = format!("another exporter ('{by}', epoch {}) took office after this one (epoch {})", epoch.0, own.0);
    lose(caps, state, &sentence, "succeeded");
    state.deposed = Some(sentence.clone());
    Some(sentence)
}

fn lose<C: Exporting>(caps: &C, state: &mut State, sentence: &str, reason: &'static str) {
    state.tenure = None;
    state.soak = None;
    state.copies = None;
    state.lease = None;
    caps.emit(Event::warning(Name::OfficeLost, format!("This exporter stands by from here on: {sentence}.")).with("reason", reason));
}

/// The operator says that there is no other: no lease, but an epoch of its own all the same.
async fn alone<C: Exporting>(caps: &C, facts: &Facts, state: &mut State) -> Result<(), Denied> {
    if let Some(deposed) = &state.deposed {
        return Err(Denied::StandsBy(format!("{deposed}, although holdover_single_exporter = on: switch that off where several export")));
    }
    if state.tenure.is_some() && !state.is_to_resume() {
        return Ok(());
    }
    let Located { head, .. } = locate(caps, facts, FIRST).await.map_err(Denied::Unknown)?;
    let latest = head.map(|head| head.epoch).unwrap_or_default();
    match &state.tenure {
        Some(tenure) if tenure.epoch >= latest => state.taken_up(),
        Some(_) | None => enter(caps, facts, state, latest.next(), caps.monotonic()),
    }
    Ok(())
}

/// What an earlier process of this exporter held is taken up again, if nobody took it meanwhile (export-11).
async fn resume<C: Exporting>(caps: &C, facts: &Facts, state: &mut State, may_succeed: bool) -> Result<(), Denied> {
    let Some(earlier) = state.tenure.clone() else { return Ok(()) };
    let began = caps.monotonic();
    let Read { lease, etag, .. } = read(caps, facts).await.map_err(Denied::Unknown)?;
    let still_ours = lease.filter(|lease| earlier.is_named_by(lease));
    let taken_up = match still_ours {
        None => active(Mutant::ResumesAnyTenure),
        Some(mut lease) => {
            lease.holder = facts.settings.node.clone();
            matches!(renewed(caps, lease, etag).await?, Swap::Swapped)
        }
    };
    if !taken_up {
        state.tenure = None;
        return take(caps, facts, state, may_succeed).await;
    }
    caps.emit(
        Event::info(Name::OfficeTaken, "This exporter takes up the office that it held before it ended.").with("epoch", earlier.epoch.0),
    );
    state.taken_up();
    state.tenure = Some(Tenure { renewed_ms: millis(began), ..earlier });
    Ok(())
}

/// When the lease is to be renewed.
pub(super) fn until_renewal(tenure: &Tenure, facts: &Facts, now: Duration) -> Duration {
    let due_ms = tenure.renewed_ms.saturating_add(millis(facts.settings.lease_renew));
    left(due_ms.max(tenure.retry_ms), now)
}

/// In office already: the lease is renewed when it is time.
async fn keep<C: Exporting>(caps: &C, facts: &Facts, state: &mut State) -> Result<(), Denied> {
    let now = caps.monotonic();
    if let Some(tenure) = &mut state.tenure {
        if !until_renewal(tenure, facts, now).is_zero() {
            return Ok(());
        }
        tenure.retry_ms = millis(now.saturating_add(facts.settings.lease_renew / 4));
    }
    match renew(caps, facts, state).await {
        // Not renewed, and not lost either: whether it may still publish, the age of the last renewal says.
        Err(Denied::Unknown(sentence)) => {
            say_once(caps, state, Name::LeaseNotRenewed, &format!("The lease could not be renewed: {sentence}."));
            Ok(())
        }
        other => {
            state.said = None;
            other
        }
    }
}

async fn renew<C: Exporting>(caps: &C, facts: &Facts, state: &mut State) -> Result<(), Denied> {
    let Some(tenure) = state.tenure.clone() else { return Err(Denied::Unknown("there is no office to keep".into())) };
    let began = caps.monotonic();
    let Read { lease, etag, .. } = read(caps, facts).await.map_err(Denied::Unknown)?;
    let lease = match lease {
        Some(lease) if tenure.is_named_by(&lease) => lease,
        Some(lease) => {
            let sentence = format!("'{}' holds the lease (epoch {})", lease.holder, lease.epoch.0);
            lose(caps, state, &sentence, "lease-taken");
            return Err(Denied::StandsBy(sentence));
        }
        // Somebody removed it. The office is where the epoch is.
        None => Lease::first(
            facts.settings.cluster.clone(),
            lineage(caps, facts).await.map_err(Denied::Unknown)?,
            tenure.epoch,
            facts.settings.node.clone(),
            tenure.process,
        ),
    };
    match renewed(caps, lease, etag).await? {
        Swap::Swapped => {
            state.tenure = Some(Tenure { renewed_ms: millis(began), ..tenure });
            Ok(())
        }
        Swap::Stale => Err(Denied::Unknown("somebody else wrote the lease meanwhile".into())),
    }
}

/// Takes a lease that is free, and watches one that is not.
async fn take<C: Exporting>(caps: &C, facts: &Facts, state: &mut State, may_succeed: bool) -> Result<(), Denied> {
    let began = caps.monotonic();
    let Read { lease, etag, file } = read(caps, facts).await.map_err(Denied::Unknown)?;
    if let (Some(lease), Some(file)) = (&lease, file)
        && !is_free(caps, facts, state, lease, file)
    {
        return Err(Denied::StandsBy(format!("'{}' leads (epoch {})", lease.holder, lease.epoch.0)));
    }
    if let Some(lease) = lease.as_ref().filter(|lease| !lease.released && !may_succeed) {
        return Err(Denied::StandsBy(format!("'{}' led (epoch {}), and this exporter has no control plane", lease.holder, lease.epoch.0)));
    }
    let Located { head, .. } = locate(caps, facts, FIRST).await.map_err(Denied::Unknown)?;
    let leased = lease.as_ref().map(|lease| lease.epoch).unwrap_or_default();
    let epoch = leased.max(head.as_ref().map(|head| head.epoch).unwrap_or_default()).next();
    let lineage = match (&head, &lease) {
        (Some(head), _) => head.lineage,
        (None, Some(lease)) => lease.lineage,
        (None, None) => Lineage::from_random(caps.random(), caps.random()),
    };
    let taken = Lease::first(facts.settings.cluster.clone(), lineage, epoch, facts.settings.node.clone(), facts.process);
    match renewed(caps, taken, etag).await? {
        Swap::Swapped => {
            enter(caps, facts, state, epoch, began);
            Ok(())
        }
        Swap::Stale => Err(Denied::StandsBy("another exporter was faster to take the lease".into())),
    }
}

fn enter<C: Exporting>(caps: &C, facts: &Facts, state: &mut State, epoch: Epoch, began: Duration) {
    state.taken_up();
    state.lease = None;
    state.published = None;
    state.resumed = false;
    state.tenure = Some(Tenure {
        epoch,
        process: facts.process,
        renewed_ms: millis(began),
        retry_ms: 0,
        after_session: None,
        raised: false,
        refreshed: false,
    });
    caps.emit(Event::info(Name::OfficeTaken, "This exporter leads.").with("epoch", epoch.0));
}

/// Free is what was given back, and what did not change for the expiry time while this node watched.
fn is_free<C: Exporting>(caps: &C, facts: &Facts, state: &mut State, lease: &Lease, file: Digest) -> bool {
    if lease.released || active(Mutant::TakesALivingLease) {
        return true;
    }
    let now = caps.monotonic();
    match &state.lease {
        Some(seen) if seen.file == file => left(seen.since_ms.saturating_add(millis(facts.settings.lease_expire)), now).is_zero(),
        Some(_) | None => {
            state.lease = Some(Seen { file, since_ms: millis(now) });
            false
        }
    }
}

/// The head bears this leader's epoch before anything else is written: earlier writers fail from here on.
async fn raise<C: Exporting>(caps: &C, facts: &Facts, state: &mut State) -> Result<(), Denied> {
    for _ in 0..ROUNDS_MAX {
        let Some(epoch) = state.tenure.as_ref().map(|tenure| tenure.epoch) else { break };
        let Located { head, etag } = locate(caps, facts, FIRST).await.map_err(Denied::Unknown)?;
        let Some(mut head) = head else {
            // The first publication makes it, with this epoch.
            raised(caps, facts, state, None);
            return Ok(());
        };
        if let Some(sentence) = succeeded(caps, state, head.epoch, &head.writer) {
            return Err(Denied::StandsBy(sentence));
        }
        if head.epoch == epoch || active(Mutant::DoesNotRaiseTheEpoch) {
            raised(caps, facts, state, Some(&head));
            return Ok(());
        }
        head.epoch = epoch;
        match move_head(caps, facts, head.clone(), etag).await {
            Ok(()) => {
                raised(caps, facts, state, Some(&head));
                return Ok(());
            }
            Err(NotMoved::Stale) => {}
            Err(NotMoved::Failed(sentence)) => return Err(Denied::Unknown(sentence)),
        }
    }
    Err(Denied::Unknown("the head moved under every try to raise its epoch".into()))
}

/// A new leader goes on with what it finds: a candidate that soaks, and copies that may be behind.
fn raised<C: Exporting>(caps: &C, facts: &Facts, state: &mut State, head: Option<&Head>) {
    if let Some(tenure) = &mut state.tenure {
        tenure.raised = true;
    }
    if let Some(head) = head {
        soak::take_over(caps, facts, state, head);
        state.copies = Some(Copies::default());
    }
}

async fn read<C: Exporting>(caps: &C, facts: &Facts) -> Result<Read, String> {
    let Some(Fetched { file, etag }) = fetch(caps, FIRST, keys::LEASE, LEASE_BYTES_MAX).await? else {
        return Ok(Read { lease: None, etag: None, file: None });
    };
    let lease =
        Lease::read(&file, &facts.settings.trusted).map_err(|refusal| format!("the lease in the storage is not believed: {refusal}"))?;
    if lease.cluster != facts.settings.cluster {
        return Err(located::of_another_cluster(&lease.cluster, facts));
    }
    Ok(Read { lease: Some(lease), etag, file: Some(Digest::of(&file)) })
}

/// Every renewal changes the body: that is what keeps a leader alive.
async fn renewed<C: Exporting>(caps: &C, mut lease: Lease, etag: Option<Etag>) -> Result<Swap, Denied> {
    lease.renewals += 1;
    lease.renewed_at = caps.now();
    lease.released = false;
    // An answer that was lost is found out by the next look.
    write(caps, &lease, etag).await.map_err(Denied::Unknown)
}

async fn write<C: Exporting>(caps: &C, lease: &Lease, etag: Option<Etag>) -> Result<Swap, String> {
    let lines = lease.lines()?;
    let signatures = caps.sign(Purpose::Lease, lines.digest()).await?;
    caps.swap(FIRST, keys::LEASE, etag.as_ref(), lines.sign(&signatures)).await.map_err(|failure| failure.detail)
}

async fn lineage<C: Exporting>(caps: &C, facts: &Facts) -> Result<Lineage, String> {
    let Located { head, .. } = locate(caps, facts, FIRST).await?;
    Ok(head.map_or_else(|| Lineage::from_random(caps.random(), caps.random()), |head| head.lineage))
}

/// The same trouble is said once, however often it is met.
pub(super) fn say_once<C: Exporting>(caps: &C, state: &mut State, name: Name, sentence: &str) {
    if state.said.as_deref() != Some(sentence) {
        caps.emit(Event::alarm(name, sentence.to_owned()));
        state.said = Some(sentence.to_owned());
    }
}
