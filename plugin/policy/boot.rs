//! How a node gets its first configuration, and how it gets back to its control plane.
//!
//! The control plane comes first (boot-01); the ladder is climbed only once it is given up (boot-02) and only until the first
//! configuration is applied (boot-04); the attempt to reach the control plane runs on beside the ladder (boot-05) and for ever
//! after (boot-11). Knows rungs and times; knows no storage and no gateway.

use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{Either, select};

use super::capabilities::{Clock, Unanswered};
use super::events::{Event, Name, Why};
use super::ladder::{Ladder, Memory, Next, Reach};
use super::marks::Marks;
use super::outage::{self, Board, Dialled};
use super::quarantine::Attempts;
use super::state::{Due, State, Unused};
use super::takeover::{self, Applied};
use super::{Facts, Importing, OnRefusal, Outcome, Standing, backoff, rejoin};
use crate::mutants::{Mutant, active, misbehave};

/// A process begins. Whatever an earlier one had planned is void.
pub async fn boot<C: Importing>(caps: &C, facts: &Facts) -> Outcome {
    let mut state = State::beginning(facts.process);
    let settings = &facts.settings;
    caps.emit(
        Event::info(Name::BootStarted, "The node begins: the control plane is asked first.")
            .with("cluster", &settings.cluster)
            .with("gateway_version", &settings.gateway_version),
    );
    let board = Board::default();
    let mut dialling = Dialling { future: pin!(outage::dial(caps, settings.give_up, &board)), ended: false };
    let early = match active(Mutant::StorageBeforeControlPlane) {
        true => Early::GivenUp,
        false => first_or_given_up(caps, settings.give_up, &mut dialling, &board).await,
    };
    match early {
        Early::Delivered(config) => match takeover::receive(caps, facts, &mut state, config, opened(facts)).await {
            Applied::Runs(serving) => return takeover::outcome(caps, state, serving),
            // A control plane whose configuration cannot run leaves the node where an outage would.
            Applied::NotThis(_) | Applied::NotNow(_) => {}
        },
        Early::Refused(unanswered) => refused(caps, facts, &mut state, &unanswered),
        Early::GivenUp => {
            board.give_up();
            caps.emit(outage::given_up(board.last(), settings.give_up));
        }
    }
    climb(caps, facts, state, &mut dialling, Duration::ZERO).await
}

/// The control plane delivered.
pub async fn received<C: Importing>(caps: &C, facts: &Facts, state: State, config: C::Config) -> Outcome {
    received_in(caps, facts, state, config, facts.session).await
}

async fn received_in<C: Importing>(caps: &C, facts: &Facts, mut state: State, config: C::Config, session: u64) -> Outcome {
    let applied = takeover::receive(caps, facts, &mut state, config, session).await;
    let is_lost = session == facts.session && !facts.connected;
    if is_lost && state.until(Due::Dial, caps).is_none() {
        // The loss may have been told while an earlier episode was lost.
        state.redial_later(caps);
    }
    match (applied, &facts.serving) {
        (Applied::Runs(serving), _) => takeover::outcome(caps, state, serving),
        (Applied::NotThis(_) | Applied::NotNow(_), Some(serving)) => takeover::outcome(caps, state, serving.clone()),
        (Applied::NotThis(why) | Applied::NotNow(why), None) => {
            state.set(Due::Climb, caps, Some(Duration::ZERO));
            state.outcome(caps, Standing::Stranded(why))
        }
    }
}

/// Something is due, the control plane's session was lost, or the process is about to end in an orderly way.
pub async fn tick<C: Importing>(caps: &C, facts: &Facts, mut state: State) -> Outcome {
    misbehave();
    if facts.stopping {
        return stop(caps, facts, state).await;
    }
    if facts.appeared && !facts.connected {
        // Who appears is dialled at once: to be looked for costs a control plane that is away nothing (boot-11).
        state.hasten(Due::Dial, caps);
    }
    if state.until(Due::Settle, caps).is_some_and(|left| left.is_zero()) {
        takeover::settle(caps, facts, &mut state).await;
    }
    if facts.serving.is_some() && !active(Mutant::StorageWhileServing) {
        return redial(caps, facts, state).await;
    }
    let patience = facts.settings.give_up;
    let until_dial = state.until(Due::Dial, caps).unwrap_or_default();
    let until_climb = state.until(Due::Climb, caps).unwrap_or_default();
    let board = Board::default();
    board.give_up();
    let future = pin!(async {
        caps.sleep(until_dial, Why::Redial).await;
        outage::dial(caps, patience, &board).await
    });
    let ended = facts.connected && state.unused != Some(Unused::NotTaken);
    climb(caps, facts, state, &mut Dialling { future, ended }, until_climb).await
}

