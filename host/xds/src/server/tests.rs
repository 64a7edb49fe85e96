mod delta;
mod hostile;
mod sotw;

use std::sync::Mutex;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::kit::{Driven, ENDPOINTS, PATIENCE, ROUTE, cluster, endpoints, listener, resource};
use crate::message::{self, DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse};
use crate::{ADS_DELTA, ADS_SOTW, CLUSTER, LISTENER, Resource};

type Sotw = Driven<DiscoveryRequest, DiscoveryResponse>;
type Delta = Driven<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

/// A server over loopback, with its gate in hand and a record of whom it saw.
struct Running {
    port: u16,
    shelf: Arc<Shelf>,
    _shutdown: oneshot::Sender<()>,
    _serving: JoinHandle<()>,
}

struct Shelf {
    gate: watch::Sender<Gate>,
    clients: watch::Sender<Vec<Client>>,
    gone: watch::Sender<u64>,
    refuses: Mutex<Option<String>>,
}

impl Offers for Shelf {
    fn gate(&self) -> watch::Receiver<Gate> {
        self.gate.subscribe()
    }

    fn admits(&self, _node: &Node) -> Result<(), String> {
        self.refuses.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    fn seen(&self, client: &Client) {
        self.clients.send_modify(|clients| clients.push(client.clone()));
    }

    fn gone(&self, _client: &Client) {
        self.gone.send_modify(|count| *count += 1);
    }
}

impl Running {
    async fn with(gate: Gate) -> Self {
        Self::within(gate, Limits::default()).await
    }

    async fn serving(resources: &[Resource]) -> Self {
        Self::with(Gate::Serving(snapshot(resources))).await
    }

    async fn within(gate: Gate, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shelf = Shelf {
            gate: watch::Sender::new(gate),
            clients: watch::Sender::default(),
            gone: watch::Sender::default(),
            refuses: Mutex::default(),
        };
        let shelf = Arc::new(shelf);
        let (shutdown, ordered) = oneshot::channel();
        let offers: Arc<dyn Offers> = Arc::clone(&shelf) as _;
        let serving = tokio::spawn(async move {
            serve(listener, None, offers, limits, async {
                let _ = ordered.await;
            })
            .await;
        });
        Self { port, shelf, _shutdown: shutdown, _serving: serving }
    }

    fn turn(&self, gate: Gate) {
        self.shelf.gate.send_replace(gate);
    }

    fn serve(&self, resources: &[Resource]) {
        self.turn(Gate::Serving(snapshot(resources)));
    }

    async fn sotw(&self, first: DiscoveryRequest) -> Sotw {
        Driven::open(self.port, ADS_SOTW, Some(first)).await.unwrap()
    }

    async fn delta(&self, first: DeltaDiscoveryRequest) -> Delta {
        Driven::open(self.port, ADS_DELTA, Some(first)).await.unwrap()
    }

    /// The first that fits, of all that were and will be seen.
    async fn until(&self, fits: impl Fn(&Client) -> bool) -> Client {
        let mut clients = self.shelf.clients.subscribe();
        let seen = clients.wait_for(|clients| clients.iter().any(&fits));
        let clients = tokio::time::timeout(PATIENCE, seen).await.expect("seen in time").unwrap();
        clients.iter().find(|client| fits(client)).unwrap().clone()
    }

