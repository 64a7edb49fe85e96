//! Where things stand in a storage, relative to its prefix. Readers never list: they read the head, and what it names.

use crate::model::{Digest, GatewayVersion, Position};

pub const HEAD: &str = "holdover/head";
pub const LEASE: &str = "holdover/lease";
pub const ORDERS: &str = "holdover/orders";
/// What stands below never changes once written.
pub const SNAPSHOTS: &str = "holdover/snapshots/";

/// The key of one immutable snapshot.
pub fn snapshot(version: &GatewayVersion, position: Position, file_digest: Digest) -> String {
    format!("{SNAPSHOTS}{version}/{position}-{}", file_digest.short())
}

/// Kong's documented place (export-13).
pub fn kong_place(version: &GatewayVersion) -> String {
    format!("{version}/config.json")
}
