//! A folder as a storage: a volume that several nodes mount, a test, or one machine.
//!
//! The same promises as S3's: an object is there whole or not at all, one of many creators wins, a swap sees what it replaces. The
//! mark of an object is the digest of its bytes. Creating needs no lock (a hard link is the condition); swapping and deleting hold an
//! advisory lock, so whoever else writes this folder must hold it as well. Where a mount keeps neither links nor locks, the promise ends.

mod delete;
pub(crate) mod durable;
mod failure;
mod lock;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use holdover_plugin::model::Digest;
use holdover_ports::{Etag, Fetched, PutNew, StorageFailure, StorageFailureKind, StorageRead, StorageWrite, Swap};

use crate::key;
pub(crate) use delete::FileDeleter;
use failure::Doing;
use lock::Lock;

/// A swap reads what it replaces to know its mark; nothing of ours is larger.
const ETAG_BYTES_MAX: u64 = 512 * 1024 * 1024;

#[derive(Clone)]
pub(crate) struct Folder(Arc<PathBuf>);

pub(crate) struct FileReader {
    folder: Folder,
    name: String,
}

pub(crate) struct FileWriter {
    folder: Folder,
}

impl FileReader {
    pub fn new(folder: Folder) -> Self {
        let name = format!("file://{}", folder.0.display());
        Self { folder, name }
    }
}

impl FileWriter {
    pub fn new(folder: Folder) -> Self {
        Self { folder }
    }
}

#[async_trait]
impl StorageRead for FileReader {
    fn name(&self) -> &str {
        &self.name
    }

    async fn get(&self, key: &str, bytes_max: u64) -> Result<Fetched, StorageFailure> {
        let key = key::checked(key)?.to_owned();
        self.folder.clone().blocking(move |folder| folder.read(&key, bytes_max)).await
    }
}

#[async_trait]
impl StorageWrite for FileWriter {
    async fn put_new(&self, key: &str, body: Bytes) -> Result<PutNew, StorageFailure> {
        let key = key::checked(key)?.to_owned();
        self.folder.clone().blocking(move |folder| folder.create(&key, &body)).await
    }

    async fn swap(&self, key: &str, expected: Option<&Etag>, body: Bytes) -> Result<Swap, StorageFailure> {
        let key = key::checked(key)?.to_owned();
        let expected = expected.cloned();
        self.folder
            .clone()
            .blocking(move |folder| match expected {
                Some(expected) => folder.replace(&key, &expected, &body),
                None => folder.create(&key, &body).map(|created| match created {
                    PutNew::Created => Swap::Swapped,
                    PutNew::Exists => Swap::Stale,
                }),
            })
            .await
    }
}

impl Folder {
    pub fn new(folder: PathBuf) -> Self {
        Self(Arc::new(folder))
    }

