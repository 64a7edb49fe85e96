//! What the filter costs an Envoy per request, idle and routing, and how much memory it holds. `docs/performance.md` says what it found.
//!
//! ```text
//! cargo bench --bench filter [-- --quick]
//! ```
//! Envoy, storage and module are those of `tests/envoy.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark that cannot go on ends by panicking")]
#![allow(dead_code, reason = "the stories of tests/envoy.rs need more of their Envoy than a measurement does")]

#[path = "../envoy/bootstrap.rs"]
mod bootstrap;
#[path = "../envoy/configurations.rs"]
mod configurations;
#[path = "filter/costs.rs"]
mod costs;
#[path = "filter/load.rs"]
mod load;
#[path = "pipeline/measure.rs"]
mod measure;
#[path = "../envoy/module.rs"]
mod module;
#[path = "../envoy/running.rs"]
mod running;
#[path = "../envoy/storage.rs"]
mod storage;
#[path = "pipeline/telling.rs"]
mod telling;
#[path = "../envoy/upstream.rs"]
mod upstream;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let Some(unknown) = arguments.iter().find(|argument| *argument != "--quick") {
        eprintln!("'{unknown}' is nothing to measure: give --quick, or nothing");
        return ExitCode::from(2);
    }
    telling::machine("filter");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(costs::bench(if arguments.is_empty() { &costs::WHOLE } else { &costs::QUICK }));
    ExitCode::SUCCESS
}
