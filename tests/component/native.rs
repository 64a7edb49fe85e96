//! The policy's core without a component around it: its capabilities straight over the ports.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdover_plugin::model::{Digest, UnixMs};
use holdover_plugin::policy::capabilities as asked;
use holdover_plugin::policy::capabilities::{Body, Held, Keep, NotUnwrapped, StorageId};
use holdover_plugin::snapshot::{PayloadKey, Purpose, Signature, Wrapping};
use holdover_ports::{
    Clock, Config, Etag, Event, Events, ExporterPorts, Health, ImporterPorts, JanitorPorts, Listing, NotApplied, Object, Provenance,
    PutNew, Random, Schemas, Slot, StorageFailure, StorageFailureKind, StorageRead, Swap, Unanswered, Why,
};

pub struct Native<P>(pub P);

pub struct HeldConfig(pub Config);
pub struct HeldObject(Object);

/// The ports that every kind of policy has.
pub trait Basic {
    fn storage(&self, storage: StorageId) -> Option<&Arc<dyn StorageRead>>;
    fn clock(&self) -> &dyn Clock;
    fn events(&self) -> &dyn Events;
}

/// The ports that importer and exporter have.
pub trait Shared: Basic {
    fn schemas(&self) -> &dyn Schemas;
    fn random(&self) -> &dyn Random;
}

macro_rules! basic {
    ($ports:ty) => {
        impl Basic for $ports {
            fn storage(&self, storage: StorageId) -> Option<&Arc<dyn StorageRead>> {
                self.storages.get(storage as usize)
            }
            fn clock(&self) -> &dyn Clock {
                &*self.clock
            }
            fn events(&self) -> &dyn Events {
                &*self.events
            }
        }
    };
}

macro_rules! shared {
    ($ports:ty) => {
        basic!($ports);

        impl Shared for $ports {
            fn schemas(&self) -> &dyn Schemas {
                &*self.schemas
            }
            fn random(&self) -> &dyn Random {
                &*self.random
            }
        }
    };
}

basic!(JanitorPorts);

shared!(ImporterPorts);
shared!(ExporterPorts);

impl Body for HeldConfig {
    fn size(&self) -> u64 {
        self.0.bytes().len() as u64
    }

    async fn read(&self) -> Result<Vec<u8>, String> {
        Ok(self.0.bytes().to_vec())
    }
}

impl Body for HeldObject {
    fn size(&self) -> u64 {
        self.0.bytes().len() as u64
    }

    async fn read(&self) -> Result<Vec<u8>, String> {
        Ok(self.0.bytes().to_vec())
    }
}

impl<P: Basic> Held for Native<P> {
    type Config = HeldConfig;
    type Object = HeldObject;
}

impl<P: Basic> asked::StorageRead for Native<P> {
    async fn get(&self, storage: StorageId, key: &str, bytes_max: u64) -> Result<asked::Fetched<HeldObject>, StorageFailure> {
        let fetched = self.0.storage(storage).ok_or_else(no_such_storage)?.get(key, bytes_max).await?;
        let object = HeldObject(Object::new(fetched.bytes, Provenance::Storage));
        Ok(asked::Fetched { object, etag: fetched.etag, date: fetched.date })
    }
}

impl<P: Shared> asked::Schemas for Native<P> {
    async fn conforms(&self, config: &HeldConfig) -> Result<(), Vec<String>> {
        self.0.schemas().conforms(&config.0).await
    }
}

impl<P: Basic> asked::Clock for Native<P> {
    fn now(&self) -> UnixMs {
        self.0.clock().now()
    }

    fn monotonic(&self) -> Duration {
        self.0.clock().monotonic()
    }

    async fn sleep(&self, duration: Duration, why: Why) {
        self.0.clock().sleep(duration, why).await;
    }
}

impl<P: Shared> asked::Random for Native<P> {
    fn random(&self) -> u64 {
        self.0.random().random()
    }
}

impl<P: Basic> asked::Events for Native<P> {
    fn emit(&self, event: Event) {
        self.0.events().emit(event);
    }
}

