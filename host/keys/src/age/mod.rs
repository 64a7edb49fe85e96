//! The host's half of an age v1 file (C2SP, age-encryption.org/v1): who can open it. The chunks are the plugin's half.
//!
//! X25519 recipients only. Stanzas of other kinds, of which age adds random ones on purpose, are passed over.

mod header;
mod identity;
mod stanza;

pub use header::{RECIPIENTS_MAX, unwrap, wrap};
pub use identity::{Identity, Recipient};
