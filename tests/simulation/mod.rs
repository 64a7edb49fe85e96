//! A deterministic simulation of the policy: a control plane, storages, importers, exporters, a janitor and an operator in virtual
//! time, with a fault possible at every call. One seed, one run, to the last byte of its trace.
//!
//! ```text
//! seed ─► plan (who, when) ─┐
//!      └► weather (faults) ─┴► world ─► executor: one step, then every invariant that the step could break
//!                                          └─► calm: what must have come true at last
//! ```
//!
//! What is driven is the policy's native core, with the host's part around it (`node.rs`). Invariants are sentences with the numbers of
//! their rules; docs/reliability.md says how to run it and what it found.

// Support of tests: what cannot be set up stops the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod campaign;
mod capabilities;
mod chance;
mod control_plane;
pub mod coverage;
mod disk;
pub mod documents;
mod executor;
mod exporter;
pub mod faults;
pub mod herd;
mod importer;
pub mod invariants;
mod janitor;
mod keys;
mod memory;
mod model;
pub mod mutation;
mod node;
mod operator;
pub mod plan;
pub mod run;
mod session;
pub mod shrink;
mod situation;
mod storage;
mod stories;
mod trace;
mod world;

use holdover_plugin::model::UnixMs;

/// When the world begins, by everybody's clock: 2026-11-22T00:00:00Z.
const BEGINNING: UnixMs = UnixMs(1_795_305_600_000);
const CLUSTER: &str = "simulated";
/// What a gateway is upgraded to, in this order.
const VERSIONS: [&str; 3] = ["3.9.1", "3.9.2", "3.10.0"];
