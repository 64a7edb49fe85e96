//! The capabilities that the worlds share, from ports to WIT.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdover_ports::{
    Clock, Config, Event, Events, ExporterPorts, ImporterPorts, JanitorPorts, Name, NotUnwrapped, Object, Provenance, Random, Schemas,
    Severity, StorageFailure, StorageFailureKind, StorageRead, Unsealing, Why,
};
use tokio::sync::oneshot;
use wasmtime::StoreContextMut;
use wasmtime::component::{Access, Accessor, HasData, Resource, Source, StreamConsumer, StreamReader, StreamResult};

use crate::bindings::common::holdover::policy::{clock, events, held, random, schemas, storage_failures, storage_read, types, unsealing};
use crate::bindings::{HeldConfig, HeldObject};
use crate::convert;
use crate::episode::Hands;

/// Which world's hands the bindings reach into.
pub(crate) struct Side<P>(PhantomData<P>);

impl<P: Send + 'static> HasData for Side<P> {
    type Data<'a> = &'a mut Hands<P>;
}

/// The ports that every world with ports has.
pub(crate) trait Basic: Send + Sync + 'static {
    fn storage(&self, index: u32) -> Option<Arc<dyn StorageRead>>;
    fn clock(&self) -> Arc<dyn Clock>;
    fn events(&self) -> &dyn Events;
}

/// The ports that importer and exporter have.
pub(crate) trait Shared: Basic {
    fn unsealing(&self) -> &dyn Unsealing;
    fn schemas(&self) -> Arc<dyn Schemas>;
    fn random(&self) -> &dyn Random;
}

macro_rules! basic {
    ($ports:ty) => {
        impl Basic for $ports {
            fn storage(&self, index: u32) -> Option<Arc<dyn StorageRead>> {
                self.storages.get(index as usize).cloned()
            }
            fn clock(&self) -> Arc<dyn Clock> {
                self.clock.clone()
            }
            fn events(&self) -> &dyn Events {
                &*self.events
            }
        }
    };
}

basic!(ImporterPorts);
basic!(ExporterPorts);
basic!(JanitorPorts);

impl Shared for ImporterPorts {
    fn unsealing(&self) -> &dyn Unsealing {
        &*self.gate.keys
    }
    fn schemas(&self) -> Arc<dyn Schemas> {
        self.schemas.clone()
    }
    fn random(&self) -> &dyn Random {
        &*self.random
    }
}

impl Shared for ExporterPorts {
    fn unsealing(&self) -> &dyn Unsealing {
        &*self.unsealing
    }
    fn schemas(&self) -> Arc<dyn Schemas> {
        self.schemas.clone()
    }
    fn random(&self) -> &dyn Random {
        &*self.random
    }
}

impl<P: Basic> Hands<P> {
    pub fn hold_config(&mut self, config: Config) -> wasmtime::Result<Resource<HeldConfig>> {
        self.answered();
        Ok(self.table.push(HeldConfig(config))?)
    }

    pub fn hold_object(&mut self, bytes: Bytes, provenance: Provenance) -> wasmtime::Result<Resource<HeldObject>> {
        self.answered();
        Ok(self.table.push(HeldObject(Object::new(bytes, provenance)))?)
    }

    pub fn config(&mut self, handle: &Resource<HeldConfig>) -> wasmtime::Result<Config> {
        Ok(self.table.get(handle)?.0.clone())
    }

    pub fn object(&mut self, handle: &Resource<HeldObject>) -> wasmtime::Result<Object> {
        Ok(self.table.get(handle)?.0.clone())
    }
}

impl<P: Basic> types::Host for Hands<P> {}
impl<P: Basic> held::Host for Hands<P> {}
impl<P: Basic> storage_failures::Host for Hands<P> {}
impl<P: Basic> storage_read::Host for Hands<P> {}
impl<P: Shared> schemas::Host for Hands<P> {}

