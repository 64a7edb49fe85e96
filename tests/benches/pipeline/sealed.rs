//! What a seal costs: a new node's boot from a snapshot that is plain, signed, encrypted, and both; and a restart from the cache that
//! it kept, which looks through nothing again that its digest and the validator cover.
//!
//! As a component, over ports in memory: requests are counted, and take no time.

use std::path::Path;

use bytes::Bytes;
use holdover_component::{Runtime, RuntimeOptions};
use holdover_keys::{Identity, KeyRing};
use holdover_plugin::policy::{Origin, Standing};
use holdover_ports::StorageFailureKind;
use holdover_tests::virtual_world::keys::{ring, signing_key};
use holdover_tests::virtual_world::{Act, World};

use crate::measure::{Cost, Stopwatch, median, ms};
use crate::native::Native;
use crate::{document, office};

/// What it takes to seal and to open in one way.
struct Way {
    name: &'static str,
    exporter: KeyRing,
    importer: KeyRing,
    trusted: Vec<holdover_keys::SigningKey>,
}

struct Measured {
    cold: Cost,
    gets: usize,
    restart: Cost,
}

pub fn bench(sizes: &[(usize, usize)], compiled_dir: &Path) {
    println!("## What a seal costs\n");
    println!(
        "Fetch, verify, open, validate, the host's own gate, apply, keep: medians of processor time. The ratio is to the plain boot.\n"
    );
    println!("| document | sealed | GETs | boot, ms | ratio | snapshot, bytes | restart from the cache, ms | of the boot |");
    println!("|---|---|---|---|---|---|---|---|");
    let runtime = Runtime::load(RuntimeOptions { compiled_dir: Some(compiled_dir.to_owned()), policy: None }).unwrap();
    for (megabytes, rounds) in sizes {
        let document = document::kong(megabytes * 1_000_000);
        let mut plain_ms = None;
        for way in ways() {
            let paused = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
            let (measured, bytes) = paused.block_on(measure(&runtime, &way, &document, *rounds));
            let (cold, restart) = (ms(measured.cold.cpu), ms(measured.restart.cpu));
            let ratio = cold / *plain_ms.get_or_insert(cold);
            let share = 100.0 * restart / cold;
            let (name, gets) = (way.name, measured.gets);
            println!("| {megabytes} MB | {name} | {gets} | {cold:.1} | {ratio:.2}x | {bytes} | {restart:.1} | {share:.0} % |");
        }
    }
    println!();
}

fn ways() -> Vec<Way> {
    let (key, reader) = (signing_key(), Identity::generate().unwrap());
    let way = |name, signs: bool, encrypts: bool| {
        let recipients = if encrypts { vec![&reader] } else { vec![] };
        Way {
            name,
            exporter: ring(Some(&key).filter(|_| signs), &recipients, None),
            importer: ring(None, &[], Some(&reader).filter(|_| encrypts)),
            trusted: if signs { vec![key.clone()] } else { vec![] },
        }
    };
    vec![way("plain", false, false), way("signed", true, false), way("encrypted", false, true), way("signed and encrypted", true, true)]
}

async fn measure(runtime: &Runtime, way: &Way, document: &Bytes, rounds: usize) -> (Measured, usize) {
    let published = publish(way, document).await;
    let bytes = published.iter().map(|(_, object)| object.len()).max().unwrap_or_default();
    let (mut cold, mut restart, mut gets) = (Vec::new(), Vec::new(), 0);
    // One round more than is counted warms the machine up.
    for _ in 0..=rounds {
        let world = World::new(1);
        world.keys.has(way.importer.clone());
        world.keys.trusts(&way.trusted.iter().collect::<Vec<_>>());
        for (key, object) in &published {
            world.storage().hold(key, object.clone());
        }
        cold.push(boot(runtime, &world, Origin::Storage).await);
        gets = world.trace.count(Act::is_get);
        world.storage().is_down(StorageFailureKind::Unreachable);
        restart.push(boot(runtime, &world, Origin::Cache).await);
    }
    (Measured { cold: median(&cold[1..]), gets, restart: median(&restart[1..]) }, bytes)
}

async fn boot(runtime: &Runtime, world: &World, origin: Origin) -> Cost {
    let importer = runtime.importer(world.importer_ports()).unwrap();
    let facts = office::facts(world.settings());
    let watch = Stopwatch::start();
    let outcome = importer.boot(facts, Vec::new()).await;
    let cost = watch.stop();
    let standing = outcome.unwrap().standing;
    assert!(matches!(&standing, Standing::Serving(serving) if serving.origin == origin), "{standing:?}");
    cost
}

async fn publish(way: &Way, document: &Bytes) -> Vec<(String, Bytes)> {
    let world = World::new(1);
    world.keys.has(way.exporter.clone());
    office::publish(&Native(world.exporter_ports()), &world.settings(), document).await;
    let storage = world.storage();
    storage.keys().into_iter().map(|key| (key.clone(), storage.object(&key).unwrap())).collect()
}
