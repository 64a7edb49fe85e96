//! What these tests share: resources whose content says in plain text what it refers to, a shelf to serve from, a server on a port.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use std::sync::Arc;

use holdover_xds::{
    CLUSTER, Client, ClientTls, Described, Gate, LISTENER, Limits, Mode, Node, Offers, PING_INTERVAL_MIN, Resource, ServerTls, Snapshot,
    Target, serve,
};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

mod plain;

pub use plain::{ENDPOINTS, PATIENCE, Plain, ROUTE, resource};

/// A cluster with its endpoints, and a listener with its route.
pub fn set(name: &str, version: &str) -> Vec<Resource> {
    vec![
        resource(CLUSTER, name, version, &[(ENDPOINTS, name)]),
        resource(ENDPOINTS, name, version, &[]),
        resource(LISTENER, name, version, &[(ROUTE, name)]),
        resource(ROUTE, name, version, &[]),
    ]
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
        described: Described::default(),
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
