//! The cache's folder: one process' alone, every write durable. Blocking; [`super::FileCache`] keeps it off the runtime.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

const LOCK: &str = "lock";
const TEMPORARY: &str = ".tmp";
const SET_ASIDE_MAX: usize = 5;

pub(super) struct Folder {
    dir: PathBuf,
    /// Held as long as the process lives; the system lets go of it whatever the process dies of.
    _lock: File,
    /// The number of the last write of each file.
    written: Mutex<BTreeMap<&'static str, u64>>,
}

impl Folder {
    pub fn open(dir: PathBuf) -> Result<Self, String> {
        let sentence = |what: String, fix: &str| format!("holdover_cache_dir = {}: {what}; {fix}", dir.display());
        let unusable =
            |doing: &str, error: io::Error| sentence(format!("{doing} failed ({error})"), "name a folder that this process may write");

        DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(|error| unusable("making the folder", error))?;
        let mut options = private();
        let mut lock = options
            .read(true)
            .create(true)
            .truncate(false)
            .open(dir.join(LOCK))
            .map_err(|error| unusable("writing into the folder", error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = holder_of(&mut lock);
                return Err(sentence(format!("another node ({holder}) uses this folder"), "give each node a folder of its own"));
            }
            Err(TryLockError::Error(error)) => return Err(unusable("locking the folder", error)),
        }
        lock.set_len(0)
            .and_then(|()| writeln!(lock, "{}", std::process::id()))
            .and_then(|()| lock.sync_all())
            .and_then(|()| remove_temporary(&dir))
            .map_err(|error| unusable("writing into the folder", error))?;
        Ok(Self { dir, _lock: lock, written: Mutex::default() })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn read(&self, name: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, String> {
        let file = match File::open(self.dir.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed("opening", name, &error)),
        };
        let mut bytes = Vec::new();
        file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(|error| self.failed("reading", name, &error))?;
        if bytes.len() as u64 > bytes_max {
            return Err(format!("the cache file {} has more than {bytes_max} bytes; remove it", self.dir.join(name).display()));
        }
        Ok(Some(bytes))
    }

    /// Leaves the file alone if a write with a higher number was there first.
    pub fn write(&self, name: &'static str, nth: u64, parts: &[Bytes]) -> Result<(), String> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.get(name).is_some_and(|last| *last > nth) {
            return Ok(());
        }
        let temporary = self.dir.join(format!("{name}{TEMPORARY}"));
        let outcome = write_through(&temporary, parts)
            .and_then(|()| fs::rename(&temporary, self.dir.join(name)))
            .and_then(|()| sync_folder(&self.dir));
        if let Err(error) = outcome {
            // The next write would replace it; a full disk would rather have it gone at once.
            let _ = fs::remove_file(&temporary);
            return Err(self.failed("writing", name, &error));
        }
        written.insert(name, nth);
        Ok(())
    }

    /// Nothing there is success.
    pub fn remove(&self, name: &str) -> Result<(), String> {
        match fs::remove_file(self.dir.join(name)) {
            Ok(()) => sync_folder(&self.dir).map_err(|error| self.failed("removing", name, &error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(self.failed("removing", name, &error)),
        }
    }

    pub fn set_aside(&self, name: &str, reason: &str) -> Result<(), String> {
        let mut at_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let mut aside = self.dir.join(format!("{name}.{reason}.{at_ms}"));
        while aside.exists() {
            at_ms += 1;
            aside = self.dir.join(format!("{name}.{reason}.{at_ms}"));
        }
        match fs::rename(self.dir.join(name), &aside) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(self.failed("setting aside", name, &error)),
        }
        self.forget_oldest_aside(name).and_then(|()| sync_folder(&self.dir)).map_err(|error| self.failed("setting aside", name, &error))
    }

    fn forget_oldest_aside(&self, name: &str) -> io::Result<()> {
        let mut aside = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let file_name = entry.file_name();
            let at_ms = file_name.to_str().and_then(|file_name| set_aside_at_ms(file_name, name));
            if let Some(at_ms) = at_ms {
                aside.push((at_ms, entry.path()));
            }
        }
        aside.sort();
        let too_many = aside.len().saturating_sub(SET_ASIDE_MAX);
        for (_, path) in aside.into_iter().take(too_many) {
            tracing::warn!(path = %path.display(), "removing the oldest cache file that was set aside: more than {SET_ASIDE_MAX}");
            fs::remove_file(path)?;
        }
        Ok(())
    }

    fn failed(&self, doing: &str, name: &str, error: &io::Error) -> String {
        format!("holdover_cache_dir = {}: {doing} {name} failed ({error}); see to the folder's space and rights", self.dir.display())
    }
}

/// Replaces a file of a folder that another process holds, whose owner can read it afterwards.
pub(super) fn write_from_outside(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), String> {
    let temporary = dir.join(format!("{name}.{}{TEMPORARY}", std::process::id()));
    let written = || {
        let folder = fs::metadata(dir)?;
        write_through(&temporary, &[Bytes::copy_from_slice(bytes)])?;
        if fs::metadata(&temporary)?.uid() != folder.uid() {
            chown(&temporary, Some(folder.uid()), Some(folder.gid()))?;
        }
        fs::rename(&temporary, dir.join(name))?;
        sync_folder(dir)
    };
    written().map_err(|error| {
        // Nobody reads it, and the node removes it when it starts again.
        let _ = fs::remove_file(&temporary);
        let fix = "name the folder of the node that runs, and be its user or root";
        format!("holdover_cache_dir = {}: writing {name} failed ({error}); {fix}", dir.display())
    })
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

fn write_through(path: &Path, parts: &[Bytes]) -> io::Result<()> {
    let mut file = private().create(true).truncate(true).open(path)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.sync_all()
}

/// A rename is durable once its folder is.
fn sync_folder(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// What a process that died while writing left behind.
fn remove_temporary(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.ends_with(TEMPORARY)) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn holder_of(lock: &mut File) -> String {
    let mut text = String::new();
    let read = lock.rewind().and_then(|()| lock.take(20).read_to_string(&mut text));
    match (read, text.trim().parse::<u32>()) {
        (Ok(_), Ok(pid)) => format!("process {pid}"),
        (Ok(_) | Err(_), _) => "of a process that left no number".into(),
    }
}

/// The moment in `<name>.<reason>.<unix ms>`.
fn set_aside_at_ms(file_name: &str, name: &str) -> Option<u64> {
    let (reason, at_ms) = file_name.strip_prefix(name)?.strip_prefix('.')?.rsplit_once('.')?;
    let is_slug = !reason.is_empty() && reason.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_slug.then(|| at_ms.parse().ok())?
}
