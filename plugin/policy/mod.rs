//! The policy: bounded episodes, straight lines over capabilities.
//!
//! ```text
//! boot ──┬─ control plane delivers ─────────────► apply ─► keep
//!        └─ given up ─► ladder: cache, storages, bundle ─► apply ─► keep ─┐
//!                        every rung failed: stranded, climb again         │
//! received ◄── a delivery takes over in one step ◄── tick redials for ever ┘
//! ```
//!
//! Each file is one decision. What an episode must remember it returns as state; what is true of the node comes as facts.

pub mod backoff;
pub mod boot;
pub mod break_glass;
pub mod candidate;
pub mod capabilities;
pub mod events;
pub mod export;
pub mod facts;
pub mod guard;
pub mod janitor;
pub mod ladder;
pub mod legacy;
pub mod locate;
pub mod marks;
pub mod orders;
pub mod outage;
pub mod quarantine;
pub mod rejoin;
pub mod state;
pub mod takeover;

pub use capabilities::{Exporting, Importing, Sweeping};
pub use facts::{
    Approvable, Check, ExportOutcome, Facts, Guard, Office, OnRefusal, OnStale, Origin, Outcome, RejoinGuard, Serving, Settings, Standing,
    Swept,
};
pub use outage::StandIn;
