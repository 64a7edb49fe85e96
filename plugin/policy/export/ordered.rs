//! What the operator ordered, and how a leader obeys (export-09): pins and restores are carried out in the head; a freeze and the
//! approvals are looked at whenever something is to be published.

use super::FIRST;
use super::located::{Located, NotMoved, locate, move_head};
use super::office;
use super::publish::{self, Published};
use super::state::{Guarded, Held, Reason, State};
use crate::config::ValidConfig;
use crate::model::GatewayVersion;
use crate::mutants::{Mutant, active};
use crate::policy::candidate::{payload_key, read_body};
use crate::policy::capabilities::{StorageFailure, StorageFailureKind, Unsealing};
use crate::policy::events::{Event, Name};
use crate::policy::{Exporting, Facts};
use crate::snapshot::head::{Entry, Head};
use crate::snapshot::orders::{ORDERS_BYTES_MAX, Orders, Restore};
use crate::snapshot::{self, keys};

/// Reads the orders. `None`: there are none. Orders that are not believed stop what they might forbid, so that is an error.
pub(super) async fn read<C: Exporting>(caps: &C, facts: &Facts, state: &mut State) -> Result<Option<Orders>, String> {
    let fetched = match caps.get(FIRST, keys::ORDERS, ORDERS_BYTES_MAX).await {
        Ok(fetched) => fetched,
        Err(StorageFailure { kind: StorageFailureKind::Absent, .. }) => return Ok(None),
        // "Forbidden" must not lift a freeze.
        Err(StorageFailure { kind: StorageFailureKind::AbsentOrForbidden, detail, .. }) => {
            let Located { head, .. } = locate(caps, facts, FIRST).await?;
            let were_there = state.orders > 0 || head.is_some_and(|head| head.orders > 0);
            return if were_there { Err(format!("the orders cannot be looked at any more: {detail}")) } else { Ok(None) };
        }
        Err(failure) => return Err(failure.detail),
    };
    let file = read_body(&fetched.object).await?;
    let orders = Orders::read(&file, &facts.settings.operators).map_err(|refusal| refusal.to_string());
    let believed = orders.and_then(|orders| match &orders {
        orders if orders.cluster != facts.settings.cluster => Err(format!("they are for cluster '{}'", orders.cluster)),
        orders if orders.number < state.orders => Err(format!("number {} came after number {}", orders.number, state.orders)),
        _ => Ok(orders),
    });
    match believed {
        Ok(orders) => {
            state.orders = orders.number;
            Ok(Some(orders))
        }
        Err(why) => {
            let sentence = format!("the orders in the storage are not believed ({why}), so nothing is exported: they might be a freeze");
            office::say_once(caps, state, Name::OrdersRefused, &format!("Attention: {sentence}."));
            Err(sentence)
        }
    }
}

/// Carries out what the head does not show yet. `Err` is a sentence: it is tried again.
pub(super) async fn obey<C: Exporting>(caps: &C, facts: &Facts, state: &mut State, orders: &Orders) -> Result<(), String> {
    if state.obeyed >= orders.number {
        return Ok(());
    }
    let Located { head: Some(head), .. } = office::own_head(caps, facts, state).await? else { return Ok(()) };
    if head.orders >= orders.number {
        state.obeyed = orders.number;
        // By an episode that was lost after that, perhaps: the further storages may be behind.
        state.copies.get_or_insert_default();
        return Ok(());
    }
    if orders.lineage != head.lineage {
        let sentence = format!("The orders are for lineage {}, and the head is of lineage {}.", orders.lineage, head.lineage);
        office::say_once(caps, state, Name::OrdersRefused, &sentence);
        return Ok(());
    }
    if orders.freeze.is_none() {
        for restore in orders.restores.iter().filter(|restore| restore.number > head.orders) {
            restored(caps, facts, state, restore).await?;
        }
    }
    settle(caps, facts, state, orders).await
}

