//! What the stories stand on: a store, an upstream, and nodes of ours that follow a management server. Knows no story.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use holdover_drill::process::{Node, NodeSpec, free_address};
use holdover_drill::store::{AccessKey, Store, StoreOptions};
use holdover_drill::upstream::Upstream;
use holdover_drill::{OFTEN, SELDOM, get, until};
use holdover_plugin::snapshot::head::Head;
use holdover_plugin::snapshot::{Trust, keys};
use holdover_tests::site::{BOUND, binary, compiled_folder};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::envoy::Protocol;
use crate::resources::{Resources, of_envoy};

/// `node.cluster` of the Envoys, and of the nodes that stand in for them.
pub const GROUP: &str = "edge";

/// What a backup node says of itself besides.
pub const DESCRIPTION: &str = r#"{"locality": {"zone": "z1"}, "metadata": {"CLUSTER_ID": "main", "NESTED": {"deep": [1.5, true]}}}"#;

const BUCKET: &str = "holdover-xds";
const PREFIX: &str = "prod";
const CLUSTER: &str = "drill";
/// A key that may write.
pub const EXPORTER: (&str, &str) = ("xds-exporter", "xds-exporter-secret");
/// A key that only reads.
pub const IMPORTER: (&str, &str) = ("xds-importer", "xds-importer-secret");
const VERDICT_BOUND: Duration = Duration::from_secs(2);

pub struct Ground {
    pub store: Store,
    pub upstream: Upstream,
    folder: TempDir,
}

/// Where a node beside an Envoy is found.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub ads: SocketAddr,
    pub status: SocketAddr,
}

/// A node beside an Envoy: its failover server.
pub struct Failover {
    pub node: Node,
    pub place: Place,
}

impl Ground {
    pub async fn start() -> Self {
        let keys = vec![AccessKey::read_write(EXPORTER.0, EXPORTER.1), AccessKey::read_only(IMPORTER.0, IMPORTER.1)];
        let store = Store::start(StoreOptions { bucket: BUCKET.to_owned(), keys }).await.unwrap();
        let folder = tempfile::Builder::new().prefix("holdover-xds-").tempdir().unwrap();
        Self { store, upstream: Upstream::start("upstream").await.unwrap(), folder }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Of Envoy, with this ground's upstream behind it.
    pub fn resources(&self, generation: u32) -> Resources {
        of_envoy(generation, self.upstream.address())
    }

    /// A backup node that follows this control plane until it has published something, and ends.
    pub async fn publish(&self, control_plane: SocketAddr, protocol: Protocol) {
        let spec = self.backup_node("exporter", control_plane, protocol);
        let mut exporter = Node::spawn(&spec).unwrap();
        self.published(&mut exporter, 1).await;
        assert!(exporter.terminate(BOUND).await.unwrap().success());
    }

    /// Publishes at most once a second, with the key that may write.
    pub fn backup_node(&self, name: &str, control_plane: SocketAddr, protocol: Protocol) -> NodeSpec {
        let place = Place::free();
        self.node(name, place, control_plane, protocol, EXPORTER)
            .set("cluster_fallback_config_export", "on")
            .set("cluster_fallback_config_export_delay", "1")
            .set("holdover_node_description", DESCRIPTION)
            .set("proxy_listen", "off")
    }

    /// A node without a past, beside an Envoy. It gives up a silent control plane after a second.
    pub fn failover(&self, name: &str, place: Place, control_plane: SocketAddr, protocol: Protocol) -> Failover {
        let spec = self.node(name, place, control_plane, protocol, IMPORTER);
        let spec = spec.set("cluster_fallback_config_import", "on").set("holdover_gateway", "envoy");
        let spec = spec.set("holdover_ads_listen", place.ads).set("holdover_give_up", "1s");
        Failover { node: Node::spawn(&spec).unwrap(), place }
    }

    fn node(&self, name: &str, place: Place, control_plane: SocketAddr, protocol: Protocol, key: (&str, &str)) -> NodeSpec {
        let spec = NodeSpec::new(binary(), name, self.folder())
            .unwrap()
            .set("role", "data_plane")
            .set("holdover_cluster", CLUSTER)
            .set("holdover_node_group", GROUP)
            .set("holdover_format", "xds")
            .set("holdover_control_plane", format!("xds+http://{control_plane}"))
            .set("holdover_xds_protocol", protocol.as_str())
            .set("holdover_settle", "1s")
            .set("holdover_status_listen", place.status)
            .set("holdover_compiled_dir", compiled_folder().display())
            .set("cluster_fallback_config_storage", self.storage());
        self.credentials(key).into_iter().fold(spec, |spec, (name, value)| spec.env(name, value))
    }

    pub fn storage(&self) -> String {
        format!("s3://{BUCKET}/{PREFIX}")
    }

    /// How whoever has this key asks the store.
    pub fn credentials(&self, (access_key, secret_key): (&str, &str)) -> [(&'static str, String); 4] {
        [
            ("AWS_CONFIG_STORAGE_ENDPOINT", self.store.endpoint()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", access_key.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", secret_key.to_owned()),
        ]
    }

    /// How many generations were published.
    pub fn generations(&self) -> u64 {
        let head = self.store.get(&format!("{PREFIX}/{}", keys::HEAD));
        head.map_or(0, |bytes| Head::read(&bytes, &Trust::unasked()).unwrap().generation.0)
    }

    /// Waits until the head gives so many generations.
    pub async fn published(&self, exporter: &mut Node, nth: u64) {
        let what = format!("generation {nth}");
        let published = until(BOUND, SELDOM, &what, async || {
            exporter.still_runs()?;
            Ok((self.generations() >= nth).then_some(()))
        });
        let published = published.await;
        published.unwrap_or_else(|failure| panic!("{failure:#}; the {} said:\n{}", exporter.name(), exporter.log()));
    }
}

impl Place {
    pub fn free() -> Self {
        Self { ads: free_address().unwrap(), status: free_address().unwrap() }
    }
}

impl Failover {
    /// Waits until its verdict on the control plane is good; returns when that was.
    pub async fn finds_the_control_plane_healthy(&mut self) -> Instant {
        let found = until(BOUND, OFTEN, "a good verdict on the control plane", async || {
            self.node.still_runs()?;
            let verdict = get(self.place.status, "/cp/healthy", VERDICT_BOUND).await;
            Ok(verdict.is_ok_and(|answer| answer.status == 200).then(Instant::now))
        });
        let found = found.await;
        found.unwrap_or_else(|failure| panic!("{failure:#}; the {} said:\n{}", self.node.name(), self.node.log()))
    }

    pub async fn end(mut self) {
        let ended = self.node.terminate(BOUND).await.unwrap();
        assert!(ended.success(), "{ended}: {}", self.node.log());
    }
}
