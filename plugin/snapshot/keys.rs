//! Where things stand in a storage, relative to its prefix. Readers never list: they read the head, and what it names.

use crate::model::{Digest, Epoch, GatewayVersion, Generation, Position};

pub const HEAD: &str = "holdover/head";
pub const LEASE: &str = "holdover/lease";
pub const ORDERS: &str = "holdover/orders";
/// What stands below never changes once written.
pub const SNAPSHOTS: &str = "holdover/snapshots/";

/// Scratch objects of the storage probe (export-12).
pub const PROBES: &str = "holdover/probe/";

/// The version and position in the key of a snapshot; `None` for any other key.
pub fn position(key: &str) -> Option<(GatewayVersion, Position)> {
    let (version, name) = key.strip_prefix(SNAPSHOTS)?.split_once('/')?;
    let mut parts = name.splitn(3, '-');
    let (epoch, generation) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next()?;
    Some((version.parse().ok()?, Position { epoch: Epoch(epoch), generation: Generation(generation) }))
}

/// The key of one immutable snapshot.
pub fn snapshot(version: &GatewayVersion, position: Position, file_digest: Digest) -> String {
    format!("{SNAPSHOTS}{version}/{position}-{}", file_digest.short())
}

/// Kong's documented place (export-13).
pub fn kong_place(version: &GatewayVersion) -> String {
    format!("{version}/config.json")
}
