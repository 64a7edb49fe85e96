//! What a node that has seen better refuses, although it was genuine once or is genuine elsewhere (boot-07); and the operator's token.
//!
//! The replayed objects were copied while they were the newest, and are put back over the head that the node saw.

use std::fs;
use std::path::Path;

use holdover_drill::control_plane::HttpControlPlane;
use holdover_drill::process::{Node, NodeSpec};
use holdover_plugin::snapshot::keys;
use holdover_tests::keygen::{Signing, break_glass};
use holdover_tests::site::{PREFIX, Site, counted, event, says};

use crate::history::{History, after, document, ends_on_sigterm, strands};

const NODE: &str = "edge";

/// Three generations: one by the key that was retired, then an older and the newest by the one that is trusted.
struct Replay {
    history: History,
    trusted: Signing,
    operator: Signing,
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_was_genuine_once_or_elsewhere_is_refused_and_counted() {
    let replay = Replay::seen_the_newest().await;
    let history = &replay.history;

    replay.put_back(&after(2)).await;
    replay.refused("snapshot-skipped", "below-mark", "an older one needs a break-glass token").await;

    replay.put_back(&after(1)).await;
    replay.refused("head-refused", "untrusted-signer", "is not trusted here (any more)").await;

    let newest = history.site.head_at(&after(3)).unwrap();
    history.site.overwrite(keys::HEAD, newest.lines().unwrap().sign(&[])).await;
    replay.refused("head-refused", "unsigned", "nobody signed it").await;

    replay.published_elsewhere("lineage", |spec| spec).await;
    replay.put_back("lineage").await;
    replay.refused("head-refused", "foreign-lineage", &history.lineage()).await;

    replay.published_elsewhere("cluster", |spec| spec.set("holdover_cluster", "blue")).await;
    replay.put_back("cluster").await;
    replay.refused("head-refused", "foreign-cluster", "it is of cluster 'blue'").await;

    // All of it left no trace: the newest is taken as ever.
    replay.put_back(&after(3)).await;
    let mut node = Node::spawn(&replay.node()).unwrap();
    history.serves(&mut node, 3, "storage").await;
    ends_on_sigterm(&mut node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_token_lets_one_older_generation_pass_once_and_is_audited() {
    let replay = Replay::seen_the_newest().await;
    let history = &replay.history;
    let token = history.site.folder().join("token");
    break_glass(&replay.operator, &history.site.head_at(&after(3)).unwrap().lineage.to_string(), history.entry(2), NODE, &token);
    let spec = replay.node().set("holdover_break_glass", token.display()).set("holdover_operator_keys", &replay.operator.public);

    replay.put_back(&after(2)).await;
    forget_cache(&spec);
    let mut node = Node::spawn(&spec).unwrap();
    history.serves(&mut node, 2, "storage").await;
    let used = event(&mut node, "break-glass-used", ("operator_key", &replay.operator.id)).await;
    assert_eq!(used["fields"]["position"], history.entry(2).position().to_string());
    assert_eq!(used["fields"]["file_digest"], history.entry(2).file_digest.to_string());
    assert!(used["sentence"].as_str().unwrap().contains("the newest one broke the checkout"), "{used}");
    says(&mut node, &["break-glass-used", &format!("operator_key={}", replay.operator.id)]).await;
    assert_eq!((counted(&node, "break-glass-used").await, counted(&node, "break-glass-refused").await), (1, 0));
    ends_on_sigterm(&mut node).await;

    // Past it again, and back to it: the same token says nothing any more.
    replay.put_back(&after(3)).await;
    forget_cache(&spec);
    let mut node = Node::spawn(&spec).unwrap();
    history.serves(&mut node, 3, "storage").await;
    ends_on_sigterm(&mut node).await;
    replay.put_back(&after(2)).await;
    forget_cache(&spec);
    let mut node = Node::spawn(&spec).unwrap();
    strands(&mut node).await;
    event(&mut node, "break-glass-refused", ("reason", "used")).await;
    event(&mut node, "snapshot-skipped", ("reason", "below-mark")).await;
    assert_eq!(counted(&node, "break-glass-used").await, 0);
    ends_on_sigterm(&mut node).await;
}

impl Replay {
    /// And a node that applied the newest, ended, and lost its cache but not its marks.
    async fn seen_the_newest() -> Self {
        let site = Site::start().await;
        let [retired, trusted, operator] = ["retired", "trusted", "operator"].map(|name| Signing::generate(site.folder(), name));
        let history = History::sealed(site, 3, |spec, nth| {
            let key = if nth == 1 { &retired } else { &trusted };
            spec.set("holdover_signing_key", key.file.display())
        });
        let replay = Self { history: history.await, trusted, operator };
        let mut node = Node::spawn(&replay.node()).unwrap();
        replay.history.serves(&mut node, 3, "storage").await;
        says(&mut node, &["cache-kept"]).await;
        ends_on_sigterm(&mut node).await;
        replay
    }

    fn node(&self) -> NodeSpec {
        let spec = self.history.newborn(NODE, &[PREFIX]);
        forget_cache(&spec);
        spec.set("holdover_trusted_keys", &self.trusted.public)
    }

    /// Over what stands there, head and all.
    async fn put_back(&self, prefix: &str) {
        self.history.site.copy(prefix, PREFIX).await;
    }

    /// A storage of its own, signed by the trusted key.
    async fn published_elsewhere(&self, prefix: &str, how: impl FnOnce(NodeSpec) -> NodeSpec) {
        let site = &self.history.site;
        let live = HttpControlPlane::start(document(site, 9)).await.unwrap();
        let spec = site.backup_node(&format!("{prefix}-backup-node"), &live);
        let spec = spec.set("holdover_signing_key", self.trusted.file.display());
        let mut backup = Node::spawn(&how(spec.set(crate::history::STORAGE, site.storage_at(prefix)))).unwrap();
        site.generation(&mut backup, prefix, 1).await;
        ends_on_sigterm(&mut backup).await;
    }

    async fn refused(&self, name: &str, reason: &str, words: &str) {
        let mut node = Node::spawn(&self.node()).unwrap();
        strands(&mut node).await;
        let seen = event(&mut node, name, ("reason", reason)).await;
        assert!(seen["sentence"].as_str().unwrap().contains(words), "{seen}");
        assert!(counted(&node, name).await >= 1);
        assert_eq!(counted(&node, "config-applied").await, 0);
        ends_on_sigterm(&mut node).await;
    }
}

/// The snapshots are gone, the marks are not.
fn forget_cache(spec: &NodeSpec) {
    for name in ["applied.snapshot", "settled.snapshot"] {
        let path = spec.cache_folder().join(name);
        if path.exists() {
            assert!(marks(&spec.cache_folder()), "the node has no marks");
            fs::remove_file(path).unwrap();
        }
    }
}

fn marks(folder: &Path) -> bool {
    folder.join("marks").is_file()
}
