//! One trait per capability. Cancelling any of these futures is safe: it happens whenever an episode ends early.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use holdover_plugin::model::{Digest, UnixMs};
use holdover_plugin::policy::capabilities::NotUnwrapped;
use holdover_plugin::snapshot::{PayloadKey, Purpose, Signature, Wrapping};
use serde::Serialize;

use crate::{Config, Etag, Event, Fetched, Gate, Health, Listing, NotApplied, PutNew, Slot, StorageFailure, Swap, Unanswered, Why};

/// How an adapter reaches its control plane.
#[async_trait]
pub trait Dial: Send + Sync {
    /// For sentences: the kind and address of the control plane, without secrets.
    fn name(&self) -> String;

    /// Which setting names it, for sentences.
    fn setting(&self) -> &'static str {
        "holdover_control_plane"
    }

    /// Waits until somebody accepts connections where nobody did. It costs a control plane that is away nothing, and one that is there next
    /// to nothing. By default never, for a control plane that many nodes would come to at once.
    async fn appears(&self) {
        std::future::pending().await
    }

    /// Opens a session. What the session delivers first is its current configuration.
    async fn dial(&self) -> Result<Box<dyn Session>, Unanswered>;
}

/// One open session with a control plane.
#[async_trait]
pub trait Session: Send {
    /// Waits for the next configuration; the first call for the current one. `Err` ends the session.
    async fn next(&mut self) -> Result<Config, Unanswered>;

    /// The rest of a sentence for a session that opened and brought nothing in time: what it may mean.
    fn silence(&self) -> Cow<'static, str> {
        "connected, and no configuration came; see whether it hangs, or does not accept this node".into()
    }
}

/// The control plane as the policy asks for it: `node` makes one of any [`Dial`].
#[async_trait]
pub trait ControlPlane: Send + Sync {
    /// One attempt, up to the first configuration. See `policy::capabilities::ControlPlane`.
    async fn attempt(&self, patience: Duration) -> Result<Config, Unanswered>;
}

#[async_trait]
pub trait StorageRead: Send + Sync {
    /// For sentences: the storage's URL, without secrets.
    fn name(&self) -> &str;

    /// Reads one object of at most `bytes_max` bytes. `key` is relative to the storage's prefix and uses `/`.
    async fn get(&self, key: &str, bytes_max: u64) -> Result<Fetched, StorageFailure>;
}

#[async_trait]
pub trait StorageWrite: Send + Sync {
    /// Writes an object only if there is none under this key.
    async fn put_new(&self, key: &str, body: Bytes) -> Result<PutNew, StorageFailure>;

    /// Replaces the object only if it still has this mark; with `None`, only if there is none.
    async fn swap(&self, key: &str, expected: Option<&Etag>, body: Bytes) -> Result<Swap, StorageFailure>;
}

/// What the janitor has, and nobody else: it lists and deletes, and writes nothing.
#[async_trait]
pub trait StorageDelete: Send + Sync {
    /// One page of the objects whose keys begin with `prefix`, which may end in the middle of a name. `after` is the last key of the
    /// page before; it is only compared, so whatever was listed may stand there. Only a page with objects is followed by another.
    /// The order is that of the keys; a service over a file system may sort each folder by itself, and keeps to that from page to page.
    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Listing, StorageFailure>;

    /// Removes an object. One that is not there is removed already, so that a lost answer is made good by asking again.
    async fn delete(&self, key: &str) -> Result<(), StorageFailure>;
}

/// The node's own files. See `policy::capabilities::Cache` for what `Ok` promises.
#[async_trait]
pub trait Cache: Send + Sync {
    async fn read(&self, slot: Slot) -> Result<Option<Bytes>, String>;

    /// Writes the parts one after the other as one file.
    async fn write(&self, slot: Slot, parts: Vec<Bytes>) -> Result<(), String>;

    async fn set_aside(&self, slot: Slot, reason: &str) -> Result<(), String>;
}

/// What an exporter is yet to publish, on this node's disk: it outlives the process (export-11). `Ok` promises what a cache's does.
#[async_trait]
pub trait Pending: Send + Sync {
    async fn read_pending(&self) -> Result<Option<Bytes>, String>;

    async fn write_pending(&self, config: Bytes) -> Result<(), String>;

    async fn remove_pending(&self) -> Result<(), String>;
}

/// All files of a node.
pub trait NodeFiles: Cache + Pending {}

impl<T: Cache + Pending> NodeFiles for T {}

