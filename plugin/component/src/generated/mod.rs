//! Bindings that `tests/bindings.rs` generates from `wit/` and keeps fresh.

#[cfg(any(feature = "importer", feature = "exporter", feature = "janitor"))]
#[rustfmt::skip]
#[allow(warnings, clippy::all, reason = "generated")]
pub mod common;
#[cfg(feature = "exporter")]
#[rustfmt::skip]
#[allow(warnings, clippy::all, reason = "generated")]
pub mod exporter;
#[cfg(feature = "importer")]
#[rustfmt::skip]
#[allow(warnings, clippy::all, reason = "generated")]
pub mod importer;
#[cfg(feature = "inspector")]
#[rustfmt::skip]
#[allow(warnings, clippy::all, reason = "generated")]
pub mod inspector;
#[cfg(feature = "janitor")]
#[rustfmt::skip]
#[allow(warnings, clippy::all, reason = "generated")]
pub mod janitor;
