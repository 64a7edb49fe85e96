//! What Holdover decides, and nothing that it does.
//!
//! A configuration goes one way through here: *validate, seal, publish* on the exporter's side, *locate, fetch, verify, open,
//! validate, apply, keep* on a new node's. Nothing in this crate opens a socket or a file, reads a clock or rolls dice; all of
//! that is asked for through [`policy::capabilities`]. So the same lines run in the WASI component, in the proxy-wasm filter,
//! in a unit test and in the simulation.

pub mod config;
pub mod diff;
pub mod inspect;
pub mod model;
pub mod mutants;
pub mod policy;
#[cfg(feature = "routing")]
pub mod routing;
pub mod snapshot;
pub mod witness;