    async fn gone(&self, count: u64) {
        let mut gone = self.shelf.gone.subscribe();
        tokio::time::timeout(PATIENCE, gone.wait_for(|gone| *gone >= count)).await.expect("gone in time").unwrap();
    }
}

fn snapshot(resources: &[Resource]) -> Arc<Snapshot> {
    Arc::new(Snapshot::new(resources.to_vec()).unwrap())
}

/// Two clusters with their endpoints, a listener with its route; all of version 7.
fn seven() -> Vec<Resource> {
    of_version("7")
}

fn of_version(version: &str) -> Vec<Resource> {
    let (a, b) = (cluster("a", version), cluster("b", version));
    let (of_a, of_b) = (endpoints("a", version), endpoints("b", version));
    vec![a, b, of_a, of_b, listener("l", version, &["r"]), resource(ROUTE, "r", version, &[])]
}

fn node(id: &str) -> Option<message::Node> {
    Some(message::Node { id: id.into(), cluster: "group".into(), ..message::Node::default() })
}

#[tokio::test]
async fn while_the_control_plane_answers_nobody_is_served_and_open_streams_are_closed() {
    let server = Running::with(Gate::ControlPlaneAnswers).await;
    let refused = Driven::<DiscoveryRequest, DiscoveryResponse>::open(server.port, ADS_SOTW, None).await.err().unwrap();
    assert_eq!(refused.code(), tonic::Code::Unavailable);
    let refused = Driven::<DeltaDiscoveryRequest, DeltaDiscoveryResponse>::open(server.port, ADS_DELTA, None).await.err().unwrap();
    assert_eq!(refused.code(), tonic::Code::Unavailable);

    server.serve(&seven());
    let mut by_sotw = server.sotw(sotw::first(CLUSTER, &[])).await;
    by_sotw.next().await.unwrap();
    let mut by_delta = server.delta(delta::first(CLUSTER, &[])).await;
    by_delta.next().await.unwrap();
    server.turn(Gate::ControlPlaneAnswers);
    assert_eq!(by_sotw.next().await.unwrap_err().code(), tonic::Code::Unavailable);
    assert_eq!(by_delta.next().await.unwrap_err().code(), tonic::Code::Unavailable);
    server.gone(2).await;
}

#[tokio::test]
async fn a_stream_is_held_until_there_is_something_to_serve() {
    let server = Running::with(Gate::Waiting).await;
    let mut by_sotw = server.sotw(sotw::first(CLUSTER, &[])).await;
    let mut by_delta = server.delta(delta::first(CLUSTER, &[])).await;
    for mode in [Mode::StateOfTheWorld, Mode::Delta] {
        let waiting = server.until(|client| client.mode == mode).await;
        assert_eq!((waiting.state, waiting.types.len()), (State::Waiting, 0));
    }
    server.serve(&seven());
    assert_eq!(by_sotw.next().await.unwrap().resources.len(), 2);
    assert_eq!(by_delta.next().await.unwrap().resources.len(), 2);
    let served = server.until(|client| client.types.contains_key(CLUSTER)).await;
    assert_eq!((served.state, served.node.id.as_str(), served.node.cluster.as_str()), (State::Serving, "n1", "group"));
}

#[tokio::test]
async fn a_node_that_has_a_configuration_is_refused_even_with_the_very_version_that_is_served() {
    let server = Running::serving(&seven()).await;
    for version in ["8", "7"] {
        let mut node = server.sotw(DiscoveryRequest { version_info: version.into(), ..sotw::first(CLUSTER, &[]) }).await;
        assert_eq!(node.next().await.unwrap_err().code(), tonic::Code::Unavailable);
        let mut node = server.delta(delta::holding(CLUSTER, &[("a", version)])).await;
        assert_eq!(node.next().await.unwrap_err().code(), tonic::Code::Unavailable);
    }
    // The first type alone does not make a node fresh.
    let mut node = server.sotw(sotw::first(CLUSTER, &[])).await;
    node.next().await.unwrap();
    node.ask(DiscoveryRequest { version_info: "8".into(), ..sotw::first(LISTENER, &[]) }).await;
    assert_eq!(node.next().await.unwrap_err().code(), tonic::Code::Unavailable);
    let refused = server.until(|client| matches!(client.state, State::Refused(_))).await;
    assert_eq!(refused.state, State::Refused("it has a configuration, and this one may be older".into()));
}

#[tokio::test]
async fn a_node_that_this_process_configured_in_this_outage_is_served_on() {
    let server = Running::serving(&seven()).await;
    let mut node = server.sotw(sotw::first(CLUSTER, &[])).await;
    node.next().await.unwrap();
    drop(node);
    server.gone(1).await;

    let back = || DiscoveryRequest { version_info: "7".into(), ..sotw::first(CLUSTER, &[]) };
    let mut node = server.sotw(back()).await;
    assert_eq!(node.next().await.unwrap().resources.len(), 2);
    drop(node);
    // Had it been elsewhere in between, it would have another version.
    let mut node = server.sotw(DiscoveryRequest { version_info: "8".into(), ..back() }).await;
    assert_eq!(node.next().await.unwrap_err().code(), tonic::Code::Unavailable);
    // What it was sent counts, also when there is another snapshot since.
    server.serve(&of_version("9"));
    let mut node = server.sotw(back()).await;
    assert_eq!(node.next().await.unwrap().version_info, "9");
    drop(node);
    // It never took that: the stream broke first.
    let mut node = server.sotw(back()).await;
    assert_eq!(node.next().await.unwrap().version_info, "9");
    drop(node);
    let mut node = server.delta(delta::holding(CLUSTER, &[("a", "7"), ("b", "7")])).await;
    assert_eq!(node.next().await.unwrap().resources.len(), 2);
    drop(node);
    // Of three the first is no longer known to be ours.
    server.serve(&of_version("10"));
    let mut node = server.sotw(DiscoveryRequest { version_info: "9".into(), ..back() }).await;
    assert_eq!(node.next().await.unwrap().version_info, "10");
    let mut former = server.sotw(back()).await;
    assert_eq!(former.next().await.unwrap_err().code(), tonic::Code::Unavailable);

    // The control plane was there: whoever ran through that may have anything.
    server.turn(Gate::ControlPlaneAnswers);
    assert_eq!(node.next().await.unwrap_err().code(), tonic::Code::Unavailable);
    server.serve(&of_version("9"));
    let mut node = server.sotw(DiscoveryRequest { version_info: "9".into(), ..back() }).await;
    assert_eq!(node.next().await.unwrap_err().code(), tonic::Code::Unavailable);
}

#[tokio::test]
async fn a_node_that_is_not_of_the_group_is_told_so() {
    let server = Running::serving(&seven()).await;
    *server.shelf.refuses.lock().unwrap() = Some("this snapshot is for 'edge'".into());
    let mut node = server.sotw(sotw::first(CLUSTER, &[])).await;
    let refused = node.next().await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (tonic::Code::PermissionDenied, "this snapshot is for 'edge'"));
    server.until(|client| matches!(client.state, State::Refused(_))).await;
    server.gone(1).await;
}
