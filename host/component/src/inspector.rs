//! World `inspector` on the host's side: nothing is linked but the deny-all WASI.

use async_trait::async_trait;
use bytes::Bytes;
use holdover_plugin::config::Format;
use holdover_plugin::snapshot::{PayloadKey, Trust};
use holdover_ports::{EpisodeLost, Inspector, Report, Verdict};
use wasmtime::Store;
use wasmtime::component::{Linker, StreamReader};

use crate::bindings::inspector::exports::holdover::policy::inspecting;
use crate::bindings::inspector::{Inspector as World, InspectorPre};
use crate::convert;
use crate::engine::TickingEngine;
use crate::episode::{Hands, store, within_bounds};
use crate::error::LoadError;
use crate::runtime::Compiled;

/// It has no ports.
type Mine = Hands<()>;

pub(crate) struct ComponentInspector {
    engine: TickingEngine,
    pre: InspectorPre<Mine>,
}

impl ComponentInspector {
    pub fn link(compiled: &Compiled) -> Result<Self, LoadError> {
        let engine = compiled.engine.clone();
        let mut linker: Linker<Mine> = Linker::new(engine.engine());
        let linked = wasmtime_wasi::p2::add_to_linker_async(&mut linker)
            .and_then(|()| linker.instantiate_pre(&compiled.component))
            .and_then(InspectorPre::new);
        let pre = linked.map_err(|error| LoadError::new(format!("{} is no inspector: {error:#}", compiled.name)))?;
        Ok(Self { engine, pre })
    }

    async fn begin(&self, body: Bytes) -> wasmtime::Result<(Store<Mine>, World, StreamReader<u8>)> {
        let mut store = store(&self.engine, ());
        store.data_mut().gave(body.len());
        let world = self.pre.instantiate_async(&mut store).await?;
        let body = StreamReader::new(&mut store, body)?;
        Ok((store, world, body))
    }
}

#[async_trait]
impl Inspector for ComponentInspector {
    async fn validate(&self, bytes: Bytes, format: Format, schema: Option<String>) -> Result<Verdict, EpisodeLost> {
        let format = match format {
            Format::Kong => inspecting::ConfigFormat::Kong,
            Format::Document => inspecting::ConfigFormat::Document,
            Format::Xds => inspecting::ConfigFormat::Xds,
        };
        within_bounds("validate", async {
            let size = bytes.len() as u64;
            let (mut store, world, body) = self.begin(bytes).await?;
            let inspecting = world.holdover_policy_inspecting();
            let run = store.run_concurrent(async |accessor| inspecting.call_validate(accessor, size, body, format, schema).await);
            Ok(verdict(run.await??))
        })
        .await
    }

    async fn verify(&self, bytes: Bytes, trust: &Trust, key: Option<&PayloadKey>) -> Result<Verdict, EpisodeLost> {
        let (trusted, key) = (convert::keys(trust), key.map(|key| key.as_bytes().to_vec()));
        within_bounds("verify", async {
            let size = bytes.len() as u64;
            let (mut store, world, body) = self.begin(bytes).await?;
            let inspecting = world.holdover_policy_inspecting();
            let run = store.run_concurrent(async |accessor| inspecting.call_verify(accessor, size, body, trusted, key).await);
            Ok(verdict(run.await??))
        })
        .await
    }
}

fn verdict(verdict: inspecting::Verdict) -> Verdict {
    match verdict {
        inspecting::Verdict::Valid(report) => Verdict::Valid(Report {
            digest: report.digest,
            sameness: report.sameness,
            bytes: report.bytes,
            counts: report.counts,
            warnings: report.warnings,
            manifest: report.manifest,
            particulars: report.particulars,
        }),
        inspecting::Verdict::Invalid(findings) => Verdict::Invalid(findings),
    }
}
