//! Runs the policy as a WASI component in wasmtime: the policy decides, this crate gives it hands and bounds.
//!
//! ```text
//! ports ──► bindings ──► [ component: one instance per episode ] ──► outcome
//! ```
//!
//! Each episode gets a store of its own with a memory limit, a limit on computing between two answers, and a deny-all WASI. After it
//! the store is dropped: a trap, a loop or a hunger for memory costs one episode and nothing else (all-02). Knows no S3, no Kong
//! and no Envoy: those stand behind `holdover_ports`.

mod bindings;
mod common;
mod convert;
mod embedded;
mod engine;
mod episode;
mod error;
mod exporter;
mod importer;
mod inspect;
mod inspector;
mod janitor;
mod kept;
mod runtime;
mod schemas;

pub use embedded::embedded;
pub use engine::{COMPUTE_BASE, EPISODE_WALL_MAX, MEMORY_BYTES_MAX};
pub use error::LoadError;
pub use inspect::{Inspection, inspect};
pub use kept::precompile;
pub use runtime::{Readiness, Runtime, RuntimeOptions};
pub use schemas::{NoSchema, SchemaCheck};