impl<P: Basic> held::HostConfig for Hands<P> {
    fn size(&mut self, handle: Resource<HeldConfig>) -> wasmtime::Result<u64> {
        Ok(self.config(&handle)?.bytes().len() as u64)
    }

    fn drop(&mut self, handle: Resource<HeldConfig>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

impl<P: Basic> held::HostConfigWithStore<Hands<P>> for Side<P> {
    fn read(mut host: Access<'_, Hands<P>, Self>, handle: Resource<HeldConfig>) -> wasmtime::Result<StreamReader<u8>> {
        let bytes = host.get().config(&handle)?.bytes().clone();
        host.get().gave(bytes.len());
        StreamReader::new(host, bytes)
    }
}

impl<P: Basic> held::HostObject for Hands<P> {
    fn size(&mut self, handle: Resource<HeldObject>) -> wasmtime::Result<u64> {
        Ok(self.object(&handle)?.bytes().len() as u64)
    }

    fn drop(&mut self, handle: Resource<HeldObject>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

impl<P: Basic> held::HostObjectWithStore<Hands<P>> for Side<P> {
    fn read(mut host: Access<'_, Hands<P>, Self>, handle: Resource<HeldObject>) -> wasmtime::Result<StreamReader<u8>> {
        let bytes = host.get().object(&handle)?.bytes().clone();
        // A sealed body opens into something larger, which is what is computed on.
        host.get().gave(bytes.len().saturating_mul(8));
        StreamReader::new(host, bytes)
    }
}

impl<P: Basic> storage_read::HostWithStore<Hands<P>> for Side<P> {
    async fn get(
        accessor: &Accessor<Hands<P>, Self>,
        storage: u32,
        key: String,
        bytes_max: u64,
    ) -> wasmtime::Result<Result<storage_read::Fetched, storage_failures::Failure>> {
        let Some(reader) = accessor.with(|mut access| access.get().ports.storage(storage)) else {
            return Ok(Err(no_such_storage(storage)));
        };
        let fetched = match reader.get(&key, bytes_max).await {
            Ok(fetched) => fetched,
            Err(failure) => return Ok(Err(convert::storage_failure(failure))),
        };
        accessor.with(|mut access| {
            let object = access.get().hold_object(fetched.bytes, Provenance::Storage)?;
            Ok(Ok(storage_read::Fetched { object, etag: fetched.etag.map(|etag| etag.0), date: fetched.date.map(|date| date.0) }))
        })
    }
}

pub(crate) fn no_such_storage(storage: u32) -> storage_failures::Failure {
    let detail = format!("the policy asked for storage number {storage}, and there are fewer in cluster_fallback_config_storage");
    convert::storage_failure(StorageFailure::new(StorageFailureKind::NoSuchStorage, detail))
}

impl<P: Shared> schemas::HostWithStore<Hands<P>> for Side<P> {
    async fn conforms(accessor: &Accessor<Hands<P>, Self>, config: Resource<HeldConfig>) -> wasmtime::Result<Result<(), Vec<String>>> {
        let (schemas, config) = accessor.with(|mut access| {
            let hands = access.get();
            Ok::<_, wasmtime::Error>((hands.ports.schemas(), hands.config(&config)?))
        })?;
        let conforms = schemas.conforms(&config).await;
        accessor.with(|mut access| access.get().answered());
        Ok(conforms)
    }
}

impl<P: Shared> unsealing::Host for Hands<P> {
    fn unwrap(&mut self, wrapped: Vec<u8>) -> wasmtime::Result<Result<Vec<u8>, unsealing::NotUnwrapped>> {
        Ok(match self.ports.unsealing().unwrap(&wrapped) {
            Ok(key) => Ok(key.as_bytes().to_vec()),
            Err(NotUnwrapped::NoIdentity) => Err(unsealing::NotUnwrapped::NoIdentity),
            Err(NotUnwrapped::ForOthers) => Err(unsealing::NotUnwrapped::ForOthers),
            Err(NotUnwrapped::Damaged(why)) => Err(unsealing::NotUnwrapped::Damaged(why)),
        })
    }
}

impl<P: Basic> clock::Host for Hands<P> {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.ports.clock().now().0)
    }

    fn monotonic(&mut self) -> wasmtime::Result<u64> {
        Ok(convert::millis(self.ports.clock().monotonic()))
    }
}

impl<P: Basic> clock::HostWithStore<Hands<P>> for Side<P> {
    async fn sleep(accessor: &Accessor<Hands<P>, Self>, duration: u64, why: String) -> wasmtime::Result<()> {
        let clock = accessor.with(|mut access| access.get().ports.clock());
        clock.sleep(Duration::from_millis(duration), Why::from_text(&why)).await;
        accessor.with(|mut access| access.get().answered());
        Ok(())
    }
}

impl<P: Shared> random::Host for Hands<P> {
    fn random(&mut self) -> wasmtime::Result<u64> {
        Ok(self.ports.random().random())
    }
}

impl<P: Basic> events::Host for Hands<P> {
    fn emit(&mut self, event: events::Event) -> wasmtime::Result<()> {
        let severity = match event.severity {
            events::Severity::Info => Severity::Info,
            events::Severity::Warning => Severity::Warning,
            events::Severity::Alarm => Severity::Alarm,
        };
        let name = Name::from_text(&event.name);
        let fields = event.fields.into_iter().map(|(field, value)| (field.into(), value)).collect();
        let mut known = Event { name, severity, sentence: event.sentence, fields };
        if name == Name::Unknown {
            known.fields.push(("name".into(), event.name));
        }
        self.ports.events().emit(known);
        Ok(())
    }
}

/// Takes what the policy writes into memory that was reserved once, and hands it over when the stream ends.
pub(crate) struct Collect {
    bytes: Vec<u8>,
    size: usize,
    done: Option<oneshot::Sender<Vec<u8>>>,
}

impl Collect {
    /// Reads a body of `size` bytes from the policy. The error is a sentence.
    pub async fn body<P: Basic>(
        accessor: &Accessor<Hands<P>, Side<P>>,
        size: u64,
        body: StreamReader<u8>,
    ) -> wasmtime::Result<Result<Bytes, String>> {
        let size = usize::try_from(size).unwrap_or(usize::MAX).min(crate::engine::MEMORY_BYTES_MAX);
        let (done, collected) = oneshot::channel();
        let collect = Self { bytes: Vec::with_capacity(size), size, done: Some(done) };
        accessor.with(|access| body.pipe(access, collect))?;
        let bytes = collected.await.unwrap_or_default();
        accessor.with(|mut access| access.get().answered());
        match bytes.len() == size {
            true => Ok(Ok(Bytes::from(bytes))),
            false => Ok(Err(format!("the policy promised a body of {size} bytes and wrote {}", bytes.len()))),
        }
    }

    fn finish(&mut self) {
        if let Some(done) = self.done.take() {
            // Nobody waits any more when the episode ended meanwhile.
            let _nobody_waits = done.send(std::mem::take(&mut self.bytes));
        }
    }
}

impl Drop for Collect {
    fn drop(&mut self) {
        self.finish();
    }
}

impl<D> StreamConsumer<D> for Collect {
    type Item = u8;

    fn poll_consume(
        mut self: std::pin::Pin<&mut Self>,
        _context: &mut std::task::Context<'_>,
        mut store: StoreContextMut<D>,
        mut source: Source<'_, u8>,
        _finish: bool,
    ) -> std::task::Poll<wasmtime::Result<StreamResult>> {
        let this = &mut *self;
        let available = source.remaining(&mut store);
        // One byte more than promised is taken, so that a longer body shows.
        let room = (this.size + 1).saturating_sub(this.bytes.len()).min(available);
        this.bytes.reserve_exact(room);
        source.read(&mut store, &mut this.bytes)?;
        if this.bytes.len() >= this.size {
            this.finish();
            return std::task::Poll::Ready(Ok(StreamResult::Dropped));
        }
        std::task::Poll::Ready(Ok(StreamResult::Completed))
    }
}
