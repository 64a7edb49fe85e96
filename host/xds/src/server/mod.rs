//! A control plane's end for many nodes: it serves a snapshot while the control plane does not answer, and nobody that has a configuration.
//!
//! **An Envoy that ran all along never takes an older snapshot.** Such a node comes here too when its control plane dies (ENVOY.md 1.4),
//! and says on the first request of a type which version it has. A version is the control plane's own word, served unchanged, so an equal
//! one proves nothing by itself: some control planes count from 1 after each restart, and some always say the same. Where "it may have
//! something newer" and "we configured it ourselves" cannot be told apart, the first wins. So a node that has versions is served on only
//! if both hold: this process has configured that very node in this outage, and every version that it names is one of a snapshot that
//! it was sent. Everybody else is refused for the whole stream, keeps what it has, and tries elsewhere. The price is small: after a
//! restart of this process the nodes that it configured are refused too, and they run. What no server can see is a node that names no
//! versions though it has some: Envoy does so in delta towards the second of two sources, which it never asks once the first has
//! answered (ENVOY.md 1.3), and gRPC towards each server anew, which it asks only for what it lacks (1.8).
//!
//! ```text
//! stream ──┬─ the control plane answers, or there are too many ─► UNAVAILABLE, RESOURCE_EXHAUSTED
//!          └─ first request ──┬─ not admitted ─► PERMISSION_DENIED
//!                             ├─ configured elsewhere ─► UNAVAILABLE
//!                             └─ held until there is a snapshot, answered, pushed to ── the control plane is back ─► UNAVAILABLE
//! ```
//! What there is to give is asked of [`Offers`]; the bytes of a snapshot are shared by all streams. A client that misbehaves ends its own
//! stream and nothing else.

mod attend;
mod connection;
mod delta;
mod health;
mod roll;
mod session;
mod snapshot;
mod sotw;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use roll::Roll;
pub use snapshot::Snapshot;

use crate::{Mode, Node, ServerTls};

/// Pause after an accept that failed, most often for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What is said to a stream. One verdict for all of them, and for whoever checks this server's health.
#[derive(Clone)]
pub enum Gate {
    /// Nobody is served: whoever asks here belongs there.
    ControlPlaneAnswers,
    /// There is nothing to serve yet. Streams are held.
    Waiting,
    Serving(Arc<Snapshot>),
}

/// Where snapshots come from, and where it is told what became of them. Called from many tasks; must not block.
pub trait Offers: Send + Sync {
    fn gate(&self) -> watch::Receiver<Gate>;

    /// Whether this node is one of those that the snapshot is for. The sentence says why not.
    fn admits(&self, node: &Node) -> Result<(), String>;

    /// A client was admitted or refused, was sent something, or answered. When this is called is when it was seen.
    fn seen(&self, client: &Client);

    /// The stream is over. [`Client::stream`] tells it from a later one of the same node.
    fn gone(&self, client: &Client);
}

/// A node on its stream, as far as it has shown itself. Its texts are its own words, bounded and otherwise unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Counts up from 1 with every stream of this server.
    pub stream: u64,
    pub ip: IpAddr,
    pub node: Node,
    pub mode: Mode,
    pub state: State,
    /// What became of the latest answer of each type.
    pub types: BTreeMap<String, Told>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Admitted; there is nothing to serve it with.
    Waiting,
    /// It is sent nothing. The sentence says why.
    Refused(String),
    Serving,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Sent,
    Acknowledged,
    /// With gRPC's name of the code. The node's own words quote what it was sent, and are kept by nobody (all-04).
    Rejected(&'static str),
}

#[derive(Clone, Debug)]
pub struct Limits {
    /// Those in their handshake included. Further ones are closed at once.
    pub connections_max: usize,
    /// Of all connections together.
    pub streams_max: usize,
    pub request_bytes_max: usize,
    /// That one stream may ask for, of each type.
    pub names_max: usize,
    /// Whom this process remembers to have configured. Nodes beyond are served, and refused when they come back with a configuration.
    pub remembered_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections_max: 1000, streams_max: 2000, request_bytes_max: 4 << 20, names_max: 100_000, remembered_max: 100_000 }
    }
}

/// What all streams of a server share.
struct Desk {
    tls: Option<ServerTls>,
    offers: Arc<dyn Offers>,
    limits: Limits,
    streams: Arc<Semaphore>,
    streams_begun: AtomicU64,
    roll: Roll,
}

/// Serves until `shutdown` is ready; then all connections end at once, as when a control plane stops.
pub async fn serve(
    listener: TcpListener,
    tls: Option<ServerTls>,
    offers: Arc<dyn Offers>,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    let streams = Arc::new(Semaphore::new(limits.streams_max.min(Semaphore::MAX_PERMITS)));
    let roll = Roll::of(limits.remembered_max);
    let mut gate = offers.gate();
    let desk = Arc::new(Desk { tls, offers, limits, streams, streams_begun: AtomicU64::new(0), roll });
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    let mut is_told = true;
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => return,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            changed = gate.changed(), if is_told => {
                is_told = changed.is_ok();
                // From here on any node may have been to its control plane.
                if matches!(*gate.borrow_and_update(), Gate::ControlPlaneAnswers) {
                    desk.roll.forget();
                }
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) if connections.len() < desk.limits.connections_max => {
                connections.spawn(connection::converse(Arc::clone(&desk), stream, peer));
            }
            Ok((_, peer)) => {
                tracing::warn!(%peer, connections = connections.len(), "a node was turned away: there are too many connections");
            }
            Err(error) => {
                tracing::debug!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ControlPlaneAnswers => f.write_str("ControlPlaneAnswers"),
            Self::Waiting => f.write_str("Waiting"),
            Self::Serving(snapshot) => f.debug_tuple("Serving").field(snapshot).finish(),
        }
    }
}

#[cfg(test)]
mod tests;
