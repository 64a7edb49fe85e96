//! The policy inside a real Envoy, over a real SeaweedFS: docs/envoy-filter.yaml as it stands, with a module compiled here. The node in it boots
//! and climbs, the filters route what Envoy's own routes never heard of. What comes through is the core's own work; the files of
//! `plugin/proxy-wasm` only carry it.

// A test that cannot go on says so by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "envoy/bootstrap.rs"]
mod bootstrap;
#[path = "envoy/configurations.rs"]
mod configurations;
#[path = "envoy/ending.rs"]
mod ending;
#[path = "envoy/failing.rs"]
mod failing;
#[path = "envoy/module.rs"]
mod module;
#[path = "envoy/outage.rs"]
mod outage;
#[path = "envoy/routed.rs"]
mod routed;
#[path = "envoy/running.rs"]
mod running;
#[path = "envoy/spoken.rs"]
mod spoken;
#[path = "envoy/storage.rs"]
mod storage;
#[path = "envoy/upstream.rs"]
mod upstream;
#[path = "envoy/ways.rs"]
mod ways;
