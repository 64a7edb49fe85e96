//! Compiles the plugin for each world and hands the files to `src/embedded.rs`.

use std::path::{Path, PathBuf};
use std::{env, process};

use holdover_plugin_build::Guest;

fn main() {
    for watched in ["config", "model", "policy", "snapshot", "component", "lib.rs", "inspect.rs", "mutants.rs", "Cargo.toml"] {
        println!("cargo::rerun-if-changed=../../plugin/{watched}");
    }
    for watched in ["../../wit", "../../Cargo.lock"] {
        println!("cargo::rerun-if-changed={watched}");
    }
    let Some(out) = env::var_os("OUT_DIR").map(PathBuf::from) else {
        fail("OUT_DIR is not set: cargo runs this");
    };
    for world in ["importer", "exporter", "inspector", "janitor"] {
        match build(&out.join("wasm-target"), world) {
            Ok(file) => println!("cargo::rustc-env=HOLDOVER_{}={}", world.to_uppercase(), file.display()),
            Err(sentence) => fail(&sentence),
        }
    }
}

fn build(target_dir: &Path, world: &str) -> Result<PathBuf, String> {
    Guest { package: "holdover-plugin-component", features: &[world], target: "wasm32-wasip2", target_dir }.build()
}

fn fail(sentence: &str) -> ! {
    println!("cargo::error={}", sentence.replace('\n', " | "));
    process::exit(1)
}
