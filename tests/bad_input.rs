//! Bad input to the real binary, as real processes on loopback.
//!
//! What is wrong at the start ends it: one sentence with setting, value and fix, and the documented exit code. What turns out wrong
//! later is said in one sentence and tried again, with the time; a node that serves goes on serving meanwhile.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

#[path = "bad_input/policy.rs"]
mod policy;
#[path = "bad_input/snapshots.rs"]
mod snapshots;
#[path = "bad_input/starts.rs"]
mod starts;
#[path = "bad_input/storages.rs"]
mod storages;
#[path = "bad_input/undisturbed.rs"]
mod undisturbed;
