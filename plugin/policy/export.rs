//! Decides what a backup node publishes, and when: stations *receive, validate, seal, publish*.
//!
//! ```text
//! delivery ─ probed? ─ in office? ─ delivered since? ─ delay ─ orders ─ validate ─ same? ─ guards ─ seal
//!                                       ─ body (If-None-Match) ─ read back ─ head (compare and swap) ─ soak ─ copies
//! ```
//!
//! Body first, head second: a crash between leaves litter, never a lie (export-08). Each file below is one decision; this one is the
//! order in which they are asked. An episode may end anywhere: the next one finds out how far the last one came.

mod confirm;
mod copies;
mod kong_place;
mod located;
mod office;
mod ordered;
mod probe;
mod publish;
mod sealing;
mod soak;
mod state;

use std::time::Duration;

use self::office::Denied;
use self::publish::Published;
use self::state::{Held, Reason, State, left};
use super::backoff::millis;
use super::events::{Event, Name};
use super::{Approvable, ExportOutcome, Exporting, Facts, Office, backoff};
use crate::mutants::{Mutant, active};
use crate::snapshot::orders::Orders;

pub use probe::probe;

/// The first storage elects and is written first.
const FIRST: u32 = 0;
/// An unchanged head is confirmed this often (export-05).
const CONFIRM_EVERY: Duration = Duration::from_secs(3600);

/// The control plane delivered.
pub async fn received<C: Exporting>(caps: &C, facts: &Facts, state: &[u8], config: &C::Config) -> ExportOutcome {
    let mut state = State::read(state, facts.process, facts.session);
    state.delivered(facts.session, caps.now());
    episode(caps, facts, state, Some(config)).await
}

/// A process begins, or something is due.
pub async fn tick<C: Exporting>(caps: &C, facts: &Facts, state: &[u8], pending: Option<&C::Config>) -> ExportOutcome {
    episode(caps, facts, State::read(state, facts.process, facts.session), pending).await
}

async fn episode<C: Exporting>(caps: &C, facts: &Facts, mut state: State, config: Option<&C::Config>) -> ExportOutcome {
    let was_resumed = state.resumed && config.is_some();
    if let Some(tenure) = &mut state.tenure {
        tenure.after_session.get_or_insert(facts.session);
    }
    let office = office(caps, facts, &mut state, config.is_some()).await;
    let Office::Leader(_) = &office else {
        return not_in_office(caps, facts, state, office, config.is_some());
    };
    if was_resumed && !state.resumed {
        let sentence = "What was pending when this exporter ended is not published: its office is over.";
        caps.emit(Event::warning(Name::PendingDropped, sentence));
    }
    let config = config.filter(|_| state.resumed == was_resumed);
    let orders = orders(caps, facts, &mut state).await;
    let pending = match config {
        Some(config) => deliver(caps, facts, &mut state, orders.as_ref(), config).await,
        None => false,
    };
    tend(caps, facts, &mut state).await;
    outcome(caps, facts, state, pending)
}

/// Whether this exporter may publish, and what it does about it.
async fn office<C: Exporting>(caps: &C, facts: &Facts, state: &mut State, pending: bool) -> Office {
    let mut may_succeed = facts.connected;
    if !has_reason(caps, facts, state, pending) {
        if !facts.stopping {
            soak::cut(caps, state);
        }
        let why = if facts.stopping { "it is stopped" } else { "it has no control plane" };
        office::give_up(caps, facts, state, why).await;
        if facts.stopping || !has_orders(caps, facts, state).await {
            state.held = None;
            return Office::None;
        }
        may_succeed = true;
    }
    if !facts.settings.single_exporter {
        match probe::is_sound(caps, facts, state).await {
            Ok(None) => {}
            Ok(Some(failing)) => return Office::Declined(failing),
            Err(sentence) => return unknown(caps, state, sentence),
        }
    }
    match office::seek(caps, facts, state, may_succeed).await {
        Err(Denied::StandsBy(sentence)) => {
            let said = format!("This exporter stands by: {sentence}.");
            if state.said.as_deref() != Some(&said) {
                caps.emit(Event::info(Name::StandingBy, said.clone()));
                state.said = Some(said);
            }
            Office::Standby(sentence)
        }
        Err(Denied::Unknown(sentence)) => unknown(caps, state, sentence),
        Ok(()) => Office::Leader(state.tenure.as_ref().map(|tenure| tenure.epoch).unwrap_or_default()),
    }
}

