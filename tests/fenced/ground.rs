//! What the exporters stand on: one real storage on loopback, embedded or SeaweedFS, a folder, the control plane's documents, and eyes of
//! our own on what is stored. Knows no exporter's state and judges nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use holdover_drill::control_plane::HttpControlPlane;
use holdover_drill::fixture;
use holdover_drill::store::{AccessKey, Store, StoreOptions};
use holdover_plugin::snapshot::head::{HEAD_BYTES_MAX, Head};
use holdover_plugin::snapshot::lease::{LEASE_BYTES_MAX, Lease};
use holdover_plugin::snapshot::{Trust, keys};
use holdover_ports::{StorageFailureKind, StorageRead};
use holdover_storage::{Environment, StorageUrl};
use holdover_tests::third_party::{Identity, SeaweedFs};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::exporter::ExporterSpec;

pub const PREFIX: &str = "prod";
pub const CLUSTER: &str = "fenced";
pub const VERSION: &str = "3.9.1";
pub const LEASE_RENEW: Duration = Duration::from_millis(200);
pub const LEASE_EXPIRE: Duration = Duration::from_millis(1000);
/// What a process may take on a busy machine.
pub const BOUND: Duration = Duration::from_secs(60);

const EMBEDDED_BUCKET: &str = "holdover-fenced";
const KEY: (&str, &str) = ("fenced-exporter", "fenced-exporter-secret");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    Embedded,
    SeaweedFs,
}

pub struct Ground {
    server: Server,
    folder: TempDir,
}

enum Server {
    Embedded(Arc<Store>),
    SeaweedFs(SeaweedFs),
}

/// Reads what is stored under one prefix.
#[derive(Clone)]
pub struct Eyes {
    sight: Sight,
    /// How long to wait between two looks.
    pub look_every: Duration,
}

#[derive(Clone)]
enum Sight {
    /// Behind the server's back: no request, no fault.
    Behind {
        store: Arc<Store>,
        prefix: String,
    },
    Through(Arc<dyn StorageRead>),
}

