//! Samples of the same damage before the whole policy, in a virtual world: on the native core, and fewer of them on the component.
//!
//! What is damaged is never applied; the older good generation is, and every refusal is an event with a reason.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use holdover_component::{Runtime, RuntimeOptions};
use holdover_plugin::model::Digest;
use holdover_plugin::policy::{Facts, Outcome, Standing, boot};
use holdover_plugin::snapshot::{Purpose, keys};
use holdover_ports::{Importer, Name, Slot};
use holdover_tests::mutants as guest;
use holdover_tests::virtual_world::keys::ring;
use holdover_tests::virtual_world::{BEGINNING_UNIX_MS, Published, World, documents};

use crate::native::Native;
use crate::parts::Parts;
use crate::specimen::{KINDS, Kind, Specimen, exporting};

/// Every so many bits and lengths; both are prime, so that no field is always missed.
const BITS: usize = 97;
const LENGTHS: usize = 211;
/// A component's world is made anew for each.
const SPARSER: usize = 40;

/// The words that a damaged file may be refused with.
const REASONS: [&str; 9] =
    ["not-ours", "unknown-format", "torn", "out-of-bounds", "corrupt", "unread", "unsigned", "untrusted-signer", "bad-signature"];

#[test]
fn a_damaged_newest_generation_is_skipped_and_the_older_good_one_serves() {
    for kind in [KINDS[0], KINDS[3]] {
        newest_generation(Core::Native, kind, 1);
    }
}

#[test]
fn a_damaged_newest_generation_is_skipped_by_the_component() {
    newest_generation(Core::Component, KINDS[3], SPARSER);
}

#[test]
fn a_damaged_head_is_refused_and_nothing_that_it_names_is_fetched() {
    for kind in [KINDS[0], KINDS[3]] {
        head(Core::Native, kind, 1);
    }
}

#[test]
fn a_damaged_head_is_refused_by_the_component() {
    head(Core::Component, KINDS[3], SPARSER);
}

#[test]
fn a_damaged_cache_entry_is_set_aside_and_not_applied() {
    cache_entry(Core::Native, 1);
}

#[test]
fn a_damaged_cache_entry_is_set_aside_by_the_component() {
    cache_entry(Core::Component, SPARSER);
}

/// Signed with the same key, of the same length, and sealed a moment later: what it says holds, and it is not the file that the head
/// names. A longer one is not even fetched.
#[test]
fn the_same_snapshot_in_another_file_is_not_the_one_named() {
    let stage = Stage::of(KINDS[1]);
    let parts = Parts::of(&stage.newest);
    let own = parts.signature(&stage.specimen.exporter, Purpose::Snapshot);
    let (begun, later) = (BEGINNING_UNIX_MS.to_string(), (BEGINNING_UNIX_MS + 1).to_string());
    let manifest = String::from_utf8(parts.manifest.clone()).unwrap().replace(&begun, &later);
    let moved = Parts { manifest: manifest.into_bytes(), ..parts.clone() }.signed(&stage.specimen.exporter);
    assert!(moved.len() == stage.newest.len() && moved != stage.newest);
    for (file, skipped, failed) in [(moved, vec!["not-the-one-named".to_owned()], 0), (parts.file(&[own, own]), vec![], 1)] {
        play(async || {
            let world = stage.world();
            world.storage().hold(&stage.newest_key, file.clone());
            stage.boot(Core::Native, &world).await;
            assert_eq!(world.trace.said(Name::SnapshotSkipped, "reason"), skipped);
            assert_eq!(world.trace.events(Name::RungFailed).len(), failed);
            assert_eq!(world.trace.applied(), [stage.older]);
        });
    }
}

fn newest_generation(core: Core, kind: Kind, sparser: usize) {
    let stage = Stage::of(kind);
    let mut reasons = BTreeMap::new();
    for damaged in samples(&stage.newest, sparser) {
        play(async || {
            let world = stage.world();
            world.storage().hold(&stage.newest_key, damaged.clone());
            stage.boot(core, &world).await;
            assert_eq!(world.trace.applied(), [stage.older], "the older good one, and nothing else");
            assert_eq!(world.trace.gets().len(), 3, "one GET more for the one that is skipped");
            count(&mut reasons, world.trace.said(Name::SnapshotSkipped, "reason"));
        });
    }
    println!("{core:?}, newest generation, {}: {reasons:?}", kind.name());
}