    /// Files block, so they are asked beside the runtime. A caller who stops waiting stops nothing: the write happens or fails
    /// whole, as a request to S3 would.
    async fn blocking<T: Send + 'static>(
        self,
        work: impl FnOnce(&Self) -> Result<T, StorageFailure> + Send + 'static,
    ) -> Result<T, StorageFailure> {
        let folder = self.clone();
        match tokio::task::spawn_blocking(move || work(&self)).await {
            Ok(result) => result,
            Err(lost) => {
                let storage = format!("cluster_fallback_config_storage = file://{}", folder.0.display());
                let detail = format!("{storage}: the work was cut off ({lost}); it is read back");
                Err(crate::failure::failure(StorageFailureKind::UnknownOutcome, detail, None))
            }
        }
    }

    fn read(&self, key: &str, bytes_max: u64) -> Result<Fetched, StorageFailure> {
        let failed = |error: io::Error| failure::of(&error, self.path(), key, Doing::Reading);
        let path = self.path().join(key);
        // A pipe or device in the way would be waited for without end, so only files are opened.
        let metadata = fs::metadata(&path).map_err(failed)?;
        if !metadata.is_file() {
            return Err(failure::not_a_file(self.path(), key));
        }
        if metadata.len() > bytes_max {
            return Err(failure::too_large(self.path(), key, metadata.len(), bytes_max));
        }
        let bytes = read_bounded(&path, bytes_max).map_err(failed)?;
        if bytes.len() as u64 > bytes_max {
            return Err(failure::too_large(self.path(), key, bytes.len() as u64, bytes_max));
        }
        let etag = mark(&bytes);
        // The folder's clock is this machine's own, which the policy has already.
        Ok(Fetched { bytes: bytes.into(), etag: Some(etag), date: None })
    }

    fn create(&self, key: &str, body: &[u8]) -> Result<PutNew, StorageFailure> {
        match durable::create(self.path(), key, body) {
            Ok(()) => Ok(PutNew::Created),
            Err(durable::Failure::NotDone(error)) if error.kind() == io::ErrorKind::AlreadyExists => Ok(PutNew::Exists),
            Err(failed) => Err(self.not_written(failed, key)),
        }
    }

    fn replace(&self, key: &str, expected: &Etag, body: &[u8]) -> Result<Swap, StorageFailure> {
        let failed = |error: io::Error| failure::of(&error, self.path(), key, Doing::Writing);
        let path = self.path().join(key);
        let _held = Lock::take(self.path()).map_err(failed)?;
        let there = match read_bounded(&path, ETAG_BYTES_MAX) {
            Ok(bytes) => mark(&bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.path().is_dir() => return Ok(Swap::Stale),
            Err(error) => return Err(failed(error)),
        };
        if there != *expected {
            return Ok(Swap::Stale);
        }
        durable::replace(self.path(), key, body).map(|()| Swap::Swapped).map_err(|failed| self.not_written(failed, key))
    }

    fn not_written(&self, failed: durable::Failure, key: &str) -> StorageFailure {
        match failed {
            durable::Failure::NotDone(error) => failure::of(&error, self.path(), key, Doing::Writing),
            durable::Failure::NotDurable(error) => failure::not_durable(&error, self.path(), key),
        }
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

/// One byte more than the bound, so that a file that grew since it was measured shows.
fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn mark(bytes: &[u8]) -> Etag {
    Etag(format!("\"blake3-{}\"", Digest::of(bytes)))
}

#[cfg(test)]
// A test stops at the first thing that is not as it says.
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[tokio::test]
    async fn a_written_object_is_private_and_leaves_nothing_beside_it() {
        let (home, _, writer) = storage();
        assert_eq!(writer.put_new("holdover/head", Bytes::from_static(b"one")).await, Ok(PutNew::Created));
        assert_eq!(writer.put_new("holdover/head", Bytes::from_static(b"two")).await, Ok(PutNew::Exists));
        let etag = mark(b"one");
        assert_eq!(writer.swap("holdover/head", Some(&etag), Bytes::from_static(b"two")).await, Ok(Swap::Swapped));
        let head = home.path().join("holdover/head");
        assert_eq!(fs::read(&head).unwrap(), b"two");
        assert_eq!(fs::metadata(&head).unwrap().permissions().mode() & 0o777, 0o600);
        let names: Vec<_> = fs::read_dir(home.path().join("holdover")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["head"]);
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_no_empty_storage_and_is_not_made() {
        let (home, _, _) = storage();
        let missing = home.path().join("unmounted");
        let (reader, writer) = (FileReader::new(Folder::new(missing.clone())), FileWriter::new(Folder::new(missing.clone())));
        let etag = mark(b"");
        assert_eq!(reader.get("holdover/head", 10).await.unwrap_err().kind, StorageFailureKind::NoSuchStorage);
        assert_eq!(writer.put_new("holdover/head", Bytes::new()).await.unwrap_err().kind, StorageFailureKind::NoSuchStorage);
        assert_eq!(writer.swap("holdover/head", Some(&etag), Bytes::new()).await.unwrap_err().kind, StorageFailureKind::NoSuchStorage);
        assert!(!missing.exists());
    }

    #[tokio::test]
    async fn what_is_in_the_way_of_a_key_is_reported_and_not_waited_for() {
        let (home, reader, writer) = storage();
        fs::create_dir(home.path().join("head")).unwrap();
        symlink("loop", home.path().join("loop")).unwrap();
        for (key, kind) in [("head", StorageFailureKind::Other), ("loop", StorageFailureKind::Other)] {
            let failure = reader.get(key, 10).await.unwrap_err();
            assert_eq!(failure.kind, kind, "{failure:?}");
            assert!(failure.detail.contains("cluster_fallback_config_storage = file://"), "{failure:?}");
        }
        assert_eq!(writer.put_new("head", Bytes::new()).await, Ok(PutNew::Exists));
    }

    #[tokio::test]
    async fn a_swap_waits_its_turn_and_gives_up_on_a_lock_that_is_never_let_go() {
        let (home, _, writer) = storage();
        assert_eq!(writer.put_new("head", Bytes::from_static(b"one")).await, Ok(PutNew::Created));
        let held = Lock::take(home.path()).unwrap();
        let etag = mark(b"one");
        let failure = writer.swap("head", Some(&etag), Bytes::from_static(b"two")).await.unwrap_err();
        assert_eq!(failure.kind, StorageFailureKind::SlowDown, "{failure:?}");
        drop(held);
        assert_eq!(writer.swap("head", Some(&etag), Bytes::from_static(b"two")).await, Ok(Swap::Swapped));
    }

    fn storage() -> (tempfile::TempDir, FileReader, FileWriter) {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::new(home.path().to_owned());
        (home, FileReader::new(folder.clone()), FileWriter::new(folder))
    }
}
