//! How long the policy takes to be ready: compiled at the first start, read as native code at every later one.

use std::path::Path;
use std::time::{Duration, Instant};

use holdover_component::{Runtime, RuntimeOptions};
use holdover_tests::virtual_world::World;

use crate::measure::{middle, ms};

const COMPILED: usize = 3;
const KEPT: usize = 21;

pub fn bench() {
    println!("## The policy ready\n");
    println!("From `Runtime::load` to an importer that is linked, on the wall, medians.\n");
    println!("| native code | ms |");
    println!("|---|---|");
    let compiled = middle((0..COMPILED).map(|_| {
        let folder = folder();
        ready(folder.path(), false)
    }));
    println!("| compiled at this start | {:.0} |", ms(compiled));
    let folder = folder();
    ready(folder.path(), false);
    let kept = middle((0..KEPT).map(|_| ready(folder.path(), true)));
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

pub fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("holdover-bench-").tempdir().unwrap()
}
