//! What the host's parts promise each other: one trait per capability, the things they hand around, and the policy as the host
//! sees it. Adapters implement these and know nothing of each other; `cli/src/wire.rs` joins them.
//!
//! Words and failures are the policy's own (`holdover_plugin::policy::capabilities`); this crate adds `Send`, shared bytes and
//! provenance.

mod held;
mod policy;
mod ports;

pub use held::{Config, Fetched, Gate, Object, Provenance};
pub use policy::{EpisodeLost, Exporter, Importer, Inspector, Janitor, Report, Verdict};
pub use ports::{
    Bundle, Cache, Clock, ControlPlane, DataPlaneStatus, Dial, Events, ExporterPorts, Gateway, GatewayStatus, ImporterPorts, JanitorPorts,
    NodeFiles, Pending, Random, Schemas, Sealing, Session, StorageDelete, StorageRead, StorageWrite, Unsealing, Watching,
};

pub use holdover_plugin::policy::capabilities::{
    Answer, Etag, Health, Listed, Listing, NotApplied, NotUnwrapped, PutNew, Slot, StorageFailure, StorageFailureKind, Swap, Unanswered,
};
pub use holdover_plugin::policy::events::{Event, Name, Severity, Why};
