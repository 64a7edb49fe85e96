//! The host's keys: private keys that sign and open, and public ones to encrypt to. Private keys never leave this crate (host-02).
//!
//! ```text
//! holdover_signing_key ─┐            ┌─ Sealing    sign, wrap    for the exporter
//! holdover_recipients ──┼─► KeyRing ─┤
//! holdover_identity ────┘            └─ Unsealing  unwrap        for the importer, and the encrypted cache
//! ```
//!
//! Knows where keys are kept and what they do. Knows no rule about whom to believe, and no body: the chunks of an age file are the
//! plugin's (`snapshot/encryption.rs`), their key is made and had by `holdover-age`, which a VM without files has, too.

mod cache;
mod file;
mod identity;
mod random;
mod ring;
mod signing;

pub use cache::EncryptedCache;
pub use file::{KEY_FILE_BYTES_MAX, keep_private};
pub use holdover_age::{Identity, RECIPIENTS_MAX, Recipient, unwrap, wrap};
pub use identity::read_identities;
pub use random::random_number;
pub use ring::{KeyRing, KeySettings};
pub use signing::SigningKey;
