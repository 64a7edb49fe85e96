//! A cluster of real processes on loopback: the binary beside the test, an S3 server and an upstream in the test's own process.
//!
//! Knows how its nodes are set up and how to ask them; knows no story.

// Support of tests: what cannot be set up stops the test, with a sentence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use holdover_drill::control_plane::HttpControlPlane;
use holdover_drill::process::{Node, NodeSpec};
use holdover_drill::store::{AccessKey, Store, StoreOptions};
use holdover_drill::upstream::Upstream;
use holdover_drill::{Expectation, SELDOM, fixture, until};
use holdover_plugin::model::Digest;
use holdover_plugin::snapshot::head::{Entry, Head};
use holdover_plugin::snapshot::{Trust, keys};
use holdover_ports::{PutNew, Swap};
use holdover_storage::{Environment, Opened, PutConfig, StorageUrl};
use serde_json::Value;
use tempfile::TempDir;

pub const BUCKET: &str = "holdover-site";
pub const PREFIX: &str = "prod";
pub const CLUSTER: &str = "site";
pub const VERSION: &str = "3.9.1";
/// What a process may take on a busy machine.
pub const BOUND: Duration = Duration::from_secs(60);

const EXPORTER: (&str, &str) = ("site-exporter", "site-exporter-secret");
const IMPORTER: (&str, &str) = ("site-importer", "site-importer-secret");
/// May GET, and nothing else: no list, no HEAD.
pub const GETTER: (&str, &str) = ("site-getter", "site-getter-secret");
const OBJECT_BYTES_MAX: u64 = 64 * 1024 * 1024;

pub struct Site {
    pub store: Store,
    pub upstream: Upstream,
    folder: TempDir,
}

