//! An exporter as a real process: a folder for a storage, a file for a control plane, a lease of a second.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdover_drill::process::{Node, NodeSpec};
use holdover_drill::{SELDOM, until};
use holdover_plugin::model::Digest;
use holdover_plugin::snapshot::head::{Entry, Head, View};
use holdover_plugin::snapshot::lease::Lease;
use holdover_plugin::snapshot::orders::Orders;
use holdover_plugin::snapshot::{Trust, keys};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Ended, binary, ended, text};

pub const VERSION: &str = "3.9.1";
/// What a process may take on a busy machine.
pub const BOUND: Duration = Duration::from_secs(90);

pub struct Cluster {
    pub folder: TempDir,
    more: Vec<(String, String)>,
}

impl Cluster {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("holdover-orders-").tempdir().unwrap();
        fs::create_dir(folder.path().join("storage")).unwrap();
        Self { folder, more: Vec::new() }
    }

    /// One setting more, for the exporters and for every command.
    pub fn set(mut self, name: &str, value: impl ToString) -> Self {
        self.more.push((name.to_owned(), value.to_string()));
        self
    }

    pub fn storage(&self) -> String {
        format!("file://{}", self.path("storage").display())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// So many routes, whole or not at all.
    pub fn delivers(&self, routes: usize) -> Digest {
        let bytes = document(routes);
        fs::write(self.path("delivered.new"), &bytes).unwrap();
        fs::rename(self.path("delivered.new"), self.path("delivered.json")).unwrap();
        Digest::of(&bytes)
    }

    fn settings(&self) -> Vec<(String, String)> {
        let own = [
            ("role", "data_plane".to_owned()),
            ("holdover_gateway", "none".to_owned()),
            ("holdover_gateway_version", VERSION.to_owned()),
            ("holdover_control_plane", format!("file://{}", self.path("delivered.json").display())),
            ("cluster_fallback_config_export", "on".to_owned()),
            ("cluster_fallback_config_export_delay", "0".to_owned()),
            ("cluster_fallback_config_storage", self.storage()),
            ("holdover_lease_renew", "200ms".to_owned()),
            ("holdover_lease_expire", "1s".to_owned()),
            ("holdover_compiled_dir", compiled_folder().display().to_string()),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value)).into_iter();
        let own = own.filter(|(name, _)| self.more.iter().all(|(more, _)| more != name));
        own.chain(self.more.clone()).collect()
    }

    pub fn exporter(&self, name: &str) -> Node {
        let spec = NodeSpec::new(binary(), name, self.folder.path()).unwrap();
        let spec = self.settings().into_iter().fold(spec, |spec, (name, value)| spec.set(&name, value));
        Node::spawn(&spec).unwrap()
    }

    /// The settings of somebody who gives orders, or publishes; the status page is the exporter's, if one is named.
    pub fn config(&self, exporter: Option<&str>) -> String {
        let mut lines: Vec<String> = self.settings().iter().map(|(name, value)| format!("{name} = {value}")).collect();
        if let Some(exporter) = exporter {
            let of_node = fs::read_to_string(self.path(exporter).join("holdover.conf")).unwrap();
            lines.extend(of_node.lines().filter(|line| line.starts_with("holdover_status_listen")).map(str::to_owned));
        }
        lines.push(format!("holdover_cache_dir = {}", self.path("operators-cache").display()));
        let path = self.path("operator.conf");
        fs::write(&path, lines.join("\n")).unwrap();
        text(&path).to_owned()
    }

    /// With the cluster's settings.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.run_beside(None, arguments)
    }

    pub fn run_beside(&self, exporter: Option<&str>, arguments: &[&str]) -> Ended {
        let config = self.config(exporter);
        ended(arguments.iter().copied().chain(["--config", config.as_str()]))
    }

    pub fn head(&self) -> Option<Head> {
        let file = fs::read(self.path("storage").join(keys::HEAD)).ok()?;
        Some(Head::read(&file, &Trust::unasked()).unwrap())
    }

    pub fn view(&self) -> View {
        self.head().unwrap().view(&VERSION.parse().unwrap()).unwrap().clone()
    }

    pub fn orders(&self) -> Orders {
        Orders::read(&fs::read(self.path("storage").join(keys::ORDERS)).unwrap(), &Trust::unasked()).unwrap()
    }

    pub fn lease(&self) -> Lease {
        Lease::read(&fs::read(self.path("storage").join(keys::LEASE)).unwrap(), &Trust::unasked()).unwrap()
    }

    /// Waits until the newest generation is this configuration.
    pub async fn published(&self, exporter: &mut Node, digest: Digest) -> Entry {
        let published = until(BOUND, SELDOM, "the publication", async || {
            exporter.still_runs()?;
            let newest = self.head().and_then(|head| head.newest(&VERSION.parse().unwrap()).cloned());
            Ok(newest.filter(|entry| entry.shown.as_ref().is_some_and(|shown| shown.digest == digest)))
        });
        let published = published.await;
        published.unwrap_or_else(|failure| panic!("{failure:#}; it said:\n{}", exporter.log()))
    }

    /// Waits until the exporter's status page has this to say of its export.
    pub async fn says(&self, exporter: &mut Node, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let said = until(BOUND, SELDOM, what, async || {
            exporter.still_runs()?;
            let export = exporter.status().await.ok().map(|status| status["export"].clone());
            Ok(export.filter(&is_it))
        });
        let said = said.await;
        said.unwrap_or_else(|failure| panic!("{failure:#}; it said:\n{}", exporter.log()))
    }
}

pub fn document(routes: usize) -> Vec<u8> {
    let routes: Vec<Value> = (0..routes).map(|n| json!({"name": format!("route-{n}"), "paths": [format!("/{n}")]})).collect();
    let service = json!({"name": "a", "host": "127.0.0.1", "routes": routes});
    serde_json::to_vec(&json!({"_format_version": "3.0", "services": [service]})).unwrap()
}

/// The policy's native code, made by whoever comes first.
fn compiled_folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli-orders-native");
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).unwrap();
    folder
}
