//! World `exporter` on the host's side: the only linker that has storage-write (host-02), and its episodes.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use holdover_plugin::model::{Digest, Epoch};
use holdover_plugin::policy::{Approvable, ExportOutcome, Facts, Office};
use holdover_plugin::snapshot::Purpose;
use holdover_ports::{Config, EpisodeLost, Etag, Exporter, ExporterPorts, Health, PutNew, StorageFailure, StorageFailureKind, Swap};
use wasmtime::Store;
use wasmtime::component::{Accessor, Linker, StreamReader};

use crate::bindings::common::holdover::policy::storage_failures;
use crate::bindings::exporter::exports::holdover::policy::exporting;
use crate::bindings::exporter::holdover::policy::{sealing, storage_write, watching};
use crate::bindings::exporter::{Exporter as World, ExporterPre};
use crate::common::{Collect, Side, no_such_storage};
use crate::convert;
use crate::engine::TickingEngine;
use crate::episode::{Hands, store, within_bounds};
use crate::error::LoadError;
use crate::runtime::Compiled;

type Mine = Hands<ExporterPorts>;
type Access = Accessor<Mine, Side<ExporterPorts>>;

pub(crate) struct ComponentExporter {
    engine: TickingEngine,
    pre: ExporterPre<Mine>,
    ports: ExporterPorts,
}

impl ComponentExporter {
    pub fn link(compiled: &Compiled, ports: ExporterPorts) -> Result<Self, LoadError> {
        let engine = compiled.engine.clone();
        let mut linker: Linker<Mine> = Linker::new(engine.engine());
        let linked = wasmtime_wasi::p2::add_to_linker_async(&mut linker)
            .and_then(|()| World::add_to_linker::<_, Side<ExporterPorts>>(&mut linker, |hands| hands))
            .and_then(|()| linker.instantiate_pre(&compiled.component))
            .and_then(ExporterPre::new);
        let pre = linked.map_err(|error| LoadError::new(format!("{} is no exporter policy: {error:#}", compiled.name)))?;
        Ok(Self { engine, pre, ports })
    }

    async fn begin(&self) -> wasmtime::Result<(Store<Mine>, World)> {
        let mut store = store(&self.engine, self.ports.clone());
        let world = self.pre.instantiate_async(&mut store).await?;
        Ok((store, world))
    }
}

#[async_trait]
impl Exporter for ComponentExporter {
    async fn received(&self, config: Config, facts: Facts, state: Vec<u8>) -> Result<ExportOutcome, EpisodeLost> {
        within_bounds("export received", async {
            let (mut store, world) = self.begin().await?;
            let facts = convert::facts(facts);
            let config = store.data_mut().hold_config(config)?;
            let run = store
                .run_concurrent(async |accessor| world.holdover_policy_exporting().call_received(accessor, config, facts, state).await);
            outcome(run.await??)
        })
        .await
    }

    async fn tick(&self, pending: Option<Config>, facts: Facts, state: Vec<u8>) -> Result<ExportOutcome, EpisodeLost> {
        within_bounds("export tick", async {
            let (mut store, world) = self.begin().await?;
            let facts = convert::facts(facts);
            let pending = pending.map(|config| store.data_mut().hold_config(config)).transpose()?;
            let run =
                store.run_concurrent(async |accessor| world.holdover_policy_exporting().call_tick(accessor, pending, facts, state).await);
            outcome(run.await??)
        })
        .await
    }

    async fn probe(&self, facts: Facts) -> Result<Vec<(String, Result<(), String>)>, EpisodeLost> {
        within_bounds("probe", async {
            let (mut store, world) = self.begin().await?;
            let facts = convert::facts(facts);
            let run = store.run_concurrent(async |accessor| world.holdover_policy_exporting().call_probe(accessor, facts).await);
            Ok(run.await??.into_iter().map(|check| (check.name, check.found)).collect())
        })
        .await
    }
}

fn outcome(outcome: exporting::ExportOutcome) -> wasmtime::Result<ExportOutcome> {
    Ok(ExportOutcome {
        state: outcome.state,
        wake_after: outcome.wake_after.map(Duration::from_millis),
        pending: outcome.pending,
        refresh: outcome.refresh,
        published: outcome.published.map(convert::position_back),
        held: outcome.held,
        approvable: outcome.approvable.map(approvable).transpose()?,
        office: match outcome.office {
            exporting::Office::None => Office::None,
            exporting::Office::Leader(epoch) => Office::Leader(Epoch(epoch)),
            exporting::Office::Standby(sentence) => Office::Standby(sentence),
            exporting::Office::Declined(sentence) => Office::Declined(sentence),
        },
    })
}

