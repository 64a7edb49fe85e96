//! The data plane's end: one connection to a control plane, from the name of its host to the configurations it sends.
//!
//! An own task keeps the connection alive, so that pings go out however long a configuration is being worked on. Of configurations
//! that come meanwhile the newest is kept, as in Kong itself. Dropping the [`Connection`] ends it. Never dials twice: when and
//! whether to come back is the caller's to say.

mod dial;
mod refusal;
mod session;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub use dial::HostPort;
pub use refusal::{Ended, Refusal, Stage};
use session::Inbox;

use crate::frames::Link;
use crate::{ClientTls, HASH_BYTES, Proxy};

/// Whom to dial, and as whom.
#[derive(Clone, Debug)]
pub struct Target {
    pub control_plane: HostPort,
    pub tls: ClientTls,
    /// A UUID that stays: the control plane keeps a row for each it has seen, for two weeks.
    pub node_id: String,
    /// A host name without a port.
    pub hostname: String,
    /// The version of Kong that the configuration is wanted for. It decides what is sent, and whether.
    pub version: String,
    /// A `basic_info` as it is sent: see [`crate::BasicInfo::encode`].
    pub introduction: Bytes,
    /// The largest frame either way, as compressed: `cluster_max_payload`.
    pub payload_max: usize,
    pub proxy: Option<Proxy>,
    pub acknowledges: Acknowledges,
}

/// When the control plane is told that a configuration runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acknowledges {
    /// As soon as it was read.
    #[default]
    OnReceipt,
    /// When [`Connection::acknowledge`] says so.
    ByCaller,
}

/// One configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The whole message, inflated, otherwise as it came.
    pub message: Bytes,
    /// The control plane's name for it.
    pub hash: String,
    /// The same as it came: gzip.
    pub payload: Bytes,
}

/// A connection that was introduced. What the control plane makes of the introduction shows in what it sends.
#[derive(Debug)]
pub struct Connection {
    inbox: Arc<Inbox>,
    running: watch::Sender<String>,
    configured: Arc<AtomicBool>,
    opened_at: Instant,
    task: JoinHandle<()>,
}

impl Connection {
    /// Dials, and introduces itself as running `hash` ([`crate::NO_HASH`] for nothing). Returns once all of that was written.
    pub async fn open(target: &Target, hash: &str) -> Result<Self, Refusal> {
        let stream = dial::dial(target).await?;
        let (mut link, opened_at) = (dial::upgrade(target, stream).await?, Instant::now());
        let hash = checked(hash);
        dial::introduce(target, &mut link, &hash).await?;
        Ok(Self::begin(link, hash, target.acknowledges, opened_at))
    }

    fn begin<S>(link: Link<S>, hash: String, acknowledges: Acknowledges, opened_at: Instant) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let inbox = Arc::new(Inbox::default());
        let configured = Arc::new(AtomicBool::new(false));
        let (running, told) = watch::channel(hash);
        let session = session::Session {
            link,
            inbox: Arc::clone(&inbox),
            configured: Arc::clone(&configured),
            running: running.clone(),
            told,
            acknowledges,
        };
        let task = tokio::spawn(session.run());
        Self { inbox, running, configured, opened_at, task }
    }

    /// Waits for the next configuration. May be cancelled. Once it has said how the connection ended, it says so again.
    pub async fn next(&mut self) -> Result<Received, Ended> {
        self.inbox.next().await
    }

    /// Tells the control plane at once which configuration runs, and with every ping from here on.
    pub fn acknowledge(&self, hash: &str) {
        self.running.send_if_modified(|running| {
            let hash = checked(hash);
            let is_news = *running != hash;
            *running = hash;
            is_news
        });
    }

    /// Whether it has sent any configuration. One that answers pings and never configures refuses silently: most often a configured
    /// plugin is not in the introduction.
    pub fn is_configured(&self) -> bool {
        self.configured.load(Ordering::Relaxed)
    }

    /// When the control plane accepted the upgrade.
    pub fn opened_at(&self) -> Instant {
        self.opened_at
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A ping of another length would end the connection, so what is no hash counts as none.
fn checked(hash: &str) -> String {
    if hash.len() == HASH_BYTES { hash.to_owned() } else { crate::NO_HASH.to_owned() }
}

#[cfg(test)]
mod tests;
