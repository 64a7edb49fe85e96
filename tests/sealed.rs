//! The seal of format v1: whatever is done to a file, a station refuses it with a typed reason, and nothing of it is used.
//!
//! Every bit is flipped and every length is tried, on files of each kind, at the plugin's stations and at the host's own gate (host-01);
//! then damage that somebody made with care; then samples of it before a whole policy in a virtual world. Run it with `--nocapture`
//! for the tables.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

#[path = "sealed/by_policy.rs"]
mod by_policy;
#[path = "sealed/every_bit.rs"]
mod every_bit;
#[path = "sealed/forged_body.rs"]
mod forged_body;
#[path = "sealed/forged_frame.rs"]
mod forged_frame;
#[path = "sealed/forged_lines.rs"]
mod forged_lines;
#[path = "component/native.rs"]
mod native;
#[path = "sealed/parts.rs"]
mod parts;
#[path = "sealed/specimen.rs"]
mod specimen;
#[path = "sealed/tally.rs"]
mod tally;
