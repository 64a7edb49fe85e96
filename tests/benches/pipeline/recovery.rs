//! The recovery time of real processes: a node without a cache is born while the control plane refuses connections.
//!
//! Parts, backup node and storage are the drill's; the policy's native code is kept beforehand, as an image does it. Only a release
//! binary tells anything, and cargo builds none for a benchmark: `cargo build --release --bin holdover` does.

use std::path::PathBuf;

use holdover_drill::{DrillOptions, recovery};

use crate::aim;
use crate::measure::middle;

const NODES: usize = 5;

/// Routes, and the aim in milliseconds.
pub const QUICK: [(usize, u64); 1] = [(100, 150)];
pub const WHOLE: [(usize, u64); 3] = [(100, 150), (5_000, 250), (50_000, 900)];

/// `false`: it was not measured.
pub fn bench(sizes: &[(usize, u64)]) -> bool {
    println!("## Recovery time of a node without a cache, the control plane refusing\n");
    let exe = binary();
    if !exe.is_file() {
        println!("NOT MEASURED: there is no {}. Run: cargo build --release --bin holdover\n", exe.display());
        return false;
    }
    println!("From the start of the process to its first right answer through the built-in gateway, {NODES} nodes each.\n");
    println!("| routes | document, kB | median, ms | fastest, ms | slowest, ms | aim, ms |");
    println!("|---|---|---|---|---|---|");
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut verdicts = Vec::new();
    for (routes, aim_ms) in sizes {
        let options = DrillOptions { routes: *routes, ..DrillOptions::of(&exe) };
        let recovered = tokio.block_on(recovery(options, NODES)).unwrap_or_else(|failure| panic!("{routes} routes: {failure:#}"));
        let times = recovered.first_answers_ms;
        let median_ms = middle(times.iter().copied());
        let (fastest, slowest) = (times.iter().min().unwrap(), times.iter().max().unwrap());
        println!("| {routes} | {} | {median_ms} | {fastest} | {slowest} | {aim_ms} |", recovered.config_bytes / 1000);
        verdicts.push(aim(&format!("{routes} routes"), median_ms as f64, *aim_ms as f64, " ms"));
    }
    println!("\n{}\n", verdicts.join("\n"));
    true
}

/// `<target>/release/deps/pipeline-…` is this benchmark.
fn binary() -> PathBuf {
    let bench = std::env::current_exe().unwrap();
    bench.ancestors().nth(3).unwrap().join("release").join("holdover")
}
