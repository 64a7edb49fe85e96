//! Keeps a control plane that comes back without its memory from taking away what is served (boot-14).
//!
//! ```text
//! delivery ─┬─ not returning, or takes nothing away ──────────────────────► applied
//!           ├─ takes much away, holdover_rejoin_guard = empty ────────────► applied, alarmed
//!           └─ empty, or takes much away with shrink ─► held ─┬─ approved ─► applied
//!                        ▲                                    ├─ by three sessions over ten minutes ─► applied
//!                        └── asked again every four minutes ──┘
//! ```
//! Only a *returning* control plane is doubted: what is served came from somewhere else, or from an earlier session than this one. In
//! a session that was never lost, a configuration that empties is what the control plane says, and is applied. Compares numbers;
//! knows no entity.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::backoff::{millis, within};
use super::candidate;
use super::capabilities::{Cache, Events, Slot};
use super::events::{Event, Name};
use super::guard::{self, Counted, Objection};
use super::state::{Due, State};
use super::{Facts, Importing, Origin, RejoinGuard};
use crate::config::Proof;
use crate::model::{Digest, UnixMs};
use crate::mutants::{Mutant, active};
use crate::snapshot::cached::{self, Found};
use crate::snapshot::{Refusal, read_own_lines, write_own_lines};

/// So often, over so long a time, the same must be delivered to be believed.
const DELIVERIES_TO_RELEASE: u32 = 3;
const DELIVERED_FOR: Duration = Duration::from_secs(10 * 60);
/// A control plane delivers on a change or on a session's beginning, so it is asked anew. Spread, for a whole cluster holds at once.
const REFRESH_MIN: Duration = Duration::from_secs(210);
const REFRESH_SPREAD: Duration = Duration::from_secs(60);
/// How soon an operator's approval is seen.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(10);

/// The operator's word on what is held: a file in the node's cache, used once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approved {
    /// Of the configuration that may be applied.
    pub sameness: String,
    pub by: String,
    pub at: UnixMs,
    pub why: String,
}

/// What is held, as the state remembers it. The configuration itself stays with the control plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    sameness: String,
    deliveries: u32,
    /// The session that delivered it last: what an episode that was lost owes is judged again, and was delivered once.
    session: u64,
    /// Of this process's monotonic clock.
    first_at_ms: u64,
    /// The sameness of an approval that was reported and cannot release this.
    passed_over: Option<String>,
}

/// What becomes of a delivery.
pub(super) enum Admission {
    Taken,
    /// It is applied, and somebody should know what went away.
    TakenWithLosses(String),
    /// What is served goes on being served.
    Held(String),
}

enum Loss {
    Everything,
    Much(String),
}

impl Approved {
    /// The file as it stands in the cache.
    pub fn write(&self) -> Result<Vec<u8>, String> {
        write_own_lines(self)
    }

    pub fn read(file: &[u8]) -> Result<Self, Refusal> {
        read_own_lines(file)
    }
}

/// Judges what session number `session` delivered, which is not what is served.
pub(super) async fn admit<C: Importing>(caps: &C, facts: &Facts, state: &mut State, session: u64, proof: &Proof) -> Admission {
    let loss = loss(caps, facts, state, session, proof).await;
    let (reason, what) = match (loss, facts.settings.rejoin_guard) {
        (None, _) | (_, RejoinGuard::Off) => {
            forget(caps, state);
            return Admission::Taken;
        }
        (Some(Loss::Much(losses)), RejoinGuard::Empty) => {
            forget(caps, state);
            return Admission::TakenWithLosses(losses);
        }
        (Some(Loss::Everything), RejoinGuard::Empty | RejoinGuard::Shrink) => ("empty", "with nothing in it".to_owned()),
        (Some(Loss::Much(losses)), RejoinGuard::Shrink) => ("shrink", format!("from which much is gone: {losses}")),
    };
    let mut held = state.held.take().filter(|held| held.sameness == proof.sameness()).unwrap_or_else(|| Held {
        sameness: proof.sameness().to_owned(),
        deliveries: 0,
        session: 0,
        first_at_ms: millis(caps.monotonic()),
        passed_over: None,
    });
    held.deliveries += u32::from(held.session != session);
    held.session = session;
    if held.is_released(caps).await {
        forget(caps, state);
        return Admission::Taken;
    }
    let sentence = format!(
        "The control plane is back with a configuration {what}. It is held, and what is served goes on being served, until an operator \
         approves it or it was delivered {DELIVERIES_TO_RELEASE} times over {} minutes",
        DELIVERED_FOR.as_secs() / 60
    );
    caps.emit(
        Event::alarm(Name::RejoinHeld, format!("{sentence}."))
            .with("reason", reason)
            .with("sameness", &held.sameness)
            .with("deliveries", held.deliveries),
    );
    state.held = Some(held);
    ask_later(caps, state);
    Admission::Held(sentence)
}

