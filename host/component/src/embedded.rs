//! The four components as they were compiled with this crate.

const IMPORTER: &[u8] = include_bytes!(env!("HOLDOVER_IMPORTER"));
const EXPORTER: &[u8] = include_bytes!(env!("HOLDOVER_EXPORTER"));
const INSPECTOR: &[u8] = include_bytes!(env!("HOLDOVER_INSPECTOR"));
const JANITOR: &[u8] = include_bytes!(env!("HOLDOVER_JANITOR"));

/// By the name of their world.
pub const fn embedded() -> [(&'static str, &'static [u8]); 4] {
    [("importer", IMPORTER), ("exporter", EXPORTER), ("inspector", INSPECTOR), ("janitor", JANITOR)]
}
