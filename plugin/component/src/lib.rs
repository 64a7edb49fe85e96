//! The component shells: the policy behind WIT, one world per build.
//!
//! Each shell turns imports into the policy's capabilities and exports into its episodes. Nothing is decided here.

#[cfg(any(feature = "importer", feature = "exporter", feature = "janitor"))]
mod capabilities;
#[cfg(any(feature = "importer", feature = "exporter", feature = "janitor"))]
mod convert;
#[cfg(feature = "exporter")]
mod exporter;
mod generated;
#[cfg(feature = "importer")]
mod importer;
#[cfg(feature = "inspector")]
mod inspector;
#[cfg(feature = "janitor")]
mod janitor;
#[cfg(target_family = "wasm")]
mod memcmp;
mod stream;
