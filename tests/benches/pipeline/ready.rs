//! How long the policy takes to be ready: compiled at the first start, read as native code at every later one.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use holdover_component::{Runtime, RuntimeOptions};
use holdover_tests::virtual_world::World;
use tempfile::TempDir;

use crate::measure::{middle, ms};

const COMPILED: usize = 3;
const KEPT: usize = 21;

pub fn bench() {
    println!("## The policy ready\n");
    println!("From `Runtime::load` to an importer that is linked, on the wall, medians.\n");
    println!("| native code | ms |");
    println!("|---|---|");
    let compiled = middle((0..COMPILED).map(|_| ready(&compiled_dir(&folder()), false)));
    println!("| compiled at this start | {:.0} |", ms(compiled));
    let folder = folder();
    ready(&compiled_dir(&folder), false);
    let kept = middle((0..KEPT).map(|_| ready(&compiled_dir(&folder), true)));
    println!("| kept from an earlier one | {:.1} |\n", ms(kept));
}

fn ready(compiled_dir: &Path, kept: bool) -> Duration {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _guard = tokio.enter();
    let ports = World::new(1).importer_ports();
    let began = Instant::now();
    let runtime = Runtime::load(RuntimeOptions { compiled_dir: Some(compiled_dir.to_owned()), policy: None }).unwrap();
    let importer = runtime.importer(ports).unwrap();
    let took = began.elapsed();
    drop(importer);
    assert_eq!(runtime.readiness().kept, kept);
    took
}

pub fn folder() -> TempDir {
    tempfile::Builder::new().prefix("holdover-bench-").tempdir().unwrap()
}

/// Not there yet: native code is only kept in a folder that the runtime itself closed to everybody else.
pub fn compiled_dir(folder: &TempDir) -> PathBuf {
    folder.path().join("compiled")
}
