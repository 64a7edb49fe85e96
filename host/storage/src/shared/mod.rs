//! One fetch per host: nodes on one machine that start together read a snapshot from the storage once, and share it in a folder.
//!
//! ```text
//! get ──► in the folder, and its digest fits? ──yes──► served
//!                     │ no                                ▲
//!                     ▼                                   │ look again
//!          lock (30 s at most) ── held by another ──► wait ┘
//!                     │ ours                       └─ too long ─► fetch, keep nothing
//!                     ▼
//!          fetch ──► digest fits? keep: temporary file, fsync, rename
//! ```
//! Only immutable snapshots are kept, whose key ends in the first digits of their digest; the head is always asked for. What stands
//! in the folder is trusted no more than what a storage sends: the policy verifies it. Whatever the folder cannot do, the storage
//! is asked as if there were none.

mod folder;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use holdover_plugin::model::Digest;
use holdover_plugin::snapshot::keys;
use holdover_ports::{Fetched, StorageFailure, StorageRead};
use tokio::time::{Instant, sleep};

use folder::{Held, SharedFolder};

/// As long as a large snapshot takes over a slow line; who waits longer fetches by itself.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(30);
const LOCK_PAUSE: Duration = Duration::from_millis(20);

struct Shared {
    reader: Arc<dyn StorageRead>,
    folder: SharedFolder,
}

/// A snapshot's key, and what it says of the bytes.
#[derive(Clone)]
struct SnapshotKey {
    key: String,
    digest_begins: String,
}

/// Reads snapshots through a folder that the nodes of this machine share. Makes the folder if it is not there; refuses one that
/// others could write.
pub fn shared(reader: Arc<dyn StorageRead>, folder: &Path) -> Result<Arc<dyn StorageRead>, String> {
    Ok(Arc::new(Shared { reader, folder: SharedFolder::open(folder)? }))
}

impl Shared {
    async fn fetch_once(&self, key: &SnapshotKey, bytes_max: u64) -> Result<Fetched, StorageFailure> {
        if let Some(bytes) = self.kept(key, bytes_max).await {
            return Ok(of_folder(bytes));
        }
        let held = self.lock(key).await;
        if held.is_some() {
            // Whoever held it before may have brought it.
            if let Some(bytes) = self.kept(key, bytes_max).await {
                return Ok(of_folder(bytes));
            }
        }
        let fetched = self.reader.get(&key.key, bytes_max).await?;
        if held.is_some() && key.fits(&fetched.bytes) {
            let (folder, key, bytes) = (self.folder.clone(), key.clone(), fetched.bytes.clone());
            // The lock goes with the work: it is given back when the file is there, also if nobody waits for this any more.
            let kept = blocking(move || {
                let _held = held;
                folder.keep(&key.key, &bytes)
            });
            if let Some(Err(error)) = kept.await {
                tracing::warn!(%error, folder = %self.folder.shown(), "a fetched snapshot could not be shared in holdover_shared_fetch_dir");
            }
        }
        Ok(fetched)
    }

    /// `None` also when what is there is another's, torn or too large: then the storage says what is the case.
    async fn kept(&self, key: &SnapshotKey, bytes_max: u64) -> Option<Bytes> {
        let (folder, key) = (self.folder.clone(), key.clone());
        let kept = blocking(move || {
            let bytes = folder.read(&key.key, bytes_max)?;
            if key.fits(&bytes) {
                return Some(bytes);
            }
            tracing::warn!(key = key.key, folder = %folder.shown(), "a shared snapshot is torn or altered; it is removed and fetched again");
            folder.remove(&key.key);
            None
        });
        kept.await.flatten()
    }

    async fn lock(&self, key: &SnapshotKey) -> Option<Held> {
        let end = Instant::now() + LOCK_WAIT_MAX;
        loop {
            let (folder, name) = (self.folder.clone(), key.key.clone());
            match blocking(move || folder.try_lock(&name)).await {
                Some(Ok(Some(held))) => return Some(held),
                Some(Ok(None)) if Instant::now() < end => sleep(LOCK_PAUSE).await,
                Some(Ok(None)) => {
                    tracing::warn!(key = key.key, "another node holds the lock of a shared snapshot for long; it is fetched by this node");
                    return None;
                }
                Some(Err(error)) => {
                    tracing::warn!(%error, folder = %self.folder.shown(), "holdover_shared_fetch_dir cannot be locked; it is not used");
                    return None;
                }
                None => return None,
            }
        }
    }
}

#[async_trait]
impl StorageRead for Shared {
    fn name(&self) -> &str {
        self.reader.name()
    }

    async fn get(&self, key: &str, bytes_max: u64) -> Result<Fetched, StorageFailure> {
        match SnapshotKey::of(key) {
            Some(key) => self.fetch_once(&key, bytes_max).await,
            None => self.reader.get(key, bytes_max).await,
        }
    }
}

impl SnapshotKey {
    /// `None` for every other object, and for keys too long to be a file's name.
    fn of(key: &str) -> Option<Self> {
        let digest_begins = crate::key::checked(key).ok()?.strip_prefix(keys::SNAPSHOTS)?.rsplit_once('-')?.1;
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_short_digest = digest_begins.len() == 16 && digest_begins.bytes().all(is_digit);
        (is_short_digest && key.len() <= 200).then(|| Self { key: key.to_owned(), digest_begins: digest_begins.to_owned() })
    }

    fn fits(&self, bytes: &[u8]) -> bool {
        Digest::of(bytes).short() == self.digest_begins
    }
}

/// The file says nothing of the storage's marks and clock.
fn of_folder(bytes: Bytes) -> Fetched {
    Fetched { bytes, etag: None, date: None }
}

/// `None` when the runtime is going down.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}
