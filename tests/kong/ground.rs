//! What the stories stand on: a cluster's certificate, a control plane as a process, and data planes that count what they are sent.

use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdover_drill::process::NodeSpec;
use holdover_drill::{SELDOM, until};
use holdover_hybrid::{
    Acknowledges, BasicInfo, ClientTls, Connection, Ended, Given, HostPort, Identity, NO_HASH, PAYLOAD_MAX_DEFAULT, Plugin, Received,
    Refusal, Target, bundled_plugins,
};
use holdover_tests::site::{BOUND, binary};
use holdover_tests::third_party::Tied;
use serde_json::Value;

/// `holdover control-plane` over one file. Ends, as if killed, when it is dropped.
pub struct ControlPlane {
    pub address: SocketAddr,
    config: PathBuf,
    folder: PathBuf,
    process: Option<Tied>,
}

impl ControlPlane {
    /// Serves this document, once it has said so.
    pub async fn start(folder: &Path, address: SocketAddr, document: &str) -> Self {
        let folder = folder.join("control-plane");
        fs::create_dir_all(&folder).unwrap();
        let config = folder.join("kong.yml");
        fs::write(&config, document).unwrap();
        let mut control_plane = Self { address, config, folder, process: None };
        control_plane.again().await;
        control_plane
    }

    pub fn kill(&mut self) {
        self.process = None;
    }

    /// At the same address, with the same file.
    pub async fn again(&mut self) {
        let (certificate, key) = pair();
        let arguments = [
            "control-plane".to_owned(),
            format!("--config={}", self.config.display()),
            format!("--listen={}", self.address),
            format!("--cert={}", certificate.display()),
            format!("--cert-key={}", key.display()),
        ];
        self.process = Some(Tied::start(&binary(), &arguments, &self.folder));
        self.says("control plane on").await;
    }

    /// As an editor that replaces the file.
    pub fn change(&self, document: &str) {
        let next = self.config.with_extension("next");
        fs::write(&next, document).unwrap();
        fs::rename(next, &self.config).unwrap();
    }

    pub async fn says(&self, part: &str) {
        let process = self.process.as_ref().expect("it runs");
        let said = until(BOUND, SELDOM, part, async || Ok(process.said().contains(part).then_some(()))).await;
        said.unwrap_or_else(|failure| panic!("{failure:#}; the control plane said:\n{}", process.said()));
    }
}

/// What every member of the cluster has.
pub fn pair() -> (PathBuf, PathBuf) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/hybrid/tests/fixtures");
    (folder.join("cluster.crt.pem"), folder.join("cluster.key.pem"))
}

/// A node that follows Kong's control plane there.
pub fn follows(spec: NodeSpec, address: SocketAddr) -> NodeSpec {
    let (certificate, key) = pair();
    spec.set("holdover_control_plane", format!("kong://{address}"))
        .set("cluster_cert", certificate.display())
        .set("cluster_cert_key", key.display())
}

/// The node of a fleet, with its stand-in there.
pub fn stands_in(spec: NodeSpec, address: SocketAddr, listen: SocketAddr) -> NodeSpec {
    follows(spec, address).set("holdover_gateway", "kong").set("holdover_stand_in_listen", listen)
}

/// A data plane: dials again and again as Kong's does, and notes every configuration that it is sent and does not run already.
pub struct DataPlane {
    target: Target,
    connection: Option<Connection>,
    pub running: String,
    pub reloads: Vec<Received>,
    /// Kong waits 5 to 10 s; no test waits for nothing.
    redial: Duration,
}

impl DataPlane {
    pub fn new(nth: u32, control_plane: SocketAddr) -> Self {
        let target = target(control_plane, format!("00000000-0000-4000-8000-{nth:012}"), "3.9.1", &[]);
        Self { target, connection: None, running: NO_HASH.to_owned(), reloads: Vec::new(), redial: Duration::from_millis(100) }
    }

    pub fn id(&self) -> &str {
        &self.target.node_id
    }

    /// Runs what it is sent until `is_there` holds.
    pub async fn until(&mut self, what: &str, mut is_there: impl FnMut(&Self) -> bool) {
        let waited = tokio::time::timeout(BOUND, async {
            while !is_there(self) {
                self.step().await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("{what}: the data plane runs {} after {} reloads", self.running, self.reloads.len()));
    }

    /// Runs what it is sent for this long.
    pub async fn for_a_while(&mut self, while_: Duration) {
        let _ = tokio::time::timeout(while_, async {
            loop {
                self.step().await;
            }
        })
        .await;
    }

    async fn step(&mut self) {
        let Some(connection) = &mut self.connection else {
            match Connection::open(&self.target, &self.running).await {
                Ok(connection) => self.connection = Some(connection),
                Err(_) => tokio::time::sleep(self.redial).await,
            }
            return;
        };
        match connection.next().await {
            Ok(received) if received.hash == self.running => {}
            Ok(received) => {
                connection.acknowledge(&received.hash);
                self.running.clone_from(&received.hash);
                self.reloads.push(received);
            }
            Err(_) => {
                self.connection = None;
                tokio::time::sleep(self.redial).await;
            }
        }
    }
}

/// One conversation, for the sake of how it ends.
pub async fn outcome(target: &Target) -> Result<Received, Result<Ended, Refusal>> {
    let mut connection = Connection::open(target, NO_HASH).await.map_err(Err)?;
    connection.next().await.map_err(Ok)
}

/// A data plane of the cluster with the bundled plugins and some more.
pub fn target(control_plane: SocketAddr, node_id: String, version: &str, custom: &[&str]) -> Target {
    let (certificate, key) = pair();
    let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
    let identity =
        Identity::read(Given { setting: "cluster_cert", value: &certificate }, Given { setting: "cluster_cert_key", value: &key });
    let plugins = bundled_plugins(9).into_iter().chain(custom.iter().copied()).map(Plugin::named).collect();
    Target {
        control_plane: HostPort::parse(&control_plane.to_string()).unwrap(),
        tls: ClientTls::shared(&identity.unwrap()).unwrap(),
        node_id,
        hostname: "data-plane".to_owned(),
        version: version.to_owned(),
        introduction: BasicInfo { plugins, ..BasicInfo::default() }.encode().unwrap().into(),
        payload_max: PAYLOAD_MAX_DEFAULT,
        proxy: None,
        acknowledges: Acknowledges::ByCaller,
    }
}

/// The row of a data plane on a node's status page.
pub fn row<'a>(status: &'a Value, data_plane: &DataPlane) -> &'a Value {
    let rows = status["gateway"]["data_planes"].as_array().unwrap_or_else(|| panic!("no data planes in {status}"));
    rows.iter().find(|row| row["id"] == data_plane.id()).unwrap_or(&Value::Null)
}

/// A message as a real Kong sent it, inflated.
pub fn captured(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/kong-captures/{name}.reconfigure.gz"));
    let mut message = Vec::new();
    flate2::read::GzDecoder::new(fs::File::open(path).unwrap()).read_to_end(&mut message).unwrap();
    serde_json::from_slice(&message).unwrap()
}
