//! The control plane's end, for many data planes: accepts, admits, pushes, and reports what each of them runs.
//!
//! What there is to give is asked of [`Offers`]; the payload of an offer is shared by all connections. A data plane that misbehaves
//! ends its own connection and nothing else.

mod admission;
mod relay;
mod session;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::{KongVersion, PAYLOAD_MAX_DEFAULT, ServerTls, Target};

/// Pause after an accept that failed, most often for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// As long as this project's nodes give a control plane by default.
const PATIENCE: Duration = Duration::from_secs(10);

/// What one configuration is to a data plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// What a data plane pings once it runs this: 32 characters.
    pub hash: String,
    /// The whole reconfigure message, as gzip.
    pub payload: Bytes,
    /// The names of all plugins that it configures. A data plane that lacks one is not sent it.
    pub plugins: Arc<[String]>,
}

/// Where configurations come from, and where it is told what became of them. Called from many tasks; must not block.
pub trait Offers: Send + Sync {
    /// The version of Kong that the offer is for. `None`: there is nothing to offer, so none is refused for its version.
    fn version(&self) -> Option<KongVersion>;

    /// What is to run, if there is anything.
    fn offer(&self) -> Option<Offer>;

    /// Whether data planes are kept while there is no offer. If not, they are closed after their introduction, and come back.
    fn keeps_unserved(&self) -> bool {
        true
    }

    /// The real control plane for this data plane, dialled as itself: what that sends goes before any offer. `None`: there is none.
    fn relays(&self, _introduced: &Introduced) -> Option<Target> {
        None
    }

    /// Moves whenever [`Offers::version`] or [`Offers::offer`] would answer otherwise.
    fn changes(&self) -> watch::Receiver<u64>;

    /// A data plane was admitted or turned away, was sent something, or gave a sign of life. When this is called is when it was seen.
    fn seen(&self, data_plane: &DataPlane);

    /// The connection is over. Its [`DataPlane::connection`] tells it from a newer one of the same node.
    fn gone(&self, data_plane: &DataPlane);
}

/// How a data plane came, in its own words, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introduced {
    pub node_id: String,
    pub hostname: String,
    pub version: String,
    /// As it came.
    pub basic_info: Bytes,
}

/// A data plane as far as it has shown itself. Its texts are its own words, bounded and otherwise unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataPlane {
    /// Counts up from 1 with every connection of this listener.
    pub connection: u64,
    pub id: String,
    pub hostname: String,
    pub version: String,
    pub ip: IpAddr,
    pub labels: BTreeMap<String, String>,
    /// The hash of its latest ping: what it runs. [`crate::NO_HASH`] before the first, and for nothing.
    pub running: String,
    /// Whether the control plane behind this one has sent what it runs, or is to run.
    pub relayed: bool,
    pub state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Admitted, and sent nothing so far.
    Connected,
    /// Sent a configuration that it does not run yet.
    Served { hash: String },
    /// It runs what is offered.
    Applied { hash: String },
    /// It still runs something else a minute after it was sent this. It has no other way to say that it does not take it.
    Rejected { hash: String },
    /// It is not sent the offer. The sentence says why.
    Incompatible(String),
}

#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once, those in their handshake included. Further ones are closed at once.
    pub connections_max: usize,
    /// The largest frame either way, as compressed: `cluster_max_payload`.
    pub payload_max: usize,
    /// A data plane that runs the offer already is not sent it again: reloading costs it as much as new configuration. Kong's own
    /// control plane sends it all the same.
    pub spare_reload: bool,
    /// How long a control plane behind this one may take to send its first configuration before the offer is served instead.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections_max: 1000, payload_max: PAYLOAD_MAX_DEFAULT, spare_reload: true, patience: PATIENCE }
    }
}

/// What all connections of a listener share.
struct Desk {
    tls: ServerTls,
    offers: Arc<dyn Offers>,
    limits: Limits,
}

/// Serves until `shutdown` is ready; then all connections end at once, as when a control plane stops.
pub async fn serve(listener: TcpListener, tls: ServerTls, offers: Arc<dyn Offers>, limits: Limits, shutdown: impl Future<Output = ()>) {
    let desk = Arc::new(Desk { tls, offers, limits });
    let mut connections = JoinSet::new();
    let mut count = 0;
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => return,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) if connections.len() < desk.limits.connections_max => {
                count += 1;
                connections.spawn(admission::converse(Arc::clone(&desk), stream, peer, count));
            }
            Ok((_, peer)) => {
                tracing::warn!(%peer, connections = connections.len(), "a data plane was turned away: there are too many connections");
            }
            Err(error) => {
                tracing::debug!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Never, if there is no such moment.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
