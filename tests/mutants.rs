//! The importer in which any rule can be broken (`plugin/mutants.rs`), built once for all tests that need it.

// Support of tests: what cannot be set up stops the test, with a sentence.
#![allow(clippy::expect_used, clippy::panic)]

use std::fs::File;
use std::path::{Path, PathBuf};

use holdover_plugin_build::Guest;

/// Builds it where cargo may work, and returns the component's path. To be called by one process at a time: [`alone`].
pub fn build(target: &Path) -> PathBuf {
    let target_dir = target.join("guest-mutants");
    let features = &["importer", "mutants"];
    let guest = Guest { package: "holdover-plugin-component", features, target: "wasm32-wasip2", target_dir: &target_dir };
    guest.build().unwrap_or_else(|sentence| panic!("{sentence}"))
}

/// Held until it is dropped.
pub fn alone(target: &Path) -> File {
    let lock = File::create(target.join("component-tests.lock")).expect("the lock is made");
    lock.lock().expect("the lock is taken");
    lock
}
