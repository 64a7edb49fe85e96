//! The two episodes in which a configuration goes its whole way, each on the native core and as a component, over the same ports in
//! memory.
//!
//! ```text
//! export: receive, validate, seal, publish, read back, verify, move the head
//! boot:   give up a control plane that refuses, locate, fetch, verify, open, validate, open once more (host-01), apply, keep
//! ```
//! The component computes under epoch checks, in a store of its own per episode, as it does in a node. Waiting costs nothing: the
//! episodes' clock is tokio's, paused.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use holdover_component::{Runtime, RuntimeOptions};
use holdover_plugin::config::{self, Format, Strictness};
use holdover_plugin::policy::{Origin, Outcome, Settings, Standing, boot, export};
use holdover_ports::{Config, Exporter, Importer};
use holdover_tests::virtual_world::World;

use crate::measure::{Cost, Stopwatch, median, ms};
use crate::native::{HeldConfig, Native};
use crate::office::{self, assert_published};
use crate::{aim, document};

const RATIO_MAX: f64 = 1.7;
const MEMORY_MAX: f64 = 2.5;

/// A size, and how often it is measured.
pub const QUICK: [(usize, usize); 1] = [(1, 9)];
pub const WHOLE: [(usize, usize); 3] = [(1, 21), (10, 9), (100, 5)];

/// One episode, or both, on both sides.
struct Compared {
    native: Cost,
    component: Cost,
    memory_peak: u64,
}

/// The objects of a storage in which the document was published.
type Published = Vec<(String, Bytes)>;

pub fn bench(sizes: &[(usize, usize)], compiled_dir: &Path) {
    println!("## A configuration's way, native and as a component\n");
    println!("Medians of processor time (in brackets: on the wall). The ratio is of processor time.\n");
    println!("| document | episode | native, ms | component, ms | component, MB/s | ratio | memory peak |");
    println!("|---|---|---|---|---|---|---|");
    let (mut ratio_max, mut memory_max) = (0_f64, 0_f64);
    for (megabytes, rounds) in sizes {
        let document = document::kong(megabytes * 1_000_000);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let (export, boot) = runtime.block_on(compare(&document, *rounds, compiled_dir));
        let both = export.and(&boot);
        for (episode, compared) in [("export", &export), ("boot", &boot), ("**both**", &both)] {
            println!("{}", compared.row(*megabytes, episode, document.len()));
        }
        ratio_max = ratio_max.max(both.ratio());
        memory_max = memory_max.max(both.memory_peak as f64 / document.len() as f64);
    }
    println!("\n{}", aim("component / native, the worst of both", ratio_max, RATIO_MAX, "x"));
    println!("{}\n", aim("linear memory, the worst peak", memory_max, MEMORY_MAX, "x the document"));
}

async fn compare(document: &Bytes, rounds: usize, compiled_dir: &Path) -> (Compared, Compared) {
    // A document with findings would cost their sentences.
    config::validate(document.to_vec(), Format::Kong, Strictness::HandWritten).unwrap_or_else(|invalid| panic!("{invalid}"));
    let load = || Runtime::load(RuntimeOptions { compiled_dir: Some(compiled_dir.to_owned()), policy: None }).unwrap();
    // A runtime each, so that each tells its own peak.
    let (exporting, booting) = (load(), load());
    let published = publish(document).await;
    let (mut native_exports, mut component_exports) = (Vec::new(), Vec::new());
    let (mut native_boots, mut component_boots) = (Vec::new(), Vec::new());
    // One round more than is counted warms the machine up.
    for _ in 0..=rounds {
        native_exports.push(native_export(document).await);
        component_exports.push(component_export(&exporting, document).await);
        native_boots.push(native_boot(&published).await);
        component_boots.push(component_boot(&booting, &published).await);
    }
    let compared = |native: &[Cost], component: &[Cost], runtime: &Runtime| Compared {
        native: median(&native[1..]),
        component: median(&component[1..]),
        memory_peak: runtime.memory_peak(),
    };
    (compared(&native_exports, &component_exports, &exporting), compared(&native_boots, &component_boots, &booting))
}

