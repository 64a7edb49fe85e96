//! Each rung alone brings a node up, and how long it takes: from the process's start to its first right answer.
//!
//! The table is printed (`--nocapture`), as docs/performance.md has it. No time is asserted.

use std::fs;
use std::time::Duration;

use holdover_drill::control_plane::HttpControlPlane;
use holdover_drill::process::{Node, NodeSpec};
use holdover_drill::{Expectation, OFTEN, get, until};
use holdover_plugin::snapshot::{is_snapshot, keys};
use holdover_tests::site::{BOUND, PREFIX, Site, VERSION, away, says};

use crate::history::{STORAGE, ends_on_sigterm, serves};
use crate::mirror::Mirror;

const RUNS: usize = 3;
/// A prefix that holds Kong's file and nothing of ours.
const KONG: &str = "kong-alone";

/// A ladder with one rung.
struct Rung {
    name: &'static str,
    origin: &'static str,
    setting: String,
    value: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn each_rung_alone_brings_a_node_up() {
    let site = Site::start().await;
    let mut live = HttpControlPlane::start(site.document()).await.unwrap();
    let folder = site.folder().join("storage");
    fs::create_dir(&folder).unwrap();
    publish(&site, &live, &folder).await;
    let bundle = site.folder().join("bundle");
    let entry = site.head().unwrap().newest(&VERSION.parse().unwrap()).unwrap().clone();
    fs::write(&bundle, site.object(&entry.key).unwrap()).unwrap();
    assert!(is_snapshot(&fs::read(&bundle).unwrap()));
    site.overwrite_at(KONG, &keys::kong_place(&VERSION.parse().unwrap()), site.document()).await;
    let mirror = Mirror::of(&folder).await;

    // A node that had a control plane once has a cache.
    let cached = bare(&site, "cached", &live);
    let mut node = Node::spawn(&cached).unwrap();
    serves(&site, &mut node, "control-plane").await;
    says(&mut node, &["cache-kept"]).await;
    ends_on_sigterm(&mut node).await;
    live.stop().await.unwrap();

    let away = away("").await;
    let mut table = vec![row("cache", &measured(&site, "cache", |_| cached.clone()).await)];
    for rung in [
        Rung::storage("storage, S3", site.storage_at(PREFIX)),
        Rung::storage("storage, file://", format!("file://{}", folder.display())),
        Rung::storage("mirror, http", mirror.url()),
        Rung { name: "bundle", origin: "bundle", setting: "holdover_bundle".into(), value: bundle.display().to_string() },
        Rung::storage("Kong's config.json, S3", site.storage_at(KONG)),
    ] {
        let spec = |run| rung.alone(bare(&site, &format!("{}-{run}", name_of(rung.name)), &away));
        table.push(row(rung.name, &measured(&site, rung.origin, spec).await));
    }
    assert!(mirror.asked().iter().all(|asked| asked.starts_with("GET ")), "{:?}", mirror.asked());
    assert_eq!(mirror.asked().len(), 2 * RUNS, "a head and a snapshot each: {:?}", mirror.asked());
    println!("| rung | ms to the first right answer, {RUNS} starts |\n|---|---|\n{}", table.join("\n"));
}

/// The same document into the store and into a folder, each by a backup node of its own.
async fn publish(site: &Site, live: &HttpControlPlane, folder: &std::path::Path) {
    let mut to_store = Node::spawn(&site.backup_node("backup-node", live)).unwrap();
    let to_folder = site.backup_node("folder-backup-node", live).set(STORAGE, format!("file://{}", folder.display()));
    let mut to_folder = Node::spawn(&to_folder).unwrap();
    site.published(&mut to_store, &site.document()).await;
    says(&mut to_folder, &["A configuration is published"]).await;
    ends_on_sigterm(&mut to_store).await;
    ends_on_sigterm(&mut to_folder).await;
}

/// A node with no rung at all.
fn bare(site: &Site, name: &str, control_plane: &HttpControlPlane) -> NodeSpec {
    site.importer(name, control_plane).with_builtin_gateway().unwrap().set("cluster_fallback_config_import", "off")
}

impl Rung {
    fn storage(name: &'static str, url: String) -> Self {
        Self { name, origin: "storage", setting: STORAGE.into(), value: url }
    }

    fn alone(&self, bare: NodeSpec) -> NodeSpec {
        let import = if self.setting == STORAGE { "on" } else { "off" };
        bare.set("cluster_fallback_config_import", import).set(&self.setting, &self.value)
    }
}

async fn measured(site: &Site, origin: &str, spec: impl Fn(usize) -> NodeSpec) -> Vec<Duration> {
    let mut took = Vec::new();
    for run in 0..RUNS {
        let mut node = Node::spawn(&spec(run)).unwrap();
        took.push(first_answer(&mut node, &site.expectations()[0]).await);
        serves(site, &mut node, origin).await;
        ends_on_sigterm(&mut node).await;
    }
    took
}

/// How old the process was when it first gave the right answer.
async fn first_answer(node: &mut Node, right: &Expectation) -> Duration {
    let answered = until(BOUND, OFTEN, "a right answer", async || {
        node.still_runs()?;
        let answer = get(node.proxy()?, &right.path, BOUND).await;
        Ok(answer.is_ok_and(|answer| answer.status == 200 && answer.body == right.body).then(|| node.age()))
    });
    let answered = answered.await;
    answered.unwrap_or_else(|failure| panic!("{failure:#}; the {} said:\n{}", node.name(), node.log()))
}

fn row(rung: &str, took: &[Duration]) -> String {
    let mut ms: Vec<u128> = took.iter().map(Duration::as_millis).collect();
    ms.sort_unstable();
    format!("| {rung} | {} |", ms.iter().map(u128::to_string).collect::<Vec<_>>().join(", "))
}

fn name_of(rung: &str) -> String {
    rung.chars().filter(char::is_ascii_alphanumeric).collect()
}
