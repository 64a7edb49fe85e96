//! The policy's rules, each by name, on two runners: the native core, and the component in wasmtime.
//!
//! A case plays a node in a virtual world and looks at what it asked for. Each boot rule is also played by a policy in which just that
//! rule is broken (`plugin/mutants.rs`): a mutant that no case notices fails the suite.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

#[path = "component/applying.rs"]
mod applying;
#[path = "component/control_plane.rs"]
mod control_plane;
#[path = "component/export.rs"]
mod export;
#[path = "component/export_node.rs"]
mod export_node;
#[path = "component/export_sealed.rs"]
mod export_sealed;
#[path = "component/fenced.rs"]
mod fenced;
#[path = "component/fenced_mutants.rs"]
mod fenced_mutants;
#[path = "component/janitor.rs"]
mod janitor;
#[path = "component/kept.rs"]
mod kept;
#[path = "component/ladder.rs"]
mod ladder;
#[path = "component/lasting.rs"]
mod lasting;
#[path = "component/lost.rs"]
mod lost;
#[path = "component/native.rs"]
mod native;
#[path = "component/node.rs"]
mod node;
#[path = "component/outage.rs"]
mod outage;
#[path = "component/quarantine.rs"]
mod quarantine;
#[path = "component/rejoin.rs"]
mod rejoin;
#[path = "component/rules.rs"]
mod rules;
#[path = "component/runner.rs"]
mod runner;
#[path = "component/storages.rs"]
mod storages;
#[path = "component/table.rs"]
mod table;
#[path = "component/trust.rs"]
mod trust;
