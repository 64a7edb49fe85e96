//! What the policy may ask of the world, one trait per capability.
//!
//! The component shell implements them over WIT imports, the proxy-wasm shell over the gateway's calls, tests over virtual
//! parts. None is `Send` and none names a runtime. What the world holds for the policy (a configuration, a fetched object) stays
//! with the world; the policy has a handle and may read it.

// No `Send` bound is wanted on these futures: the guests are single-threaded, and the host runs the component, not these.
#![allow(async_fn_in_trait)]

use std::fmt;
use std::time::Duration;

use super::events::{Event, Why};
use crate::model::{Digest, UnixMs};
use crate::snapshot::{PayloadKey, Purpose, Signature, Wrapping};

/// Bytes that the world holds.
pub trait Body {
    /// In bytes, known before reading.
    fn size(&self) -> u64;

    /// All of them. `Err` says in a sentence why the source failed half-way.
    async fn read(&self) -> Result<Vec<u8>, String>;
}

/// The two kinds of things the world holds for the policy.
pub trait Held {
    /// A configuration. Only a control plane's delivery or [`Opening::open`] makes one (host-01).
    type Config: Body;
    /// A fetched file: a head, a snapshot, a cache entry. Nothing is known of it but its bytes and where they came from.
    type Object: Body;
}

pub trait ControlPlane: Held {
    /// Dials once and waits up to `patience` for the session's first configuration. The session stays with the adapter,
    /// which brings what follows as further deliveries. An attempt that its caller stopped waiting for goes on: its
    /// configuration then arrives as a delivery.
    async fn attempt(&self, patience: Duration) -> Result<Self::Config, Unanswered>;
}

/// Why an attempt brought no configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unanswered {
    pub answer: Answer,
    /// For the operator: whom we asked, and what happened.
    pub detail: String,
}

/// What the control plane did instead of delivering. Adapters report it; [`super::outage`] decides what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    NameNotResolved,
    /// Every address refused the connection.
    ConnectionRefused,
    ConnectionReset,
    TimedOut,
    /// Their certificate is expired, of an unknown issuer or for another name.
    TheirCertificate,
    /// TLS succeeded, then the connection ended without an answer.
    ClosedAfterTls,
    /// HTTP 5xx.
    ServerError,
    /// Connected, and neither a configuration nor a sign of life.
    Silent,
    /// Connected, signs of life, and no configuration.
    NotConfigured,
    /// HTTP 400.
    BadRequest,
    /// HTTP 401.
    Unauthorised,
    /// HTTP 403.
    Forbidden,
    /// HTTP 426.
    UpgradeRequired,
    /// The session was closed right after we introduced ourselves.
    ClosedAfterIntroduction,
    /// A TLS alert about our own certificate.
    OurCertificate,
    /// An answer that is none of the above; the detail says it.
    Unexpected,
}

/// The storages of one node, by their place in the settings, from 0.
pub type StorageId = u32;

/// A storage's version mark of one object, as opaque text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Etag(pub String);

pub struct Fetched<O> {
    pub object: O,
    pub etag: Option<Etag>,
    /// The storage's own clock, when it tells.
    pub date: Option<UnixMs>,
}

pub trait StorageRead: Held {
    /// Reads one object of at most `bytes_max` bytes. Keys are relative to the storage's prefix.
    async fn get(&self, storage: StorageId, key: &str, bytes_max: u64) -> Result<Fetched<Self::Object>, StorageFailure>;
}

pub trait StorageWrite: Held {
    /// Writes an object only if there is none under this key.
    async fn put_new(&self, storage: StorageId, key: &str, body: Vec<u8>) -> Result<PutNew, StorageFailure>;

    /// Replaces the object only if it is still the one with this mark; with `None`, only if there is none.
    async fn swap(&self, storage: StorageId, key: &str, expected: Option<&Etag>, body: Vec<u8>) -> Result<Swap, StorageFailure>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutNew {
    Created,
    /// There is one already; nothing was written. Not an error: it may be our own earlier try.
    Exists,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    Swapped,
    /// The object moved since it was read; nothing was written. The expected outcome of two writers meeting.
    Stale,
}

/// What the janitor has, and nobody else: it lists and deletes, and writes nothing.
pub trait StorageDelete: Held {
    /// One page of the objects whose keys begin with `prefix`, after `after`, the last key of the page before. The order is the
    /// storage's own; it keeps to it from page to page.
    async fn list(&self, storage: StorageId, prefix: &str, after: Option<&str>) -> Result<Listing, StorageFailure>;

    /// Removes an object. One that is not there is removed already.
    async fn delete(&self, storage: StorageId, key: &str) -> Result<(), StorageFailure>;
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    pub objects: Vec<Listed>,
    /// Whether another page follows.
    pub more: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Relative to the storage's prefix.
    pub key: String,
    /// When it was written, by the storage's clock.
    pub modified: UnixMs,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageFailure {
    pub kind: StorageFailureKind,
    /// For the operator: the setting, its value and the fix. Holds no secret.
    pub detail: String,
    /// How long the storage asks to be left alone, when it says.
    pub retry_after: Option<Duration>,
}

impl StorageFailure {
    pub fn new(kind: StorageFailureKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), retry_after: None }
    }
}

