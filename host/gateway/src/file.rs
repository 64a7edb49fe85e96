//! The file gateway: another proxy reads its configuration from a file, which this one replaces as a whole.
//!
//! ```text
//! equal? ──yes──► nothing        write beside ─► rename ─► reload ──ok──► runs it
//!                                                            └─no──► previous file back, refused
//! ```
//!
//! The file is complete at every moment, and nobody but its owner reads it. A reload that was begun and not finished, because
//! the process died, is owed: a mark beside the file says so, and the next apply reloads though the file is already right.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use holdover_ports::{Config, Gateway, GatewayStatus, NotApplied};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::sync::Mutex;

const RELOAD_LIMIT: Duration = Duration::from_secs(10);
/// How much of what a failed reload wrote is passed on.
const STDERR_TAIL_BYTES: usize = 512;
/// A shorter piece of a configuration may stand in any sentence.
const QUOTE_BYTES_MIN: usize = 6;

pub struct FileGateway {
    place: Arc<Place>,
}

struct Place {
    path: PathBuf,
    reload: Option<String>,
    reload_limit: Duration,
    /// Applies come one after the other.
    applying: Mutex<()>,
}

enum NotReloaded {
    /// The command ended, and said no.
    Refused(String),
    /// It could not be run to its end.
    Failed(String),
}

impl FileGateway {
    /// `reload` is a command for `sh -c`: zero means that the proxy runs the file.
    pub fn new(path: impl Into<PathBuf>, reload: Option<String>) -> Self {
        Self::with_reload_limit(path, reload, RELOAD_LIMIT)
    }

    pub fn with_reload_limit(path: impl Into<PathBuf>, reload: Option<String>, reload_limit: Duration) -> Self {
        Self { place: Arc::new(Place { path: path.into(), reload, reload_limit, applying: Mutex::new(()) }) }
    }
}

#[async_trait]
impl Gateway for FileGateway {
    /// Runs to its end even if the caller stops waiting: half a replacement is worse than a late one.
    async fn apply(&self, config: &Config) -> Result<(), NotApplied> {
        let (place, bytes) = (Arc::clone(&self.place), config.bytes().clone());
        let applied = tokio::spawn(async move { place.apply(bytes).await });
        applied.await.unwrap_or_else(|ended| Err(NotApplied::Failed(format!("writing the configuration file ended early: {ended}"))))
    }

    fn status(&self) -> GatewayStatus {
        GatewayStatus { kind: "file", ..GatewayStatus::default() }
    }
}

impl Place {
    async fn apply(self: Arc<Self>, bytes: Bytes) -> Result<(), NotApplied> {
        let _one_at_a_time = self.applying.lock().await;
        let config = bytes.clone();
        let previous = self.off_thread("read", |place| read(&place.path)).await?;
        let same = previous.as_deref() == Some(&*bytes);
        if same && !self.off_thread("look beside", |place| place.owed_mark().try_exists()).await? {
            return Ok(());
        }
        let owes = self.reload.is_some();
        self.off_thread("write", move |place| {
            if owes {
                replace(&place.owed_mark(), b"")?;
            }
            if same { Ok(()) } else { replace(&place.path, &bytes) }
        })
        .await?;
        let Some(command) = &self.reload else { return Ok(()) };
        let reloaded = match run(command, self.reload_limit).await {
            Err(NotReloaded::Refused(why)) => {
                let quoted = config;
                Err(NotReloaded::Refused(self.off_thread("read", move |_| Ok(without_quotes(&why, &quoted))).await?))
            }
            other => other,
        };
        let failed = reloaded.is_err();
        self.off_thread("restore", move |place| {
            match previous {
                _ if !failed || same => {}
                Some(previous) => replace(&place.path, &previous)?,
                None => remove(&place.path)?,
            }
            // A reload of a file that was right already, and failed, stays owed.
            if failed && same { Ok(()) } else { remove(&place.owed_mark()) }
        })
        .await?;
        reloaded.map_err(|not| match not {
            NotReloaded::Refused(why) => NotApplied::Rejected(format!("the reload command refused the configuration: {why}")),
            NotReloaded::Failed(why) => NotApplied::Failed(format!("the reload command {why}")),
        })
    }

    async fn off_thread<T: Send + 'static>(
        self: &Arc<Self>,
        what: &str,
        work: impl FnOnce(&Place) -> io::Result<T> + Send + 'static,
    ) -> Result<T, NotApplied> {
        let place = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&place)).await.unwrap_or_else(|ended| Err(io::Error::other(ended)));
        done.map_err(|error| {
            let path = self.path.display();
            NotApplied::Failed(format!("cannot {what} the configuration file '{path}': {error}; check its folder and permissions"))
        })
    }

    fn owed_mark(&self) -> PathBuf {
        beside(&self.path, "reload-owed")
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{ending}"))
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// After `Ok` a power cut leaves these bytes, before it the earlier ones.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = beside(path, "next");
    // One that a dead process left may have other permissions.
    remove(&temporary)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync_folder(path)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Ok(()) => sync_folder(path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

async fn run(command: &str, limit: Duration) -> Result<(), NotReloaded> {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = shell.spawn().map_err(|error| NotReloaded::Failed(format!("could not be started: {error}")))?;
    let mut stderr = child.stderr.take();
    let ended = async {
        let (status, said) = tokio::join!(child.wait(), tail(stderr.as_mut()));
        status.map(|status| (status, said))
    };
    match tokio::time::timeout(limit, ended).await {
        Ok(Ok((status, _))) if status.success() => Ok(()),
        Ok(Ok((status, said))) => Err(NotReloaded::Refused(format!("{status}, {said}"))),
        Ok(Err(error)) => Err(NotReloaded::Failed(format!("could not be waited for: {error}"))),
        Err(_) => Err(NotReloaded::Failed(format!("did not end within {} s", limit.as_secs_f32()))),
    }
}

/// A proxy may print what it does not like, and a configuration counts as secret (all-04): what it quotes of it is left out.
fn without_quotes(said: &str, config: &[u8]) -> String {
    let said = said.as_bytes();
    let windows: HashSet<&[u8]> = said.windows(QUOTE_BYTES_MIN).collect();
    let quoted: HashSet<&[u8]> = config.windows(QUOTE_BYTES_MIN).filter(|window| windows.contains(window)).collect();
    let mut told = Vec::new();
    let mut quoted_until = 0;
    for (at, byte) in said.iter().enumerate() {
        let here = said.get(at..at + QUOTE_BYTES_MIN);
        if here.is_some_and(|here| quoted.contains(here)) {
            if at >= quoted_until {
                told.extend("…".as_bytes());
            }
            quoted_until = at + QUOTE_BYTES_MIN;
        }
        if at >= quoted_until {
            told.push(*byte);
        }
    }
    String::from_utf8_lossy(&told).into_owned()
}

/// The last bytes of a stream of any length.
async fn tail(stream: Option<&mut (impl AsyncRead + Unpin)>) -> String {
    let Some(stream) = stream else { return String::new() };
    let mut tail = Vec::new();
    let mut chunk = [0; STDERR_TAIL_BYTES];
    while let Ok(read) = stream.read(&mut chunk).await {
        if read == 0 {
            break;
        }
        tail.extend(chunk.iter().take(read));
        tail.drain(..tail.len().saturating_sub(STDERR_TAIL_BYTES));
    }
    String::from_utf8_lossy(&tail).trim().to_owned()
}