/// Serving: the storage is not read again (boot-04), the control plane is asked when it is time.
async fn redial<C: Importing>(caps: &C, facts: &Facts, mut state: State) -> Outcome {
    let Some(serving) = facts.serving.clone() else { return state.outcome(caps, Standing::Stranded("nothing is served".into())) };
    let refresh = rejoin::is_refresh_due(caps, &mut state);
    if facts.connected {
        let is_due = state.until(Due::Dial, caps).is_none_or(|left| left.is_zero());
        if rejoin::is_approved(caps, &mut state).await || (is_due && state.unused.take().is_some()) {
            state.set(Due::Dial, caps, None);
            // At once, for the session is open: what it delivered last.
            if let Ok(config) = caps.attempt(facts.settings.give_up).await {
                return received(caps, facts, state, config).await;
            }
        }
        if state.unused.is_none() {
            state.set(Due::Dial, caps, None);
        }
        return Outcome { refresh, ..takeover::outcome(caps, state, serving) };
    }
    match state.until(Due::Dial, caps) {
        Some(left) if left.is_zero() => match caps.attempt(facts.settings.give_up).await {
            Ok(config) => return received_in(caps, facts, state, config, opened(facts)).await,
            Err(unanswered) => {
                caps.emit(outage::tried(&unanswered));
                state.redial_later(caps);
            }
        },
        Some(_) => {}
        None => {
            caps.emit(Event::warning(Name::ControlPlaneLost, "The control plane is lost: what is served goes on being served."));
            Marks::load(caps).await.live(caps, caps.now()).await;
            state.redial_later(caps);
        }
    }
    takeover::outcome(caps, state, serving)
}

/// An orderly end is no start that failed: what was settling is not held against its configuration.
async fn stop<C: Importing>(caps: &C, facts: &Facts, mut state: State) -> Outcome {
    if let Some(digest) = state.settling.take() {
        Attempts::load(caps).await.settle(caps, digest).await;
    }
    if facts.connected {
        Marks::load(caps).await.live(caps, caps.now()).await;
    }
    let standing = facts.serving.clone().map_or_else(|| Standing::Stranded("the node is stopping".into()), Standing::Serving);
    Outcome { wake_after: None, ..state.outcome(caps, standing) }
}

/// Up the ladder from the bottom, after `wait`, with the dialling beside it.
async fn climb<C: Importing, F: Future<Output = Dialled<C::Config>>>(
    caps: &C,
    facts: &Facts,
    mut state: State,
    dialling: &mut Dialling<'_, F>,
    wait: Duration,
) -> Outcome {
    let mut memory = Memory { attempts: Attempts::load(caps).await, marks: Marks::load(caps).await };
    let mut ladder = Ladder::new(caps, facts, reach(facts, &state), state.failed_climbs == 0);
    let mut wait = Some(wait).filter(|wait| !wait.is_zero());
    loop {
        let applied = match step(caps, dialling, &mut ladder, &mut memory, wait.take()).await {
            Step::Delivered(config) => takeover::receive(caps, facts, &mut state, config, opened(facts)).await,
            Step::Refused(unanswered) => {
                refused(caps, facts, &mut state, &unanswered);
                if reach(facts, &state) == Reach::OwnCache {
                    ladder.keep_to_cache();
                }
                continue;
            }
            Step::Candidate(next) => {
                if let Err(sentence) = use_token(&mut ladder, &next, &mut memory).await {
                    caps.emit(Event::alarm(Name::BreakGlassRefused, format!("The break-glass token cannot be used: {sentence}.")));
                    continue;
                }
                takeover::apply_fallback(caps, facts, &mut state, *next, &mut memory).await
            }
            Step::Top => break,
        };
        if let Applied::Runs(serving) = applied {
            state.failed_climbs = 0;
            state.set(Due::Climb, caps, None);
            match serving.origin {
                super::Origin::ControlPlane => state.set(Due::Dial, caps, None),
                super::Origin::Cache | super::Origin::Storage | super::Origin::Bundle => state.redial_later(caps),
            }
            return takeover::outcome(caps, state, serving);
        }
    }
    top(caps, state, &ladder)
}

enum Step<C: Importing> {
    Delivered(C::Config),
    Refused(Unanswered),
    Candidate(Box<Next<C>>),
    Top,
}

/// One rung further, unless the control plane speaks first. A rung that it interrupts is not tried again in this climb.
async fn step<C: Importing, F: Future<Output = Dialled<C::Config>>>(
    caps: &C,
    dialling: &mut Dialling<'_, F>,
    ladder: &mut Ladder<'_, C>,
    memory: &mut Memory,
    wait: Option<Duration>,
) -> Step<C> {
    let rung = async {
        if let Some(wait) = wait {
            caps.sleep(wait, Why::Climb).await;
        }
        ladder.next(memory).await
    };
    match select(pin!(dialling.next()), pin!(rung)).await {
        Either::Left((Dialled::Delivered(config), _)) => Step::Delivered(config),
        Either::Left((Dialled::Refused(unanswered), _)) => Step::Refused(unanswered),
        Either::Right((Some(next), _)) => Step::Candidate(Box::new(next)),
        Either::Right((None, _)) => Step::Top,
    }
}