impl Ground {
    pub async fn new(kind: StoreKind) -> anyhow::Result<Self> {
        let server = match kind {
            StoreKind::Embedded => {
                let keys = vec![AccessKey::read_write(KEY.0, KEY.1)];
                Server::Embedded(Arc::new(Store::start(StoreOptions { bucket: EMBEDDED_BUCKET.to_owned(), keys }).await?))
            }
            StoreKind::SeaweedFs => {
                let identity = Identity { access_key: KEY.0.into(), secret_key: KEY.1.into(), may_write: true };
                Server::SeaweedFs(SeaweedFs::start(&[identity]).await)
            }
        };
        let folder = tempfile::Builder::new().prefix("holdover-fenced-").tempdir()?;
        Ok(Self { server, folder })
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// For faults, and to see what was asked. `None`: it is somebody else's server.
    pub fn embedded(&self) -> Option<&Store> {
        match &self.server {
            Server::Embedded(store) => Some(store),
            Server::SeaweedFs(_) => None,
        }
    }

    pub fn storage(&self, prefix: &str) -> String {
        let bucket = match &self.server {
            Server::Embedded(_) => EMBEDDED_BUCKET,
            Server::SeaweedFs(_) => SeaweedFs::BUCKET,
        };
        format!("s3://{bucket}/{prefix}")
    }

    /// An exporter that follows this control plane, with a lease so short that tests need not wait for it.
    pub fn exporter(&self, name: &str, control_plane: &HttpControlPlane, storage: &str) -> anyhow::Result<ExporterSpec> {
        let millis = |duration: Duration| format!("{}ms", duration.as_millis());
        Ok(self
            .lone_exporter(name, control_plane, storage)?
            .set("holdover_lease_renew", millis(LEASE_RENEW))
            .set("holdover_lease_expire", millis(LEASE_EXPIRE)))
    }

    /// The same without a word on leases.
    pub fn lone_exporter(&self, name: &str, control_plane: &HttpControlPlane, storage: &str) -> anyhow::Result<ExporterSpec> {
        Ok(ExporterSpec::new(name, self.folder())?
            .set("holdover_cluster", CLUSTER)
            .set("holdover_gateway_version", VERSION)
            .set("holdover_control_plane", control_plane.url())
            .set("holdover_poll_interval", "100ms")
            .set("holdover_settle", "1s")
            .set("holdover_compiled_dir", compiled_folder()?.display())
            .set("cluster_fallback_config_export_delay", "100ms")
            .set("cluster_fallback_config_storage", storage)
            .env(&self.environment()))
    }

    pub fn environment(&self) -> [(String, String); 4] {
        let endpoint = match &self.server {
            Server::Embedded(store) => store.endpoint(),
            Server::SeaweedFs(seaweed) => seaweed.endpoint().to_owned(),
        };
        [
            ("AWS_CONFIG_STORAGE_ENDPOINT", endpoint.as_str()),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", KEY.0),
            ("AWS_SECRET_ACCESS_KEY", KEY.1),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
    }

    pub async fn eyes(&self, prefix: &str) -> anyhow::Result<Eyes> {
        match &self.server {
            Server::Embedded(store) => {
                let sight = Sight::Behind { store: store.clone(), prefix: prefix.to_owned() };
                Ok(Eyes { sight, look_every: Duration::from_millis(1) })
            }
            Server::SeaweedFs(_) => {
                let url = StorageUrl::parse(&self.storage(prefix)).map_err(anyhow::Error::msg)?;
                let environment: Environment = self.environment().into_iter().collect();
                let reader = holdover_storage::open_reader(&url, &environment).await.map_err(anyhow::Error::msg)?;
                Ok(Eyes { sight: Sight::Through(reader), look_every: Duration::from_millis(20) })
            }
        }
    }

    /// A command of ours at this storage, by an operator. Returns whether it ended with 0, and what it said.
    pub async fn command(&self, arguments: &[&str]) -> anyhow::Result<(bool, String)> {
        let mut command = Command::new(binary());
        command.args(arguments).env_clear().env("HOME", self.folder()).env("AWS_EC2_METADATA_DISABLED", "true").envs(self.environment());
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
        Ok((output.status.success(), said))
    }
}

impl Eyes {
    /// `None`: there is none. `Err`: it could not be looked at.
    pub async fn object(&self, key: &str, bytes_max: u64) -> anyhow::Result<Option<Bytes>> {
        match &self.sight {
            Sight::Behind { store, prefix } => Ok(store.get(&format!("{prefix}/{key}"))),
            Sight::Through(reader) => match reader.get(key, bytes_max).await {
                Ok(fetched) => Ok(Some(fetched.bytes)),
                Err(failure) if failure.kind == StorageFailureKind::Absent => Ok(None),
                Err(failure) => Err(anyhow::anyhow!(failure.detail)),
            },
        }
    }

    pub async fn head(&self) -> anyhow::Result<Option<Head>> {
        let file = self.object(keys::HEAD, HEAD_BYTES_MAX).await?;
        file.map(|file| Head::read(&file, &Trust::unasked()).context("a head that cannot be read")).transpose()
    }

    /// Who leads, if somebody does.
    pub async fn leader(&self) -> anyhow::Result<Option<String>> {
        let file = self.object(keys::LEASE, LEASE_BYTES_MAX).await?;
        let lease = file.map(|file| Lease::read(&file, &Trust::unasked()).context("a lease that cannot be read")).transpose()?;
        Ok(lease.filter(|lease| !lease.released).map(|lease| lease.holder))
    }
}

/// A Kong document that differs from every other number's.
pub fn document(number: u64) -> Vec<u8> {
    numbered(10, number).to_string().into_bytes()
}

/// So many routes, and the number.
pub fn numbered(routes: usize, number: u64) -> Value {
    // Nobody is asked there: these exporters carry no traffic.
    let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
    let mut document: Value = serde_json::from_slice(&fixture::kong_document(routes, upstream)).unwrap_or_default();
    document["services"][0]["tags"] = json!([format!("document-{number}")]);
    document
}

/// Beside the test in `target/<profile>/deps`, or beside our own binary in `target/<profile>`.
pub fn binary() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    let folder = own.parent().map(|folder| if folder.ends_with("deps") { folder.join("..") } else { folder.to_owned() });
    let binary = folder.unwrap_or_default().join("holdover");
    assert!(binary.is_file(), "there is no {}; run: cargo build -p holdover-cli", binary.display());
    binary
}

/// The policy's native code as an image would hold it, so that a process starts in milliseconds. Made once.
fn compiled_folder() -> anyhow::Result<PathBuf> {
    static MADE: Mutex<Option<PathBuf>> = Mutex::new(None);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(folder) = &*made {
        return Ok(folder.clone());
    }
    let folder = binary().with_file_name("fenced-native");
    let ended = Command::new(binary()).args(["policy", "precompile", "--out"]).arg(&folder).output()?;
    anyhow::ensure!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    *made = Some(folder.clone());
    Ok(folder)
}
