//! `holdover run` as a child process: its settings, its secrets, its status page.
//!
//! A node gets exactly the settings and credentials it is given, and ends with its [`Node`]; `child.rs` sees to that. However it is
//! ended, what it wrote is held against the secrets it was given (all-04). Knows no story.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;

use crate::child::{Child, Secret, Start, write_private};
use crate::client::{Answer, get};
use crate::telling::tail;
use crate::wait::{OFTEN, until};

const STATUS_BOUND: Duration = Duration::from_secs(2);
const SECRET_NAMES: [&str; 4] =
    ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "holdover_control_plane_token", "holdover_control_plane_password"];
const KEY_FILES: [&str; 3] = ["holdover_signing_key", "holdover_identity", "cluster_cert_key"];

/// What a node is started with.
#[derive(Clone)]
pub struct NodeSpec {
    exe: PathBuf,
    name: String,
    folder: PathBuf,
    settings: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    secrets: Vec<Secret>,
    proxy: Option<SocketAddr>,
    status: SocketAddr,
}

/// A running `holdover run`.
pub struct Node {
    child: Child,
    proxy: Option<SocketAddr>,
    status: SocketAddr,
}

impl NodeSpec {
    /// A node that keeps its files in `<parent>/<name>`: settings, cache and log. Its status port is a free one.
    pub fn new(exe: impl Into<PathBuf>, name: &str, parent: &Path) -> anyhow::Result<Self> {
        let folder = parent.join(name);
        let status = free_address()?;
        let (settings, environment, secrets) = (Vec::new(), Vec::new(), Vec::new());
        let spec = Self { exe: exe.into(), name: name.to_owned(), settings, environment, secrets, proxy: None, status, folder };
        let cache = spec.cache_folder().display().to_string();
        Ok(spec.set("holdover_node_name", name).set("holdover_status_listen", status).set("holdover_cache_dir", cache))
    }

    /// One line of `holdover.conf`; the last of one name counts.
    pub fn set(mut self, name: &str, value: impl ToString) -> Self {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_string()));
        self
    }

    /// One variable of the child's environment.
    pub fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.environment.push((name.to_owned(), value.to_string()));
        self
    }

    /// What the node gets to know, in a configuration for example, and must never write. Its credentials and private keys are known.
    pub fn secret(mut self, what: &str, text: impl Into<String>) -> Self {
        self.secrets.push(Secret { what: what.to_owned(), text: text.into() });
        self
    }

    /// With the built-in gateway, on a free port.
    pub fn with_builtin_gateway(self) -> anyhow::Result<Self> {
        let proxy = free_address()?;
        let mut spec = self.set("holdover_gateway", "builtin").set("proxy_listen", proxy);
        spec.proxy = Some(proxy);
        Ok(spec)
    }

    /// Where the node keeps its cache.
    pub fn cache_folder(&self) -> PathBuf {
        self.folder.join("cache")
    }

    /// What was said to be secret, the secret halves of its credentials, and the lines of its private keys.
    fn all_secrets(&self) -> Vec<Secret> {
        let mut secrets = self.secrets.clone();
        let credentials = self.environment.iter().chain(&self.settings).filter(|(name, _)| SECRET_NAMES.contains(&name.as_str()));
        secrets.extend(credentials.map(|(name, value)| Secret { what: name.clone(), text: value.clone() }));
        let keys = self.settings.iter().filter(|(name, _)| KEY_FILES.contains(&name.as_str()));
        secrets.extend(keys.flat_map(|(name, path)| Secret::lines_of(name, Path::new(path))));
        secrets
    }

    fn settings_file(&self) -> String {
        self.settings.iter().fold(String::new(), |mut file, (name, value)| {
            // Writing to a String cannot fail.
            let _ = writeln!(file, "{name} = {value}");
            file
        })
    }
}

impl Node {
    pub fn spawn(spec: &NodeSpec) -> anyhow::Result<Self> {
        let folder = &spec.folder;
        fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let config = folder.join("holdover.conf");
        write_private(&config, spec.settings_file())?;
        let child = Child::spawn(Start {
            name: &spec.name,
            exe: &spec.exe,
            folder,
            arguments: vec!["run".into(), "--config".into(), config.into()],
            environment: &spec.environment,
            secrets: spec.all_secrets(),
        })?;
        Ok(Self { child, proxy: spec.proxy, status: spec.status })
    }

    pub fn name(&self) -> &str {
        self.child.name()
    }

    /// Since it was spawned.
    pub fn age(&self) -> Duration {
        self.child.age()
    }

    /// Where its built-in gateway listens.
    pub fn proxy(&self) -> anyhow::Result<SocketAddr> {
        self.proxy.with_context(|| format!("the {} has no built-in gateway", self.name()))
    }

    /// `Err` with the log's end once the process has ended.
    pub fn still_runs(&mut self) -> anyhow::Result<()> {
        self.child.still_runs()
    }

    /// GET on its status address, for example `/ready`, `/status`, `/metrics`.
    pub async fn status_page(&self, path: &str) -> anyhow::Result<Answer> {
        get(self.status, path, STATUS_BOUND).await
    }

    /// `/status` as JSON.
    pub async fn status(&self) -> anyhow::Result<serde_json::Value> {
        let page = self.status_page("/status").await?;
        serde_json::from_slice(&page.body).with_context(|| format!("the status page of the {} is not JSON", self.name()))
    }

