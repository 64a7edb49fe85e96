//! The snapshot format, "format 0": stations *seal*, *verify* and *open*, the head that points at snapshots, and the cache's
//! wrapping of one. Knows bytes and bounds; knows no storage, no clock and no rule about which snapshot to take.
//!
//! ```text
//! ValidConfig ──seal──► Snapshot ─ ─ publish, fetch ─ ─► bytes ──verify──► VerifiedSnapshot ──open──► OpenedConfig
//! ```
//!
//! The format is open to change until it is frozen as v1; a reader refuses any number that it does not know.

pub mod cached;
pub mod head;
pub mod keys;
mod layout;
mod lines;
mod manifest;
mod open;
mod refusal;
mod seal;

pub use layout::{FILE_BYTES_MAX, VerifiedSnapshot, is_snapshot, verify};
pub use manifest::{About, Compression, Manifest, Publication};
pub use open::OpenedConfig;
pub use refusal::Refusal;
pub use seal::{Snapshot, seal};

pub(crate) use lines::{read_lines, write_lines};
