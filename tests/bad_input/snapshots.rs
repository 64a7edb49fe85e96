//! Snapshots and heads that a storage should not hold. A node that serves does not look at them; a new node says what is wrong and
//! with which object, and starts as soon as that is mended.

use holdover_drill::control_plane::HttpControlPlane;
use holdover_drill::process::Node;
use holdover_drill::{fixture, get};
use holdover_plugin::snapshot::head::Entry;
use holdover_plugin::snapshot::keys;
use holdover_tests::site::{BOUND, CLUSTER, Site, VERSION, away, says, why};

use crate::undisturbed::{Undisturbed, ends_on_sigterm};

/// A storage with one generation, the backup node that published it, and a node that was started from it.
struct Damaged {
    site: Site,
    backup: Node,
    live: HttpControlPlane,
    away: HttpControlPlane,
    entry: Entry,
    serving: Undisturbed,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_snapshot_is_named_and_used_once_it_is_whole_again() {
    let damaged = Damaged::published().await;
    let whole = damaged.site.object(&damaged.entry.key).unwrap();
    damaged.site.overwrite(&damaged.entry.key, whole.slice(..whole.len() / 2)).await;
    let mut node = damaged.new_node_says("it is torn: its length is not what it says itself").await;

    damaged.site.overwrite(&damaged.entry.key, whole).await;
    node.wait_ready(BOUND).await.unwrap();
    assert_eq!(node.status().await.unwrap()["serving"]["position"], damaged.entry.position().to_string());
    damaged.end(node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_with_a_flipped_byte_is_named_and_the_next_generation_mends_it() {
    let mut damaged = Damaged::published().await;
    let key = format!("{}/{}", holdover_tests::site::PREFIX, damaged.entry.key);
    let in_the_middle = damaged.entry.file_bytes as usize / 2;
    assert!(damaged.site.store.corrupt(&key, in_the_middle));
    let mut node = damaged.new_node_says("it is corrupt: its bytes are not those that were sealed").await;

    let changed = damaged.site.document_changed();
    damaged.live.set_document(changed.clone());
    let next = damaged.site.published(&mut damaged.backup, &changed).await;
    node.wait_ready(BOUND).await.unwrap();
    assert_eq!(node.status().await.unwrap()["serving"]["position"], next.position().to_string());
    let added = get(node.proxy().unwrap(), fixture::ADDED_PATH, BOUND).await.unwrap();
    assert_eq!(added.status, 200);
    damaged.end(node).await;
}

/// Nor does an exporter of the one cluster write over the other's.
#[tokio::test(flavor = "multi_thread")]
async fn the_head_of_another_cluster_is_named_with_both_clusters() {
    let damaged = Damaged::published().await;
    let (site, before) = (&damaged.site, damaged.site.object(keys::HEAD));
    let storage = site.storage();

    let spec = site.importer("new-node", &damaged.away).with_builtin_gateway().unwrap().set("holdover_cluster", "blue");
    let mut node = Node::spawn(&spec).unwrap();
    let why_not = format!(
        "storage {storage}: its head is not used: it is of cluster '{CLUSTER}', and holdover_cluster is 'blue': set holdover_cluster or the storage's prefix"
    );
    says(&mut node, &["No configuration anywhere. Tried: ", &why_not, ". The next climb is in "]).await;

    let live = HttpControlPlane::start(site.document_changed()).await.unwrap();
    let spec = site.exporter("blue", &live).with_builtin_gateway().unwrap().set("holdover_cluster", "blue");
    let mut exporter = Undisturbed::start(site, &spec).await;
    let held = format!(
        "the storage holds cluster '{CLUSTER}', and holdover_cluster is 'blue': \
         give each cluster a prefix of its own in cluster_fallback_config_storage"
    );
    says(&mut exporter.node, &["Whether this exporter may publish cannot be found out, and is asked again: ", &held]).await;
    assert_eq!(site.object(keys::HEAD), before);
    exporter.end().await;
    damaged.end(node).await;
}

/// As if somebody had copied objects from one prefix to another, and mended the head by hand.
#[tokio::test(flavor = "multi_thread")]
async fn the_snapshot_of_another_cluster_is_named_with_both_clusters() {
    let site = Site::start().await;
    let live = HttpControlPlane::start(site.document()).await.unwrap();
    let mut blue = Node::spawn(&site.backup_node("blue", &live).set("holdover_cluster", "blue")).unwrap();
    let entry = site.published(&mut blue, &site.document()).await;
    ends_on_sigterm(&mut blue).await;
    let mut head = site.head().unwrap();
    head.cluster = CLUSTER.parse().unwrap();
    site.overwrite(keys::HEAD, head.lines().unwrap().sign(&[])).await;

    let control_plane = away("").await;
    let mut node = Node::spawn(&site.importer("new-node", &control_plane).with_builtin_gateway().unwrap()).unwrap();
    let rung = format!("storage {} generation {}", site.storage(), entry.position());
    let sentence =
        format!("{rung}: it is of cluster 'blue', and holdover_cluster is '{CLUSTER}': set holdover_cluster or the storage's prefix");
    says(&mut node, &["No configuration anywhere. Tried: ", &sentence, ". The next climb is in "]).await;
    assert_eq!(node.status_page("/ready").await.unwrap().status, 503);
    ends_on_sigterm(&mut node).await;
}

impl Damaged {
    async fn published() -> Self {
        let site = Site::start().await;
        let live = HttpControlPlane::start(site.document()).await.unwrap();
        let mut backup = Node::spawn(&site.backup_node("backup-node", &live)).unwrap();
        let entry = site.published(&mut backup, &site.document()).await;
        assert_eq!(site.head().unwrap().newest(&VERSION.parse().unwrap()), Some(&entry));
        let away = away("").await;
        let serving = Undisturbed::start(&site, &site.importer("serving", &away).with_builtin_gateway().unwrap()).await;
        assert_eq!(serving.node.status().await.unwrap()["serving"]["origin"], "storage");
        Self { site, backup, live, away, entry, serving }
    }

    /// A node born now: it names the object, what is wrong with it and what mends it, on its log and both pages.
    async fn new_node_says(&self, wrong: &str) -> Node {
        let mut node = Node::spawn(&self.site.importer("new-node", &self.away).with_builtin_gateway().unwrap()).unwrap();
        let rung = format!("storage {} generation {}", self.site.storage(), self.entry.position());
        let key = &self.entry.key;
        let sentence = format!(
            "{rung}: {wrong}; bring '{key}' back from a copy, or let the control plane deliver a change: \
             the backup node publishes it beside"
        );
        says(&mut node, &["No configuration anywhere. Tried: ", &sentence, ". The next climb is in "]).await;
        let status = node.status().await.unwrap();
        assert_eq!(status["last_failures"][&rung]["sentence"], format!("{sentence}."), "{status:#}");
        let why = why(&node).await;
        assert!(why.iter().any(|said| said.starts_with(&format!("The last failure of {rung}, ")) && said.contains(&sentence)), "{why:#?}");
        node
    }

    async fn end(mut self, mut new_node: Node) {
        ends_on_sigterm(&mut new_node).await;
        ends_on_sigterm(&mut self.backup).await;
        self.serving.end().await;
    }
}
