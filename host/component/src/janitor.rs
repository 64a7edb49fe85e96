//! World `janitor` on the host's side: the only linker that has storage-delete, and none that writes (host-02).

use std::time::Duration;

use async_trait::async_trait;
use holdover_plugin::policy::{Facts, Swept};
use holdover_ports::{EpisodeLost, Janitor, JanitorPorts};
use wasmtime::component::{Accessor, Linker};

use crate::bindings::common::holdover::policy::storage_failures;
use crate::bindings::janitor::holdover::policy::storage_delete;
use crate::bindings::janitor::{Janitor as World, JanitorPre};
use crate::common::{Side, no_such_storage};
use crate::convert;
use crate::engine::TickingEngine;
use crate::episode::{Hands, store, within_bounds};
use crate::error::LoadError;
use crate::runtime::Compiled;

type Mine = Hands<JanitorPorts>;
type Access = Accessor<Mine, Side<JanitorPorts>>;

pub(crate) struct ComponentJanitor {
    engine: TickingEngine,
    pre: JanitorPre<Mine>,
    ports: JanitorPorts,
}

impl ComponentJanitor {
    pub fn link(compiled: &Compiled, ports: JanitorPorts) -> Result<Self, LoadError> {
        let engine = compiled.engine.clone();
        let mut linker: Linker<Mine> = Linker::new(engine.engine());
        let linked = wasmtime_wasi::p2::add_to_linker_async(&mut linker)
            .and_then(|()| World::add_to_linker::<_, Side<JanitorPorts>>(&mut linker, |hands| hands))
            .and_then(|()| linker.instantiate_pre(&compiled.component))
            .and_then(JanitorPre::new);
        let pre = linked.map_err(|error| LoadError::new(format!("{} is no janitor: {error:#}", compiled.name)))?;
        Ok(Self { engine, pre, ports })
    }
}

#[async_trait]
impl Janitor for ComponentJanitor {
    async fn sweep(&self, facts: Facts) -> Result<Swept, EpisodeLost> {
        within_bounds("sweep", async {
            let mut store = store(&self.engine, self.ports.clone());
            let world = self.pre.instantiate_async(&mut store).await?;
            let facts = convert::facts(facts);
            let run = store.run_concurrent(async |accessor| world.holdover_policy_sweeping().call_sweep(accessor, facts).await);
            let swept = run.await??;
            Ok(Swept { wake_after: swept.wake_after.map(Duration::from_millis), removed: swept.removed })
        })
        .await
    }
}

impl storage_delete::Host for Mine {}

impl storage_delete::HostWithStore<Mine> for Side<JanitorPorts> {
    async fn list(
        accessor: &Access,
        storage: u32,
        prefix: String,
        after: Option<String>,
    ) -> wasmtime::Result<Result<storage_delete::Listing, storage_failures::Failure>> {
        let deleter = accessor.with(|mut access| access.get().ports.deleters.get(storage as usize).cloned());
        let Some(deleter) = deleter else { return Ok(Err(no_such_storage(storage))) };
        let listing = deleter.list(&prefix, after.as_deref()).await;
        accessor.with(|mut access| access.get().answered());
        Ok(match listing {
            Ok(listing) => {
                let wit = |listed: holdover_ports::Listed| storage_delete::Listed { key: listed.key, modified: listed.modified.0 };
                Ok(storage_delete::Listing { objects: listing.objects.into_iter().map(wit).collect(), more: listing.more })
            }
            Err(failure) => Err(convert::storage_failure(failure)),
        })
    }

    async fn delete(accessor: &Access, storage: u32, key: String) -> wasmtime::Result<Result<(), storage_failures::Failure>> {
        let deleter = accessor.with(|mut access| access.get().ports.deleters.get(storage as usize).cloned());
        let Some(deleter) = deleter else { return Ok(Err(no_such_storage(storage))) };
        Ok(deleter.delete(&key).await.map_err(convert::storage_failure))
    }
}
