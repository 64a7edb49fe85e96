//! An unchanged head is confirmed once an hour, so that a quiet cluster and a dead exporter differ (export-05).

use super::located::{Located, later, move_head};
use super::state::State;
use super::{CONFIRM_EVERY, office};
use crate::mutants::{Mutant, active};
use crate::policy::backoff;
use crate::policy::events::{Event, Name};
use crate::policy::{Exporting, Facts};

/// Says in the head that its newest is still what the control plane says: only while it is there to say so, and not while it says
/// something that is held.
pub(super) async fn confirm<C: Exporting>(caps: &C, facts: &Facts, state: &mut State) {
    let is_due = state.until_confirm(caps.monotonic()).is_some_and(|left| left.is_zero());
    if !facts.connected || state.held.is_some() || !is_due || active(Mutant::NeverConfirms) {
        return;
    }
    match confirm_head(caps, facts, state).await {
        Ok(()) => {
            state.confirm_after(caps.monotonic(), CONFIRM_EVERY);
            state.copies.get_or_insert_default().due_ms = 0;
            caps.emit(Event::info(Name::HeadConfirmed, "The head is confirmed: nothing changed."));
        }
        Err(sentence) => {
            caps.emit(Event::alarm(Name::ExportFailed, format!("The head could not be confirmed: {sentence}.")));
            state.confirm_after(caps.monotonic(), backoff::climb(u32::MAX, caps.random()));
        }
    }
}

async fn confirm_head<C: Exporting>(caps: &C, facts: &Facts, state: &mut State) -> Result<(), String> {
    let Located { head, etag } = office::own_head(caps, facts, state).await?;
    let mut head = head.ok_or("there is no head")?;
    let newest = head.newest(&facts.settings.gateway_version).map(|entry| entry.position());
    if newest.is_none() || newest != state.published {
        return Err("the head's newest generation is not the one that this exporter published".into());
    }
    office::is_fresh(caps, facts, state).await?;
    head.confirmed_at = later(head.confirmed_at, caps.now());
    move_head(caps, facts, head, etag).await.map_err(String::from)
}
