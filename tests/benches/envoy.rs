//! How long a new Envoy takes to its first proxied answer, and how much memory it holds then: from a file, and by our failover while its
//! management server is away. `docs/performance.md` says what it found.
//!
//! ```text
//! cargo build --release -p holdover-cli
//! cargo bench --bench envoy [-- --quick]
//! ```
//! Envoy, management server and nodes are those of `tests/xds.rs`. An aim that is missed is said and does not fail the run.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark that cannot go on ends by panicking")]
#![allow(dead_code, reason = "the stories of tests/xds.rs need more of their ground than a start does")]

#[path = "../xds/door.rs"]
mod door;
#[path = "../xds/envoy.rs"]
mod envoy;
#[path = "envoy/file.rs"]
mod file;
#[path = "../xds/ground.rs"]
mod ground;
#[path = "../xds/management.rs"]
mod management;
#[path = "envoy/many.rs"]
mod many;
#[path = "pipeline/measure.rs"]
mod measure;
#[path = "../xds/python.rs"]
mod python;
#[path = "../xds/resources.rs"]
mod resources;
#[path = "envoy/starts.rs"]
mod starts;
#[path = "pipeline/telling.rs"]
mod telling;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let Some(unknown) = arguments.iter().find(|argument| *argument != "--quick") {
        eprintln!("'{unknown}' is nothing to measure: give --quick, or nothing");
        return ExitCode::from(2);
    }
    telling::machine("envoy");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(starts::bench(if arguments.is_empty() { &starts::WHOLE } else { &starts::QUICK }));
    ExitCode::SUCCESS
}