/// A token is used up on disk before what it let pass is applied.
async fn use_token<C: Importing>(ladder: &mut Ladder<'_, C>, next: &Next<C>, memory: &mut Memory) -> Result<(), String> {
    match (next.by_token, next.candidate.published()) {
        (true, Some(published)) => ladder.break_glass(memory, published).await,
        (true, None) | (false, _) => Ok(()),
    }
}

/// Every rung failed.
fn top<C: Importing>(caps: &C, mut state: State, ladder: &Ladder<'_, C>) -> Outcome {
    // A storage that asked for a pause gets a wide one at once.
    state.failed_climbs = (state.failed_climbs + 1).max(if ladder.slow_down { SLOW_DOWN_CLIMBS } else { 0 });
    let again = backoff::climb(state.failed_climbs, caps.random()) + ladder.retry_after;
    state.set(Due::Climb, caps, Some(again));
    if state.until(Due::Dial, caps).is_none_or(|left| left.is_zero()) {
        state.redial_later(caps);
    }
    if active(Mutant::ClimbsOnce) {
        state.set(Due::Climb, caps, None);
        state.set(Due::Dial, caps, None);
    }
    let tried = ladder.tried();
    if let Some(why) = state.refused.clone() {
        return state.outcome(caps, Standing::Refused(why));
    }
    let sentence = format!("No configuration anywhere. Tried: {tried}. The next climb is in {:.1} s.", again.as_secs_f32());
    caps.emit(Event::alarm(Name::Stranded, sentence.clone()));
    state.outcome(caps, Standing::Stranded(sentence))
}

/// The number of the session that an attempt of this episode opened, where none was open.
fn opened(facts: &Facts) -> u64 {
    facts.session + 1
}

/// As wide a pause as after this many failed climbs: full jitter over 8 s.
const SLOW_DOWN_CLIMBS: u32 = 5;

fn refused<C: Importing>(caps: &C, facts: &Facts, state: &mut State, unanswered: &Unanswered) {
    let then = match facts.settings.on_refusal {
        OnRefusal::Wait => "it starts from its own cache if it has one, and reads no storage (holdover_on_refusal = wait)",
        OnRefusal::Fallback => "it goes on as in an outage (holdover_on_refusal = fallback)",
    };
    let sentence = format!("The control plane refuses this node: {}; {then}.", unanswered.detail);
    caps.emit(Event::alarm(Name::ControlPlaneRefused, sentence.clone()).with("answer", unanswered.answer.reason()));
    state.refused = Some(sentence);
}

fn reach(facts: &Facts, state: &State) -> Reach {
    match (&state.refused, facts.settings.on_refusal) {
        (Some(_), OnRefusal::Wait) if !active(Mutant::StorageAlthoughRefused) => Reach::OwnCache,
        (Some(_), OnRefusal::Wait) => Reach::Everything,
        (Some(_), OnRefusal::Fallback) | (None, OnRefusal::Wait | OnRefusal::Fallback) => Reach::Everything,
    }
}

enum Early<C> {
    Delivered(C),
    Refused(Unanswered),
    GivenUp,
}

/// The dialling, its time limit, and what the dialling wrote on the board, all seen by one task in this order.
async fn first_or_given_up<C: Clock, T, F: Future<Output = Dialled<T>>>(
    caps: &C,
    patience: Duration,
    dialling: &mut Dialling<'_, F>,
    board: &Board,
) -> Early<T> {
    let mut answered = pin!(dialling.next());
    let mut too_late = pin!(caps.sleep(patience, Why::GiveUp));
    poll_fn(|context| {
        match answered.as_mut().poll(context) {
            Poll::Ready(Dialled::Delivered(config)) => return Poll::Ready(Early::Delivered(config)),
            Poll::Ready(Dialled::Refused(unanswered)) => return Poll::Ready(Early::Refused(unanswered)),
            Poll::Pending if board.hopeless() => return Poll::Ready(Early::GivenUp),
            Poll::Pending => {}
        }
        too_late.as_mut().poll(context).map(|()| Early::GivenUp)
    })
    .await
}

/// The dialling beside the ladder. Once it ended it never answers again.
struct Dialling<'a, F> {
    future: Pin<&'a mut F>,
    ended: bool,
}

impl<F: Future> Dialling<'_, F> {
    async fn next(&mut self) -> F::Output {
        if self.ended {
            return pending().await;
        }
        let output = self.future.as_mut().await;
        self.ended = true;
        output
    }
}
