//! A node's end: one stream to a control plane, from the name of its host to the sets of resources it sends.
//!
//! ```text
//! dial ─► channel ─► stream ─► answers ─► followed ─► settled ─► inbox ─► Connection::next
//!  name, TCP, TLS     HTTP/2    ACK, NACK    names      quiet
//! ```
//! An own task reads and acknowledges, however long a set is being worked on; of sets that come meanwhile the newest is kept. Dropping
//! the [`Connection`] ends it. Never dials twice: when and whether to come back is the caller's to say. Beside it, [`Target::appears`] sees whether
//! anybody is there to be dialled.

pub(crate) mod channel;
mod dial;
mod dialect;
mod followed;
mod inbox;
mod lookout;
mod refusal;
mod session;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use zeroize::Zeroizing;

use dialect::{Delta, Sotw};
use inbox::Inbox;
pub use refusal::{Code, Ended, Refusal, Stage};

use crate::{ClientTls, Described, Mode, Node, Reads, Resource};

/// The least [`Target::ping_interval`] that every gRPC server takes: their common bound is 5 minutes.
pub const PING_INTERVAL_MIN: Duration = Duration::from_secs(305);

/// Whom to dial, and as whom.
#[derive(Clone)]
pub struct Target {
    /// `http://host:port` or `https://host:port`.
    pub endpoint: http::Uri,
    /// `None` with https: whom this machine's own store trusts. With http there is none.
    pub tls: Option<ClientTls>,
    pub token: Option<Token>,
    pub node: Node,
    /// What it says of itself besides.
    pub described: Described,
    pub mode: Mode,
    /// Of one answer, and of a whole set.
    pub payload_bytes_max: usize,
    /// For the name, each address, TLS, and the first sign of an answer.
    pub connect_timeout: Duration,
    /// Between two HTTP/2 pings, by which a control plane that hangs is noticed 5 s later. Many gRPC servers cut off who pings an idle
    /// stream more often than every 5 minutes, so less than [`PING_INTERVAL_MIN`] is for those that are set to allow it. A machine that
    /// is gone is noticed by TCP within 20 s all the same.
    pub ping_interval: Duration,
    pub reads: Arc<dyn Reads>,
}

/// Goes with the stream as `authorization: Bearer …`.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// `None` for what cannot stand in a header.
    pub fn new(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(Zeroizing::new(text.to_owned())))
    }
}

/// A stream that was opened, on which everything was asked for.
#[derive(Debug)]
pub struct Connection {
    inbox: Arc<Inbox>,
    task: JoinHandle<()>,
}

impl Connection {
    /// Dials, opens the stream, and asks for all clusters and all listeners. A control plane that takes the stream and says nothing
    /// is no refusal: gRPC servers answer only when they have something to say.
    pub async fn open(target: &Target) -> Result<Self, Refusal> {
        let (link, endpoint) = dial::dial(target).await?;
        Self::over(link, endpoint, target).await
    }

    async fn over<S>(link: S, endpoint: http::Uri, target: &Target) -> Result<Self, Refusal>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let channel = channel::Channel::over(link, target.connect_timeout, target.ping_interval).await?;
        let inbox = Arc::new(Inbox::default());
        let (opened, answered) = oneshot::channel();
        let begun = session::Begun { channel, endpoint, target: target.clone(), inbox: Arc::clone(&inbox), opened };
        let task = match target.mode {
            Mode::StateOfTheWorld => tokio::spawn(session::run::<Sotw>(begun)),
            Mode::Delta => tokio::spawn(session::run::<Delta>(begun)),
        };
        let connection = Self { inbox, task };
        match timeout(target.connect_timeout, answered).await {
            Ok(Ok(Err(refusal))) => Err(refusal),
            // It answers, is silent, or has ended already: the last shows in `next`.
            Ok(Ok(Ok(())) | Err(_)) | Err(_) => Ok(connection),
        }
    }

    /// Waits for a whole set that differs from the one before it. May be cancelled. Once it has said how the stream ended, it says so
    /// again.
    pub async fn next(&mut self) -> Result<Vec<Resource>, Ended> {
        self.inbox.next().await
    }

    /// What was asked for and has not come in a form that can be read, as (type, name), the first few, long names cut. A type without a name
    /// lacks all. After the first set [`Ended::Incomplete`] has it, when it stays so.
    pub fn missing(&self) -> Vec<(String, Option<String>)> {
        self.inbox.missing()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("endpoint", &self.endpoint)
            .field("tls", &self.tls)
            .field("token", &self.token)
            .field("node", &self.node)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