/// What was held is not what the control plane says any more, or is released.
pub(super) fn forget<C: Importing>(caps: &C, state: &mut State) {
    state.held = None;
    state.set(Due::Refresh, caps, None);
}

/// Whether the control plane is to be asked anew now. It is asked again later, whatever becomes of that.
pub(super) fn is_refresh_due<C: Importing>(caps: &C, state: &mut State) -> bool {
    let due = state.until(Due::Refresh, caps).is_some_and(|left| left.is_zero());
    if due {
        ask_later(caps, state);
    }
    due
}

/// Whether an operator approved what is held. The approval is used up only when the configuration is in hand.
pub(super) async fn is_approved<C: Importing>(caps: &C, state: &mut State) -> bool {
    match &mut state.held {
        Some(held) => held.approval(caps).await.is_some_and(|approved| held.passed_over.as_ref() != Some(&approved.sameness)),
        None => false,
    }
}

fn ask_later<C: Importing>(caps: &C, state: &mut State) {
    state.set(Due::Refresh, caps, Some(REFRESH_MIN + within(REFRESH_SPREAD, caps.random())));
}

/// What a returning control plane takes away; `None` for any other. Without a cache, only emptiness can be judged.
async fn loss<C: Importing>(caps: &C, facts: &Facts, state: &State, session: u64, proof: &Proof) -> Option<Loss> {
    let serving = facts.serving.as_ref()?;
    let returning = serving.origin != Origin::ControlPlane || state.session != session;
    if !returning || facts.settings.rejoin_guard == RejoinGuard::Off || active(Mutant::RejoinsEmpty) {
        return None;
    }
    let before = found_of_served(caps, serving.digest).await;
    let before = before.as_ref().map(Found::proof);
    if proof.configures_nothing() {
        return before.is_none_or(|before| !before.configures_nothing()).then_some(Loss::Everything);
    }
    let counted = |proof| Counted { counts: Proof::counts(proof), bytes: None };
    let mut objections = guard::judge(&counted(before?), &counted(proof), &facts.settings.guard);
    objections.retain(Objection::is_loss);
    (!objections.is_empty()).then(|| Loss::Much(guard::sentence(&objections)))
}

async fn found_of_served<C: Importing>(caps: &C, served: Digest) -> Option<Found> {
    let entry = caps.read(Slot::Applied).await.ok()??;
    let file = candidate::read_body(&entry).await.ok()?;
    let found = cached::unwrap(&file).ok()?.header.found;
    (found.digest() == served).then_some(found)
}

impl Held {
    async fn is_released<C: Importing>(&mut self, caps: &C) -> bool {
        let released = |sentence: String, by: &str, sameness: &str| {
            let event = Event::warning(Name::RejoinReleased, format!("What the rejoin guard held is applied: {sentence}."));
            caps.emit(event.with("by", by).with("sameness", sameness));
        };
        if let Some(approved) = self.approval(caps).await {
            match caps.set_aside(Slot::Approval, "used").await {
                Ok(()) => {
                    released(format!("'{}' approved it, because: {}", approved.by, approved.why), "approval", &self.sameness);
                    return true;
                }
                // It could be used again, so it is not used at all.
                Err(failure) => self.pass_over(caps, approved, &format!("it cannot be set aside: {failure}")),
            }
        }
        let for_ms = millis(caps.monotonic()).saturating_sub(self.first_at_ms);
        let persistent = self.deliveries >= DELIVERIES_TO_RELEASE && for_ms >= millis(DELIVERED_FOR);
        if persistent {
            let sentence = format!("the control plane delivered it {} times in {} minutes", self.deliveries, for_ms / 60_000);
            released(sentence, "deliveries", &self.sameness);
        }
        persistent
    }

    /// The operator's word, if it is about this. One on something else stays where it is.
    async fn approval<C: Cache + Events>(&mut self, caps: &C) -> Option<Approved> {
        let read = match caps.read(Slot::Approval).await {
            Ok(None) => return None,
            Ok(Some(object)) => candidate::read_body(&object).await,
            Err(sentence) => Err(sentence),
        };
        match read.and_then(|bytes| Approved::read(&bytes).map_err(|refusal| refusal.to_string())) {
            Ok(approved) if approved.sameness == self.sameness => Some(approved),
            Ok(other) => {
                self.pass_over(caps, other, "something else is held");
                None
            }
            Err(sentence) => {
                candidate::set_aside(caps, Slot::Approval, "unreadable", &sentence).await;
                None
            }
        }
    }

    fn pass_over<C: Events>(&mut self, caps: &C, approved: Approved, why: &str) {
        if self.passed_over.as_ref() != Some(&approved.sameness) {
            let sentence = format!("The approval by '{}' releases nothing: {why}.", approved.by);
            caps.emit(
                Event::warning(Name::RejoinHeld, sentence)
                    .with("reason", "approval-not-used")
                    .with("sameness", &self.sameness)
                    .with("approved", &approved.sameness),
            );
            self.passed_over = Some(approved.sameness);
        }
    }
}
