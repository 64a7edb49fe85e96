//! A file that holds the configuration, watched.
//!
//! The folder is watched rather than the file, so that a rename over it and Kubernetes' swap of a symbolic link are seen; a
//! slow poll finds what no notification told of. A file that is being written is left alone until it has been still for a
//! moment; who cannot write in one go writes elsewhere and renames. Knows nothing of what the file holds.

use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use holdover_plugin::model::Digest;
use holdover_ports::{Answer, Config, Dial, Session, Unanswered};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use crate::{BODY_BYTES_MAX, failure};

/// Longer than any file system's clock tick, so that two equal stamps mean that nothing was written between them.
const STILL_FOR: Duration = Duration::from_millis(100);
const SLOW_POLL: Duration = Duration::from_secs(5);

pub struct FileControlPlane {
    path: PathBuf,
    shown: String,
}

struct Watching {
    path: PathBuf,
    shown: String,
    /// What `dial` read, until it is asked for.
    first: Option<Config>,
    stamp: Stamp,
    latest: Digest,
    bell: Bell,
}

/// Rings when something in the file's folder has changed.
struct Bell {
    rings: mpsc::Receiver<()>,
    /// Rings as long as it lives. `None` where the system has no watch left to give.
    _watcher: Option<RecommendedWatcher>,
}

/// Two equal stamps: the same file, unwritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    written_at_s_ns: (i64, i64),
    changed_at_s_ns: (i64, i64),
}

impl FileControlPlane {
    pub fn new(path: PathBuf) -> Self {
        let shown = format!("file://{}", path.display());
        Self { path, shown }
    }
}

#[async_trait]
impl Dial for FileControlPlane {
    fn name(&self) -> String {
        self.shown.clone()
    }

    async fn dial(&self) -> Result<Box<dyn Session>, Unanswered> {
        // The bell first: a change between reading and watching would be a change unseen.
        let bell = Bell::hung_beside(&self.path);
        let (bytes, stamp) = read_still(&self.path, &self.shown).await?;
        let config = Config::delivered(bytes);
        let (path, shown, latest) = (self.path.clone(), self.shown.clone(), config.digest());
        Ok(Box::new(Watching { path, shown, first: Some(config), stamp, latest, bell }))
    }
}

#[async_trait]
impl Session for Watching {
    async fn next(&mut self) -> Result<Config, Unanswered> {
        if let Some(first) = self.first.take() {
            return Ok(first);
        }
        loop {
            self.bell.rung_or_poll_due().await;
            if stamp(&self.path).await.is_ok_and(|stamp| stamp == self.stamp) {
                continue;
            }
            let (bytes, stamp) = read_still(&self.path, &self.shown).await?;
            self.stamp = stamp;
            let config = Config::delivered(bytes);
            if config.digest() != self.latest {
                self.latest = config.digest();
                return Ok(config);
            }
        }
    }
}

impl Bell {
    fn hung_beside(path: &Path) -> Self {
        // One ring that was not heard yet is enough: who hears it looks at the file as it is by then.
        let (ring, rings) = mpsc::channel(1);
        let folder = path.parent().unwrap_or(Path::new("/"));
        let hung = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let only_read = event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_)));
            if !only_read {
                let _ = ring.try_send(());
            }
        })
        .and_then(|mut watcher| watcher.watch(folder, RecursiveMode::NonRecursive).map(|()| watcher));
        let watcher = hung
            .inspect_err(
                |error| tracing::warn!(%error, folder = %folder.display(), "no notifications for this folder; polling it every 5 s"),
            )
            .ok();
        Self { rings, _watcher: watcher }
    }

    async fn rung_or_poll_due(&mut self) {
        let rung = async {
            if self.rings.recv().await.is_none() {
                std::future::pending::<()>().await;
            }
        };
        let _ = tokio::time::timeout(SLOW_POLL, rung).await;
    }
}

/// Reads the file once it has been still, and again if it was not still while it was read.
async fn read_still(path: &Path, shown: &str) -> Result<(Bytes, Stamp), Unanswered> {
    let failed = |error: io::Error| failure::of_file(shown, &error);
    let too_large = |bytes: u64| {
        let what = format!("the file has {bytes} bytes, and {BODY_BYTES_MAX} is the most that is taken");
        failure::unanswered(shown, Answer::Unexpected, &what)
    };
    let mut before = stamp(path).await.ok();
    loop {
        tokio::time::sleep(STILL_FOR).await;
        let here = stamp(path).await.map_err(failed)?;
        if before.replace(here) != Some(here) {
            continue;
        }
        if here.bytes > BODY_BYTES_MAX {
            return Err(too_large(here.bytes));
        }
        let bytes = read(path).await.map_err(failed)?;
        let after = stamp(path).await.map_err(failed)?;
        if after == here {
            return if bytes.is_empty() {
                Err(failure::unanswered(shown, Answer::NotConfigured, "the file is empty"))
            } else {
                Ok((bytes, here))
            };
        }
        before = Some(after);
    }
}

async fn read(path: &Path) -> io::Result<Bytes> {
    let path = path.to_owned();
    off_the_runtime(move || {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(BODY_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(Bytes::from(bytes))
    })
    .await
}

async fn stamp(path: &Path) -> io::Result<Stamp> {
    let path = path.to_owned();
    off_the_runtime(move || {
        let metadata = std::fs::metadata(path)?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        Ok(Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.size(),
            written_at_s_ns: (metadata.mtime(), metadata.mtime_nsec()),
            changed_at_s_ns: (metadata.ctime(), metadata.ctime_nsec()),
        })
    })
    .await
}

/// A file on a network share may take long to answer.
async fn off_the_runtime<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
