//! Writing to a storage. A write lands at one moment, whatever becomes of its writer and of its answer.

use std::rc::Rc;
use std::time::Duration;

use holdover_plugin::policy::capabilities::{Etag, PutNew, StorageFailure, StorageFailureKind, StorageId, StorageWrite, Swap};
use holdover_plugin::snapshot::keys;

use super::super::faults::Fault;
use super::super::invariants::{self, Writer};
use super::super::situation;
use super::super::storage::{Bytes, Condition, Conditions};
use super::super::world::World;
use super::reading::failed;
use super::{Caps, ExporterRole};

impl StorageWrite for Caps<ExporterRole> {
    async fn put_new(&self, storage: StorageId, key: &str, body: Vec<u8>) -> Result<PutNew, StorageFailure> {
        let written = self.write(storage, key, Condition::Absent, body.into()).await?;
        Ok(if written { PutNew::Created } else { PutNew::Exists })
    }

    async fn swap(&self, storage: StorageId, key: &str, expected: Option<&Etag>, body: Vec<u8>) -> Result<Swap, StorageFailure> {
        let condition = match expected {
            None => Condition::Absent,
            Some(mark) => Condition::Mark(mark.0.parse().unwrap_or(u64::MAX)),
        };
        let written = self.write(storage, key, condition, body.into()).await?;
        Ok(if written { Swap::Swapped } else { Swap::Stale })
    }
}

impl Caps<ExporterRole> {
    /// `Ok(false)`: the condition did not hold.
    async fn write(&self, storage: StorageId, key: &str, condition: Condition, mut body: Bytes) -> Result<bool, StorageFailure> {
        let (world, node) = (&self.world, &self.node);
        let sent = body.clone();
        let situation = || situation::of_write(world, node, storage, key, &sent);
        node.doing.set(Some(situation()));
        let writer = Writer::of(world, node);
        let hazard = self.hazard(situation).await;
        if let Some(failure) = self.storage_failure(storage, key, situation) {
            world.executor.sleep(world.latency()).await;
            self.note(storage, key, failure.kind.reason());
            return Err(failure);
        }
        let strikes = |fault| world.strikes(fault, node, situation);
        if strikes(Fault::NotWritten).is_some() {
            world.executor.sleep(world.latency() * 4).await;
            return Err(failed(StorageFailureKind::UnknownOutcome, storage, key));
        }
        let (mut out, back) = self.travel(situation);
        if let Some(mut chance) = strikes(Fault::LateWrite) {
            out += chance.magnitude(Duration::from_secs(1), Duration::from_secs(300));
            let (key_, looked) = (key.to_owned(), world.storages[storage as usize].holds(key, condition));
            world.after(out, move |world| {
                land(world, storage, &key_, condition, looked, body, &writer);
            });
            world.executor.sleep(world.latency() * 4).await;
            self.note(storage, key, "unknown-outcome");
            return Err(failed(StorageFailureKind::UnknownOutcome, storage, key));
        }
        let lost = strikes(Fault::LostAnswer).is_some();
        let conflict = strikes(Fault::Conflict).is_some();
        if key.starts_with(keys::SNAPSHOTS)
            && let Some(mut chance) = strikes(Fault::TornWrite)
        {
            body = body[..chance.index(body.len())].into();
        }
        let (key_, looked) = (key.to_owned(), world.storages[storage as usize].holds(key, condition));
        let landed = self
            .ask(hazard, out, back, move |world| {
                if world.storages[storage as usize].is_away(world.now()) {
                    return None;
                }
                if conflict {
                    touch(world, storage, &key_);
                }
                Some(land(world, storage, &key_, condition, looked, body, &writer))
            })
            .await;
        let outcome = match landed {
            None => Err(failed(StorageFailureKind::Unreachable, storage, key)),
            Some(_) if lost => Err(failed(StorageFailureKind::UnknownOutcome, storage, key)),
            Some(written) => Ok(written),
        };
        self.note(
            storage,
            key,
            match &outcome {
                Ok(true) => "written",
                Ok(false) => "stale",
                Err(failure) => failure.kind.reason(),
            },
        );
        outcome
    }

    fn note(&self, storage: StorageId, key: &str, outcome: &'static str) {
        let number = super::fold_bytes(u64::from(storage), outcome.as_bytes());
        self.world.note(self.node.actor(), "write", number, || format!("storage-{storage} {key} → {outcome}"));
    }
}

/// Whether it is written.
fn land(world: &Rc<World>, storage: StorageId, key: &str, condition: Condition, looked: bool, body: Bytes, writer: &Writer) -> bool {
    let stored = &world.storages[storage as usize];
    let holds = match (stored.conditions, condition) {
        (Conditions::Hold, _) | (Conditions::IgnoredForNew, Condition::Mark(_)) => stored.holds(key, condition),
        (Conditions::Ignored, _) | (Conditions::IgnoredForNew, Condition::Absent) => true,
        (Conditions::Racy, _) => looked,
    };
    if holds {
        let before = stored.write(world.now(), key, body.clone());
        invariants::written(world, storage, key, before.as_ref(), &body, writer);
    }
    holds
}

/// Somebody writes the same bytes once more: the mark is another one.
fn touch(world: &Rc<World>, storage: StorageId, key: &str) {
    let stored = &world.storages[storage as usize];
    if let Some(object) = stored.object(key) {
        stored.write(world.now(), key, object.bytes);
    }
}
