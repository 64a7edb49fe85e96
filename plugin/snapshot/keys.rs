//! Where things stand in a storage, relative to its prefix. Readers never list: they read the head, and what it names.

use crate::model::{Digest, GatewayVersion, Position};

pub const HEAD: &str = "holdover/head";

/// The key of one immutable snapshot.
pub fn snapshot(version: &GatewayVersion, position: Position, file_digest: Digest) -> String {
    format!("holdover/snapshots/{version}/{position}-{}", file_digest.short())
}