impl asked::ControlPlane for Native<ImporterPorts> {
    async fn attempt(&self, patience: Duration) -> Result<HeldConfig, Unanswered> {
        self.0.control_plane.attempt(patience).await.map(HeldConfig)
    }
}

impl asked::Opening for Native<ImporterPorts> {
    async fn open(&self, object: &HeldObject) -> Result<HeldConfig, String> {
        Config::open(&object.0, &self.0.gate).map(HeldConfig)
    }

    async fn adopt(&self, object: &HeldObject) -> Result<HeldConfig, String> {
        Config::adopt(&object.0, &self.0.gate).map(HeldConfig)
    }
}

impl asked::Unsealing for Native<ImporterPorts> {
    async fn unwrap(&self, wrapped: &[u8]) -> Result<PayloadKey, NotUnwrapped> {
        self.0.gate.keys.unwrap(wrapped)
    }
}

impl asked::Unsealing for Native<ExporterPorts> {
    async fn unwrap(&self, wrapped: &[u8]) -> Result<PayloadKey, NotUnwrapped> {
        self.0.unsealing.unwrap(wrapped)
    }
}

impl asked::Watching for Native<ExporterPorts> {
    async fn health(&self, watched: u32) -> Health {
        self.0.watching.health(watched).await
    }
}

impl asked::Sealing for Native<ExporterPorts> {
    async fn sign(&self, purpose: Purpose, digest: Digest) -> Result<Vec<Signature>, String> {
        self.0.sealing.sign(purpose, digest)
    }

    async fn wrap(&self) -> Result<Option<Wrapping>, String> {
        self.0.sealing.wrap()
    }
}

impl asked::Cache for Native<ImporterPorts> {
    async fn read(&self, slot: Slot) -> Result<Option<HeldObject>, String> {
        let found = self.0.cache.read(slot).await?;
        Ok(found.map(|bytes| HeldObject(Object::new(bytes, Provenance::Cache))))
    }

    async fn write(&self, slot: Slot, header: Vec<u8>, body: Keep<'_, HeldObject>) -> Result<(), String> {
        let body = match body {
            Keep::Bytes(bytes) => Bytes::from(bytes),
            Keep::Object(object) => object.0.bytes().clone(),
        };
        self.0.cache.write(slot, vec![Bytes::from(header), body]).await
    }

    async fn set_aside(&self, slot: Slot, reason: &str) -> Result<(), String> {
        self.0.cache.set_aside(slot, reason).await
    }
}

impl asked::Bundle for Native<ImporterPorts> {
    async fn bundle(&self) -> Result<Option<HeldObject>, String> {
        let found = self.0.bundle.bundle().await?;
        Ok(found.map(|bytes| HeldObject(Object::new(bytes, Provenance::Bundle))))
    }
}

impl asked::Gateway for Native<ImporterPorts> {
    async fn apply(&self, config: &HeldConfig) -> Result<(), NotApplied> {
        self.0.gateway.apply(&config.0).await
    }
}

impl asked::StorageWrite for Native<ExporterPorts> {
    async fn put_new(&self, storage: StorageId, key: &str, body: Vec<u8>) -> Result<PutNew, StorageFailure> {
        self.0.writers.get(storage as usize).ok_or_else(no_such_storage)?.put_new(key, Bytes::from(body)).await
    }

    async fn swap(&self, storage: StorageId, key: &str, expected: Option<&Etag>, body: Vec<u8>) -> Result<Swap, StorageFailure> {
        self.0.writers.get(storage as usize).ok_or_else(no_such_storage)?.swap(key, expected, Bytes::from(body)).await
    }
}

impl asked::StorageDelete for Native<JanitorPorts> {
    async fn list(&self, storage: StorageId, prefix: &str, after: Option<&str>) -> Result<Listing, StorageFailure> {
        self.0.deleters.get(storage as usize).ok_or_else(no_such_storage)?.list(prefix, after).await
    }

    async fn delete(&self, storage: StorageId, key: &str) -> Result<(), StorageFailure> {
        self.0.deleters.get(storage as usize).ok_or_else(no_such_storage)?.delete(key).await
    }
}

fn no_such_storage() -> StorageFailure {
    StorageFailure::new(StorageFailureKind::NoSuchStorage, "the world has fewer storages")
}
