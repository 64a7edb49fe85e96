//! What the shipped components may ask for, read off the files: an importer cannot write a storage (boot-12, host-02).
//!
//! `component/allowed-imports.txt` lists the `wasi:*` interfaces that Rust's standard library pulls in; the host answers them with an
//! empty world. Any other import must stand in the component's own world in `wit/`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use holdover_component::{Inspection, Runtime, RuntimeOptions, embedded, inspect};
use holdover_tests::virtual_world::World;
use wit_bindgen_core::wit_parser::{Resolve, WorldItem, WorldKey};

const ALLOWED: &str = include_str!("component/allowed-imports.txt");
const IMPORTER_BYTES_MAX: u64 = 1_200_000;

#[test]
fn boot_12_the_importer_does_not_import_the_write_interface() {
    let imports = shipped("importer").imports;
    assert!(imports.iter().all(|name| !name.contains("storage-write")), "{imports:?}");
    assert!(shipped("exporter").imports.iter().any(|name| name.contains("storage-write")), "the exporter does: the name is right");
}

#[test]
fn every_component_imports_what_its_world_says_and_nothing_else() {
    for (world, _) in embedded() {
        let (ours, others): (BTreeSet<String>, BTreeSet<String>) =
            shipped(world).imports.into_iter().partition(|name| name.starts_with("holdover:"));
        let declared = imports_of(world);
        assert_eq!(ours, declared, "world {world}");
        let unexpected: Vec<_> = others.iter().filter(|name| !allowed().contains(name.as_str())).collect();
        assert!(unexpected.is_empty(), "{world} imports what tests/component/allowed-imports.txt does not list: {unexpected:?}");
    }
}

#[test]
fn the_allowlist_lists_only_wasi_and_nothing_that_no_component_imports() {
    let used: BTreeSet<String> = embedded().into_iter().flat_map(|(world, _)| shipped(world).imports).collect();
    for name in allowed() {
        assert!(name.starts_with("wasi:"), "{name}");
        assert!(used.contains(name), "{name} can be taken off the list");
    }
}

#[test]
fn the_inspector_imports_nothing_of_the_policy_but_types() {
    let imports = shipped("inspector").imports;
    assert!(imports.iter().all(|name| name.starts_with("wasi:") || name.starts_with("holdover:policy/types@")), "{imports:?}");
}

#[test]
fn the_importer_stays_small() {
    let bytes = shipped("importer").bytes;
    assert!(bytes <= IMPORTER_BYTES_MAX, "the importer has {bytes} bytes; {IMPORTER_BYTES_MAX} is the most");
}

#[tokio::test]
async fn boot_12_the_importers_linker_has_no_storage_write_to_link() {
    let folder = tempfile::tempdir().unwrap();
    let exporter = folder.path().join("exporter.wasm");
    let (_, bytes) = embedded().into_iter().find(|(world, _)| *world == "exporter").unwrap();
    std::fs::write(&exporter, bytes).unwrap();
    let runtime = Runtime::load(RuntimeOptions { policy: Some(exporter), compiled_dir: Some(compiled_dir()) }).unwrap();
    let refusal = runtime.importer(World::new(1).importer_ports()).err().expect("an exporter is no importer").to_string();
    assert!(refusal.contains("is no importer policy") && refusal.contains("storage-write"), "{refusal}");
}

fn shipped(wanted: &str) -> Inspection {
    let (_, bytes) = embedded().into_iter().find(|(world, _)| *world == wanted).unwrap();
    inspect(bytes).unwrap()
}

/// The interfaces that a world of `wit/` imports, by their full names.
fn imports_of(world: &str) -> BTreeSet<String> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")).expect("wit/ is readable");
    let world = resolve.select_world(&[package], Some(world)).expect("the world exists");
    let name = |(key, item): (&WorldKey, &WorldItem)| match item {
        WorldItem::Interface { .. } => Some(resolve.name_world_key(key)),
        WorldItem::Function(_) | WorldItem::Type { .. } => None,
    };
    resolve.worlds[world].imports.iter().filter_map(name).collect()
}

fn allowed() -> BTreeSet<&'static str> {
    ALLOWED.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

/// Beside this test's own build.
fn compiled_dir() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).expect("a test lies three floors under the target folder").join("component-tests-native")
}
