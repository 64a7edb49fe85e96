//! World `importer` on the host's side: its own imports, and its episodes. There is no storage write in here (boot-12, host-02).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use holdover_plugin::policy::{Facts, Outcome, Standing};
use holdover_ports::{Answer, Config, EpisodeLost, Importer, ImporterPorts, NotApplied, Provenance, Slot, Unanswered};
use wasmtime::Store;
use wasmtime::component::{Accessor, Linker, Resource, StreamReader};

use crate::bindings::importer::exports::holdover::policy::importing;
use crate::bindings::importer::holdover::policy::{bundle, cache, control_plane, gateway, opening};
use crate::bindings::importer::{Importer as World, ImporterPre};
use crate::bindings::{HeldConfig, HeldObject};
use crate::common::{Collect, Side};
use crate::convert;
use crate::engine::TickingEngine;
use crate::episode::{Hands, store, within_bounds};
use crate::error::LoadError;
use crate::runtime::Compiled;

type Mine = Hands<ImporterPorts>;
type Access = Accessor<Mine, Side<ImporterPorts>>;

pub(crate) struct ComponentImporter {
    engine: TickingEngine,
    pre: ImporterPre<Mine>,
    ports: ImporterPorts,
}

impl ComponentImporter {
    pub fn link(compiled: &Compiled, ports: ImporterPorts) -> Result<Self, LoadError> {
        let engine = compiled.engine.clone();
        let mut linker: Linker<Mine> = Linker::new(engine.engine());
        let linked = wasmtime_wasi::p2::add_to_linker_async(&mut linker)
            .and_then(|()| World::add_to_linker::<_, Side<ImporterPorts>>(&mut linker, |hands| hands))
            .and_then(|()| linker.instantiate_pre(&compiled.component))
            .and_then(ImporterPre::new);
        let pre = linked.map_err(|error| {
            let name = &compiled.name;
            LoadError::new(format!("{name}: it is no importer policy ({error:#}); name one that was built for the world `importer`"))
        })?;
        Ok(Self { engine, pre, ports })
    }

    async fn begin(&self) -> wasmtime::Result<(Store<Mine>, World)> {
        let mut store = store(&self.engine, self.ports.clone());
        let world = self.pre.instantiate_async(&mut store).await?;
        Ok((store, world))
    }
}

#[async_trait]
impl Importer for ComponentImporter {
    async fn boot(&self, facts: Facts, state: Vec<u8>) -> Result<Outcome, EpisodeLost> {
        within_bounds("boot", async {
            let (mut store, world) = self.begin().await?;
            let facts = convert::facts(facts);
            let run = store.run_concurrent(async |accessor| world.holdover_policy_importing().call_boot(accessor, facts, state).await);
            outcome(run.await??)
        })
        .await
    }

    async fn received(&self, config: Config, facts: Facts, state: Vec<u8>) -> Result<Outcome, EpisodeLost> {
        within_bounds("received", async {
            let (mut store, world) = self.begin().await?;
            let facts = convert::facts(facts);
            let config = store.data_mut().hold_config(config)?;
            let run = store
                .run_concurrent(async |accessor| world.holdover_policy_importing().call_received(accessor, config, facts, state).await);
            outcome(run.await??)
        })
        .await
    }

    async fn tick(&self, facts: Facts, state: Vec<u8>) -> Result<Outcome, EpisodeLost> {
        within_bounds("tick", async {
            let (mut store, world) = self.begin().await?;
            let facts = convert::facts(facts);
            let run = store.run_concurrent(async |accessor| world.holdover_policy_importing().call_tick(accessor, facts, state).await);
            outcome(run.await??)
        })
        .await
    }
}

fn outcome(outcome: importing::Outcome) -> wasmtime::Result<Outcome> {
    let standing = match outcome.standing {
        importing::Standing::Serving(serving) => Standing::Serving(convert::serving_back(serving)?),
        importing::Standing::Stranded(why) => Standing::Stranded(why),
        importing::Standing::Refused(why) => Standing::Refused(why),
    };
    Ok(Outcome { state: outcome.state, wake_after: outcome.wake_after.map(Duration::from_millis), refresh: outcome.refresh, standing })
}

/// The ports, out of the store: nothing of it may be held while a port is waited for.
fn ports(accessor: &Access) -> ImporterPorts {
    accessor.with(|mut access| access.get().ports.clone())
}

impl control_plane::Host for Mine {}
impl opening::Host for Mine {}
impl cache::Host for Mine {}
impl bundle::Host for Mine {}
impl gateway::Host for Mine {}

impl control_plane::HostWithStore<Mine> for Side<ImporterPorts> {
    async fn attempt(accessor: &Access, patience: u64) -> wasmtime::Result<Result<Resource<HeldConfig>, control_plane::Unanswered>> {
        let answered = ports(accessor).control_plane.attempt(Duration::from_millis(patience)).await;
        accessor.with(|mut access| match answered {
            Ok(config) => Ok(Ok(access.get().hold_config(config)?)),
            Err(unanswered) => {
                access.get().answered();
                Ok(Err(wit_unanswered(unanswered)))
            }
        })
    }
}