fn approvable(approvable: exporting::Approvable) -> wasmtime::Result<Approvable> {
    let gateway_version = approvable.gateway_version.parse();
    Ok(Approvable {
        gateway_version: gateway_version.map_err(|_| wasmtime::Error::msg("the policy named a gateway version that is none"))?,
        base: approvable.base.map(convert::position_back),
        sameness: approvable.sameness,
    })
}

fn ports(accessor: &Access) -> ExporterPorts {
    accessor.with(|mut access| access.get().ports.clone())
}

impl storage_write::Host for Mine {}
impl watching::Host for Mine {}

impl watching::HostWithStore<Mine> for Side<ExporterPorts> {
    async fn health(accessor: &Access, watched: u32) -> wasmtime::Result<watching::Condition> {
        let watching = ports(accessor).watching;
        Ok(match watching.health(watched).await {
            Health::Well { sameness } => watching::Condition::Well(sameness),
            Health::Ill(why) => watching::Condition::Ill(why),
            Health::Silent(why) => watching::Condition::Silent(why),
        })
    }
}

impl sealing::Host for Mine {
    fn sign(&mut self, purpose: sealing::Purpose, digest: Vec<u8>) -> wasmtime::Result<Result<Vec<sealing::Signature>, String>> {
        let Ok(digest) = digest.try_into() else { return Ok(Err("the policy asked to sign what is no digest of 32 bytes".into())) };
        let purpose = match purpose {
            sealing::Purpose::Snapshot => Purpose::Snapshot,
            sealing::Purpose::Head => Purpose::Head,
            sealing::Purpose::Lease => Purpose::Lease,
            sealing::Purpose::Sameness => Purpose::Sameness,
            // An operator's word is an operator's: no exporter gives it, whatever its policy wants.
            sealing::Purpose::Orders | sealing::Purpose::BreakGlass => {
                return Ok(Err("the policy asked to sign in the operator's name".into()));
            }
        };
        let signed = self.ports.sealing.sign(purpose, Digest::from_bytes(digest));
        let wit = |signature: holdover_plugin::snapshot::Signature| sealing::Signature {
            key: signature.key.as_bytes().to_vec(),
            bytes: signature.bytes.to_vec(),
        };
        Ok(signed.map(|signatures| signatures.into_iter().map(wit).collect()))
    }

    fn wrap(&mut self) -> wasmtime::Result<Result<Option<sealing::Wrapping>, String>> {
        let wrapping = self.ports.sealing.wrap();
        let wit = |wrapping: holdover_plugin::snapshot::Wrapping| sealing::Wrapping {
            key: wrapping.key.as_bytes().to_vec(),
            wrapped: wrapping.wrapped,
        };
        Ok(wrapping.map(|wrapping| wrapping.map(wit)))
    }
}

impl storage_write::HostWithStore<Mine> for Side<ExporterPorts> {
    async fn put_new(
        accessor: &Access,
        storage: u32,
        key: String,
        size: u64,
        body: StreamReader<u8>,
    ) -> wasmtime::Result<Result<storage_write::PutNewOutcome, storage_failures::Failure>> {
        let body = match Collect::body(accessor, size, body).await? {
            Ok(body) => body,
            Err(detail) => {
                return Ok(Err(convert::storage_failure(StorageFailure::new(StorageFailureKind::Other, detail))));
            }
        };
        let Some(writer) = ports(accessor).writers.get(storage as usize).cloned() else { return Ok(Err(no_such_storage(storage))) };
        Ok(match writer.put_new(&key, body).await {
            Ok(PutNew::Created) => Ok(storage_write::PutNewOutcome::Created),
            Ok(PutNew::Exists) => Ok(storage_write::PutNewOutcome::Exists),
            Err(failure) => Err(convert::storage_failure(failure)),
        })
    }

    async fn swap(
        accessor: &Access,
        storage: u32,
        key: String,
        expected: Option<String>,
        body: Vec<u8>,
    ) -> wasmtime::Result<Result<storage_write::SwapOutcome, storage_failures::Failure>> {
        let Some(writer) = ports(accessor).writers.get(storage as usize).cloned() else { return Ok(Err(no_such_storage(storage))) };
        Ok(match writer.swap(&key, expected.map(Etag).as_ref(), Bytes::from(body)).await {
            Ok(Swap::Swapped) => Ok(storage_write::SwapOutcome::Swapped),
            Ok(Swap::Stale) => Ok(storage_write::SwapOutcome::Stale),
            Err(failure) => Err(convert::storage_failure(failure)),
        })
    }
}
