//! The one place where the system's errors become ours, by kind.

use std::io::{Error, ErrorKind};
use std::path::Path;

use holdover_ports::{StorageFailure, StorageFailureKind as Kind};

use crate::failure::{self, failure};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    Reading,
    Writing,
    Removing,
}

pub(super) fn of(error: &Error, folder: &Path, key: &str, doing: Doing) -> StorageFailure {
    let storage = storage(folder);
    let (kind, detail) = match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory if !folder.is_dir() => {
            (Kind::NoSuchStorage, format!("{storage}: the folder does not exist; create it, or mount what should be there"))
        }
        ErrorKind::NotFound | ErrorKind::NotADirectory if doing == Doing::Reading => {
            (Kind::Absent, format!("{storage} holds no '{key}'; check the folder, and that an exporter has published there"))
        }
        ErrorKind::PermissionDenied if doing == Doing::Reading => (
            Kind::Forbidden,
            format!("{storage}: '{key}' may not be read by this user; give it read permission on the file and its folders"),
        ),
        ErrorKind::PermissionDenied => {
            (Kind::Forbidden, format!("{storage}: '{key}' may not be {} by this user; give it write permission on the folder", done(doing)))
        }
        ErrorKind::ReadOnlyFilesystem => {
            (Kind::Forbidden, format!("{storage} is mounted read-only; mount it writable where an exporter or janitor runs"))
        }
        ErrorKind::WouldBlock => {
            (Kind::SlowDown, format!("{storage}: another process holds .holdover.lock for long; look which one hangs on this folder"))
        }
        ErrorKind::Unsupported => {
            (Kind::Other, format!("{storage}: its file system has no hard links or locks ({error}); put the storage on one that has"))
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => (Kind::Other, format!("{storage} is full ({error}); make room for '{key}'")),
        // An open list of another crate: what is left is told in the system's own words.
        _ => (Kind::Other, format!("{storage}: '{key}' could not be {} ({error}); check the folder and its file system", done(doing))),
    };
    failure(kind, detail, None)
}

pub(super) fn not_durable(error: &Error, folder: &Path, key: &str) -> StorageFailure {
    let detail = format!(
        "{}: '{key}' was written, and the folder could not be synced ({error}), so a power cut may undo it; \
         it is read back, and the disk should be checked",
        storage(folder)
    );
    failure(Kind::UnknownOutcome, detail, None)
}

pub(super) fn not_a_file(folder: &Path, key: &str) -> StorageFailure {
    let detail = format!("{}: '{key}' is not a file; move away what is in its place", storage(folder));
    failure(Kind::Other, detail, None)
}

pub(super) fn too_large(folder: &Path, key: &str, bytes: u64, bytes_max: u64) -> StorageFailure {
    failure::too_large(&storage(folder), key, bytes, bytes_max)
}

fn storage(folder: &Path) -> String {
    format!("cluster_fallback_config_storage = file://{}", folder.display())
}

fn done(doing: Doing) -> &'static str {
    match doing {
        Doing::Reading => "read",
        Doing::Writing => "written",
        Doing::Removing => "removed",
    }
}
