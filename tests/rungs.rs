//! The ladder with real processes and real S3: each rung alone, storages that disagree, seals, replays, quarantine, credentials.
//!
//! A storage here is a prefix of the embedded store; one that lags, forgets or replays is a copy made at the right moment. The binary
//! is the one beside this test, `target/debug/holdover`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

#[path = "rungs/alone.rs"]
mod alone;
#[path = "rungs/credentials.rs"]
mod credentials;
#[path = "rungs/history.rs"]
mod history;
#[path = "rungs/mirror.rs"]
mod mirror;
#[path = "rungs/put.rs"]
mod put;
#[path = "rungs/quarantine.rs"]
mod quarantine;
#[path = "rungs/replay.rs"]
mod replay;
#[path = "rungs/sealed.rs"]
mod sealed;
#[path = "rungs/storages.rs"]
mod storages;