/// Pins as ordered, and the head says how far the orders are obeyed.
async fn settle<C: Exporting>(caps: &C, facts: &Facts, state: &mut State, orders: &Orders) -> Result<(), String> {
    let Located { head: Some(mut head), etag } = office::own_head(caps, facts, state).await? else { return Ok(()) };
    let before = head.clone();
    if !active(Mutant::IgnoresPins) {
        pin(caps, &mut head, orders);
    }
    let waits = |restore: &&Restore| orders.freeze.is_some() && restore.number > before.orders;
    let first_waiting = orders.restores.iter().filter(waits).map(|restore| restore.number).min();
    head.orders = first_waiting.map_or(orders.number, |number| number.saturating_sub(1).max(before.orders));
    if head == before {
        // A restore that waits for the end of a freeze comes with a higher number.
        state.obeyed = orders.number;
        return Ok(());
    }
    match move_head(caps, facts, head, etag).await {
        Ok(()) => {
            state.obeyed = orders.number;
            state.copies.get_or_insert_default().due_ms = 0;
            let audit = orders.audit.first();
            let what = audit.map_or("they changed".to_owned(), |audit| format!("{} ({})", audit.what, audit.act.by));
            caps.emit(Event::info(Name::OrdersObeyed, format!("The operator's orders are obeyed: {what}.")).with("number", orders.number));
            Ok(())
        }
        Err(NotMoved::Stale) => Err("the head moved meanwhile".into()),
        Err(NotMoved::Failed(sentence)) => Err(sentence),
    }
}

fn pin<C: Exporting>(caps: &C, head: &mut Head, orders: &Orders) {
    for (version, view) in &mut head.views {
        view.pinned = match orders.pins.get(version) {
            None => None,
            Some(pin) if view.entry(pin.position).is_some() => Some(pin.position),
            Some(pin) => {
                let sentence = format!("Generation {} of {version} is to be pinned, and the head does not list it.", pin.position);
                caps.emit(Event::alarm(Name::OrdersRefused, sentence));
                view.pinned
            }
        };
    }
}

/// An old body as a new generation.
async fn restored<C: Exporting>(caps: &C, facts: &Facts, state: &mut State, restore: &Restore) -> Result<(), String> {
    let version = &restore.gateway_version;
    let valid = match reopened(caps, facts, restore).await {
        Ok(valid) => valid,
        Err(Reopening::Later(sentence)) => return Err(sentence),
        Err(Reopening::Never(sentence)) => {
            caps.emit(Event::alarm(
                Name::OrdersRefused,
                format!("Generation {} of {version} cannot be restored: {sentence}.", restore.position),
            ));
            return Ok(());
        }
    };
    match publish::again(caps, facts, state, version, valid).await {
        Published::At(position) | Published::Already(position) => {
            let sentence = "restored by order; what the control plane delivers next is published over it".to_owned();
            state.held = Some(Held { reason: Reason::Restored, sentence, approvable: None });
            caps.emit(
                Event::info(Name::OrdersObeyed, format!("Generation {} was restored as {position}.", restore.position))
                    .with("position", position),
            );
            Ok(())
        }
        Published::Never(sentence) | Published::NotThisTime(sentence) => Err(sentence),
        Published::Held(held) => Err(held.sentence),
    }
}

enum Reopening {
    Later(String),
    Never(String),
}

async fn reopened<C: Exporting>(caps: &C, facts: &Facts, restore: &Restore) -> Result<ValidConfig, Reopening> {
    let Located { head, .. } = locate(caps, facts, FIRST).await.map_err(Reopening::Later)?;
    let view = head.as_ref().and_then(|head| head.view(&restore.gateway_version));
    let entry = view.and_then(|view| view.entry(restore.position));
    let entry = entry.ok_or_else(|| Reopening::Never("the head does not list it".into()))?;
    let fetched = caps.get(FIRST, &entry.key, entry.file_bytes).await.map_err(|failure| Reopening::Later(failure.detail))?;
    let file = read_body(&fetched.object).await.map_err(Reopening::Later)?;
    opened(caps, facts, &file, entry).await.map_err(Reopening::Never)
}

async fn opened<C: Unsealing>(caps: &C, facts: &Facts, file: &[u8], entry: &Entry) -> Result<ValidConfig, String> {
    let verified = snapshot::verify(file, &facts.settings.trusted).map_err(|refusal| refusal.to_string())?;
    if verified.file_digest() != entry.file_digest {
        return Err("the storage holds other bytes than the head names".into());
    }
    let key = payload_key(caps, &verified).await.map_err(|skipped| skipped.to_string())?;
    let opened = verified.open(key.as_ref()).map_err(|refusal| refusal.to_string())?;
    opened.validate().map_err(|invalid| invalid.to_string())
}

/// Whether an approval stands for exactly this.
pub(super) fn is_approved<C: Exporting>(caps: &C, orders: Option<&Orders>, version: &GatewayVersion, guarded: &Guarded) -> bool {
    let approvals = orders.map_or(&[][..], |orders| &orders.approvals);
    approvals.iter().any(|approval| {
        approval.gateway_version == *version
            && (approval.sameness == guarded.sameness || active(Mutant::ApprovesAnything))
            && (approval.base == guarded.base || active(Mutant::ApprovesTwice))
            && caps.now() <= approval.not_after
    })
}
