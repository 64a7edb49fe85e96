//! The half of an age v1 file (C2SP, age-encryption.org/v1) that private keys are for: who can open it. The chunks are the other half,
//! and the policy's (`snapshot/encryption.rs`).
//!
//! X25519 recipients only. Stanzas of other kinds, of which age adds random ones on purpose, are passed over. Knows texts and bytes: where
//! an identity is kept, and who may read it there, is the business of who has it, be it a host with files or a VM with an environment.

mod header;
mod identity;
mod key_lines;
mod random;
mod stanza;

pub use header::{RECIPIENTS_MAX, unwrap, wrap};
pub use identity::{Identity, Recipient};
pub use key_lines::key_lines;
pub use random::random_bytes;
