//! Native code of the policy, kept between runs in a folder of our own.
//!
//! Loading native code means trusting it like this program itself. So it is only taken from a folder that is ours alone (0700, our
//! user), under a name that holds the component's digest and wasmtime's compatibility hash, and only if its own digest is the one
//! written beside it. In every other case it is compiled again.

use std::fs::{self, DirBuilder, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use holdover_plugin::model::Digest;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::embedded::embedded;
use crate::engine::TickingEngine;
use crate::error::LoadError;

pub(crate) struct Kept {
    pub component: Component,
    pub was_kept: bool,
}

/// Makes native code of the worlds that a node runs and keeps it in `dir`, for images; with the inspector, which only a node with a
/// schema loads and which takes several times as long. Returns the files.
pub fn precompile(dir: &Path, with_inspector: bool) -> Result<Vec<PathBuf>, LoadError> {
    let engine = TickingEngine::start()?;
    own_folder(dir).map_err(|sentence| LoadError::new(format!("{}: {sentence}", dir.display())))?;
    let mut files = Vec::new();
    for (name, bytes) in embedded().into_iter().filter(|(name, _)| with_inspector || *name != "inspector") {
        let path = path(dir, engine.engine(), name, bytes);
        let native = compile(engine.engine(), name, bytes)?;
        keep(&path, &native).map_err(|error| LoadError::new(format!("{} cannot be written: {error}", path.display())))?;
        files.push(path);
    }
    Ok(files)
}

pub(crate) fn component(engine: &Engine, dir: Option<&Path>, name: &str, bytes: &[u8]) -> Result<Kept, LoadError> {
    let dir = dir.and_then(|dir| match own_folder(dir) {
        Ok(()) => Some(dir),
        Err(sentence) => {
            tracing::warn!(target: "holdover", "The policy is compiled at every start: {} cannot keep its native code: {sentence}.", dir.display());
            None
        }
    });
    let path = dir.map(|dir| path(dir, engine, name, bytes));
    if let Some(component) = path.as_deref().and_then(|path| read(engine, path)) {
        return Ok(Kept { component, was_kept: true });
    }
    let native = compile(engine, name, bytes)?;
    if let Some(Err(error)) = path.as_deref().map(|path| keep(path, &native)) {
        tracing::warn!(target: "holdover", "The policy's native code cannot be kept, so the next start compiles it again: {error}.");
    }
    // SAFETY: these bytes were made by this engine a moment ago.
    let component = unsafe { Component::deserialize(engine, &native) };
    let component = component.map_err(|error| LoadError::new(format!("{name}: its native code cannot be loaded: {error:#}")))?;
    Ok(Kept { component, was_kept: false })
}

fn compile(engine: &Engine, name: &str, bytes: &[u8]) -> Result<Vec<u8>, LoadError> {
    engine
        .precompile_component(bytes)
        .map_err(|error| LoadError::new(format!("{name}: it is no component that can be compiled: {error:#}")))
}

/// Names the file by everything that its content depends on.
fn path(dir: &Path, engine: &Engine, name: &str, bytes: &[u8]) -> PathBuf {
    let mut hasher = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    let world = name.rsplit(['/', ' ']).next().unwrap_or(name).trim_end_matches(".wasm");
    dir.join(format!("{world}-{}-{:016x}.native", Digest::of(bytes).short(), hasher.finish()))
}

fn read(engine: &Engine, path: &Path) -> Option<Component> {
    let said: Digest = fs::read_to_string(path.with_extension("blake3")).ok()?.trim().parse().ok()?;
    let native = fs::read(path).ok()?;
    if Digest::of(&native) != said {
        return None;
    }
    // SAFETY: the folder is ours alone (`own_folder`), and the bytes are those that this program wrote there.
    unsafe { Component::deserialize(engine, &native) }.ok()
}

/// Atomically, code first and digest second: a crash between leaves a file that is not believed.
fn keep(path: &Path, native: &[u8]) -> std::io::Result<()> {
    write_whole(path, native)?;
    write_whole(&path.with_extension("blake3"), format!("{}\n", Digest::of(native)).as_bytes())
}

fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let beside = path.with_extension(format!("tmp{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(beside, path)
}

/// A folder of our own: made if it is absent, refused if anybody else may write to it.
fn own_folder(dir: &Path) -> Result<(), String> {
    if !dir.exists() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|error| format!("the folder cannot be made: {error}"))?;
    }
    let metadata = fs::metadata(dir).map_err(|error| format!("the folder cannot be looked at: {error}"))?;
    // SAFETY: geteuid reads a number and cannot fail.
    let us = unsafe { libc::geteuid() };
    if !metadata.is_dir() || metadata.uid() != us || metadata.mode() & 0o077 != 0 {
        return Err("the folder must belong to this user alone: chmod 0700 it".into());
    }
    Ok(())
}
