//! Listing and deleting in a folder, for the janitor alone.
//!
//! A listing walks what stands below the prefix and keeps the first names of what it finds, so that a page costs no more memory than a
//! page. Names that begin with a dot are the storage's own (locks, temporary files) and no objects; links are not followed, for what
//! they lead to is not this storage's to remove. Folders stay when their last object goes: a writer may be about to use them. What
//! writers left behind that were killed goes on the way.

use std::collections::BTreeSet;
use std::fs::{self, DirEntry};
use std::io::{self, ErrorKind};
use std::path::Path;

use async_trait::async_trait;
use holdover_ports::{Listed, Listing, StorageDelete, StorageFailure};

use super::Folder;
use super::durable;
use super::failure::{self, Doing};
use super::lock::Lock;
use crate::{PAGE_OBJECTS_MAX, date, key};

pub(crate) struct FileDeleter {
    folder: Folder,
}

impl FileDeleter {
    pub fn new(folder: Folder) -> Self {
        Self { folder }
    }
}

#[async_trait]
impl StorageDelete for FileDeleter {
    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Listing, StorageFailure> {
        let (prefix, after) = (key::checked_prefix(prefix)?.to_owned(), after.map(str::to_owned));
        let listed = move |folder: &Folder| {
            page(folder.path(), &prefix, after.as_deref()).map_err(|error| failure::of(&error, folder.path(), &prefix, Doing::Reading))
        };
        self.folder.clone().blocking(listed).await
    }

    async fn delete(&self, key: &str) -> Result<(), StorageFailure> {
        let key = key::checked(key)?.to_owned();
        self.folder.clone().blocking(move |folder| remove(folder.path(), &key)).await
    }
}

fn page(folder: &Path, prefix: &str, after: Option<&str>) -> io::Result<Listing> {
    // What is not mounted must not look empty.
    if !fs::metadata(folder)?.is_dir() {
        return Err(ErrorKind::NotADirectory.into());
    }
    let mut keys = first_keys(folder, prefix, after, PAGE_OBJECTS_MAX + 1)?;
    let more = keys.len() > PAGE_OBJECTS_MAX && keys.pop_last().is_some();
    let objects: Vec<_> = keys.into_iter().filter_map(|key| listed(folder, key)).collect();
    Ok(Listing { more: more && !objects.is_empty(), objects })
}

/// The first keys below the prefix, in their order.
fn first_keys(folder: &Path, prefix: &str, after: Option<&str>, keys_max: usize) -> io::Result<BTreeSet<String>> {
    let (above, half) = prefix.rsplit_once('/').unwrap_or(("", prefix));
    let mut keys = BTreeSet::new();
    let mut unseen = vec![(above.to_owned(), half)];
    while let Some((parent, begins)) = unseen.pop() {
        for entry in entries(&folder.join(&parent))? {
            let entry = entry?;
            // What is no text is no key.
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.starts_with('.') {
                durable::remove_litter(&entry.path(), &name);
                continue;
            }
            if !name.starts_with(begins) {
                continue;
            }
            let key = if parent.is_empty() { name } else { format!("{parent}/{name}") };
            // Another janitor may have removed it meanwhile.
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                unseen.push((key, ""));
            } else if kind.is_file() && after.is_none_or(|after| key.as_str() > after) {
                keys.insert(key);
                if keys.len() > keys_max {
                    keys.pop_last();
                }
            }
        }
    }
    Ok(keys)
}

/// No folder, no entries: a prefix under which nothing was written yet.
fn entries(folder: &Path) -> io::Result<impl Iterator<Item = io::Result<DirEntry>>> {
    match fs::read_dir(folder) {
        Ok(entries) => Ok(Some(entries).into_iter().flatten()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None.into_iter().flatten()),
        Err(error) => Err(error),
    }
}

/// `None` when it was removed since it was seen.
fn listed(folder: &Path, key: String) -> Option<Listed> {
    let metadata = fs::symlink_metadata(folder.join(&key)).ok()?;
    let modified = date::written(metadata.modified().ok().and_then(date::of_system));
    Some(Listed { key, modified })
}

