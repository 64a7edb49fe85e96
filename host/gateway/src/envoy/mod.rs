//! The Envoy gateway: the failover management server of a group's Envoys and gRPC clients, beside their own.
//!
//! ```text
//! apply ────► snapshot ─┐
//!                       ├─► gate ─► Envoys: sent away, kept waiting, or served
//! policy ───► stand-in ─┘
//! ```
//!
//! What was applied is what is served, resource by resource as the control plane sent it, and only while that is away: when to step in
//! and aside is the policy's decision. The wire, and which Envoy may be served, are `holdover-xds`'s.

mod bootstrap;

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use holdover_plugin::config::xds;
use holdover_plugin::model::UnixMs;
use holdover_plugin::policy::StandIn;
use holdover_ports::{Clock, Config, DataPlaneStatus, Gateway, GatewayStatus, NotApplied};
use holdover_xds::{Client, Gate, Limits, Node, Offers, Resource, ServerTls, Snapshot, State, Told, serve};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::register::Register;

pub use bootstrap::{Bootstrap, Tls, Way};

/// By what a node of ours is known on the wire.
pub const AGENT: &str = "holdover";

/// What a failover is made of.
pub struct FailoverOptions {
    pub listen: SocketAddr,
    /// `None`: in plain, for this machine.
    pub tls: Option<ServerTls>,
    /// `node.cluster` of those that are served.
    pub node_group: String,
    pub stand_in: watch::Receiver<StandIn>,
    pub clock: Arc<dyn Clock>,
}

pub struct Failover {
    desk: Arc<Desk>,
    address: SocketAddr,
    serving: JoinHandle<()>,
    minding: JoinHandle<()>,
}

/// Where Envoys are served from, and looked after.
struct Desk {
    node_group: String,
    /// What was applied last.
    applied: watch::Sender<Option<Arc<Snapshot>>>,
    gate: watch::Sender<Gate>,
    register: Register,
}

impl Failover {
    /// Binds and serves at once. `Err` is a sentence for the operator.
    pub async fn bind(options: FailoverOptions) -> Result<Self, String> {
        let FailoverOptions { listen, tls, node_group, stand_in, clock } = options;
        let not_bound =
            |error| format!("holdover_ads_listen = {listen}: it cannot be listened on ({error}); free the port, or name another");
        let listener = TcpListener::bind(listen).await.map_err(not_bound)?;
        let address = listener.local_addr().map_err(not_bound)?;
        let (applied, gate) = (watch::Sender::new(None), watch::Sender::new(Gate::Waiting));
        let desk = Arc::new(Desk { node_group, applied, gate, register: Register::new(clock) });
        let serving = tokio::spawn(serve(listener, tls, desk.clone(), Limits::default(), pending()));
        let minding = tokio::spawn(mind(desk.clone(), stand_in));
        Ok(Self { desk, address, serving, minding })
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Failover {
    fn drop(&mut self) {
        self.serving.abort();
        self.minding.abort();
    }
}

/// Keeps the gate at what the policy says, with what was applied, for as long as the node runs.
async fn mind(desk: Arc<Desk>, mut stand_in: watch::Receiver<StandIn>) {
    let mut applied = desk.applied.subscribe();
    loop {
        let (said, snapshot) = (*stand_in.borrow_and_update(), applied.borrow_and_update().clone());
        desk.gate.send_replace(match (said, snapshot) {
            (StandIn::StepsAside, _) => Gate::ControlPlaneAnswers,
            (StandIn::Serves, Some(snapshot)) => Gate::Serving(snapshot),
            (StandIn::Serves, None) | (StandIn::Waits, _) => Gate::Waiting,
        });
        let changed = tokio::select! {
            changed = stand_in.changed() => changed,
            changed = applied.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}

#[async_trait]
impl Gateway for Failover {
    /// Returns once the resources are at hand. Whether an Envoy takes them, it says later.
    async fn apply(&self, config: &Config) -> Result<(), NotApplied> {
        let bytes = config.bytes().clone();
        let read = tokio::task::spawn_blocking(move || xds::decode(&bytes)).await;
        let resources = read
            .map_err(|ended| NotApplied::Failed(format!("reading the configuration ended early: {ended}")))?
            .map_err(|invalid| NotApplied::Rejected(invalid.to_string()))?;
        let snapshot = Snapshot::new(resources.into_iter().map(served).collect()).map_err(NotApplied::Rejected)?;
        self.desk.applied.send_replace(Some(Arc::new(snapshot)));
        Ok(())
    }

    fn status(&self) -> GatewayStatus {
        GatewayStatus {
            kind: "envoy",
            listens_on: Some(self.address.to_string()),
            data_planes: self.desk.register.rows(),
            ..GatewayStatus::default()
        }
    }
}

fn served(resource: xds::Resource) -> Resource {
    let xds::Resource { type_url, name, version, value } = resource;
    Resource { type_url, name, version, value: Bytes::from(value) }
}

impl Offers for Desk {
    fn gate(&self) -> watch::Receiver<Gate> {
        self.gate.subscribe()
    }

    /// Whoever says another group is of another configuration, and who is of our kind would follow what came from a storage as if a control
    /// plane had said it.
    fn admits(&self, node: &Node) -> Result<(), String> {
        if node.user_agent_name == AGENT {
            return Err("this is a failover, and no management server; correct holdover_control_plane".to_owned());
        }
        match node.cluster == self.node_group {
            true => Ok(()),
            false => Err(format!("node.cluster is '{}', and '{}' is served here (holdover_node_group)", node.cluster, self.node_group)),
        }
    }

    fn seen(&self, client: &Client) {
        self.register.seen(client.stream, row(client, self.register.now()));
    }

    fn gone(&self, client: &Client) {
        self.register.gone(client.stream, &client.node.id);
    }
}

fn row(client: &Client, now: UnixMs) -> DataPlaneStatus {
    let (state, reason) = match &client.state {
        State::Waiting => ("connected", None),
        State::Refused(why) => ("refused", Some(why.clone())),
        State::Serving => told(client),
    };
    DataPlaneStatus {
        id: client.node.id.clone(),
        // Its machine it does not say.
        hostname: String::new(),
        version: client.node.version.clone(),
        address: client.ip.to_string(),
        connected: true,
        relayed: false,
        running: None,
        state,
        reason,
        seen_unix_ms: now,
    }
}

/// One type that it took back, or waits to be heard of, speaks for all.
fn told(client: &Client) -> (&'static str, Option<String>) {
    let rejected = client.types.iter().find_map(|(type_url, told)| match told {
        Told::Rejected(code) => Some(format!("it does not take {type_url} ({code}); see its log")),
        Told::Sent | Told::Acknowledged => None,
    });
    match rejected {
        Some(why) => ("rejected", Some(why)),
        None if !client.types.is_empty() && client.types.values().all(|told| *told == Told::Acknowledged) => ("applied", None),
        None => ("served", None),
    }
}

#[cfg(test)]
mod tests;
