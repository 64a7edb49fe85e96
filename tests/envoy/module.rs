//! The module, compiled once for all tests: as it is shipped, and with a way to break it.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use holdover_plugin_build::Guest;

/// As it is shipped.
pub fn shipped() -> &'static Path {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| build(&[]))
}

/// A request for `/crash-this-vm` ends a filter's VM, and a control plane that says `crash-this-vm` the node's.
pub fn breakable() -> &'static Path {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| build(&["crash"]))
}

fn build(features: &[&str]) -> PathBuf {
    let target_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("guest-proxy-wasm");
    let guest = Guest { package: "holdover-proxy-wasm", features, target: "wasm32-wasip1", target_dir: &target_dir };
    guest.build().unwrap_or_else(|sentence| panic!("{sentence}"))
}
