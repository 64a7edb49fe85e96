//! The advisory lock of a folder: one swap at a time, across processes. The system gives it back when its holder dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

const NAME: &str = ".holdover.lock";
/// A swap takes milliseconds; who holds the lock longer hangs. Tests have no time to hang.
const WAIT_MAX: Duration = Duration::from_millis(if cfg!(test) { 100 } else { 5_000 });
const PAUSE: Duration = Duration::from_millis(2);

/// Held until dropped.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// `WouldBlock` when another holds it for too long. Blocks the thread.
    pub fn take(folder: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(folder.join(NAME))?;
        let end = Instant::now() + WAIT_MAX;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if Instant::now() < end => sleep(PAUSE),
                Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }
}