fn head(core: Core, kind: Kind, sparser: usize) {
    let stage = Stage::of(kind);
    let mut reasons = BTreeMap::new();
    for damaged in samples(&stage.head, sparser) {
        play(async || {
            let world = stage.world();
            world.storage().hold(keys::HEAD, damaged.clone());
            let outcome = stage.boot(core, &world).await;
            assert!(matches!(outcome.standing, Standing::Stranded(_)), "{:?}", outcome.standing);
            assert_eq!(world.trace.applied(), []);
            assert_eq!(world.trace.gets().len(), 1, "nothing that it names is fetched");
            count(&mut reasons, world.trace.said(Name::HeadRefused, "reason"));
        });
    }
    println!("{core:?}, head, {}: {reasons:?}", kind.name());
}

fn cache_entry(core: Core, sparser: usize) {
    let stage = Stage::of(KINDS[3]);
    let entry = stage.specimen.cached();
    let mut reasons = BTreeMap::new();
    for damaged in samples(&entry, sparser) {
        play(async || {
            let world = stage.empty_world(0);
            world.cache.hold(Slot::Applied, damaged.clone());
            let outcome = stage.boot(core, &world).await;
            assert!(matches!(outcome.standing, Standing::Stranded(_)), "{:?}", outcome.standing);
            assert_eq!(world.trace.applied(), []);
            count(&mut reasons, world.trace.said(Name::CacheSetAside, "reason"));
            assert_eq!(world.cache.aside().len(), 1, "it is kept beside, for whoever looks into it");
        });
    }
    println!("{core:?}, cache entry: {reasons:?}");
}

#[derive(Clone, Copy, Debug)]
enum Core {
    Native,
    Component,
}

/// A storage with an older good generation and the specimen above it.
struct Stage {
    specimen: Specimen,
    published: Published,
    older: Digest,
    newest: Vec<u8>,
    newest_key: String,
    head: Vec<u8>,
}

impl Stage {
    fn of(kind: Kind) -> Self {
        let specimen = kind.specimen();
        let mut published = Published::nothing().with(exporting(kind, &specimen.exporter, &specimen.reader));
        let older = documents::kong("older");
        published.generation(documents::VERSION, &older);
        let entry = published.generation(documents::VERSION, &specimen.document);
        let (newest, head) = (published.file(&entry), published.head_bytes());
        Self { specimen, older: Digest::of(&older), newest, newest_key: entry.key, head, published }
    }

    fn world(&self) -> World {
        let world = self.empty_world(1);
        self.published.put_on(world.storage());
        world
    }

    fn empty_world(&self, storages: usize) -> World {
        let world = World::new(storages);
        let kind = self.specimen.kind;
        world.keys.has(ring(None, &[], Some(&self.specimen.reader).filter(|_| kind.encrypted)));
        if kind.signed {
            world.keys.trusts(&[&self.specimen.exporter]);
        }
        world
    }

    async fn boot(&self, core: Core, world: &World) -> Outcome {
        let facts = Facts::beginning(world.settings(), 1);
        match core {
            Core::Native => boot::boot(&Native(world.importer_ports()), &facts).await,
            Core::Component => component(world).boot(facts, Vec::new()).await.unwrap(),
        }
    }
}

fn samples(file: &[u8], sparser: usize) -> Vec<Vec<u8>> {
    let flipped = |bit: usize| {
        let mut damaged = file.to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        damaged
    };
    let bits = (0..8 * file.len()).step_by(BITS * sparser).map(flipped);
    let lengths = (0..file.len()).step_by(LENGTHS * sparser).map(|len| file[..len].to_vec());
    bits.chain(lengths).collect()
}

/// One refusal, with one of the words.
fn count(reasons: &mut BTreeMap<String, usize>, said: Vec<String>) {
    let [reason] = said.as_slice() else { panic!("one is refused, once: {said:?}") };
    assert!(REASONS.contains(&reason.as_str()), "{reason}");
    *reasons.entry(reason.clone()).or_default() += 1;
}

fn play(case: impl AsyncFnOnce()) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(case());
}

/// The importer as it is shipped.
fn component(world: &World) -> Arc<dyn Importer> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        let target = target();
        let _alone = guest::alone(&target);
        let options = RuntimeOptions { policy: None, compiled_dir: Some(target.join("component-tests-native")) };
        let runtime = Runtime::load(options).unwrap();
        runtime.importer(World::new(0).importer_ports()).unwrap();
        runtime
    });
    runtime.importer(world.importer_ports()).unwrap()
}

/// This test is `<target>/<profile>/deps/sealed-…`.
fn target() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).map(Path::to_path_buf).expect("a test lies three floors under the target folder")
}
