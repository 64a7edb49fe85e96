//! The parts of a drill and how its nodes are set up: storage, upstream, control plane, documents. Decides nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use holdover_plugin::model::GatewayVersion;
use holdover_plugin::snapshot::head::{Entry, HEAD_BYTES_MAX, Head};
use holdover_plugin::snapshot::{self, FILE_BYTES_MAX, Trust, keys};
use holdover_ports::{StorageFailureKind, StorageRead};
use holdover_storage::{Environment, StorageUrl};
use tokio::process::Command;

use crate::fixture;
use crate::hybrid::{HybridControlPlane, PAYLOAD_BYTES_MAX};
use crate::load::Expectation;
use crate::message;
use crate::options::{DrillOptions, ExternalStorage, KeyPair, StorageChoice};
use crate::process::NodeSpec;
use crate::store::{AccessKey, Store, StoreOptions};
use crate::upstream::Upstream;

const BUCKET: &str = "holdover-drill";
const PREFIX: &str = "prod";
pub(crate) const GATEWAY_VERSION: &str = "3.9.1";
const CLUSTER: &str = "drill";

pub(crate) struct Parts {
    pub storage: DrillStorage,
    pub upstream: Upstream,
    pub control_plane: HybridControlPlane,
    pub documents: Documents,
    /// The bound of every wait that a node's work decides.
    pub patience: Duration,
    exe: PathBuf,
    folder: PathBuf,
}

/// What the control plane says, before and after the outage.
pub(crate) struct Documents {
    pub first: Bytes,
    pub changed: Bytes,
    /// Kong's `plugins`: what a data plane must have to be sent them.
    plugins: String,
    routes: usize,
}

pub(crate) struct DrillStorage {
    embedded: Option<Store>,
    access: ExternalStorage,
    /// The drill's own eyes, with the exporter's key.
    reader: Arc<dyn StorageRead>,
    version: GatewayVersion,
}

/// A request that the embedded store saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub method: String,
    /// Within the bucket.
    pub key: String,
}

impl Parts {
    pub async fn start(options: &DrillOptions, folder: &Path) -> anyhow::Result<Self> {
        let upstream = Upstream::start("drill").await?;
        let documents = Documents::make(options, &upstream)?;
        let (exe, folder, patience) = (options.exe.clone(), folder.to_owned(), options.patience());
        let mut control_plane = HybridControlPlane::prepare(&exe, &folder)?;
        control_plane.serve(&documents.first, patience).await?;
        let storage = DrillStorage::open(&options.storage).await?;
        Ok(Self { storage, upstream, control_plane, documents, patience, exe, folder })
    }

    pub fn backup_node(&self) -> anyhow::Result<NodeSpec> {
        let spec = self.node("backup-node", &self.storage.access.exporter)?;
        Ok(spec
            .set("cluster_fallback_config_export", "on")
            .set("cluster_fallback_config_export_delay", "1")
            .set("holdover_gateway", "none"))
    }

    /// A data plane that may start from the storage and cannot write it.
    pub fn new_node(&self, name: &str) -> anyhow::Result<NodeSpec> {
        let spec = self.node(name, &self.storage.access.importer)?;
        spec.set("cluster_fallback_config_import", "on").with_builtin_gateway()
    }

    /// One request per route, each with the only right answer.
    pub fn expectations(&self) -> Vec<Expectation> {
        let right = |n| Expectation { path: fixture::path(n), body: self.upstream.body_for(&fixture::upstream_path(n)) };
        (0..self.documents.routes).map(right).collect()
    }

    /// The same for the route that only the changed document has.
    pub fn added(&self) -> Expectation {
        let body = self.upstream.body_for(fixture::ADDED_UPSTREAM_PATH);
        Expectation { path: fixture::ADDED_PATH.to_owned(), body }
    }

    /// Where the nodes' image would hold the policy's native code.
    pub fn compiled_folder(&self) -> PathBuf {
        self.folder.join("compiled")
    }

