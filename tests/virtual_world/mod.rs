//! A world to run the policy in: every port of `holdover_ports`, with real behaviour, in memory and in virtual time.
//!
//! Time is tokio's, so a paused clock makes an hour of outage a millisecond of test. Whatever the policy asks for is written to one
//! ordered [`Trace`], so that a test can say what came before what. Nothing here knows what the policy ought to ask.

// Support of tests: what cannot be set up stops the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cache;
mod clock;
mod control_plane;
pub mod documents;
mod gateway;
pub mod keys;
mod publication;
mod storage;
mod trace;
mod watching;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use holdover_plugin::config::Format;
use holdover_plugin::model::Digest;
use holdover_plugin::policy::Settings;
use holdover_ports::{
    Config, Event, Events, ExporterPorts, ImporterPorts, JanitorPorts, Schemas, StorageDelete, StorageRead, StorageWrite,
};

pub use cache::{VirtualBundle, VirtualCache};
pub use clock::{SeededRandom, VirtualClock};
pub use control_plane::{Behaviour, News, VirtualControlPlane};
pub use gateway::VirtualGateway;
pub use keys::VirtualKeys;
pub use publication::{Forgery, Published, forge, lineage, seal, seal_with};
pub use storage::{VirtualStorage, WriteFault};
pub use trace::{Act, Call, Trace};
pub use watching::VirtualWatched;

/// When the virtual world begins, by everybody's clock: 2026-11-22T00:00:00Z.
pub const BEGINNING_UNIX_MS: u64 = 1_795_305_600_000;

pub struct World {
    pub trace: Arc<Trace>,
    pub control_plane: Arc<VirtualControlPlane>,
    pub storages: Vec<Arc<VirtualStorage>>,
    pub cache: Arc<VirtualCache>,
    pub keys: Arc<VirtualKeys>,
    pub bundle: Arc<VirtualBundle>,
    pub gateway: Arc<VirtualGateway>,
    pub schemas: Arc<VirtualSchemas>,
    pub watched: Arc<VirtualWatched>,
    pub clock: Arc<VirtualClock>,
    pub random: Arc<SeededRandom>,
    events: Arc<Recorder>,
}

impl World {
    /// Must be called within the runtime whose time is meant.
    pub fn new(storages: usize) -> Self {
        Self::seeded(storages, 1)
    }

    pub fn seeded(storages: usize, seed: u64) -> Self {
        let trace = Arc::new(Trace::beginning_here());
        Self {
            control_plane: Arc::new(VirtualControlPlane::new(trace.clone())),
            storages: (0..storages).map(|index| Arc::new(VirtualStorage::new(index, trace.clone()))).collect(),
            keys: Arc::default(),
            cache: Arc::new(VirtualCache::new(trace.clone())),
            bundle: Arc::new(VirtualBundle::new(trace.clone())),
            gateway: Arc::new(VirtualGateway::new(trace.clone())),
            schemas: Arc::new(VirtualSchemas::default()),
            watched: Arc::default(),
            clock: Arc::new(VirtualClock::new(BEGINNING_UNIX_MS, trace.clone())),
            random: Arc::new(SeededRandom::new(seed)),
            events: Arc::new(Recorder { trace: trace.clone() }),
            trace,
        }
    }

    /// The only storage of a world that has one.
    pub fn storage(&self) -> &VirtualStorage {
        self.storages.first().expect("this world has a storage")
    }

    pub fn importer_ports(&self) -> ImporterPorts {
        ImporterPorts {
            control_plane: self.control_plane.clone(),
            storages: self.readers(),
            gate: self.keys.gate(),
            cache: self.cache.clone(),
            bundle: self.bundle.clone(),
            gateway: self.gateway.clone(),
            schemas: self.schemas.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
            events: self.events.clone(),
        }
    }

    pub fn exporter_ports(&self) -> ExporterPorts {
        ExporterPorts {
            storages: self.readers(),
            writers: self.storages.iter().map(|storage| storage.clone() as Arc<dyn StorageWrite>).collect(),
            sealing: self.keys.clone(),
            unsealing: self.keys.clone(),
            watching: self.watched.clone(),
            schemas: self.schemas.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
            events: self.events.clone(),
        }
    }

    pub fn janitor_ports(&self) -> JanitorPorts {
        JanitorPorts {
            storages: self.readers(),
            deleters: self.storages.iter().map(|storage| storage.clone() as Arc<dyn StorageDelete>).collect(),
            clock: self.clock.clone(),
            events: self.events.clone(),
        }
    }

    /// What a node in this world is told: every default, the world's storages and keys.
    pub fn settings(&self) -> Settings {
        let (cluster, version) = (publication::CLUSTER.parse().unwrap(), documents::VERSION.parse().unwrap());
        Settings {
            storages: (0..self.storages.len()).map(|index| format!("virtual-{index}")).collect(),
            soak_watch: self.watched.names(),
            trusted: self.keys.trusted(),
            operators: self.keys.operators(),
            has_identity: self.keys.has_identity(),
            sealed_as: self.keys.sealed_as(),
            ..Settings::new(cluster, version, Format::Kong)
        }
    }

    fn readers(&self) -> Vec<Arc<dyn StorageRead>> {
        self.storages.iter().map(|storage| storage.clone() as Arc<dyn StorageRead>).collect()
    }
}

/// The operator's schema: no document conforms while there is a violation, and those that it forbids never do.
#[derive(Default)]
pub struct VirtualSchemas {
    violations: Mutex<Vec<String>>,
    forbidden: Mutex<Vec<Digest>>,
}

impl VirtualSchemas {
    pub fn violated(&self, violations: &[&str]) {
        *self.violations.lock().unwrap() = violations.iter().map(ToString::to_string).collect();
    }

    pub fn forbids(&self, document: &[u8]) {
        self.forbidden.lock().unwrap().push(Digest::of(document));
    }
}

#[async_trait]
impl Schemas for VirtualSchemas {
    async fn conforms(&self, config: &Config) -> Result<(), Vec<String>> {
        let mut violations = self.violations.lock().unwrap().clone();
        if self.forbidden.lock().unwrap().contains(&config.digest()) {
            violations.push("the document is one that the schema forbids".into());
        }
        if violations.is_empty() { Ok(()) } else { Err(violations) }
    }
}

struct Recorder {
    trace: Arc<Trace>,
}

impl Events for Recorder {
    fn emit(&self, event: Event) {
        self.trace.note(Act::Said(event));
    }
}
