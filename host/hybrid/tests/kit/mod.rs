//! What the tests of this crate share: captures and certificates from `fixtures/`, a shelf of offers, bare websockets over real TLS.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

pub mod wire;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use holdover_hybrid::{
    Acknowledges, BasicInfo, ClientTls, DataPlane, Given, HostPort, Identity, KongVersion, Limits, Offer, Offers, PAYLOAD_MAX_DEFAULT,
    Reconfigure, ServerTls, Target, gzip, serve,
};
use rustls_pki_types::ServerName;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

/// Longer than anything here takes, shorter than anybody waits.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

pub fn capture(name: &str) -> Bytes {
    std::fs::read(fixture("kong-captures").join(name)).unwrap().into()
}

pub fn identity(name: &str) -> Identity {
    let path = |kind: &str| fixture(&format!("{name}.{kind}.pem")).to_str().unwrap().to_owned();
    let (cert, key) = (path("crt"), path("key"));
    Identity::read(Given { setting: "cluster_cert", value: &cert }, Given { setting: "cluster_cert_key", value: &key }).unwrap()
}

pub fn client_tls() -> ClientTls {
    ClientTls::shared(&identity("cluster")).unwrap()
}

pub fn server_tls() -> ServerTls {
    ServerTls::shared(&identity("cluster")).unwrap()
}

pub fn info() -> BasicInfo {
    BasicInfo::decode(&capture("basic_info.json")).unwrap()
}

/// As a real node of 3.9.1 would dial.
pub fn target(port: u16) -> Target {
    Target {
        control_plane: HostPort { host: "127.0.0.1".into(), port },
        tls: client_tls(),
        node_id: "a95a926f-a332-45a2-a770-d5ce911af874".into(),
        hostname: "vm".into(),
        version: "3.9.1".into(),
        introduction: info().encode().unwrap().into(),
        payload_max: PAYLOAD_MAX_DEFAULT,
        proxy: None,
        acknowledges: Acknowledges::OnReceipt,
    }
}

pub fn offer(payload: Bytes) -> Offer {
    let message = gzip::inflate(&payload).unwrap();
    let hash = Reconfigure::read(message.into()).unwrap().unwrap().hash;
    Offer { hash, payload, plugins: Arc::new(["key-auth".to_owned(), "rate-limiting".to_owned()]) }
}

/// Offers what a test puts on it, and remembers whom it saw.
pub struct Shelf {
    version: Option<KongVersion>,
    offer: Mutex<Option<Offer>>,
    changes: watch::Sender<u64>,
    pub seen: watch::Sender<Vec<DataPlane>>,
    pub gone: watch::Sender<Vec<DataPlane>>,
}

impl Shelf {
    pub fn new(version: &str, offer: Option<Offer>) -> Arc<Self> {
        Arc::new(Self {
            version: KongVersion::parse(version),
            offer: Mutex::new(offer),
            changes: watch::channel(0).0,
            seen: watch::channel(Vec::new()).0,
            gone: watch::channel(Vec::new()).0,
        })
    }

    pub fn put(&self, offer: Offer) {
        *self.offer.lock().unwrap() = Some(offer);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Waits until a data plane was seen so.
    pub async fn until(&self, wanted: impl Fn(&DataPlane) -> bool) -> DataPlane {
        let mut seen = self.seen.subscribe();
        let found = seen.wait_for(|seen| seen.iter().any(&wanted));
        let all = tokio::time::timeout(PATIENCE, found).await.expect("it is seen in time").unwrap().clone();
        all.into_iter().find(wanted).unwrap()
    }

    pub async fn until_gone(&self, count: usize) {
        let mut gone = self.gone.subscribe();
        let all_gone = gone.wait_for(|gone| gone.len() >= count);
        tokio::time::timeout(PATIENCE, all_gone).await.expect("they go in time").unwrap();
    }
}

impl Offers for Shelf {
    fn version(&self) -> Option<KongVersion> {
        self.version.clone()
    }

    fn offer(&self) -> Option<Offer> {
        self.offer.lock().unwrap().clone()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn seen(&self, data_plane: &DataPlane) {
        self.seen.send_modify(|seen| seen.push(data_plane.clone()));
    }

    fn gone(&self, data_plane: &DataPlane) {
        self.gone.send_modify(|gone| gone.push(data_plane.clone()));
    }
}

/// Our server, until it is dropped.
pub struct Running {
    pub port: u16,
    task: JoinHandle<()>,
}

impl Running {
    pub async fn with(offers: &Arc<impl Offers + 'static>, limits: Limits) -> Self {
        Self::at(0, offers, limits).await
    }

    pub async fn at(port: u16, offers: &Arc<impl Offers + 'static>, limits: Limits) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let offers: Arc<dyn Offers> = offers.clone();
        Self { port, task: tokio::spawn(serve(listener, server_tls(), offers, limits, std::future::pending())) }
    }

    /// A bare TLS connection of a client with the cluster's certificate.
    pub async fn tls(&self) -> client::TlsStream<TcpStream> {
        let tcp = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let name = ServerName::try_from("kong_clustering").unwrap();
        TlsConnector::from(client_tls().config()).connect(name, tcp).await.unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A port on which one connection is accepted, for a test to play the control plane by hand.
pub async fn stage() -> (u16, impl Future<Output = server::TlsStream<TcpStream>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepting = async move {
        let (tcp, _) = listener.accept().await.unwrap();
        TlsAcceptor::from(server_tls().config()).accept(tcp).await.unwrap()
    };
    (port, accepting)
}
