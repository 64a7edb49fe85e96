//! The capabilities that the worlds share, over WIT imports.

use std::time::Duration;

use holdover_plugin::model::UnixMs;
use holdover_plugin::policy::capabilities::{Body, Clock, Etag, Events, Fetched, Held, StorageFailure, StorageId, StorageRead};
#[cfg(any(feature = "importer", feature = "exporter"))]
use holdover_plugin::policy::capabilities::{NotUnwrapped, Random, Schemas, Unsealing};
use holdover_plugin::policy::events::{Event, Severity, Why};
#[cfg(any(feature = "importer", feature = "exporter"))]
use holdover_plugin::snapshot::PayloadKey;

use crate::generated::common::holdover::policy::{clock, events, held, storage_read};
#[cfg(any(feature = "importer", feature = "exporter"))]
use crate::generated::common::holdover::policy::{random, schemas, unsealing};
use crate::{convert, stream};

/// Everything outside, as this component was given it.
pub struct World;

impl Held for World {
    type Config = held::Config;
    type Object = held::Object;
}

impl Body for held::Config {
    fn size(&self) -> u64 {
        self.size()
    }

    async fn read(&self) -> Result<Vec<u8>, String> {
        stream::drain(self.read(), self.size()).await
    }
}

impl Body for held::Object {
    fn size(&self) -> u64 {
        self.size()
    }

    async fn read(&self) -> Result<Vec<u8>, String> {
        stream::drain(self.read(), self.size()).await
    }
}

impl StorageRead for World {
    async fn get(&self, storage: StorageId, key: &str, bytes_max: u64) -> Result<Fetched<held::Object>, StorageFailure> {
        let fetched = storage_read::get(storage, key.to_owned(), bytes_max).await.map_err(convert::storage_failure)?;
        Ok(Fetched { object: fetched.object, etag: fetched.etag.map(Etag), date: fetched.date.map(UnixMs) })
    }
}

#[cfg(any(feature = "importer", feature = "exporter"))]
impl Schemas for World {
    async fn conforms(&self, config: &held::Config) -> Result<(), Vec<String>> {
        schemas::conforms(config).await
    }
}

impl Clock for World {
    fn now(&self) -> UnixMs {
        UnixMs(clock::now())
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(clock::monotonic())
    }

    async fn sleep(&self, duration: Duration, why: Why) {
        clock::sleep(convert::millis(duration), why.as_str().to_owned()).await;
    }
}

#[cfg(any(feature = "importer", feature = "exporter"))]
impl Random for World {
    fn random(&self) -> u64 {
        random::random()
    }
}

impl Events for World {
    fn emit(&self, event: Event) {
        let severity = match event.severity {
            Severity::Info => events::Severity::Info,
            Severity::Warning => events::Severity::Warning,
            Severity::Alarm => events::Severity::Alarm,
        };
        let fields = event.fields.into_iter().map(|(field, value)| (field.into_owned(), value)).collect();
        events::emit(&events::Event { name: event.name.as_str().to_owned(), severity, sentence: event.sentence, fields });
    }
}

#[cfg(any(feature = "importer", feature = "exporter"))]
impl Unsealing for World {
    async fn unwrap(&self, wrapped: &[u8]) -> Result<PayloadKey, NotUnwrapped> {
        match unsealing::unwrap(wrapped) {
            Ok(key) => {
                let key = key.try_into().map_err(|_| NotUnwrapped::Damaged("the host gave a key of another length".into()))?;
                Ok(PayloadKey::from_bytes(key))
            }
            Err(unsealing::NotUnwrapped::NoIdentity) => Err(NotUnwrapped::NoIdentity),
            Err(unsealing::NotUnwrapped::ForOthers) => Err(NotUnwrapped::ForOthers),
            Err(unsealing::NotUnwrapped::Damaged(why)) => Err(NotUnwrapped::Damaged(why)),
        }
    }
}
