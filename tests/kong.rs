//! Kong, both ways, as real processes: `holdover control-plane`, a backup node that follows it, a store, stand-ins, and data planes that
//! speak the protocol as Kong's do.
//!
//! The binary is the one beside this test, `target/debug/holdover`.

// A test that cannot go on says so by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "kong/declared.rs"]
mod declared;
#[path = "kong/fleet.rs"]
mod fleet;
#[path = "kong/ground.rs"]
mod ground;
#[path = "kong/itself.rs"]
mod itself;
#[path = "kong/outage.rs"]
mod outage;