/// Whether there is something to hold office for: a control plane, or what one delivered and is not yet published. A session that
/// is dialled for the first time or anew is not lost yet. Whoever stops keeps it only for what it could not publish.
fn has_reason<C: Exporting>(caps: &C, facts: &Facts, state: &mut State, pending: bool) -> bool {
    let is_held = state.held.as_ref().is_some_and(|held| !held.reason.passes());
    if facts.stopping {
        return pending && !is_held && state.tenure.is_some();
    }
    if facts.connected {
        state.alone_since_ms = None;
        return true;
    }
    let now = millis(caps.monotonic());
    let since = *state.alone_since_ms.get_or_insert(now);
    let alone = left(since.saturating_add(millis(facts.settings.lease_expire)), caps.monotonic()).is_zero();
    (pending && !is_held) || !alone
}

/// Orders that nobody obeyed are a reason, too: an operator pins in an outage.
async fn has_orders<C: Exporting>(caps: &C, facts: &Facts, state: &mut State) -> bool {
    match ordered::read(caps, facts, state).await {
        Ok(Some(orders)) if orders.number > state.obeyed => match located::locate(caps, facts, FIRST).await {
            Ok(located::Located { head: Some(head), .. }) => {
                state.obeyed = state.obeyed.max(head.orders);
                orders.number > state.obeyed
            }
            Ok(_) | Err(_) => false,
        },
        Ok(_) | Err(_) => false,
    }
}

/// The storage cannot be asked, which says nothing about who leads.
fn unknown<C: Exporting>(caps: &C, state: &mut State, sentence: String) -> Office {
    let said = format!("Whether this exporter may publish cannot be found out, and is asked again: {sentence}.");
    office::say_once(caps, state, Name::LeaseNotRenewed, &said);
    state.held = Some(Held { reason: Reason::Unknown, sentence, approvable: None });
    Office::None
}

/// What the operator ordered. Without knowing it nothing is published.
async fn orders<C: Exporting>(caps: &C, facts: &Facts, state: &mut State) -> Result<Option<Orders>, String> {
    let orders = ordered::read(caps, facts, state).await?;
    if let Some(orders) = &orders {
        ordered::obey(caps, facts, state, orders).await?;
    }
    Ok(orders)
}

/// At most one export per delay (export-04), and none against the operator's word. Returns whether it is still to be published.
async fn deliver<C: Exporting>(
    caps: &C,
    facts: &Facts,
    state: &mut State,
    orders: Result<&Option<Orders>, &String>,
    config: &C::Config,
) -> bool {
    let orders = match orders {
        Ok(orders) => orders.as_ref(),
        Err(_) if !state.until_export(caps.monotonic(), Duration::ZERO).is_zero() => return true,
        Err(sentence) => return failed(caps, state, sentence.clone()),
    };
    if state.tenure.is_none() {
        return false;
    }
    if !state.resumed && !state.came_in_office() && !active(Mutant::ExportsWhatCameBeforeOffice) {
        let sentence = "it was delivered before this exporter took office, and the control plane is asked again";
        hold(caps, state, Held { reason: Reason::BeforeOffice, sentence: sentence.into(), approvable: None });
        return false;
    }
    let now = caps.monotonic();
    if state.is_delayed(now, facts.settings.export_delay) && !active(Mutant::NoDelay) {
        let sentence = format!("it waits for the export delay of {} s", facts.settings.export_delay.as_secs_f32());
        hold(caps, state, Held { reason: Reason::Delay, sentence, approvable: None });
        return true;
    }
    if !state.until_export(now, Duration::ZERO).is_zero() {
        return true;
    }
    if let Some(act) = orders.and_then(|orders| orders.freeze.as_ref()).filter(|_| !active(Mutant::IgnoresFreeze)) {
        let sentence = format!("exports are frozen by {}: {}", act.by, act.why);
        hold(caps, state, Held { reason: Reason::Frozen, sentence, approvable: None });
        state.retry_after(now, facts.settings.lease_renew);
        return true;
    }
    let waits_for_approval = state.held.as_ref().and_then(|held| held.approvable.as_ref());
    if waits_for_approval.is_some_and(|asked| !ordered::is_approved(caps, orders, &facts.settings.gateway_version, asked)) {
        state.retry_after(now, facts.settings.lease_renew);
        return true;
    }
    match publish::publish(caps, facts, state, orders, config).await {
        Published::At(position) => {
            state.published = Some(position);
            state.copies.get_or_insert_default();
            state.exported(caps.monotonic());
            false
        }
        Published::Already(position) => {
            state.published = Some(position);
            // An episode that was lost after the head moved took with it that the further storages are behind.
            state.copies.get_or_insert_default();
            state.settled();
            false
        }
        Published::Never(sentence) => {
            state.held = Some(Held { reason: Reason::Refused, sentence, approvable: None });
            false
        }
        Published::Held(held) => {
            hold(caps, state, held);
            // Only an approval or another delivery changes that: the configuration is not judged again before.
            state.retry_after(caps.monotonic(), facts.settings.lease_renew);
            true
        }
        Published::NotThisTime(sentence) => failed(caps, state, sentence),
    }
}