/// Under the lock, so that no swap replaces what is being removed.
fn remove(folder: &Path, key: &str) -> Result<(), StorageFailure> {
    let failed = |error: io::Error| failure::of(&error, folder, key, Doing::Removing);
    let path = folder.join(key);
    let _held = Lock::take(folder).map_err(failed)?;
    match fs::remove_file(&path) {
        // A power cut may bring it back: then the next sweep finds it.
        Ok(()) => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(()),
        Err(_) if path.is_dir() => Err(failure::not_a_file(folder, key)),
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
// A test stops at the first thing that is not as it says.
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::symlink;
    use std::time::{Duration, SystemTime};

    use bytes::Bytes;
    use holdover_plugin::model::UnixMs;
    use holdover_ports::{PutNew, StorageFailureKind, StorageWrite};

    use super::*;
    use crate::file::FileWriter;

    #[tokio::test]
    async fn what_is_the_storages_own_or_leads_elsewhere_is_not_listed() {
        let (home, writer, deleter) = storage();
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join("theirs"), b"theirs").unwrap();
        assert_eq!(writer.put_new("holdover/snapshots/a", Bytes::new()).await, Ok(PutNew::Created));
        drop(Lock::take(home.path()).unwrap());
        fs::write(home.path().join("holdover/snapshots/.17-3-0.tmp"), b"half").unwrap();
        fs::create_dir(home.path().join(".snapshot")).unwrap();
        fs::write(home.path().join(".snapshot/old"), b"old").unwrap();
        symlink(elsewhere.path(), home.path().join("holdover/snapshots/loop")).unwrap();
        symlink(elsewhere.path().join("theirs"), home.path().join("holdover/snapshots/theirs")).unwrap();
        assert_eq!(keys(&deleter, "").await, ["holdover/snapshots/a"]);
    }

    #[tokio::test]
    async fn what_a_killed_writer_left_is_removed_a_day_later() {
        let (home, writer, deleter) = storage();
        assert_eq!(writer.put_new("holdover/snapshots/a", Bytes::new()).await, Ok(PutNew::Created));
        let (old, young, foreign) = (".17-3-0.tmp", ".17-4-0.tmp", ".hidden");
        let path = |name: &str| home.path().join("holdover/snapshots").join(name);
        for name in [old, young, foreign] {
            fs::write(path(name), b"half").unwrap();
        }
        for name in [old, foreign] {
            let file = File::options().write(true).open(path(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(25 * 3600)).unwrap();
        }
        assert_eq!(keys(&deleter, "holdover/snapshots/").await, ["holdover/snapshots/a"]);
        assert_eq!([old, young, foreign].map(|name| path(name).exists()), [false, true, true]);
    }

    #[tokio::test]
    async fn an_object_is_as_old_as_its_file() {
        let (home, writer, deleter) = storage();
        assert_eq!(writer.put_new("old", Bytes::new()).await, Ok(PutNew::Created));
        let file = File::options().write(true).open(home.path().join("old")).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_millis(1_234_567_890_123)).unwrap();
        let listing = deleter.list("", None).await.unwrap();
        assert_eq!(listing.objects, [Listed { key: "old".into(), modified: UnixMs(1_234_567_890_123) }]);
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_no_empty_storage() {
        let (home, _, _) = storage();
        let missing = home.path().join("unmounted");
        let deleter = FileDeleter::new(Folder::new(missing.clone()));
        let failures = [deleter.list("holdover/", None).await.unwrap_err(), deleter.delete("holdover/head").await.unwrap_err()];
        for failure in failures {
            assert_eq!(failure.kind, StorageFailureKind::NoSuchStorage, "{failure:?}");
        }
        assert!(!missing.exists());
        fs::write(&missing, b"a file").unwrap();
        assert_eq!(deleter.list("", None).await.unwrap_err().kind, StorageFailureKind::NoSuchStorage);
    }

    #[tokio::test]
    async fn a_folder_in_the_place_of_an_object_is_reported_and_stays() {
        let (home, writer, deleter) = storage();
        assert_eq!(writer.put_new("holdover/snapshots/a", Bytes::new()).await, Ok(PutNew::Created));
        let failure = deleter.delete("holdover/snapshots").await.unwrap_err();
        assert!(failure.kind == StorageFailureKind::Other && failure.detail.contains("is not a file"), "{failure:?}");
        assert_eq!(deleter.delete("holdover/snapshots/a/b").await, Ok(()), "what stands below a file is not there");
        assert_eq!(deleter.delete("holdover/snapshots/a").await, Ok(()));
        assert!(home.path().join("holdover/snapshots").is_dir());
        assert_eq!(keys(&deleter, "").await, [""; 0]);
    }

    #[tokio::test]
    async fn a_deletion_waits_for_the_swap_before_it() {
        let (home, writer, deleter) = storage();
        assert_eq!(writer.put_new("head", Bytes::new()).await, Ok(PutNew::Created));
        let held = Lock::take(home.path()).unwrap();
        let failure = deleter.delete("head").await.unwrap_err();
        assert_eq!(failure.kind, StorageFailureKind::SlowDown, "{failure:?}");
        drop(held);
        assert_eq!(deleter.delete("head").await, Ok(()));
        assert!(!home.path().join("head").exists());
    }

    async fn keys(deleter: &FileDeleter, prefix: &str) -> Vec<String> {
        deleter.list(prefix, None).await.unwrap().objects.into_iter().map(|listed| listed.key).collect()
    }

    fn storage() -> (tempfile::TempDir, FileWriter, FileDeleter) {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::new(home.path().to_owned());
        (home, FileWriter::new(folder.clone()), FileDeleter::new(folder))
    }
}
