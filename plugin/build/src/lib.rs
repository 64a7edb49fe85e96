//! Compiles the plugin to Wasm from within a build script or a test: a cargo inside cargo, kept apart from the outer one.
//!
//! Knows cargo, the target and the profile; knows nothing of what the plugin does.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One guest to build.
pub struct Guest<'a> {
    /// The cargo package, for example `holdover-plugin-component`.
    pub package: &'a str,
    pub features: &'a [&'a str],
    /// `wasm32-wasip2` gives a component, `wasm32-wasip1` a module.
    pub target: &'a str,
    /// Where cargo may work. Must not be the outer cargo's own folder: two cargos in one folder wait for each other for ever.
    pub target_dir: &'a Path,
}

impl Guest<'_> {
    /// Builds the guest and returns the path of its `.wasm`. The error is a sentence that names the fix.
    pub fn build(&self) -> Result<PathBuf, String> {
        self.check_target()?;
        let mut cargo = Command::new(tool("CARGO", "cargo"));
        cargo.args(["build", "--quiet", "--profile", "guest", "--no-default-features"]);
        cargo.args(["--package", self.package, "--features", &self.features.join(",")]);
        cargo.args(["--target", self.target]).arg("--target-dir").arg(self.target_dir);
        cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
        // The outer cargo sets these for this machine's code; an inner one would believe they were meant for the guest.
        for leaked in
            ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER", "CARGO_TARGET_DIR", "CARGO_BUILD_TARGET"]
        {
            cargo.env_remove(leaked);
        }
        if self.target == "wasm32-wasip2" {
            cargo.env("RUSTFLAGS", "-Ctarget-feature=+simd128");
        }
        let output = cargo.output().map_err(|error| format!("cargo cannot be started for the plugin: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("the plugin ({} for {}) does not compile:\n{said}", self.package, self.target));
        }
        let name = format!("{}.wasm", self.package.replace('-', "_"));
        let built = self.target_dir.join(self.target).join("guest").join(name);
        // The next world is built under the same name: keep this one under its own.
        let kept = self.target_dir.join(format!("{}-{}.wasm", self.package, self.features.join("-")));
        std::fs::copy(&built, &kept).map_err(|error| format!("{} cannot be copied: {error}", built.display()))?;
        Ok(kept)
    }

    /// Says the one command that adds a missing target, before cargo says it in a hundred lines.
    fn check_target(&self) -> Result<(), String> {
        let rustc = Command::new(tool("RUSTC", "rustc")).args(["--print", "target-libdir", "--target", self.target]).output();
        let libdir = rustc.map_err(|error| format!("rustc cannot be started: {error}"))?;
        let libdir = PathBuf::from(String::from_utf8_lossy(&libdir.stdout).trim());
        if libdir.is_dir() {
            return Ok(());
        }
        Err(format!("the Rust target {} is not installed: run `rustup target add wasm32-wasip2 wasm32-wasip1`", self.target))
    }
}

fn tool(variable: &str, default: &str) -> std::ffi::OsString {
    env::var_os(variable).unwrap_or_else(|| default.into())
}
