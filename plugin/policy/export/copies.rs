//! Copies to the further storages (export-15): bodies, then the head as it stands in the first one, and never an older over a newer.

use std::time::Duration;

use super::located::{Located, locate};
use super::state::{Copies, State, left};
use super::{FIRST, sealing};
use crate::model::Position;
use crate::mutants::{Mutant, active};
use crate::policy::backoff::{self, millis};
use crate::policy::candidate::read_body;
use crate::policy::capabilities::{PutNew, StorageFailure, StorageFailureKind, StorageId, Swap};
use crate::policy::events::{Event, Name};
use crate::policy::{Exporting, Facts};
use crate::snapshot::head::{Entry, HEAD_BYTES_MAX, Head, View};
use crate::snapshot::{FILE_BYTES_MAX, keys};

/// When to copy next; `None`: every storage is up to date.
pub(super) fn until_copy<C: Exporting>(caps: &C, state: &State) -> Option<Duration> {
    state.copies.as_ref().map(|copies| left(copies.due_ms, caps.monotonic()))
}

/// Brings the further storages up to date. What fails is tried again later; the first storage stands.
pub(super) async fn bring_up<C: Exporting>(caps: &C, facts: &Facts, state: &mut State) {
    if until_copy(caps, state).is_none_or(|left| !left.is_zero()) {
        return;
    }
    let mut failed = Vec::new();
    for (storage, name) in (0..).zip(&facts.settings.storages).skip(1) {
        match copy(caps, facts, storage).await {
            Ok(None) => {}
            Ok(Some(position)) => {
                caps.emit(Event::info(Name::Copied, format!("{name} is up to date.")).with("position", position).with("storage", name));
            }
            Err(sentence) => failed.push(format!("{name}: {sentence}")),
        }
    }
    if failed.is_empty() {
        state.copies = None;
        return;
    }
    let failures = state.copies.as_ref().map_or(1, |copies| copies.failures.saturating_add(1));
    let due_ms = millis(caps.monotonic().saturating_add(backoff::climb(failures, caps.random())));
    state.copies = Some(Copies { due_ms, failures });
    let sentence = format!("A further storage is behind, and is tried again: {}.", failed.join("; "));
    super::office::say_once(caps, state, Name::CopyFailed, &sentence);
}

/// `Some`: where the copy stands now; `None`: it stood there already.
async fn copy<C: Exporting>(caps: &C, facts: &Facts, storage: StorageId) -> Result<Option<Position>, String> {
    let first = caps.get(FIRST, keys::HEAD, HEAD_BYTES_MAX).await.map_err(|failure| failure.detail)?;
    let file = read_body(&first.object).await?;
    let head = Head::read(&file, &facts.settings.trusted).map_err(|refusal| refusal.to_string())?;
    let Located { head: theirs, etag } = locate(caps, facts, storage).await?;
    if let Some(theirs) = &theirs {
        if theirs.lineage != head.lineage {
            return Err(format!("it holds lineage {}, and the first storage {}: two stories are not mixed", theirs.lineage, head.lineage));
        }
        if is_newer(theirs, &head) && !active(Mutant::CopiesDownward) {
            return Ok(None);
        }
    }
    if !active(Mutant::CopiesTheHeadFirst) {
        for entry in wanted(&head, theirs.as_ref()) {
            body(caps, storage, entry).await?;
        }
    }
    match caps.swap(storage, keys::HEAD, etag.as_ref(), file).await {
        Ok(Swap::Swapped) => Ok(Some(head.position())),
        Ok(Swap::Stale) => Err("somebody else wrote its head meanwhile".into()),
        Err(failure) => Err(failure.detail),
    }
}

/// As new, or newer: there is nothing to bring.
fn is_newer(theirs: &Head, head: &Head) -> bool {
    let goods = |head: &Head| head.views.values().map(|view| view.good).collect::<Vec<_>>();
    let rank = |head: &Head| (head.position(), head.orders, goods(head), head.confirmed_at);
    theirs.nonce == head.nonce || rank(theirs) > rank(head)
}

/// What a node could be led to by the head, and is not known to be there: a head of theirs lists more than was ever copied.
fn wanted<'a>(head: &'a Head, theirs: Option<&Head>) -> Vec<&'a Entry> {
    let mut wanted = Vec::new();
    for (version, view) in &head.views {
        let known: Vec<Position> = theirs.and_then(|theirs| theirs.view(version)).map(pointed_to).unwrap_or_default();
        for position in pointed_to(view).into_iter().filter(|position| !known.contains(position)) {
            wanted.extend(view.entry(position).filter(|entry| !wanted.contains(entry)));
        }
    }
    wanted
}

fn pointed_to(view: &View) -> Vec<Position> {
    let newest = view.history.first().map(Entry::position);
    [newest, view.good, view.candidate, view.pinned].into_iter().flatten().collect()
}

async fn body<C: Exporting>(caps: &C, storage: StorageId, entry: &Entry) -> Result<(), String> {
    let existed = match caps.put_new(storage, &entry.key, of_the_first(caps, entry).await?).await {
        Ok(PutNew::Created) | Err(StorageFailure { kind: StorageFailureKind::UnknownOutcome, .. }) => false,
        Ok(PutNew::Exists) => true,
        Err(failure) => return Err(failure.detail),
    };
    let copied = caps.get(storage, &entry.key, FILE_BYTES_MAX).await.map_err(|failure| failure.detail)?;
    match is_the_one(&read_body(&copied.object).await?, entry) {
        // An earlier copy arrived torn.
        Err(torn) if existed && copied.etag.is_some() => {
            match caps.swap(storage, &entry.key, copied.etag.as_ref(), of_the_first(caps, entry).await?).await {
                Ok(Swap::Swapped) => Err(format!("{torn}; it is written once more")),
                Ok(Swap::Stale) => Err(torn),
                Err(failure) => Err(failure.detail),
            }
        }
        whole => whole,
    }
}

async fn of_the_first<C: Exporting>(caps: &C, entry: &Entry) -> Result<Vec<u8>, String> {
    let fetched = caps.get(FIRST, &entry.key, entry.file_bytes).await.map_err(|failure| failure.detail)?;
    let file = read_body(&fetched.object).await?;
    is_the_one(&file, entry).map(|()| file)
}

fn is_the_one(file: &[u8], entry: &Entry) -> Result<(), String> {
    match sealing::is_entrys(file, entry)? {
        true => Ok(()),
        false => Err(format!("{} holds other bytes than the head names", entry.key)),
    }
}