    /// What an image's build would run.
    pub fn precompile(&self) -> Command {
        let mut command = Command::new(&self.exe);
        command.args(["policy", "precompile", "--out"]).arg(self.compiled_folder()).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    fn node(&self, name: &str, keys: &KeyPair) -> anyhow::Result<NodeSpec> {
        let cluster = self.control_plane.cluster();
        let spec = NodeSpec::new(&self.exe, name, &self.folder)?
            .set("role", "data_plane")
            .set("log_level", "info")
            .set("cluster_fallback_config_storage", self.storage.access.url())
            .set("holdover_cluster", CLUSTER)
            .set("holdover_format", "kong")
            .set("holdover_gateway_version", GATEWAY_VERSION)
            .set("cluster_control_plane", self.control_plane.address())
            .set("cluster_cert", cluster.certificate.display())
            .set("cluster_cert_key", cluster.key.display())
            .set("cluster_max_payload", PAYLOAD_BYTES_MAX)
            .set("plugins", &self.documents.plugins)
            .set("holdover_settle", "1s")
            .set("holdover_compiled_dir", self.compiled_folder().display());
        Ok(self.storage.access.environment(keys).into_iter().fold(spec, |spec, (name, value)| spec.env(&name, value)))
    }
}

impl Documents {
    fn make(options: &DrillOptions, upstream: &Upstream) -> anyhow::Result<Self> {
        let (routes, upstream) = (options.routes, upstream.address());
        let (first, changed, plugins) = match &options.document {
            Some(given) => {
                let first = fixture::kong_document_around(given, routes, upstream, false)?;
                let plugins = message::plugins(&first).context("the given configuration cannot be served by a hybrid control plane")?;
                (first, fixture::kong_document_around(given, routes, upstream, true)?, plugins)
            }
            None => (fixture::kong_document(routes, upstream), fixture::kong_document_changed(routes, upstream), BTreeSet::new()),
        };
        let plugins = ["bundled".to_owned()].into_iter().chain(plugins).collect::<Vec<_>>().join(",");
        Ok(Self { first: first.into(), changed: changed.into(), plugins, routes })
    }
}

impl DrillStorage {
    async fn open(choice: &StorageChoice) -> anyhow::Result<Self> {
        let (embedded, access) = match choice {
            StorageChoice::Embedded => {
                let (store, access) = embedded().await?;
                (Some(store), access)
            }
            StorageChoice::External(access) => (None, access.clone()),
        };
        let url = StorageUrl::parse(&access.url()).map_err(anyhow::Error::msg)?;
        let environment: Environment = access.environment(&access.exporter).into_iter().collect();
        let reader = holdover_storage::open_reader(&url, &environment).await.map_err(anyhow::Error::msg)?;
        let version = GATEWAY_VERSION.parse()?;
        Ok(Self { embedded, access, reader, version })
    }

    /// What the head names as the newest generation, if there is a head.
    pub async fn newest(&self) -> anyhow::Result<Option<Entry>> {
        let head = match self.reader.get(keys::HEAD, HEAD_BYTES_MAX).await {
            Ok(fetched) => {
                Head::read(&fetched.bytes, &Trust::unasked()).map_err(|refusal| anyhow::anyhow!("the published head is bad: {refusal}"))?
            }
            Err(failure) if failure.kind == StorageFailureKind::Absent => return Ok(None),
            Err(failure) => anyhow::bail!("the drill cannot read the head: {}", failure.detail),
        };
        Ok(head.newest(&self.version).cloned())
    }

    /// Fetches the snapshot that the head names and checks that it holds exactly what a control plane says with this document.
    /// Returns its size.
    pub async fn hold_against(&self, entry: &Entry, document: &Bytes) -> anyhow::Result<u64> {
        let fetched = self.reader.get(&entry.key, FILE_BYTES_MAX).await;
        let file = fetched.map_err(|failure| anyhow::anyhow!("the snapshot that the head names cannot be read: {}", failure.detail))?.bytes;
        let verified =
            snapshot::verify(&file, &Trust::unasked()).map_err(|refusal| anyhow::anyhow!("the published snapshot is bad: {refusal}"))?;
        let opened = verified.open(None).map_err(|refusal| anyhow::anyhow!("the published snapshot does not open: {refusal}"))?;
        let (published, document) = (opened.into_bytes(), document.clone());
        // A large one takes seconds, in which the load is to go on.
        let compared = tokio::task::spawn_blocking(move || message::ensure_says(&published, &document)).await?;
        compared.context("the published snapshot does not hold what the control plane said")?;
        Ok(file.len() as u64)
    }

    /// What the read-only key asked for so far; `None` when the storage is not ours to watch.
    pub fn seen_of_importers(&self) -> Option<Vec<Seen>> {
        let requests = self.embedded.as_ref()?.requests();
        let of_importers = requests.into_iter().filter(|request| request.access_key == self.access.importer.access_key);
        Some(of_importers.map(|request| Seen { method: request.method, key: request.key }).collect())
    }

    /// Within the bucket.
    pub fn key(&self, relative: &str) -> String {
        format!("{}/{relative}", self.access.prefix)
    }
}

impl ExternalStorage {
    fn url(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix)
    }

    fn environment(&self, keys: &KeyPair) -> Vec<(String, String)> {
        let variables = [
            ("AWS_CONFIG_STORAGE_ENDPOINT", &self.endpoint),
            ("AWS_ACCESS_KEY_ID", &keys.access_key),
            ("AWS_SECRET_ACCESS_KEY", &keys.secret_key),
        ];
        let region = ("AWS_REGION".to_owned(), "us-east-1".to_owned());
        variables.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).chain([region]).collect()
    }
}

/// The drill's own S3 server, with one key that writes and one that only reads. It lives and dies with the drill and listens on
/// loopback only, so its secrets need not be any.
async fn embedded() -> anyhow::Result<(Store, ExternalStorage)> {
    let exporter = KeyPair { access_key: "drill-exporter".to_owned(), secret_key: "drill-exporter-secret".to_owned() };
    let importer = KeyPair { access_key: "drill-importer".to_owned(), secret_key: "drill-importer-secret".to_owned() };
    let keys = vec![
        AccessKey::read_write(&exporter.access_key, &exporter.secret_key),
        AccessKey::read_only(&importer.access_key, &importer.secret_key),
    ];
    let store = Store::start(StoreOptions { bucket: BUCKET.to_owned(), keys }).await.context("the embedded store did not start")?;
    let access = ExternalStorage { endpoint: store.endpoint(), bucket: BUCKET.to_owned(), prefix: PREFIX.to_owned(), exporter, importer };
    Ok((store, access))
}
