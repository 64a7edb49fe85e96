//! Format v1, byte by byte: files that were made once, with keys that are for nothing else, are read on every run and must say what they
//! said on the day they were made.
//!
//! Files in `tests/golden/` are never changed and never removed. `HOLDOVER_WRITE_GOLDEN=1 cargo test --test golden` makes those that are
//! not there, and none that is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

#[path = "golden/by_hand.rs"]
mod by_hand;
#[path = "golden/made.rs"]
mod made;
#[path = "golden/reads.rs"]
mod reads;
#[path = "golden/writes.rs"]
mod writes;
