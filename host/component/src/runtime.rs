//! Loads the policy and hands out its worlds. One engine for all; each world is compiled or read when it is first asked for.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use holdover_ports::{Exporter, ExporterPorts, Importer, ImporterPorts, Inspector, Janitor, JanitorPorts};
use wasmtime::component::Component;

use crate::embedded::embedded;
use crate::engine::TickingEngine;
use crate::error::LoadError;
use crate::exporter::ComponentExporter;
use crate::importer::{self, ComponentImporter};
use crate::inspector::ComponentInspector;
use crate::janitor::ComponentJanitor;
use crate::kept::{self, Kept};

#[derive(Clone, Debug, Default)]
pub struct RuntimeOptions {
    /// Where native code is kept between runs; `None` compiles each time.
    pub compiled_dir: Option<PathBuf>,
    /// Another policy to use as importer.
    pub policy: Option<PathBuf>,
}

/// The policy, ready to be linked with ports.
pub struct Runtime {
    engine: TickingEngine,
    options: RuntimeOptions,
    readiness: Mutex<Readiness>,
}

/// How the worlds that were asked for so far became ready.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Readiness {
    /// In milliseconds, all of them together.
    pub ready_ms: f64,
    /// Whether all of it was native code kept from an earlier run.
    pub kept: bool,
}

/// A component as native code.
pub(crate) struct Compiled {
    pub engine: TickingEngine,
    pub component: Component,
    /// For sentences: the world's name, or the file.
    pub name: String,
}

impl Runtime {
    /// Checks that the policy file, if one is set, can be read and is a component at all.
    pub fn load(options: RuntimeOptions) -> Result<Self, LoadError> {
        let runtime = Self { engine: TickingEngine::start()?, options, readiness: Mutex::new(Readiness { ready_ms: 0.0, kept: true }) };
        if runtime.options.policy.is_some() {
            let (name, bytes) = runtime.importer_file()?;
            crate::inspect::inspect(&bytes).map_err(|error| LoadError::new(format!("{name}: {error}")))?;
        }
        Ok(runtime)
    }

    pub fn importer(&self, ports: ImporterPorts) -> Result<Arc<dyn Importer>, LoadError> {
        let (name, bytes) = self.importer_file()?;
        Ok(importer::shared(ComponentImporter::link(&self.compiled(name, &bytes)?, ports)?))
    }

    pub fn exporter(&self, ports: ExporterPorts) -> Result<Arc<dyn Exporter>, LoadError> {
        let [_, (name, bytes), ..] = embedded();
        Ok(Arc::new(ComponentExporter::link(&self.compiled(name.into(), bytes)?, ports)?))
    }

    pub fn inspector(&self) -> Result<Arc<dyn Inspector>, LoadError> {
        let [.., (name, bytes), _] = embedded();
        Ok(Arc::new(ComponentInspector::link(&self.compiled(name.into(), bytes)?)?))
    }

    pub fn janitor(&self, ports: JanitorPorts) -> Result<Arc<dyn Janitor>, LoadError> {
        let [.., (name, bytes)] = embedded();
        Ok(Arc::new(ComponentJanitor::link(&self.compiled(name.into(), bytes)?, ports)?))
    }

    pub fn readiness(&self) -> Readiness {
        *self.readiness.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The most linear memory that one episode took so far, in bytes.
    pub fn memory_peak(&self) -> u64 {
        self.engine.peak_bytes().load(Ordering::Relaxed)
    }

    fn importer_file(&self) -> Result<(String, Vec<u8>), LoadError> {
        let Some(path) = &self.options.policy else {
            let [(name, bytes), ..] = embedded();
            return Ok((name.into(), bytes.to_vec()));
        };
        let name = format!("holdover_policy = {}", path.display());
        match std::fs::read(path) {
            Ok(bytes) => Ok((name, bytes)),
            Err(error) => {
                Err(LoadError::new(format!("{name}: it cannot be read: {error}; name a policy component, or leave the setting out")))
            }
        }
    }

    fn compiled(&self, name: String, bytes: &[u8]) -> Result<Compiled, LoadError> {
        let began = Instant::now();
        let Kept { component, was_kept } = kept::component(self.engine.engine(), self.options.compiled_dir.as_deref(), &name, bytes)?;
        let mut readiness = self.readiness.lock().unwrap_or_else(PoisonError::into_inner);
        readiness.ready_ms += began.elapsed().as_secs_f64() * 1000.0;
        readiness.kept &= was_kept;
        Ok(Compiled { engine: self.engine.clone(), component, name })
    }
}
