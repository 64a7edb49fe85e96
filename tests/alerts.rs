//! The alert rules that are shipped: Prometheus takes them, each fires when it should and not when it looks alike, they name nothing that
//! nodes do not show, and each is explained.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

#[path = "alerts/firing.rs"]
mod firing;
#[path = "alerts/named.rs"]
mod named;
#[path = "alerts/promtool.rs"]
mod promtool;
#[path = "alerts/rules.rs"]
mod rules;
