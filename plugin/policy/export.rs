//! Decides what a backup node publishes, and when: stations *receive, validate, seal, publish*.
//!
//! ```text
//! delivery ─ delay ─ validate ─ same as the newest? ─ seal ─ body (If-None-Match) ─ read back ─ head (compare and swap)
//! ```
//!
//! Body first, head second: a crash between leaves litter, never a lie (export-08). This is the rule for one exporter: there is no
//! election, and whoever finds a later epoch than its own in the head stands by.

mod kong_place;
mod publish;
mod sealing;
mod state;

use std::time::Duration;

use self::publish::Published;
use self::state::State;
use super::capabilities::Etag;
use super::events::{Event, Name};
use super::{ExportOutcome, Exporting, Facts, backoff};
use crate::model::{Position, UnixMs};
use crate::snapshot::head::Head;

/// The first storage elects and is written first.
const STORAGE: u32 = 0;
/// An unchanged head is confirmed this often, so that a quiet cluster and a dead exporter differ (export-05).
const CONFIRM_EVERY: Duration = Duration::from_secs(3600);

/// The head as it was read, with its mark for the swap.
struct Located {
    head: Option<Head>,
    etag: Option<Etag>,
}

/// The control plane delivered.
pub async fn received<C: Exporting>(caps: &C, facts: &Facts, state: &[u8], config: &C::Config) -> ExportOutcome {
    let mut state = State::read(state, facts.process);
    state.captured_at = caps.now();
    // A delivery is a fresh try, whatever the last one came to.
    state.failures = 0;
    deliver(caps, facts, state, config).await
}

/// The delay is over, a retry or a confirmation is due.
pub async fn tick<C: Exporting>(caps: &C, facts: &Facts, state: &[u8], pending: Option<&C::Config>) -> ExportOutcome {
    let mut state = State::read(state, facts.process);
    match pending {
        Some(config) => deliver(caps, facts, state, config).await,
        None => {
            confirm(caps, facts, &mut state).await;
            let held = state.held.clone();
            // Nothing is to be confirmed without a control plane or while it says something else; its next delivery wakes this exporter.
            let wake = state.until_confirm(caps.monotonic()).filter(|_| facts.connected && held.is_none());
            state.outcome(wake, false, held)
        }
    }
}

/// At most one export per delay (export-04): the first at once, then the newest of those that came meanwhile.
async fn deliver<C: Exporting>(caps: &C, facts: &Facts, mut state: State, config: &C::Config) -> ExportOutcome {
    let wait = state.until_export(caps.monotonic(), facts.settings.export_delay);
    if !wait.is_zero() {
        let seconds = wait.as_secs_f32();
        let sentence = format!("The newest configuration waits for the export delay, another {seconds:.1} s.");
        caps.emit(Event::info(Name::ExportHeld, sentence.clone()).with("reason", "delay"));
        return state.outcome(Some(wait), true, Some(sentence));
    }
    match publish::publish(caps, facts, &mut state, config).await {
        Published::At(position) => {
            state.exported(caps.monotonic());
            done(caps, state, Some(position), None)
        }
        Published::Already(position) => done(caps, state, Some(position), None),
        Published::Never(sentence) => done(caps, state, None, Some(sentence)),
        Published::NotThisTime(sentence) => {
            state.failures += 1;
            let again = backoff::climb(state.failures, caps.random());
            let seconds = again.as_secs_f32();
            caps.emit(Event::alarm(Name::ExportFailed, format!("The export failed and is tried again in {seconds:.1} s: {sentence}.")));
            state.outcome(Some(again), true, Some(sentence))
        }
    }
}

fn done<C: Exporting>(caps: &C, mut state: State, position: Option<Position>, held: Option<String>) -> ExportOutcome {
    state.failures = 0;
    state.published = position.or(state.published);
    let wake = state.until_confirm(caps.monotonic());
    state.outcome(wake, false, held)
}

/// Says in the head that its newest is still what the control plane says, once an hour and only while it is there to say so. A
/// delivery that is held means that the control plane says something else by now.
async fn confirm<C: Exporting>(caps: &C, facts: &Facts, state: &mut State) {
    if !facts.connected || state.held.is_some() || state.until_confirm(caps.monotonic()).is_none_or(|left| !left.is_zero()) {
        return;
    }
    let version = &facts.settings.gateway_version;
    let outcome = match publish::locate(caps, facts).await {
        Ok(Located { head: Some(head), etag }) => match head.newest(version) {
            Some(entry) if Some(entry.position()) == state.published => confirm_head(caps, facts, state, head, etag).await,
            Some(_) | None => Err("the head's newest generation is not the one that this exporter published".to_owned()),
        },
        Ok(Located { head: None, .. }) => Err("there is no head".to_owned()),
        Err(failure) => Err(failure),
    };
    match outcome {
        Ok(()) => caps.emit(Event::info(Name::HeadConfirmed, "The head is confirmed: nothing changed.")),
        Err(sentence) => {
            caps.emit(Event::alarm(Name::ExportFailed, format!("The head could not be confirmed: {sentence}.")));
            state.confirm_after(caps.monotonic(), backoff::climb(u32::MAX, caps.random()));
        }
    }
}

async fn confirm_head<C: Exporting>(caps: &C, facts: &Facts, state: &mut State, mut head: Head, etag: Option<Etag>) -> Result<(), String> {
    if state.office.is_some_and(|office| office < head.epoch) {
        return Err("another exporter took office".into());
    }
    head.confirmed_at = later(head.confirmed_at, caps.now());
    publish::move_head(caps, facts, head, etag).await?;
    state.confirm_after(caps.monotonic(), CONFIRM_EVERY);
    Ok(())
}

/// A clock that jumped back must not make a head look older than it is.
fn later(known: UnixMs, now: UnixMs) -> UnixMs {
    known.max(now)
}