/// "Not there", "not allowed" and "could not look" are different answers (all-06).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StorageFailureKind {
    Absent,
    /// S3 without ListBucket answers 403 to both.
    AbsentOrForbidden,
    Forbidden,
    /// The credentials themselves are missing, wrong or expired.
    Credentials,
    /// The bucket or folder does not exist.
    NoSuchStorage,
    /// The storage asks for a pause.
    SlowDown,
    TooLarge,
    Unreachable,
    /// A write that may or may not have happened. Resolved by reading, never guessed.
    UnknownOutcome,
    Other,
}

/// The node's own files. Written atomically and durably: after `Ok` a power cut leaves the new bytes, before it the old.
pub trait Cache: Held {
    async fn read(&self, slot: Slot) -> Result<Option<Self::Object>, String>;

    /// Writes `header`, then the body.
    async fn write(&self, slot: Slot, header: Vec<u8>, body: Keep<'_, Self::Object>) -> Result<(), String>;

    /// Moves what is there out of the way under a name that says why. Deletes nothing.
    async fn set_aside(&self, slot: Slot, reason: &str) -> Result<(), String>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// What the gateway last accepted.
    Applied,
    /// What it last ran healthily with for the settle time.
    Settled,
    /// Which digests were being started with (boot-15).
    Attempts,
    /// How far this node has come, so that nothing older is taken (boot-07).
    Marks,
    /// The operator's word on a configuration that the rejoin guard holds (boot-14).
    Approval,
}

pub enum Keep<'a, O> {
    Bytes(Vec<u8>),
    /// The object's bytes as they are.
    Object(&'a O),
}

pub trait Bundle: Held {
    /// The snapshot baked into the image, if there is one.
    async fn bundle(&self) -> Result<Option<Self::Object>, String>;
}

pub trait Opening: Held {
    /// The host's own gate (host-01): verifies and opens natively what the policy already verified, and makes a configuration
    /// of it. `Err` is a sentence.
    async fn open(&self, object: &Self::Object) -> Result<Self::Config, String>;

    /// Makes a configuration of a plain object in Kong's documented place: only where the host, too, knows no key (export-13).
    async fn adopt(&self, object: &Self::Object) -> Result<Self::Config, String>;
}

/// Private keys that open. They never cross the interface.
pub trait Unsealing {
    /// The payload's key of an age header and nonce, if one of this node's identities is among the recipients.
    async fn unwrap(&self, wrapped: &[u8]) -> Result<PayloadKey, NotUnwrapped>;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotUnwrapped {
    /// This node has no identity.
    NoIdentity,
    /// It is for others.
    ForOthers,
    /// The header is none, or was tampered with; a sentence.
    Damaged(String),
}

impl fmt::Display for NotUnwrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoIdentity => f.write_str("it is encrypted, and this node has no holdover_identity"),
            Self::ForOthers => f.write_str("it is encrypted to others: holdover_identity is none of its recipients"),
            Self::Damaged(why) => write!(f, "its encryption header is damaged: {why}"),
        }
    }
}

/// Private keys that sign, and public ones to encrypt to.
pub trait Sealing {
    /// One signature per signing key; none without one.
    async fn sign(&self, purpose: Purpose, digest: Digest) -> Result<Vec<Signature>, String>;

    /// A payload key of its own for each call, wrapped for the recipients; `None` without any.
    async fn wrap(&self) -> Result<Option<Wrapping>, String>;
}

pub trait Gateway: Held {
    /// Hands the configuration to the gateway and waits until it runs it or says no. On `Err` it still runs what it ran.
    async fn apply(&self, config: &Self::Config) -> Result<(), NotApplied>;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotApplied {
    /// The gateway looked at it and refused it, and would again.
    Rejected(String),
    /// The gateway could not be asked, or could not carry it out this time.
    Failed(String),
}

pub trait Schemas: Held {
    /// Holds a document against the operator's JSON Schema, if one is set. Each `Err` entry is one violation.
    async fn conforms(&self, config: &Self::Config) -> Result<(), Vec<String>>;
}

/// The nodes that a new generation must not harm before it counts as good (export-10): `settings.soak_watch`, by index.
pub trait Watching {
    async fn health(&self, watched: u32) -> Health;
}

/// What a watched node says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It is ready, and serves this.
    Well { sameness: String },
    /// It is not ready, or its gateway rejected a configuration; the sentence says which.
    Ill(String),
    /// It does not answer: no word for or against.
    Silent(String),
}

pub trait Clock {
    fn now(&self) -> UnixMs;

    /// Since some fixed moment of this process; never falls.
    fn monotonic(&self) -> Duration;

    async fn sleep(&self, duration: Duration, why: Why);
}

pub trait Random {
    fn random(&self) -> u64;
}

pub trait Events {
    fn emit(&self, event: Event);
}

/// What a node needs to get and keep a configuration. There is no write to the storage in it (boot-12).
pub trait Importing:
    ControlPlane + StorageRead + Cache + Bundle + Opening + Unsealing + Gateway + Schemas + Clock + Random + Events
{
}

impl<T> Importing for T where
    T: ControlPlane + StorageRead + Cache + Bundle + Opening + Unsealing + Gateway + Schemas + Clock + Random + Events
{
}

/// What a backup node needs to publish. It can delete nothing.
pub trait Exporting: StorageRead + StorageWrite + Sealing + Unsealing + Schemas + Watching + Clock + Random + Events {}

impl<T> Exporting for T where T: StorageRead + StorageWrite + Sealing + Unsealing + Schemas + Watching + Clock + Random + Events {}

/// What the janitor needs. It can write nothing.
pub trait Sweeping: StorageRead + StorageDelete + Clock + Events {}

impl<T> Sweeping for T where T: StorageRead + StorageDelete + Clock + Events {}