fn failed<C: Exporting>(caps: &C, state: &mut State, sentence: String) -> bool {
    state.failures = state.failures.saturating_add(1);
    let again = backoff::climb(state.failures, caps.random());
    state.retry_after(caps.monotonic(), again);
    let seconds = again.as_secs_f32();
    caps.emit(Event::alarm(Name::ExportFailed, format!("The export failed and is tried again in {seconds:.1} s: {sentence}.")));
    state.held = Some(Held { reason: Reason::Failed, sentence, approvable: None });
    !active(Mutant::ForgetsPending)
}

/// Said when it is news.
fn hold<C: Exporting>(caps: &C, state: &mut State, held: Held) {
    if state.held.as_ref() != Some(&held) {
        let sentence = format!("The newest configuration is held: {}.", held.sentence);
        let is_routine = matches!(held.reason, Reason::Delay | Reason::BeforeOffice);
        let event = if is_routine { Event::info(Name::ExportHeld, sentence) } else { Event::alarm(Name::ExportHeld, sentence) };
        caps.emit(event.with("reason", held.reason.as_str()));
    }
    state.held = Some(held);
}

/// What a leader does besides publishing.
async fn tend<C: Exporting>(caps: &C, facts: &Facts, state: &mut State) {
    if state.tenure.is_none() {
        return;
    }
    if let Err(sentence) = soak::look(caps, facts, state).await {
        office::say_once(caps, state, Name::SoakFailed, &format!("The candidate could not be judged: {sentence}."));
    }
    confirm::confirm(caps, facts, state).await;
    if state.tenure.is_some() {
        copies::bring_up(caps, facts, state).await;
    }
}

fn not_in_office<C: Exporting>(caps: &C, facts: &Facts, mut state: State, office: Office, in_hand: bool) -> ExportOutcome {
    // Kept while the office may still be this exporter's: anything else will be delivered anew to whoever takes office.
    let pending = in_hand && state.tenure.is_some();
    state.held = match &office {
        Office::None => state.held.filter(|held| held.reason == Reason::Unknown),
        Office::Standby(sentence) => {
            Some(Held { reason: Reason::Standby, sentence: format!("this exporter stands by: {sentence}"), approvable: None })
        }
        Office::Declined(failing) => Some(Held {
            reason: Reason::Probe,
            sentence: format!(
                "the first storage is none to elect in ({failing}); name another one, or set holdover_single_exporter = on if there is no other exporter"
            ),
            approvable: None,
        }),
        Office::Leader(_) => state.held,
    };
    finish(facts, state, office, pending, false, Some(jittered(caps, facts)))
}

/// In office, or it was lost on the way.
fn outcome<C: Exporting>(caps: &C, facts: &Facts, mut state: State, pending: bool) -> ExportOutcome {
    let Some(tenure) = &mut state.tenure else {
        let standby = Office::Standby("another exporter took office".into());
        return not_in_office(caps, facts, state, standby, false);
    };
    let epoch = tenure.epoch;
    // What the open session delivered came before the office: it has to deliver once more.
    let is_stale = tenure.after_session.is_some_and(|before| facts.session > 0 && facts.session <= before);
    let refresh = facts.connected && !tenure.refreshed && is_stale;
    tenure.refreshed |= refresh;
    let just_taken = tenure.after_session.is_none().then_some(Duration::ZERO);
    let now = caps.monotonic();
    let renew = (!facts.settings.single_exporter).then(|| office::until_renewal(tenure, facts, now));
    let export = pending.then(|| state.until_export(now, facts.settings.export_delay));
    let confirm = state.until_confirm(now).filter(|_| facts.connected && state.held.is_none());
    let wakes = [renew, export, confirm, soak::until_look(caps, &state), copies::until_copy(caps, &state)];
    let orders = facts.settings.single_exporter.then_some(facts.settings.lease_renew);
    let wake = wakes.into_iter().chain([orders, just_taken]).flatten().min();
    finish(facts, state, Office::Leader(epoch), pending, refresh, wake)
}

fn finish(facts: &Facts, state: State, office: Office, pending: bool, refresh: bool, wake_after: Option<Duration>) -> ExportOutcome {
    let approvable = state.held.as_ref().and_then(|held| held.approvable.as_ref()).map(|guarded| Approvable {
        gateway_version: facts.settings.gateway_version.clone(),
        base: guarded.base,
        sameness: guarded.sameness.clone(),
    });
    ExportOutcome {
        wake_after,
        pending,
        refresh,
        published: state.published,
        held: state.held.as_ref().map(|held| held.sentence.clone()),
        approvable,
        office,
        state: serde_json::to_vec(&state).unwrap_or_default(),
    }
}

/// Those who stand by do not all look at the same moment.
fn jittered<C: Exporting>(caps: &C, facts: &Facts) -> Duration {
    let renew = facts.settings.lease_renew;
    renew / 2 + backoff::within(renew / 2, caps.random())
}
