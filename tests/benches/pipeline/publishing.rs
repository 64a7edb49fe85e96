//! What a publication costs: the time from a change of the control plane to a head that names it, its requests, and what a configuration
//! that does not change costs a day.
//!
//! As a component, over ports in memory: requests are counted, and take no time.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use holdover_component::{Runtime, RuntimeOptions};
use holdover_plugin::policy::{ExportOutcome, Settings};
use holdover_plugin::snapshot::keys;
use holdover_ports::{Config, Exporter};
use holdover_tests::virtual_world::{Act, World};

use crate::document;
use crate::measure::{Cost, Stopwatch, median, ms};
use crate::native::Native;
use crate::office;

const DAY: Duration = Duration::from_secs(24 * 3600);

pub fn bench(sizes: &[(usize, usize)], compiled_dir: &Path) {
    println!("## What a publication costs\n");
    println!("From the delivery of a change to the head that names it, by an exporter that leads: medians of processor time.\n");
    println!("| document | change to head, ms | requests |");
    println!("|---|---|---|");
    let runtime = Runtime::load(RuntimeOptions { compiled_dir: Some(compiled_dir.to_owned()), policy: None }).unwrap();
    for (megabytes, rounds) in sizes {
        let document = document::kong(megabytes * 1_000_000);
        let paused = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let (cost, requests) = paused.block_on(publications(&runtime, &document, *rounds));
        println!("| {megabytes} MB | {:.1} | {requests} |", ms(cost.cpu));
    }
    let paused = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    println!("\nA day without a change, with the control plane there: {}.\n", paused.block_on(quiet_day(&runtime)));
}

async fn publications(runtime: &Runtime, document: &Bytes, rounds: usize) -> (Cost, String) {
    let (mut costs, mut requests) = (Vec::new(), String::new());
    // One round more than is counted warms the machine up.
    for _ in 0..=rounds {
        let world = World::new(1);
        let settings = world.settings();
        let exporter = runtime.exporter(world.exporter_ports()).unwrap();
        let state = office::taken(&Native(world.exporter_ports()), &settings).await;
        world.trace.forget();
        let config = Config::delivered(document.clone());
        let watch = Stopwatch::start();
        let outcome = exporter.received(config, office::connected(settings), state).await;
        costs.push(watch.stop());
        office::assert_published(&outcome.unwrap());
        requests = counted(&world);
    }
    (median(&costs[1..]), requests)
}

/// Every request of a day, by what it was for.
async fn quiet_day(runtime: &Runtime) -> String {
    let world = World::new(1);
    let settings = world.settings();
    let exporter = runtime.exporter(world.exporter_ports()).unwrap();
    let document = document::kong(20_000);
    let first = office::publish(&Native(world.exporter_ports()), &settings, &document).await;
    world.trace.forget();
    let mut outcome = first;
    let began = tokio::time::Instant::now();
    while let Some(wake) = outcome.wake_after.filter(|_| began.elapsed() < DAY) {
        tokio::time::sleep(wake).await;
        outcome = tick(&*exporter, &settings, outcome.state).await;
    }
    counted(&world)
}

async fn tick(exporter: &dyn Exporter, settings: &Settings, state: Vec<u8>) -> ExportOutcome {
    exporter.tick(None, office::connected(settings.clone()), state).await.unwrap()
}

/// For example `2 GET of the head, 1 PUT of a snapshot`.
fn counted(world: &World) -> String {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for call in world.trace.calls() {
        let (verb, key) = match &call.act {
            Act::Get { key, .. } => ("GET", key),
            Act::PutNew { key, .. } | Act::Swap { key, .. } => ("PUT", key),
            _other => continue,
        };
        *counts.entry((verb, of(key))).or_default() += 1;
    }
    let counts: Vec<_> = counts.into_iter().map(|((verb, of), count)| format!("{count} {verb} of {of}")).collect();
    counts.join(", ")
}

fn of(key: &str) -> &'static str {
    match key {
        keys::HEAD => "the head",
        keys::LEASE => "the lease",
        keys::ORDERS => "the orders",
        probe if probe.starts_with(keys::PROBES) => "a scratch key of the probe",
        _snapshot => "a snapshot",
    }
}