impl Site {
    pub async fn start() -> Self {
        let keys = vec![
            AccessKey::read_write(EXPORTER.0, EXPORTER.1),
            AccessKey::read_only(IMPORTER.0, IMPORTER.1),
            AccessKey::only_gets(GETTER.0, GETTER.1),
        ];
        let store = Store::start(StoreOptions { bucket: BUCKET.to_owned(), keys }).await.unwrap();
        let folder = tempfile::Builder::new().prefix("holdover-site-").tempdir().unwrap();
        Self { store, upstream: Upstream::start("site").await.unwrap(), folder }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Twenty routes to the upstream.
    pub fn document(&self) -> Vec<u8> {
        fixture::kong_document(20, self.upstream.address())
    }

    /// One route more: [`fixture::ADDED_PATH`].
    pub fn document_changed(&self) -> Vec<u8> {
        fixture::kong_document_changed(20, self.upstream.address())
    }

    /// The right answers of both documents.
    pub fn expectations(&self) -> Vec<Expectation> {
        let right = |n| Expectation { path: fixture::path(n), body: self.upstream.body_for(&fixture::upstream_path(n)) };
        (0..20).map(right).collect()
    }

    /// A backup node that carries no traffic.
    pub fn backup_node(&self, name: &str, control_plane: &HttpControlPlane) -> NodeSpec {
        self.exporter(name, control_plane).set("holdover_gateway", "none")
    }

    /// Publishes at most once a second, with the key that may write.
    pub fn exporter(&self, name: &str, control_plane: &HttpControlPlane) -> NodeSpec {
        self.node(name, control_plane, EXPORTER)
            .set("cluster_fallback_config_export", "on")
            .set("cluster_fallback_config_export_delay", "1")
    }

    /// May start from the storage, with the key that only reads.
    pub fn importer(&self, name: &str, control_plane: &HttpControlPlane) -> NodeSpec {
        self.node(name, control_plane, IMPORTER).set("cluster_fallback_config_import", "on")
    }

    fn node(&self, name: &str, control_plane: &HttpControlPlane, key: (&str, &str)) -> NodeSpec {
        let spec = NodeSpec::new(binary(), name, self.folder())
            .unwrap()
            .set("role", "data_plane")
            .set("holdover_cluster", CLUSTER)
            .set("holdover_gateway_version", VERSION)
            .set("holdover_control_plane", control_plane.url())
            .set("holdover_poll_interval", "200ms")
            .set("holdover_settle", "1s")
            .set("holdover_compiled_dir", compiled_folder().display())
            .set("cluster_fallback_config_storage", self.storage());
        self.environment(key).into_iter().fold(spec, |spec, (name, value)| spec.env(&name, value))
    }

    pub fn storage(&self) -> String {
        self.storage_at(PREFIX)
    }

    /// Another prefix of the same store is another storage.
    pub fn storage_at(&self, prefix: &str) -> String {
        format!("s3://{BUCKET}/{prefix}")
    }

    /// Waits until the head names this configuration for this version.
    pub async fn published(&self, exporter: &mut Node, document: &[u8]) -> Entry {
        let digest = Digest::of(document);
        let published = until(BOUND, SELDOM, "the publication", async || {
            exporter.still_runs()?;
            let newest = self.head().and_then(|head| head.newest(&VERSION.parse().unwrap()).cloned());
            Ok(newest.filter(|entry| entry.shown.as_ref().is_some_and(|shown| shown.digest == digest)))
        });
        let published = published.await;
        published.unwrap_or_else(|failure| panic!("{failure:#}; it said:\n{}", exporter.log()))
    }

    /// Waits until the head under this prefix gives so many generations; what encryption hides is not asked for.
    pub async fn generation(&self, exporter: &mut Node, prefix: &str, nth: u64) -> Entry {
        let what = format!("generation {nth} under {prefix}");
        let published = until(BOUND, SELDOM, &what, async || {
            exporter.still_runs()?;
            let newest = self.head_at(prefix).and_then(|head| head.newest(&VERSION.parse().unwrap()).cloned());
            Ok(newest.filter(|entry| entry.generation.0 == nth))
        });
        let published = published.await;
        published.unwrap_or_else(|failure| panic!("{failure:#}; the {} said:\n{}", exporter.name(), exporter.log()))
    }

    pub fn head(&self) -> Option<Head> {
        self.head_at(PREFIX)
    }

    pub fn head_at(&self, prefix: &str) -> Option<Head> {
        let bytes = self.store.get(&format!("{prefix}/{}", keys::HEAD));
        bytes.map(|bytes| Head::read(&bytes, &Trust::unasked()).unwrap())
    }

    /// What is stored under a key within the prefix.
    pub fn object(&self, key: &str) -> Option<Bytes> {
        self.store.get(&format!("{PREFIX}/{key}"))
    }

    /// Writes over what is there, as somebody with the exporter's key could.
    pub async fn overwrite(&self, key: &str, bytes: impl Into<Bytes>) {
        self.overwrite_at(PREFIX, key, bytes).await;
    }

    pub async fn overwrite_at(&self, prefix: &str, key: &str, bytes: impl Into<Bytes>) {
        let url = StorageUrl::parse(&self.storage_at(prefix)).unwrap();
        let environment: Environment = self.environment(EXPORTER).into_iter().collect();
        let Opened { reader, writer, .. } = holdover_storage::open(&url, &environment, PutConfig::default()).await.unwrap();
        match self.store.get(&format!("{prefix}/{key}")) {
            None => assert_eq!(writer.put_new(key, bytes.into()).await.unwrap(), PutNew::Created),
            Some(_) => {
                let mark = reader.get(key, OBJECT_BYTES_MAX).await.unwrap().etag;
                assert!(matches!(writer.swap(key, mark.as_ref(), bytes.into()).await.unwrap(), Swap::Swapped));
            }
        }
    }

    /// Every object under one prefix, over what stands under another.
    pub async fn copy(&self, from: &str, to: &str) {
        for key in self.store.keys() {
            if let Some(key) = key.strip_prefix(&format!("{from}/")) {
                let bytes = self.store.get(&format!("{from}/{key}")).unwrap();
                self.overwrite_at(to, key, bytes).await;
            }
        }
    }

    fn environment(&self, (access_key, secret_key): (&str, &str)) -> [(String, String); 4] {
        [
            ("AWS_CONFIG_STORAGE_ENDPOINT", self.store.endpoint().as_str()),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", access_key),
            ("AWS_SECRET_ACCESS_KEY", secret_key),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
    }
}

/// A control plane that refuses connections until it is restarted.
pub async fn away(document: impl Into<Bytes>) -> HttpControlPlane {
    let mut control_plane = HttpControlPlane::start(document).await.unwrap();
    control_plane.stop().await.unwrap();
    control_plane
}

/// Waits for a line of the log that has all of these parts.
pub async fn says(node: &mut Node, parts: &[&str]) -> String {
    let what = format!("a line with {parts:?}");
    let said = until(BOUND, SELDOM, &what, async || {
        node.still_runs()?;
        let log = node.log();
        let line = log.lines().find(|line| parts.iter().all(|part| line.contains(part)));
        Ok(line.map(str::to_owned))
    });
    let said = said.await;
    said.unwrap_or_else(|failure| panic!("{failure:#}; the {} said:\n{}", node.name(), node.log()))
}

/// Waits for an event on the node's `/why` page: by its name, and the value of one of its fields.
pub async fn event(node: &mut Node, name: &str, field: (&str, &str)) -> Value {
    let what = format!("the event {name} with {field:?}");
    let seen = until(BOUND, SELDOM, &what, async || {
        node.still_runs()?;
        let Ok(page) = node.status_page("/why").await else { return Ok(None) };
        let why: Value = serde_json::from_slice(&page.body)?;
        let recent = why["recent"].as_array().into_iter().flatten();
        Ok(recent.rev().find(|event| event["name"] == name && event["fields"][field.0] == field.1).cloned())
    });
    let seen = seen.await;
    seen.unwrap_or_else(|failure| panic!("{failure:#}; the {} said:\n{}", node.name(), node.log()))
}

/// How often `/metrics` counts an event.
pub async fn counted(node: &Node, name: &str) -> u64 {
    let page = node.status_page("/metrics").await.unwrap();
    let text = String::from_utf8(page.body.into()).unwrap();
    let line = format!("holdover_events_total{{name=\"{name}\"}} ");
    text.lines().find_map(|said| said.strip_prefix(&line)).unwrap_or_else(|| panic!("no {line}in {text}")).parse().unwrap()
}

/// The sentences of `/why`.
pub async fn why(node: &Node) -> Vec<String> {
    let page = node.status_page("/why").await.unwrap();
    let why: Value = serde_json::from_slice(&page.body).unwrap();
    why["sentences"].as_array().unwrap().iter().map(|sentence| sentence.as_str().unwrap().to_owned()).collect()
}

/// `target/<profile>/deps/<test>` runs; the binary is two floors up.
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let binary = test.parent().and_then(Path::parent).unwrap().join("holdover");
    let profile = if cfg!(debug_assertions) { "" } else { " --release" };
    assert!(binary.is_file(), "there is no {}; run: cargo build{profile} -p holdover-cli", binary.display());
    binary
}

pub fn target() -> PathBuf {
    binary().parent().and_then(Path::parent).unwrap().to_path_buf()
}

/// The policy's native code as an image would hold it, made once per test process: a node then starts in milliseconds.
pub fn compiled_folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = target().join("tmp/site-native");
        let made = Command::new(binary()).args(["policy", "precompile", "--out"]).arg(&folder).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        folder
    })
}
