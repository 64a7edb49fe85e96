//! The node's own files: what its gateway ran, and what its episodes remember.
//!
//! A file is replaced whole or not at all: temporary file, fsync, rename, fsync of the folder. A folder belongs to one process.
//! Files are 0600, for a configuration counts as secret. Knows nothing of what stands in them.

mod folder;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use holdover_ports::{Cache, Pending, Slot};

use folder::Folder;

/// A sealed configuration of the largest size that is taken, with room for its manifest and origin.
pub(crate) const FILE_BYTES_MAX: u64 = (holdover_plugin::config::CONFIG_BYTES_MAX + 16 * 1024 * 1024) as u64;
/// What an episode may remember.
pub const STATE_BYTES_MAX: usize = 64 * 1024;

/// What an exporter is yet to publish.
const PENDING: &str = "pending.config";

pub struct FileCache {
    folder: Arc<Folder>,
    /// Numbers the writes, so that one whose caller stopped waiting cannot overtake a later one.
    writes: AtomicU64,
}

/// Whose state it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remembering {
    Importer,
    Exporter,
}

impl FileCache {
    /// Makes the folder if there is none, and takes it for this process. `Err` is a sentence for the operator.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, String> {
        Ok(Self { folder: Arc::new(Folder::open(dir.into())?), writes: AtomicU64::new(0) })
    }

    pub fn dir(&self) -> &Path {
        self.folder.dir()
    }

    /// Empty when nothing was remembered yet.
    pub async fn read_state(&self, of: Remembering) -> Result<Vec<u8>, String> {
        let bytes = self.off_the_runtime(move |folder| folder.read(of.file_name(), STATE_BYTES_MAX as u64)).await?;
        Ok(bytes.unwrap_or_default())
    }

    pub async fn write_state(&self, of: Remembering, state: Vec<u8>) -> Result<(), String> {
        if state.len() > STATE_BYTES_MAX {
            return Err(format!("the policy's state has {} bytes, and {STATE_BYTES_MAX} is the most that is kept", state.len()));
        }
        self.write_file(of.file_name(), vec![Bytes::from(state)]).await
    }

    async fn write_file(&self, name: &'static str, parts: Vec<Bytes>) -> Result<(), String> {
        let nth = self.writes.fetch_add(1, Ordering::Relaxed);
        self.off_the_runtime(move |folder| folder.write(name, nth, &parts)).await
    }

    async fn off_the_runtime<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        let folder = self.folder.clone();
        tokio::task::spawn_blocking(move || work(&folder)).await.map_err(|error| format!("the cache's work broke off: {error}"))?
    }
}

/// Leaves the operator's word for the rejoin guard with a node that runs and holds the folder (boot-14). It takes no lock: the node
/// itself never writes this file.
pub fn write_approval(dir: &Path, bytes: &[u8]) -> Result<(), String> {
    folder::write_from_outside(dir, file_name(Slot::Approval), bytes)
}

#[async_trait]
impl Cache for FileCache {
    async fn read(&self, slot: Slot) -> Result<Option<Bytes>, String> {
        let bytes = self.off_the_runtime(move |folder| folder.read(file_name(slot), FILE_BYTES_MAX)).await?;
        Ok(bytes.map(Bytes::from))
    }

    async fn write(&self, slot: Slot, parts: Vec<Bytes>) -> Result<(), String> {
        self.write_file(file_name(slot), parts).await
    }

    async fn set_aside(&self, slot: Slot, reason: &str) -> Result<(), String> {
        let reason = slug(reason);
        self.off_the_runtime(move |folder| folder.set_aside(file_name(slot), &reason)).await
    }
}

#[async_trait]
impl Pending for FileCache {
    async fn read_pending(&self) -> Result<Option<Bytes>, String> {
        let bytes = self.off_the_runtime(|folder| folder.read(PENDING, FILE_BYTES_MAX)).await?;
        Ok(bytes.map(Bytes::from))
    }

    async fn write_pending(&self, config: Bytes) -> Result<(), String> {
        self.write_file(PENDING, vec![config]).await
    }

    async fn remove_pending(&self) -> Result<(), String> {
        self.off_the_runtime(|folder| folder.remove(PENDING)).await
    }
}

impl Remembering {
    fn file_name(self) -> &'static str {
        match self {
            Self::Importer => "importer.state",
            Self::Exporter => "exporter.state",
        }
    }
}

fn file_name(slot: Slot) -> &'static str {
    match slot {
        Slot::Applied => "applied.snapshot",
        Slot::Settled => "settled.snapshot",
        Slot::Attempts => "attempts",
        Slot::Marks => "marks",
        Slot::Approval => "approval",
    }
}

/// At most 40 characters of `a-z 0-9 -`.
fn slug(reason: &str) -> String {
    let mut slug = String::new();
    for character in reason.chars().map(|character| character.to_ascii_lowercase()) {
        if slug.len() == 40 {
            break;
        }
        if character.is_ascii_alphanumeric() {
            slug.push(character);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "unusable".into() } else { slug.into() }
}

#[cfg(test)]
mod tests;