    /// Waits for `/ready` to answer 200; returns how old the process was then.
    pub async fn wait_ready(&mut self, bound: Duration) -> anyhow::Result<Duration> {
        let what = format!("readiness of the {}", self.name());
        until(bound, OFTEN, &what, async || {
            self.still_runs()?;
            let ready = self.status_page("/ready").await.is_ok_and(|page| page.status == 200);
            Ok(ready.then(|| self.age()))
        })
        .await
    }

    /// Waits for a process that is to end by itself.
    pub async fn ended(&mut self, bound: Duration) -> anyhow::Result<ExitStatus> {
        self.child.ended(bound).await
    }

    /// SIGKILL: no handler runs, nothing is flushed.
    pub async fn kill_9(&mut self) -> anyhow::Result<()> {
        self.child.kill_9().await
    }

    /// SIGTERM, then its exit status.
    pub async fn terminate(&mut self, bound: Duration) -> anyhow::Result<ExitStatus> {
        self.child.terminate(bound).await
    }

    /// `Err` names the secret that stands in what the process wrote, and does not repeat it.
    pub fn kept_its_secrets(&self) -> anyhow::Result<()> {
        self.child.kept_its_secrets()
    }

    /// How much of the machine's memory the process holds.
    pub fn resident_bytes(&self) -> anyhow::Result<u64> {
        self.child.resident_bytes()
    }

    /// What the process wrote, both streams in order, behind what processes before it in this folder wrote.
    pub fn log(&self) -> String {
        self.child.log()
    }

    /// The log's last lines.
    pub fn log_tail(&self, lines_max: usize) -> String {
        tail(&self.log(), lines_max)
    }
}

/// A loopback address whose port was free a moment ago, and that this process gave to nobody yet.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("there is no free port on 127.0.0.1")?;
        let address = listener.local_addr()?;
        if GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(address.port()) {
            return Ok(address);
        }
    }
}

#[cfg(test)]
mod tests {
    // A test that cannot go on says so by panicking.
    #![allow(clippy::unwrap_used)]

    use super::*;

    const BOUND: Duration = Duration::from_secs(10);

    #[test]
    fn the_last_value_of_a_setting_counts() {
        let folder = tempfile::tempdir().unwrap();
        let spec = NodeSpec::new("holdover", "node", folder.path()).unwrap().set("role", "data_plane").set("role", "control_plane");
        assert_eq!(spec.settings_file().matches("role = ").count(), 1);
        assert!(spec.settings_file().contains("role = control_plane\n"));
    }

    #[tokio::test]
    async fn a_node_that_ends_by_itself_is_told_with_the_end_of_its_log() {
        let (_folder, mut node) = script("echo starting; echo the disk is full >&2; exit 3");
        let failure = node.wait_ready(BOUND).await.unwrap_err().to_string();
        assert!(failure.contains("exit status: 3") && failure.ends_with("starting\nthe disk is full"), "{failure}");
    }

    #[tokio::test]
    async fn a_terminated_node_may_end_in_order() {
        let (_folder, mut node) = script("trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done");
        until(BOUND, OFTEN, "the start of the script", async || Ok(node.log().contains("up").then_some(()))).await.unwrap();
        assert_eq!(node.terminate(BOUND).await.unwrap().code(), Some(0));
    }

    #[tokio::test]
    async fn a_killed_node_does_not_end_in_order() {
        let (_folder, mut node) = script("trap 'exit 0' TERM; while :; do sleep 0.01; done");
        node.kill_9().await.unwrap();
        assert!(node.still_runs().is_err());
    }

    #[tokio::test]
    async fn a_node_that_writes_a_secret_of_its_own_is_told_and_the_secret_is_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        fs::write(&key, "# made today\nprivate:abc\n").unwrap();
        for (lines, what) in [
            ("echo made today; echo AKIA", None),
            ("echo say hunter2 >&2", Some("AWS_SECRET_ACCESS_KEY")),
            ("cat \"$HOLDOVER_TEST_KEY\"", Some("the key in holdover_signing_key")),
            ("echo a planted one", Some("a plant")),
        ] {
            let spec = |spec: NodeSpec| {
                let spec = spec.env("AWS_ACCESS_KEY_ID", "AKIA").env("AWS_SECRET_ACCESS_KEY", "hunter2").secret("a plant", "planted");
                spec.env("HOLDOVER_TEST_KEY", key.display()).set("holdover_signing_key", key.display())
            };
            let (_folder, mut node) = script_with(lines, spec);
            let ended = node.ended(BOUND).await;
            match what {
                None => assert!(ended.unwrap().success()),
                Some(what) => {
                    let failure = ended.unwrap_err().to_string();
                    assert!(failure.ends_with(what) && !failure.contains("hunter2"), "{failure}");
                }
            }
        }
    }

    /// A shell script in place of the binary. Another process writes it: while a thread of this one forks, a file that we have
    /// open for writing cannot be executed.
    fn script(lines: &str) -> (tempfile::TempDir, Node) {
        script_with(lines, |spec| spec)
    }

    fn script_with(lines: &str, how: impl FnOnce(NodeSpec) -> NodeSpec) -> (tempfile::TempDir, Node) {
        let folder = tempfile::tempdir().unwrap();
        let exe = folder.path().join("holdover");
        let write = "printf '#!/bin/sh\n%s\n' \"$1\" > \"$0\" && chmod 755 \"$0\"";
        assert!(std::process::Command::new("sh").arg("-c").arg(write).arg(&exe).arg(lines).status().unwrap().success());
        let node = Node::spawn(&how(NodeSpec::new(exe, "node", folder.path()).unwrap())).unwrap();
        (folder, node)
    }
}
