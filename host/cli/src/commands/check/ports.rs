//! The world of a rehearsal: a control plane that is away, an empty cache in memory, and a gateway that loads a configuration and
//! serves nobody. The storages are the real ones, and what was read of them is noted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use holdover_plugin::config::Format;
use holdover_plugin::routing::{Table, Unenforced};
use holdover_ports::{
    Answer, Bundle, Cache, Config, ControlPlane, Fetched, Gateway, GatewayStatus, NotApplied, Slot, StorageFailure, StorageRead, Unanswered,
};

/// Refuses at once: the policy then gives it up at once.
pub struct Away;

#[async_trait]
impl ControlPlane for Away {
    async fn attempt(&self, _patience: Duration) -> Result<Config, Unanswered> {
        let detail = "the control plane is left out of this check".to_owned();
        Err(Unanswered { answer: Answer::ConnectionRefused, detail })
    }
}

/// A new node's: what is written lasts as long as the check.
#[derive(Default)]
pub struct EmptyCache(Mutex<BTreeMap<&'static str, Bytes>>);

#[async_trait]
impl Cache for EmptyCache {
    async fn read(&self, slot: Slot) -> Result<Option<Bytes>, String> {
        Ok(lock(&self.0).get(slot.as_str()).cloned())
    }

    async fn write(&self, slot: Slot, parts: Vec<Bytes>) -> Result<(), String> {
        lock(&self.0).insert(slot.as_str(), parts.concat().into());
        Ok(())
    }

    async fn set_aside(&self, slot: Slot, _reason: &str) -> Result<(), String> {
        lock(&self.0).remove(slot.as_str());
        Ok(())
    }
}

/// One file that was read, from where, and how long it took.
#[derive(Clone)]
pub struct Read {
    pub from: String,
    pub key: String,
    pub bytes: Bytes,
    pub took: Duration,
}

/// What was read of storages and bundle, in order.
#[derive(Default)]
pub struct Reads(Mutex<Vec<Read>>);

impl Reads {
    pub fn all(&self) -> Vec<Read> {
        lock(&self.0).clone()
    }

    fn note(&self, from: &str, key: &str, bytes: &Bytes, began: Instant) {
        lock(&self.0).push(Read { from: from.to_owned(), key: key.to_owned(), bytes: bytes.clone(), took: began.elapsed() });
    }
}

/// A storage whose answers are noted.
pub struct Noted {
    pub reader: Arc<dyn StorageRead>,
    pub reads: Arc<Reads>,
}

#[async_trait]
impl StorageRead for Noted {
    fn name(&self) -> &str {
        self.reader.name()
    }

    async fn get(&self, key: &str, bytes_max: u64) -> Result<Fetched, StorageFailure> {
        let began = Instant::now();
        let fetched = self.reader.get(key, bytes_max).await?;
        self.reads.note(self.reader.name(), key, &fetched.bytes, began);
        Ok(fetched)
    }
}

pub const BUNDLE: &str = "bundle";

pub struct NotedBundle {
    pub bundle: Arc<dyn Bundle>,
    pub reads: Arc<Reads>,
}

#[async_trait]
impl Bundle for NotedBundle {
    async fn bundle(&self) -> Result<Option<Bytes>, String> {
        let began = Instant::now();
        let bundle = self.bundle.bundle().await?;
        if let Some(bytes) = &bundle {
            self.reads.note(BUNDLE, BUNDLE, bytes, began);
        }
        Ok(bundle)
    }
}

/// Loads what the node's gateway would load, and listens nowhere.
pub struct NowhereGateway {
    format: Format,
    /// `None`: another gateway than the built-in one, whose word on a configuration cannot be had here.
    unenforced: Option<Unenforced>,
    loaded: Mutex<Option<Loaded>>,
}

#[derive(Clone)]
pub struct Loaded {
    pub config: Config,
    /// What the built-in gateway answers 503 for.
    pub unenforced_plugins: Vec<String>,
    /// Why the built-in gateway could not route it, where another one runs it.
    pub unroutable: Option<String>,
    pub took: Duration,
}

impl NowhereGateway {
    pub fn new(format: Format, unenforced: Option<Unenforced>) -> Self {
        Self { format, unenforced, loaded: Mutex::default() }
    }

    pub fn loaded(&self) -> Option<Loaded> {
        lock(&self.loaded).clone()
    }
}

#[async_trait]
impl Gateway for NowhereGateway {
    async fn apply(&self, config: &Config) -> Result<(), NotApplied> {
        let began = Instant::now();
        let built = match self.format {
            // What an Envoy makes of resources it alone knows; that they are one whole set, the policy has found.
            Format::Document | Format::Xds => Ok(Vec::new()),
            Format::Kong => {
                let (bytes, unenforced) = (config.bytes().clone(), self.unenforced.clone().unwrap_or_default());
                let built = tokio::task::spawn_blocking(move || Table::build(&bytes, &unenforced).map(|table| table.unenforced_plugins()));
                built.await.map_err(|ended| NotApplied::Failed(format!("building the routing table ended early: {ended}")))?
            }
        };
        let (unenforced_plugins, unroutable) = match (built, &self.unenforced) {
            (Ok(plugins), _) => (plugins, None),
            (Err(unroutable), Some(_)) => return Err(NotApplied::Rejected(unroutable.to_string())),
            (Err(unroutable), None) => (Vec::new(), Some(unroutable.to_string())),
        };
        *lock(&self.loaded) = Some(Loaded { config: config.clone(), unenforced_plugins, unroutable, took: began.elapsed() });
        Ok(())
    }

    fn status(&self) -> GatewayStatus {
        GatewayStatus { kind: "nowhere", ..GatewayStatus::default() }
    }
}

/// What was written before a panic elsewhere is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
