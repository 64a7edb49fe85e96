//! A candidate proves itself before it is good (export-10): for a time, and in the eyes of the watched nodes.

use std::time::Duration;

use super::located::{Located, NotMoved, move_head};
use super::office;
use super::state::{Soak, State, left};
use crate::mutants::{Mutant, active};
use crate::policy::backoff::millis;
use crate::policy::capabilities::Health;
use crate::policy::events::{Event, Name};
use crate::policy::{Exporting, Facts};
use crate::snapshot::head::Head;

/// How often the watched nodes are asked.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What the watched nodes say, taken together.
enum Verdict {
    /// Somebody serves it and is well, and nobody is ill.
    Well,
    Ill(String),
    /// Nobody says a word for it.
    Unheard(String),
}

/// A new leader goes on with the candidate that it finds, and soaks it for the whole time by its own clock: another's it does not know.
pub(super) fn take_over<C: Exporting>(caps: &C, facts: &Facts, state: &mut State, head: &Head) {
    if state.soak.is_some() {
        return;
    }
    let Some(view) = head.view(&facts.settings.gateway_version) else { return };
    let Some(entry) = view.candidate.and_then(|position| view.entry(position)) else { return };
    state.soak = Some(Soak::begins(entry.position(), caps.monotonic(), facts.settings.soak));
}

/// When to look next; `None`: nothing soaks.
pub(super) fn until_look<C: Exporting>(caps: &C, state: &State) -> Option<Duration> {
    Some(left(state.soak.as_ref()?.look_ms, caps.monotonic()))
}

/// Asks the watched nodes, and calls the candidate good when it is time. `Err` is a sentence: it is tried again.
pub(super) async fn look<C: Exporting>(caps: &C, facts: &Facts, state: &mut State) -> Result<(), String> {
    let now = caps.monotonic();
    let Some(soak) = state.soak.as_mut().filter(|soak| left(soak.look_ms, now).is_zero()) else { return Ok(()) };
    let next = millis(now.saturating_add(LOOK_EVERY));
    soak.look_ms = if left(soak.until_ms, now).is_zero() { next } else { next.min(soak.until_ms) };
    let mut soak = soak.clone();
    let Located { head, etag } = office::own_head(caps, facts, state).await?;
    let Some(mut head) = head else { return Ok(()) };
    let version = &facts.settings.gateway_version;
    let sameness = head.view(version).and_then(|view| view.entry(soak.position)).and_then(|entry| entry.shown.as_ref());
    let sameness = sameness.map(|shown| shown.sameness.clone()).or_else(|| state.published_sameness.clone());
    let verdict = ask(caps, facts, sameness.as_deref()).await;
    let due = left(soak.until_ms, caps.monotonic()).is_zero();
    match verdict {
        Verdict::Ill(why) => {
            if !soak.ill {
                let sentence = format!("Generation {} stays a candidate and soaks anew: {why}.", soak.position);
                caps.emit(Event::alarm(Name::SoakFailed, sentence).with("position", soak.position));
            }
            soak.ill = true;
            soak.until_ms = millis(caps.monotonic().saturating_add(facts.settings.soak));
            state.soak = Some(soak);
            return Ok(());
        }
        Verdict::Unheard(why) if due => {
            let sentence = format!("Generation {} stays a candidate: {why}.", soak.position);
            office::say_once(caps, state, Name::SoakFailed, &sentence);
            return Ok(());
        }
        Verdict::Well | Verdict::Unheard(_) => soak.ill = false,
    }
    state.soak = Some(soak.clone());
    if !due {
        return Ok(());
    }
    state.soak = None;
    if head.views.get_mut(version).is_some_and(|view| view.promote(soak.position)) {
        office::is_fresh(caps, facts, state).await.inspect_err(|_| state.soak = Some(soak.clone()))?;
        let moved = move_head(caps, facts, head, etag).await;
        return promoted(caps, state, soak, moved);
    }
    // It is good already: an episode that was lost after that took with it that the further storages are behind.
    state.copies.get_or_insert_default();
    Ok(())
}

fn promoted<C: Exporting>(caps: &C, state: &mut State, soak: Soak, moved: Result<(), NotMoved>) -> Result<(), String> {
    match moved {
        Ok(()) => {
            state.copies.get_or_insert_default().due_ms = 0;
            let position = soak.position;
            caps.emit(
                Event::info(Name::SoakEnded, format!("Generation {position} has proven itself and is good.")).with("position", position),
            );
            Ok(())
        }
        Err(not_moved) => {
            state.soak = Some(soak);
            Err(not_moved.into())
        }
    }
}

/// The control plane is gone while a candidate soaks: it stays one.
pub(super) fn cut<C: Exporting>(caps: &C, state: &mut State) {
    let Some(Soak { position, .. }) = state.soak.take() else { return };
    let sentence = format!("The control plane is away while generation {position} soaks: it stays a candidate.");
    caps.emit(Event::warning(Name::SoakCutByOutage, sentence).with("position", position));
}

async fn ask<C: Exporting>(caps: &C, facts: &Facts, sameness: Option<&str>) -> Verdict {
    let watched = &facts.settings.soak_watch;
    if watched.is_empty() || active(Mutant::SoaksWithoutWatching) {
        return Verdict::Well;
    }
    let mut serving = false;
    let mut unheard = Vec::new();
    for (index, name) in watched.iter().enumerate() {
        match caps.health(index as u32).await {
            Health::Well { sameness: served } if sameness.is_none_or(|sameness| sameness == served) => serving = true,
            Health::Well { .. } => unheard.push(format!("{name} serves another configuration")),
            Health::Ill(why) => return Verdict::Ill(format!("{name}: {why}")),
            Health::Silent(why) => unheard.push(format!("{name} is silent ({why})")),
        }
    }
    if serving { Verdict::Well } else { Verdict::Unheard(unheard.join(", ")) }
}