async fn native_export(document: &Bytes) -> Cost {
    let caps = Native(World::new(1).exporter_ports());
    let state = office::taken(&caps, &settings()).await;
    let (config, facts) = (HeldConfig(Config::delivered(document.clone())), office::connected(settings()));
    let watch = Stopwatch::start();
    let outcome = export::received(&caps, &facts, &state, &config).await;
    let cost = watch.stop();
    assert_published(&outcome);
    cost
}

async fn component_export(runtime: &Runtime, document: &Bytes) -> Cost {
    let world = World::new(1);
    let exporter: Arc<dyn Exporter> = runtime.exporter(world.exporter_ports()).unwrap();
    let state = office::taken(&Native(world.exporter_ports()), &settings()).await;
    let (config, facts) = (Config::delivered(document.clone()), office::connected(settings()));
    let watch = Stopwatch::start();
    let outcome = exporter.received(config, facts, state).await;
    let cost = watch.stop();
    assert_published(&outcome.unwrap());
    cost
}

async fn native_boot(published: &Published) -> Cost {
    let caps = Native(outage(published).importer_ports());
    let facts = office::facts(settings());
    let watch = Stopwatch::start();
    let outcome = boot::boot(&caps, &facts).await;
    let cost = watch.stop();
    assert_serving(&outcome);
    cost
}

async fn component_boot(runtime: &Runtime, published: &Published) -> Cost {
    let importer: Arc<dyn Importer> = runtime.importer(outage(published).importer_ports()).unwrap();
    let facts = office::facts(settings());
    let watch = Stopwatch::start();
    let outcome = importer.boot(facts, Vec::new()).await;
    let cost = watch.stop();
    assert_serving(&outcome.unwrap());
    cost
}

/// What an exporter leaves in a storage that was empty.
async fn publish(document: &Bytes) -> Published {
    let world = World::new(1);
    office::publish(&Native(world.exporter_ports()), &settings(), document).await;
    let storage = world.storage();
    storage.keys().into_iter().map(|key| (key.clone(), storage.object(&key).unwrap())).collect()
}

/// A control plane that refuses, a storage that holds what was published, an empty cache.
fn outage(published: &Published) -> World {
    let world = World::new(1);
    for (key, bytes) in published {
        world.storage().hold(key, bytes.clone());
    }
    world
}

fn assert_serving(outcome: &Outcome) {
    assert!(matches!(&outcome.standing, Standing::Serving(serving) if serving.origin == Origin::Storage), "{:?}", outcome.standing);
}

fn settings() -> Settings {
    Settings { storages: vec!["virtual-0".into()], ..Settings::new("bench".parse().unwrap(), "3.9.1".parse().unwrap(), Format::Kong) }
}

impl Compared {
    fn and(&self, other: &Self) -> Self {
        let sum = |one: Cost, other: Cost| Cost { cpu: one.cpu + other.cpu, wall: one.wall + other.wall };
        Self {
            native: sum(self.native, other.native),
            component: sum(self.component, other.component),
            memory_peak: self.memory_peak.max(other.memory_peak),
        }
    }

    fn ratio(&self) -> f64 {
        self.component.cpu.as_secs_f64() / self.native.cpu.as_secs_f64()
    }

    fn row(&self, megabytes: usize, episode: &str, document_bytes: usize) -> String {
        let cell = |cost: &Cost| format!("{:.1} ({:.1})", ms(cost.cpu), ms(cost.wall));
        let speed = document_bytes as f64 / 1e6 / self.component.cpu.as_secs_f64();
        let memory = self.memory_peak as f64 / document_bytes as f64;
        let (native, component) = (cell(&self.native), cell(&self.component));
        format!("| {megabytes} MB | {episode} | {native} | {component} | {speed:.0} | {:.2}x | {memory:.2}x |", self.ratio())
    }
}