fn wit_unanswered(unanswered: Unanswered) -> control_plane::Unanswered {
    use control_plane::Answer as Wit;
    let answer = match unanswered.answer {
        Answer::NameNotResolved => Wit::NameNotResolved,
        Answer::ConnectionRefused => Wit::ConnectionRefused,
        Answer::ConnectionReset => Wit::ConnectionReset,
        Answer::TimedOut => Wit::TimedOut,
        Answer::TheirCertificate => Wit::TheirCertificate,
        Answer::ClosedAfterTls => Wit::ClosedAfterTls,
        Answer::ServerError => Wit::ServerError,
        Answer::Silent => Wit::Silent,
        Answer::NotConfigured => Wit::NotConfigured,
        Answer::BadRequest => Wit::BadRequest,
        Answer::Unauthorised => Wit::Unauthorised,
        Answer::Forbidden => Wit::Forbidden,
        Answer::UpgradeRequired => Wit::UpgradeRequired,
        Answer::ClosedAfterIntroduction => Wit::ClosedAfterIntroduction,
        Answer::OurCertificate => Wit::OurCertificate,
        Answer::Unexpected => Wit::Unexpected,
    };
    control_plane::Unanswered { answer, detail: unanswered.detail }
}

impl opening::HostWithStore<Mine> for Side<ImporterPorts> {
    async fn open(accessor: &Access, object: Resource<HeldObject>) -> wasmtime::Result<Result<Resource<HeldConfig>, String>> {
        let object = accessor.with(|mut access| access.get().object(&object))?;
        let gate = ports(accessor).gate;
        let opened = tokio::task::spawn_blocking(move || Config::open(&object, &gate)).await;
        let opened = opened.unwrap_or_else(|failure| Err(format!("opening it failed: {failure}")));
        accessor.with(|mut access| match opened {
            Ok(config) => Ok(Ok(access.get().hold_config(config)?)),
            Err(sentence) => Ok(Err(sentence)),
        })
    }

    async fn adopt(accessor: &Access, object: Resource<HeldObject>) -> wasmtime::Result<Result<Resource<HeldConfig>, String>> {
        let object = accessor.with(|mut access| access.get().object(&object))?;
        match Config::adopt(&object, &ports(accessor).gate) {
            Ok(config) => accessor.with(|mut access| Ok(Ok(access.get().hold_config(config)?))),
            Err(sentence) => Ok(Err(sentence)),
        }
    }
}

impl cache::HostWithStore<Mine> for Side<ImporterPorts> {
    async fn read(accessor: &Access, slot: cache::Slot) -> wasmtime::Result<Result<Option<Resource<HeldObject>>, String>> {
        match ports(accessor).cache.read(port_slot(slot)).await {
            Ok(Some(bytes)) => accessor.with(|mut access| Ok(Ok(Some(access.get().hold_object(bytes, Provenance::Cache)?)))),
            Ok(None) => Ok(Ok(None)),
            Err(sentence) => Ok(Err(sentence)),
        }
    }

    async fn write_bytes(
        accessor: &Access,
        slot: cache::Slot,
        header: Vec<u8>,
        size: u64,
        body: StreamReader<u8>,
    ) -> wasmtime::Result<Result<(), String>> {
        let body = match Collect::body(accessor, size, body).await? {
            Ok(body) => body,
            Err(sentence) => return Ok(Err(sentence)),
        };
        Ok(ports(accessor).cache.write(port_slot(slot), vec![Bytes::from(header), body]).await)
    }

    async fn write_object(
        accessor: &Access,
        slot: cache::Slot,
        header: Vec<u8>,
        body: Resource<HeldObject>,
    ) -> wasmtime::Result<Result<(), String>> {
        let object = accessor.with(|mut access| access.get().object(&body))?;
        Ok(ports(accessor).cache.write(port_slot(slot), vec![Bytes::from(header), object.bytes().clone()]).await)
    }

    async fn set_aside(accessor: &Access, slot: cache::Slot, reason: String) -> wasmtime::Result<Result<(), String>> {
        Ok(ports(accessor).cache.set_aside(port_slot(slot), &reason).await)
    }
}

fn port_slot(slot: cache::Slot) -> Slot {
    match slot {
        cache::Slot::Applied => Slot::Applied,
        cache::Slot::Settled => Slot::Settled,
        cache::Slot::Attempts => Slot::Attempts,
        cache::Slot::Marks => Slot::Marks,
        cache::Slot::Approval => Slot::Approval,
    }
}

impl bundle::HostWithStore<Mine> for Side<ImporterPorts> {
    async fn bundle(accessor: &Access) -> wasmtime::Result<Result<Option<Resource<HeldObject>>, String>> {
        match ports(accessor).bundle.bundle().await {
            Ok(Some(bytes)) => accessor.with(|mut access| Ok(Ok(Some(access.get().hold_object(bytes, Provenance::Bundle)?)))),
            Ok(None) => Ok(Ok(None)),
            Err(sentence) => Ok(Err(sentence)),
        }
    }
}

impl gateway::HostWithStore<Mine> for Side<ImporterPorts> {
    async fn apply(accessor: &Access, config: Resource<HeldConfig>) -> wasmtime::Result<Result<(), gateway::NotApplied>> {
        let config = accessor.with(|mut access| access.get().config(&config))?;
        let applied = ports(accessor).gateway.apply(&config).await;
        accessor.with(|mut access| access.get().answered());
        Ok(applied.map_err(|not_applied| match not_applied {
            NotApplied::Rejected(why) => gateway::NotApplied::Rejected(why),
            NotApplied::Failed(why) => gateway::NotApplied::Failed(why),
        }))
    }
}

/// As the node sees it.
pub(crate) fn shared(importer: ComponentImporter) -> Arc<dyn Importer> {
    Arc::new(importer)
}
