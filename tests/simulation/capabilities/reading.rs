//! Reading a storage: it may fail, be late, be torn, be something else, or be old.

use std::time::Duration;

use holdover_plugin::policy::capabilities::{Etag, Fetched, StorageFailure, StorageFailureKind, StorageId, StorageRead};

use super::super::faults::Fault;
use super::super::invariants;
use super::super::storage::Object as Stored;
use super::held::{Object, Provenance};
use super::{Caps, Role};

/// What a request finds.
enum Found {
    Away,
    TooMany,
    /// The object, and what stood there before.
    Object(Option<Stored>, Option<Stored>),
}

impl<R: Role> StorageRead for Caps<R> {
    async fn get(&self, storage: StorageId, key: &str, bytes_max: u64) -> Result<Fetched<Object>, StorageFailure> {
        let situation = || R::reading(&self.node, storage, key);
        if R::NAME == "exporter" {
            self.node.doing.set(Some(situation()));
        }
        let hazard = self.hazard(situation).await;
        invariants::storage_is_asked(&self.world, &self.node, R::NAME, storage, key);
        let failure = self.storage_failure(storage, key, situation);
        let (out, back) = self.travel(situation);
        let asked = key.to_owned();
        let found = self
            .ask(hazard, out, back, move |world| {
                let storage = &world.storages[storage as usize];
                if !storage.admits(world.now()) {
                    return Found::TooMany;
                }
                if storage.is_away(world.now()) { Found::Away } else { Found::Object(storage.object(&asked), storage.earlier(&asked)) }
            })
            .await;
        let found = match (failure, found) {
            (Some(failure), _) => Err(failure),
            (None, Found::TooMany) => Err(failed(StorageFailureKind::SlowDown, storage, key)),
            (None, Found::Away) => {
                self.world.executor.sleep(Duration::from_secs(2)).await;
                Err(failed(StorageFailureKind::Unreachable, storage, key))
            }
            (None, Found::Object(None, _)) => Err(failed(StorageFailureKind::Absent, storage, key)),
            (None, Found::Object(Some(object), earlier)) => self.read(storage, key, object, earlier, bytes_max),
        };
        self.world.note(self.node.actor(), "get", u64::from(storage), || {
            let outcome = match &found {
                Ok(fetched) => format!("{} bytes", fetched.object.bytes.len()),
                Err(failure) => failure.kind.reason().to_owned(),
            };
            format!("[{}] storage-{storage} {key} → {outcome}", R::NAME)
        });
        if let Ok(fetched) = &found {
            invariants::storage_has_answered(&self.world, &self.node, R::NAME, storage, key, fetched);
        }
        found
    }
}

impl<R: Role> Caps<R> {
    fn read(
        &self,
        storage: StorageId,
        key: &str,
        mut object: Stored,
        earlier: Option<Stored>,
        bytes_max: u64,
    ) -> Result<Fetched<Object>, StorageFailure> {
        let strikes = |fault| self.world.strikes(fault, &self.node, || R::reading(&self.node, storage, key));
        if storage > 0 && strikes(Fault::StaleRead).is_some() {
            object = earlier.unwrap_or(object);
        }
        if let Some(mut chance) = strikes(Fault::ForeignRead)
            && let Some(other) = self.world.storages[storage as usize].other(key, chance.index(64))
        {
            object.bytes = other.bytes;
        }
        let mut read = Object::whole(object.bytes, Provenance::Storage(storage));
        if let Some(mut chance) = strikes(Fault::TornRead) {
            let part = &read.bytes[..chance.index(read.bytes.len().max(1))];
            match chance.below(3) {
                0 => read.breaks_off = true,
                1 => read.bytes = part.into(),
                _ => read = Object::whole(part.into(), read.from),
            }
        }
        if read.promised > bytes_max {
            return Err(failed(StorageFailureKind::TooLarge, storage, key));
        }
        let date = self.world.storages[storage as usize].date(self.world.now());
        Ok(Fetched { object: read, etag: Some(Etag(object.mark.to_string())), date })
    }

    /// Every kind of failure that a storage has.
    pub fn storage_failure(&self, storage: StorageId, key: &str, situation: impl Fn() -> super::Situation) -> Option<StorageFailure> {
        const KINDS: [(Fault, StorageFailureKind); 8] = [
            (Fault::AbsentOrForbidden, StorageFailureKind::AbsentOrForbidden),
            (Fault::Forbidden, StorageFailureKind::Forbidden),
            (Fault::Credentials, StorageFailureKind::Credentials),
            (Fault::NoSuchStorage, StorageFailureKind::NoSuchStorage),
            (Fault::SlowDown, StorageFailureKind::SlowDown),
            (Fault::TooLarge, StorageFailureKind::TooLarge),
            (Fault::Unreachable, StorageFailureKind::Unreachable),
            (Fault::OtherFailure, StorageFailureKind::Other),
        ];
        for (fault, kind) in KINDS {
            if let Some(mut chance) = self.world.strikes(fault, &self.node, &situation) {
                let mut failure = failed(kind, storage, key);
                let says = kind == StorageFailureKind::SlowDown && chance.percent(50);
                failure.retry_after = says.then(|| Duration::from_secs(chance.between(1, 20)));
                return Some(failure);
            }
        }
        None
    }

    /// How long a request takes there and back.
    pub fn travel(&self, situation: impl Fn() -> super::Situation) -> (Duration, Duration) {
        let (mut out, mut back) = (self.world.latency(), self.world.latency());
        if let Some(mut chance) = self.world.strikes(Fault::Delay, &self.node, situation) {
            let delay = chance.magnitude(Duration::from_millis(50), Duration::from_secs(240));
            if chance.percent(50) { out += delay } else { back += delay }
        }
        (out, back)
    }
}

pub fn failed(kind: StorageFailureKind, storage: StorageId, key: &str) -> StorageFailure {
    StorageFailure::new(kind, format!("storage-{storage}: {key}: it met {}", kind.reason()))
}
