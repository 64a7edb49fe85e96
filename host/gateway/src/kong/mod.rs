//! The Kong gateway: a stand-in control plane, which data planes dial in place of their own (`cluster_control_plane`).
//!
//! ```text
//! apply ──► offer ──────────────► data planes that have no control plane behind this one
//! data plane ◄── relayed ──► its own control plane, as itself, while that answers
//! ```
//!
//! What was applied is what is offered, under the hash that Kong gave it: a data plane that runs it already is not made to reload. The
//! wire, admission and the relay are `holdover-hybrid`'s. Knows not where a configuration comes from, nor when there is an outage.

mod message;

use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use holdover_hybrid::{Acknowledges, DataPlane, Introduced, KongVersion, Limits, NO_HASH, Offer, Offers, ServerTls, State, Target, serve};
use holdover_plugin::model::UnixMs;
use holdover_ports::{Clock, Config, DataPlaneStatus, Gateway, GatewayStatus, NotApplied};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::register::Register;

/// What a stand-in is made of.
pub struct StandInOptions {
    pub listen: SocketAddr,
    pub tls: ServerTls,
    /// The version of the data planes, and of the control plane whose place is taken.
    pub version: KongVersion,
    /// `cluster_max_payload`.
    pub payload_max: usize,
    /// The real control plane, as this node itself dials it; `None`: there is none behind this one.
    pub upstream: Option<Target>,
    /// How long that may take to configure a data plane before this one does.
    pub patience: Duration,
    pub clock: Arc<dyn Clock>,
}

pub struct StandIn {
    counter: Arc<Counter>,
    address: SocketAddr,
    serving: JoinHandle<()>,
}

/// Where data planes are served from, and looked after.
struct Counter {
    version: KongVersion,
    upstream: Option<Target>,
    offer: RwLock<Option<Offer>>,
    changes: watch::Sender<u64>,
    register: Register,
    met_itself: Notify,
}

impl StandIn {
    /// Binds and serves at once. `Err` is a sentence for the operator.
    pub async fn bind(options: StandInOptions) -> Result<Self, String> {
        let StandInOptions { listen, tls, version, payload_max, upstream, patience, clock } = options;
        let not_bound =
            |error| format!("holdover_stand_in_listen = {listen}: it cannot be listened on ({error}); free the port, or name another");
        let listener = TcpListener::bind(listen).await.map_err(not_bound)?;
        let address = listener.local_addr().map_err(not_bound)?;
        let counter = Arc::new(Counter {
            version,
            upstream,
            offer: RwLock::default(),
            changes: watch::Sender::new(0),
            register: Register::new(clock),
            met_itself: Notify::new(),
        });
        let limits = Limits { payload_max, patience, ..Limits::default() };
        let serving = tokio::spawn(serve(listener, tls, counter.clone(), limits, pending()));
        Ok(Self { counter, address, serving })
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Ready once the node has dialled its own stand-in, which means that nobody is behind it: the address of the control plane is wrong.
    pub async fn met_itself(&self) {
        self.counter.met_itself.notified().await;
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[async_trait]
impl Gateway for StandIn {
    /// Returns once the configuration is offered. What each data plane makes of it, it says later, with its pings.
    async fn apply(&self, config: &Config) -> Result<(), NotApplied> {
        let bytes = config.bytes().clone();
        let now = self.counter.register.now();
        let made = tokio::task::spawn_blocking(move || message::offer(bytes, now)).await;
        let offer = made
            .map_err(|ended| NotApplied::Failed(format!("packing the configuration ended early: {ended}")))?
            .map_err(NotApplied::Rejected)?;
        self.counter.replace(offer);
        Ok(())
    }

    fn status(&self) -> GatewayStatus {
        GatewayStatus {
            kind: "kong",
            listens_on: Some(self.address.to_string()),
            data_planes: self.counter.register.rows(),
            ..GatewayStatus::default()
        }
    }
}

impl Counter {
    fn replace(&self, offer: Offer) {
        let mut current = self.offer.write().unwrap_or_else(PoisonError::into_inner);
        let is_news = current.as_ref().is_none_or(|current| current.hash != offer.hash);
        *current = Some(offer);
        drop(current);
        if is_news {
            self.changes.send_modify(|count| *count += 1);
        }
    }
}

impl Offers for Counter {
    fn version(&self) -> Option<KongVersion> {
        Some(self.version.clone())
    }

    fn offer(&self) -> Option<Offer> {
        self.offer.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn relays(&self, introduced: &Introduced) -> Option<Target> {
        let upstream = self.upstream.as_ref()?;
        if introduced.node_id == upstream.node_id {
            // It would come back here for ever.
            self.met_itself.notify_one();
            return None;
        }
        Some(Target {
            node_id: introduced.node_id.clone(),
            hostname: introduced.hostname.clone(),
            version: introduced.version.clone(),
            introduction: introduced.basic_info.clone(),
            // It runs what it is sent when it says so, and not sooner.
            acknowledges: Acknowledges::ByCaller,
            ..upstream.clone()
        })
    }

    fn seen(&self, data_plane: &DataPlane) {
        self.register.seen(data_plane.connection, status(data_plane, self.register.now()));
    }

    fn gone(&self, data_plane: &DataPlane) {
        self.register.gone(data_plane.connection, &data_plane.id);
    }
}

fn status(data_plane: &DataPlane, now: UnixMs) -> DataPlaneStatus {
    let (state, reason) = match &data_plane.state {
        State::Connected => ("connected", None),
        State::Served { .. } => ("served", None),
        State::Applied { .. } => ("applied", None),
        State::Rejected { hash } => {
            ("rejected", Some(format!("a minute after it was sent {hash} it still runs something else; see its log")))
        }
        State::Incompatible(why) => ("incompatible", Some(why.clone())),
    };
    DataPlaneStatus {
        id: data_plane.id.clone(),
        hostname: data_plane.hostname.clone(),
        version: data_plane.version.clone(),
        address: data_plane.ip.to_string(),
        connected: true,
        relayed: data_plane.relayed,
        running: Some(data_plane.running.clone()).filter(|hash| hash != NO_HASH),
        state,
        reason,
        seen_unix_ms: now,
    }
}
