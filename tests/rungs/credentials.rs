//! Importers need nothing but GET (boot-12), and are told what a 403 may mean (all-06).

use holdover_drill::control_plane::HttpControlPlane;
use holdover_drill::process::{Node, NodeSpec};
use holdover_drill::{SELDOM, until};
use holdover_tests::site::{BOUND, GETTER, Site, away, counted, event};
use holdover_tests::third_party::{Identity, SeaweedFs};

use crate::history::{History, STORAGE, after, ends_on_sigterm, serves, strands};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_may_only_get_is_enough_for_a_whole_import() {
    let history = History::of(1).await;
    let mut node = Node::spawn(&only_getting(history.newborn("getter", &[&after(1)]))).unwrap();
    history.serves(&mut node, 1, "storage").await;
    let seen: Vec<_> = history.site.store.requests().into_iter().filter(|request| request.access_key == GETTER.0).collect();
    assert!(seen.len() == 2 && seen.iter().all(|request| request.method == "GET" && request.status == Some(200)), "{seen:?}");
    ends_on_sigterm(&mut node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_403_without_the_right_to_list_is_absent_or_forbidden_and_names_listbucket() {
    let history = History::of(1).await;
    let mut node = Node::spawn(&only_getting(history.newborn("getter", &["nothing-here"]))).unwrap();
    strands(&mut node).await;
    let seen = event(&mut node, "rung-failed", ("reason", "absent-or-forbidden")).await;
    assert!(seen["sentence"].as_str().unwrap().contains("ListBucket"), "{seen}");
    assert!(counted(&node, "rung-failed").await >= 1);
    ends_on_sigterm(&mut node).await;

    // Whoever may list is told apart, and waits for an exporter.
    let mut node = Node::spawn(&history.newborn("reader", &["nothing-here"])).unwrap();
    strands(&mut node).await;
    let status = node.status().await.unwrap();
    assert!(!status["reason"].as_str().unwrap().contains("ListBucket"), "{status:#}");
    assert_eq!(counted(&node, "rung-failed").await, 0);
    ends_on_sigterm(&mut node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn seaweedfs_read_is_enough_for_a_whole_import() {
    let identity = |name: &str, may_write| Identity { access_key: name.into(), secret_key: format!("{name}-secret"), may_write };
    let (writer, reader) = (identity("weed-exporter", true), identity("weed-importer", false));
    let seaweed = SeaweedFs::start_with(&[(&writer, &["Admin", "Read", "List", "Tagging", "Write"]), (&reader, &["Read"])]).await;
    let on_seaweed = |spec: NodeSpec, key: &Identity| {
        spec.set(STORAGE, format!("s3://{}/rungs", SeaweedFs::BUCKET))
            .env("AWS_CONFIG_STORAGE_ENDPOINT", seaweed.endpoint())
            .env("AWS_ACCESS_KEY_ID", &key.access_key)
            .env("AWS_SECRET_ACCESS_KEY", &key.secret_key)
    };
    let site = Site::start().await;
    let live = HttpControlPlane::start(site.document()).await.unwrap();
    let mut backup = Node::spawn(&on_seaweed(site.backup_node("backup-node", &live), &writer)).unwrap();
    let exported = until(BOUND, SELDOM, "the export", async || {
        backup.still_runs()?;
        Ok(backup.log().contains("A configuration is published").then_some(()))
    });
    exported.await.unwrap_or_else(|failure| panic!("{failure:#}\n{}", backup.log()));
    ends_on_sigterm(&mut backup).await;

    let away = away("").await;
    let spec = site.importer("new-node", &away).with_builtin_gateway().unwrap();
    let mut node = Node::spawn(&on_seaweed(spec, &reader)).unwrap();
    serves(&site, &mut node, "storage").await;
    ends_on_sigterm(&mut node).await;
}

fn only_getting(spec: NodeSpec) -> NodeSpec {
    spec.env("AWS_ACCESS_KEY_ID", GETTER.0).env("AWS_SECRET_ACCESS_KEY", GETTER.1)
}
