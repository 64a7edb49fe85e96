//! Removes what nobody can want any more (export-09): what is outside every history, below the head, and was superseded for over a day.
//!
//! Safe without any lease: what stands below the head's position can never be named by a head to come, so a stale look at the head only
//! leaves more behind. It lists and deletes; it has no way to write.

use std::collections::BTreeMap;
use std::time::Duration;

use super::candidate::read_body;
use super::capabilities::{Listed, StorageFailure, StorageFailureKind, StorageId};
use super::events::{Event, Name};
use super::{Facts, Sweeping, Swept};
use crate::model::{GatewayVersion, Position, UnixMs};
use crate::mutants::{Mutant, active};
use crate::snapshot::head::{HEAD_BYTES_MAX, Head};
use crate::snapshot::keys;

const EVERY: Duration = Duration::from_secs(3600);
/// How long something is kept after it was superseded, whatever the history says.
const SUPERSEDED_FOR: Duration = Duration::from_secs(24 * 3600);

/// Sweeps every storage once.
pub async fn sweep<C: Sweeping>(caps: &C, facts: &Facts) -> Swept {
    let mut removed = 0;
    for (storage, name) in facts.settings.storages.iter().enumerate() {
        match sweep_one(caps, facts, storage as StorageId).await {
            Ok(0) => {}
            Ok(count) => {
                removed += count;
                caps.emit(Event::info(Name::Swept, format!("{count} old objects are removed from {name}.")).with("storage", name));
            }
            Err(sentence) => {
                caps.emit(Event::warning(Name::SweepFailed, format!("{name} could not be swept: {sentence}.")).with("storage", name))
            }
        }
    }
    Swept { wake_after: Some(EVERY), removed }
}

async fn sweep_one<C: Sweeping>(caps: &C, facts: &Facts, storage: StorageId) -> Result<u64, String> {
    let fetched = match caps.get(storage, keys::HEAD, HEAD_BYTES_MAX).await {
        Ok(fetched) => fetched,
        Err(StorageFailure { kind: StorageFailureKind::Absent | StorageFailureKind::AbsentOrForbidden, .. }) => return Ok(0),
        Err(failure) => return Err(failure.detail),
    };
    // The storage's own clock wrote the ages; this node's may be wrong.
    let now = fetched.date.unwrap_or_else(|| caps.now());
    let file = read_body(&fetched.object).await?;
    let head = Head::read(&file, &facts.settings.trusted).map_err(|refusal| refusal.to_string())?;
    if head.cluster != facts.settings.cluster {
        return Err(format!("it holds cluster '{}'", head.cluster));
    }
    let mut removed = 0;
    let scratch = list(caps, storage, keys::PROBES).await?;
    let old = scratch.iter().filter(|listed| is_past(now, listed.modified)).map(|listed| listed.key.as_str());
    let snapshots = list(caps, storage, keys::SNAPSHOTS).await?;
    for key in old.chain(superseded(&head, &snapshots, now)) {
        caps.delete(storage, key).await.map_err(|failure| failure.detail)?;
        removed += 1;
    }
    Ok(removed)
}

async fn list<C: Sweeping>(caps: &C, storage: StorageId, prefix: &str) -> Result<Vec<Listed>, String> {
    let mut all: Vec<Listed> = Vec::new();
    loop {
        let after = all.last().map(|listed| listed.key.clone());
        let page = caps.list(storage, prefix, after.as_deref()).await.map_err(|failure| failure.detail)?;
        let is_last = !page.more || page.objects.is_empty();
        all.extend(page.objects);
        if is_last {
            return Ok(all);
        }
    }
}

/// The keys to remove. What was superseded is dated by what came after it, which is still there or was there later.
fn superseded<'a>(head: &Head, listed: &'a [Listed], now: UnixMs) -> Vec<&'a str> {
    let mut by_version: BTreeMap<GatewayVersion, Vec<(Position, &Listed)>> = BTreeMap::new();
    for one in listed {
        if let Some((version, position)) = keys::position(&one.key) {
            by_version.entry(version).or_default().push((position, one));
        }
    }
    let mut keys = Vec::new();
    for (version, mut versions) in by_version {
        versions.sort_by_key(|(position, _)| *position);
        let followers = versions.iter().skip(1).map(|(_, next)| Some(next.modified)).chain([None]);
        for ((position, one), follower) in versions.iter().zip(followers) {
            let superseded_at = follower.unwrap_or(one.modified).max(one.modified);
            let is_old = is_past(now, superseded_at) || active(Mutant::SweepsTheYoung);
            if *position < head.position() && is_old && !is_listed(head, &version, &one.key) {
                keys.push(one.key.as_str());
            }
        }
    }
    keys
}

fn is_listed(head: &Head, version: &GatewayVersion, key: &str) -> bool {
    head.view(version).is_some_and(|view| view.history.iter().any(|entry| entry.key == key)) && !active(Mutant::SweepsHistory)
}

fn is_past(now: UnixMs, at: UnixMs) -> bool {
    now.since(at) > SUPERSEDED_FOR
}
