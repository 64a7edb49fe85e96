//! What these tests share: resources whose content says in plain text what it refers to, a shelf to serve from, a server on a port.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdover_xds::{
    CLUSTER, Client, ClientTls, Gate, LISTENER, Limits, Mode, Node, Offers, PING_INTERVAL_MIN, Reads, Resource, ServerTls, Snapshot,
    Target, serve,
};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// Longer than anything here takes, shorter than anybody waits.
pub const PATIENCE: Duration = Duration::from_secs(20);
pub const ENDPOINTS: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
pub const ROUTE: &str = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";

/// A content is the name, then a line for each (type, name) that it refers to.
pub struct Plain;

impl Reads for Plain {
    fn name_of(&self, _type_url: &str, value: &[u8]) -> Result<String, String> {
        let text = std::str::from_utf8(value).map_err(|error| error.to_string())?;
        Ok(text.lines().next().unwrap_or_default().to_owned())
    }

    fn wants(&self, resource: &Resource) -> Result<Vec<(String, String)>, String> {
        let text = std::str::from_utf8(&resource.value).map_err(|error| error.to_string())?;
        let refers = text.lines().skip(1).filter_map(|line| line.split_once(' '));
        Ok(refers.map(|(type_url, name)| (type_url.to_owned(), name.to_owned())).collect())
    }
}

/// A cluster with its endpoints, and a listener with its route.
pub fn set(name: &str, version: &str) -> Vec<Resource> {
    vec![
        resource(CLUSTER, name, version, Some(ENDPOINTS)),
        resource(ENDPOINTS, name, version, None),
        resource(LISTENER, name, version, Some(ROUTE)),
        resource(ROUTE, name, version, None),
    ]
}

fn resource(type_url: &str, name: &str, version: &str, refers_to: Option<&str>) -> Resource {
    let value = refers_to.map_or(name.to_owned(), |other| format!("{name}\n{other} {name}"));
    Resource { type_url: type_url.into(), name: name.into(), version: version.into(), value: Bytes::from(value) }
}

pub struct Shelf {
    pub gate: watch::Sender<Gate>,
    pub seen: watch::Sender<Vec<Client>>,
    pub gone: watch::Sender<u64>,
}

impl Offers for Shelf {
    fn gate(&self) -> watch::Receiver<Gate> {
        self.gate.subscribe()
    }

    fn admits(&self, _node: &Node) -> Result<(), String> {
        Ok(())
    }

    fn seen(&self, client: &Client) {
        self.seen.send_modify(|seen| seen.push(client.clone()));
    }

    fn gone(&self, _client: &Client) {
        self.gone.send_modify(|count| *count += 1);
    }
}

pub struct Running {
    pub port: u16,
    pub shelf: Arc<Shelf>,
    shutdown: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Running {
    pub async fn with(gate: Gate, tls: Option<ServerTls>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shelf = Arc::new(Shelf { gate: watch::Sender::new(gate), seen: watch::Sender::default(), gone: watch::Sender::default() });
        let offers: Arc<dyn Offers> = Arc::clone(&shelf) as _;
        let (shutdown, ordered) = oneshot::channel();
        let ordered = async {
            let _ = ordered.await;
        };
        let serving = tokio::spawn(serve(listener, tls, offers, Limits::default(), ordered));
        Self { port, shelf, shutdown, serving }
    }

    pub fn turn(&self, gate: Gate) {
        self.shelf.gate.send_replace(gate);
    }

    pub async fn stop(self) {
        self.shutdown.send(()).unwrap();
        self.serving.await.unwrap();
    }
}

pub fn serving(resources: Vec<Resource>) -> Gate {
    Gate::Serving(Arc::new(Snapshot::new(resources).unwrap()))
}

pub fn target(port: u16, mode: Mode) -> Target {
    let node = Node { id: "node-1".into(), cluster: "edge".into(), user_agent_name: "holdover".into(), version: "0".into() };
    Target {
        endpoint: format!("http://localhost:{port}").parse().unwrap(),
        tls: None,
        token: None,
        node,
        mode,
        payload_bytes_max: 1 << 20,
        connect_timeout: PATIENCE,
        ping_interval: PING_INTERVAL_MIN,
        reads: Arc::new(Plain),
    }
}

pub fn secured(port: u16, tls: ClientTls) -> Target {
    Target { endpoint: format!("https://localhost:{port}").parse().unwrap(), tls: Some(tls), ..target(port, Mode::StateOfTheWorld) }
}
