//! Keeps the checked-in bindings of the guests the ones that `wit/` asks for. Generating them at every build would cost the guests
//! 40 s of macro crates (COMPONENT.md §1), so they are checked in; `HOLDOVER_WRITE_BINDINGS=1 cargo test --test bindings` writes them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use std::path::{Path, PathBuf};

use wit_bindgen_core::{Files, WorldGenerator, wit_parser::Resolve};
use wit_bindgen_rust::{Opts, WithOption};

/// The interfaces of world `common`, which the other worlds share, so that one conversion serves all.
const SHARED: [&str; 9] = ["types", "held", "storage-failures", "storage-read", "clock", "events", "unsealing", "schemas", "random"];
/// As many of them, from the first, as the janitor has.
const JANITORS: usize = 6;

#[test]
fn the_checked_in_bindings_are_what_the_wit_asks_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = root.join("plugin/component/src/generated");
    let worlds = [("common", 0), ("importer", SHARED.len()), ("exporter", SHARED.len()), ("janitor", JANITORS), ("inspector", 0)];
    for (world, shared) in worlds {
        let generated = generate(&root.join("wit"), world, shared);
        let path = folder.join(format!("{world}.rs"));
        if std::env::var_os("HOLDOVER_WRITE_BINDINGS").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, &generated).unwrap();
        }
        let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(checked_in == generated, "{} is stale: HOLDOVER_WRITE_BINDINGS=1 cargo test --test bindings", path.display());
    }
}

fn generate(wit: &PathBuf, world: &str, shared: usize) -> String {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(wit).expect("wit/ is readable");
    let world = resolve.select_world(&[package], Some(world)).expect("the world exists");
    let with = SHARED.iter().take(shared).map(|interface| {
        let module = interface.replace('-', "_");
        let path = format!("crate::generated::common::holdover::policy::{module}");
        (format!("holdover:policy/{interface}@0.1.0"), WithOption::Path(path))
    });
    let options = Opts { generate_all: true, with: with.collect(), format: true, pub_export_macro: true, ..Opts::default() };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files).expect("the bindings can be generated");
    let (_, contents) = files.iter().next().expect("one file is generated");
    String::from_utf8(contents.to_vec()).expect("Rust is text")
}
