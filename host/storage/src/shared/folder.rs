//! The folder that the nodes of a machine share: whose it is, what stands in it, and who may add to it.
//!
//! Knows files, locks and ages; knows no storage and no digest.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use holdover_plugin::model::Digest;

use crate::file::durable;

/// The generations of a few versions; older ones go.
const FILES_MAX: usize = 8;
/// Of a process that died while it wrote.
const TEMPORARY_AGE_MAX: Duration = Duration::from_secs(3600);
/// Locks are a few files for all keys, so that they need no removal, which would race with who takes them.
const LOCKS: u8 = 16;

#[derive(Clone)]
pub(super) struct SharedFolder(Arc<PathBuf>);

/// The lock of a key, until dropped. The system gives it back when its holder dies.
pub(super) struct Held {
    _file: File,
}

impl SharedFolder {
    pub fn open(path: &Path) -> Result<Self, String> {
        let wrong = |why: String| format!("holdover_shared_fetch_dir = '{}': {why}", path.display());
        if !path.is_absolute() {
            return Err(wrong("it is not absolute; write the whole path, beginning with /".into()));
        }
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(wrong(format!("the folder cannot be made ({error}); make it for the user that nodes run as"))),
        }
        let metadata =
            fs::metadata(path).map_err(|error| wrong(format!("it cannot be looked at ({error}); name a folder of this user")))?;
        fit(&metadata).map_err(wrong)?;
        Ok(Self(Arc::new(path.to_owned())))
    }

    pub fn shown(&self) -> impl std::fmt::Display + '_ {
        self.0.display()
    }

    /// `None`: not there, larger, or not readable.
    pub fn read(&self, key: &str, bytes_max: u64) -> Option<Bytes> {
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(self.file_of(key)).ok()?;
        let metadata = file.metadata().ok().filter(|metadata| metadata.is_file() && metadata.len() <= bytes_max)?;
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).ok()?);
        file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).ok()?;
        (bytes.len() as u64 <= bytes_max).then(|| bytes.into())
    }

    pub fn remove(&self, key: &str) {
        // What cannot be removed is not served either: it is looked at each time.
        let _ = fs::remove_file(self.file_of(key));
    }

    /// There whole or not at all, 0600; then makes room.
    pub fn keep(&self, key: &str, bytes: &[u8]) -> io::Result<()> {
        match durable::replace(&self.0, &name_of(key), bytes) {
            // A power cut may undo it: then it is fetched again.
            Ok(()) | Err(durable::Failure::NotDurable(_)) => self.make_room(),
            Err(durable::Failure::NotDone(error)) => Err(error),
        }
    }

    /// `None` while another holds it.
    pub fn try_lock(&self, key: &str) -> io::Result<Option<Held>> {
        let digest = Digest::of(key.as_bytes());
        let [first, ..] = digest.as_bytes();
        let path = self.0.join(format!(".lock-{}", first % LOCKS));
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Held { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn make_room(&self) -> io::Result<()> {
        let mut kept = Vec::new();
        for entry in fs::read_dir(&*self.0)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // Another node may have removed it meanwhile.
            let Ok(metadata) = entry.metadata() else { continue };
            let modified = metadata.modified()?;
            if !name.starts_with('.') && metadata.is_file() {
                kept.push((modified, entry.path()));
            } else if name.ends_with(".tmp") && SystemTime::now().duration_since(modified).is_ok_and(|age| age > TEMPORARY_AGE_MAX) {
                let _ = fs::remove_file(entry.path());
            }
        }
        kept.sort();
        let superfluous = kept.len().saturating_sub(FILES_MAX);
        for (_, path) in kept.into_iter().take(superfluous) {
            // Whoever has it open reads it to its end.
            let _ = fs::remove_file(path);
        }
        Ok(())
    }

    fn file_of(&self, key: &str) -> PathBuf {
        self.0.join(name_of(key))
    }
}

/// No key holds this character, so no two keys have one name.
fn name_of(key: &str) -> String {
    key.replace('/', "~")
}

/// Whoever may write the folder may choose what nodes read first; the policy would refuse it, and the storage would be asked in vain.
fn fit(metadata: &Metadata) -> Result<(), String> {
    if !metadata.is_dir() {
        return Err("it is no folder; name one".into());
    }
    // SAFETY: asks the system for a number, and cannot fail.
    let user = unsafe { libc::geteuid() };
    if metadata.uid() != user {
        return Err(format!("it belongs to the user {} and this node runs as {user}; give each user a folder", metadata.uid()));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(format!("others may write it (mode {:o}); run chmod 700 on it", metadata.mode() & 0o777));
    }
    Ok(())
}
