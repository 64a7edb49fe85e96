//! Files that are there whole or not at all, also after a power cut: a temporary file, synced, then given its name, then the folder
//! synced. Knows paths and bytes; knows no mark and no lock.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How the names of temporary files end.
const TEMPORARY: &str = ".tmp";
const LITTER_AGE: Duration = Duration::from_secs(24 * 3600);

pub(crate) enum Failure {
    /// The object is as it was.
    NotDone(io::Error),
    /// The object has its new bytes, which a power cut may still undo.
    NotDurable(io::Error),
}

/// Gives the bytes their name only if nothing has it (`AlreadyExists`).
pub(crate) fn create(folder: &Path, key: &str, body: &[u8]) -> Result<(), Failure> {
    let (parent, target) = prepare(folder, key).map_err(Failure::NotDone)?;
    if target.symlink_metadata().is_ok() {
        return Err(Failure::NotDone(io::ErrorKind::AlreadyExists.into()));
    }
    let temporary = Temporary::write(&parent, body).map_err(Failure::NotDone)?;
    fs::hard_link(&temporary.0, &target).map_err(Failure::NotDone)?;
    drop(temporary);
    sync_folder(&parent).map_err(Failure::NotDurable)
}

/// Gives the bytes their name, whoever had it.
pub(crate) fn replace(folder: &Path, key: &str, body: &[u8]) -> Result<(), Failure> {
    let (parent, target) = prepare(folder, key).map_err(Failure::NotDone)?;
    let temporary = Temporary::write(&parent, body).map_err(Failure::NotDone)?;
    fs::rename(&temporary.0, &target).map_err(Failure::NotDone)?;
    sync_folder(&parent).map_err(Failure::NotDurable)
}

/// Makes the folders between the storage's own and the key's, never the storage's own: what is not mounted must not look empty.
fn prepare(folder: &Path, key: &str) -> io::Result<(PathBuf, PathBuf)> {
    let mut parent = folder.to_owned();
    let (between, name) = key.rsplit_once('/').unwrap_or(("", key));
    for part in between.split('/').filter(|part| !part.is_empty()) {
        let above = parent.clone();
        parent.push(part);
        match DirBuilder::new().mode(0o700).create(&parent) {
            Ok(()) => sync_folder(&above)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    let target = parent.join(name);
    Ok((parent, target))
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Removes what a writer that was killed left behind. Whoever writes is done with its temporary file long before.
pub(crate) fn remove_litter(path: &Path, name: &str) {
    let age = || fs::symlink_metadata(path).ok()?.modified().ok()?.elapsed().ok();
    if name.starts_with('.') && name.ends_with(TEMPORARY) && age().is_some_and(|age| age > LITTER_AGE) {
        // Then the next sweep finds it.
        let _ = fs::remove_file(path);
    }
}

/// Removes its file when it goes, whether that was renamed, linked or neither.
struct Temporary(PathBuf);

impl Temporary {
    fn write(parent: &Path, body: &[u8]) -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let moment = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let path = parent.join(format!(".{}-{moment}-{number}{TEMPORARY}", std::process::id()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let temporary = Self(path);
        file.write_all(body)?;
        file.sync_all()?;
        Ok(temporary)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Gone after a rename; litter that no reader looks at if the removal fails.
        let _ = fs::remove_file(&self.0);
    }
}
