//! The snapshot format, v1: stations *seal*, *verify* and *open*, the small files beside the snapshots, and the cache's wrapping of
//! one. Knows bytes, bounds and public keys; knows no storage, no clock, no private key and no rule about which snapshot to take.
//!
//! ```text
//! ValidConfig ──seal, sign──► Snapshot ─ ─ publish, fetch ─ ─► bytes ──verify──► VerifiedSnapshot ──open──► OpenedConfig
//! ```
//!
//! The format is frozen: docs/format.md is its table, `tests/golden/` its bytes, and a reader refuses any number it does not know.

pub mod break_glass;
pub mod cached;
pub mod encryption;
pub mod head;
pub mod keys;
mod layout;
pub mod lease;
mod lines;
mod manifest;
mod open;
pub mod orders;
mod refusal;
mod seal;
pub mod signature;

pub use encryption::{PayloadKey, Wrapping};
pub use layout::{FILE_BYTES_MAX, VerifiedSnapshot, is_snapshot, verify};
pub use lines::UnsignedLines;
pub use manifest::{About, Compression, Encryption, Manifest, Particulars, Publication};
pub use open::OpenedConfig;
pub use refusal::Refusal;
pub use seal::{Snapshot, Unsigned, seal};
pub use signature::{KeyId, PublicKey, PublicKeyError, Purpose, Signature, Trust};

pub(crate) use lines::{read_own_lines, write_own_lines};

/// Of every file of Holdover: snapshots, heads, leases, orders, tokens, cache entries.
pub(crate) const FORMAT: u16 = 1;
