//! Envoy and gRPC clients, born while their management server is away: a real Envoy, a real gRPC client, a management server on gRPC
//! and messages of others, and our own processes between them.
//!
//! The binary is the one beside this test, `target/debug/holdover`. `HOLDOVER_XDS=whole` asks for numbers that can be compared:
//! one Envoy after the other, and a control plane that flaps for a minute.

// A test that cannot go on says so by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "xds/bootstrap.rs"]
mod bootstrap;
#[path = "xds/documented.rs"]
mod documented;
#[path = "xds/door.rs"]
mod door;
#[path = "xds/envoy.rs"]
mod envoy;
#[path = "xds/flapping.rs"]
mod flapping;
#[path = "xds/ground.rs"]
mod ground;
#[path = "xds/grpc.rs"]
mod grpc;
#[path = "xds/management.rs"]
mod management;
#[path = "xds/python.rs"]
mod python;
#[path = "xds/quiet.rs"]
mod quiet;
#[path = "xds/rejoin.rs"]
mod rejoin;
#[path = "xds/resources.rs"]
mod resources;
#[path = "xds/table.rs"]
mod table;