#[async_trait]
pub trait Bundle: Send + Sync {
    async fn bundle(&self) -> Result<Option<Bytes>, String>;
}

#[async_trait]
pub trait Gateway: Send + Sync {
    /// Returns once the gateway runs the configuration, or says why it does not. On `Err` it runs what it ran before.
    async fn apply(&self, config: &Config) -> Result<(), NotApplied>;

    fn status(&self) -> GatewayStatus;
}

/// What a gateway says of itself for the status page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayStatus {
    pub kind: &'static str,
    /// Plugins that the configuration asks for and this gateway cannot enforce: it answers 503 on their routes.
    pub unenforced_plugins: Vec<String>,
    /// Where it listens, for a gateway that is ours.
    pub listens_on: Option<String>,
    /// For a gateway that is a fleet of its own: its members, connected or not.
    pub data_planes: Vec<DataPlaneStatus>,
}

/// One member of a fleet that dials its gateway, as the status page says it. Its texts are its own words, and bounded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DataPlaneStatus {
    pub id: String,
    /// Empty where it does not say.
    pub hostname: String,
    pub version: String,
    pub address: String,
    pub connected: bool,
    /// Whether its own control plane answers it, through this node.
    pub relayed: bool,
    /// The hash of the configuration that it says it runs.
    pub running: Option<String>,
    /// `connected`, `served`, `applied`, `rejected`, `incompatible`, or `refused`: it was not to be served.
    pub state: &'static str,
    /// Why it is not `applied`, where that is known.
    pub reason: Option<String>,
    pub seen_unix_ms: UnixMs,
}

/// Holds a document against the operator's schema. `Ok` when none is set.
#[async_trait]
pub trait Schemas: Send + Sync {
    async fn conforms(&self, config: &Config) -> Result<(), Vec<String>>;
}

/// The nodes of `settings.soak_watch`, by index. See `policy::capabilities::Watching`.
#[async_trait]
pub trait Watching: Send + Sync {
    async fn health(&self, watched: u32) -> Health;
}

/// Private keys that open. Nothing waits here: the keys are at hand.
pub trait Unsealing: Send + Sync {
    /// The payload's key of an age header and nonce.
    fn unwrap(&self, wrapped: &[u8]) -> Result<PayloadKey, NotUnwrapped>;
}

/// Private keys that sign, and public ones to encrypt to. See `policy::capabilities::Sealing`.
pub trait Sealing: Send + Sync {
    fn sign(&self, purpose: Purpose, digest: Digest) -> Result<Vec<Signature>, String>;

    fn wrap(&self) -> Result<Option<Wrapping>, String>;
}

#[async_trait]
pub trait Clock: Send + Sync {
    fn now(&self) -> UnixMs;

    fn monotonic(&self) -> Duration;

    async fn sleep(&self, duration: Duration, why: Why);
}

pub trait Random: Send + Sync {
    fn random(&self) -> u64;
}

pub trait Events: Send + Sync {
    fn emit(&self, event: Event);
}

/// What an importing policy is given. There is no storage writer in it (boot-12).
#[derive(Clone)]
pub struct ImporterPorts {
    pub control_plane: Arc<dyn ControlPlane>,
    pub storages: Vec<Arc<dyn StorageRead>>,
    pub gate: Gate,
    pub cache: Arc<dyn Cache>,
    pub bundle: Arc<dyn Bundle>,
    pub gateway: Arc<dyn Gateway>,
    pub schemas: Arc<dyn Schemas>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub events: Arc<dyn Events>,
}

/// What an exporting policy is given. Readers and writers of one storage stand at the same place.
#[derive(Clone)]
pub struct ExporterPorts {
    pub storages: Vec<Arc<dyn StorageRead>>,
    pub writers: Vec<Arc<dyn StorageWrite>>,
    pub sealing: Arc<dyn Sealing>,
    pub unsealing: Arc<dyn Unsealing>,
    pub schemas: Arc<dyn Schemas>,
    pub watching: Arc<dyn Watching>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub events: Arc<dyn Events>,
}

/// What a sweeping policy is given. Readers and deleters of one storage stand at the same place; there is no writer among them.
#[derive(Clone)]
pub struct JanitorPorts {
    pub storages: Vec<Arc<dyn StorageRead>>,
    pub deleters: Vec<Arc<dyn StorageDelete>>,
    pub clock: Arc<dyn Clock>,
    pub events: Arc<dyn Events>,
}
