//! Storages that are named well and cannot be used: the backup node goes on serving, a new node waits, and both say when they try again.

use holdover_drill::control_plane::HttpControlPlane;
use holdover_drill::process::{Node, NodeSpec};
use holdover_drill::{SELDOM, until};
use holdover_tests::site::{BOUND, PREFIX, Site, away, says, why};

use crate::undisturbed::{Undisturbed, ends_on_sigterm};

const STORAGE: &str = "cluster_fallback_config_storage";

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_does_not_exist_is_named() {
    let site = Site::start().await;
    let typo = format!("s3://holdover-typo/{PREFIX}");
    let sentence =
        format!("{STORAGE} = {typo}: there is no bucket 'holdover-typo'; create it, or correct its name or AWS_REGION = us-east-1");
    let ((), ()) = tokio::join!(async { cannot_export(&site, |spec| spec.set(STORAGE, &typo), &sentence).await.0.end().await }, async {
        ends_on_sigterm(&mut cannot_import(&site, |spec| spec.set(STORAGE, &typo), &typo, &sentence).await.0).await
    },);
    assert_eq!(site.store.keys(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_the_storage_does_not_know_are_named_and_not_repeated() {
    let site = Site::start().await;
    let storage = site.storage();
    let unknown = format!(
        "{STORAGE} = {storage}: the storage does not accept the key in AWS_ACCESS_KEY_ID (InvalidAccessKeyId); \
         set the key of an identity that exists there"
    );
    let mismatch = format!(
        "{STORAGE} = {storage}: AWS_SECRET_ACCESS_KEY does not belong to the key in AWS_ACCESS_KEY_ID (SignatureDoesNotMatch); \
         set both from one key pair"
    );
    let exporting = async {
        let stranger = |spec: NodeSpec| spec.env("AWS_ACCESS_KEY_ID", "hunter1").env("AWS_SECRET_ACCESS_KEY", "hunter2");
        let (exporter, _live) = cannot_export(&site, stranger, &unknown).await;
        assert!(!exporter.node.log().contains("hunter"), "{}", exporter.node.log());
        exporter.end().await;
    };
    let importing = async {
        let (mut node, _) = cannot_import(&site, |spec| spec.env("AWS_SECRET_ACCESS_KEY", "hunter2"), &storage, &mismatch).await;
        assert!(!node.log().contains("hunter2"), "{}", node.log());
        ends_on_sigterm(&mut node).await;
    };
    let ((), ()) = tokio::join!(exporting, importing);
}

/// And when it can be reached again, the export and the start follow by themselves.
#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_cannot_be_reached_is_named_and_asked_until_it_can() {
    let site = Site::start().await;
    site.store.stop().await;
    let sentence = format!(
        "AWS_CONFIG_STORAGE_ENDPOINT = {} cannot be reached (Connection refused (os error 111)); \
         check the address, that the service runs, and the way to it",
        site.store.endpoint()
    );
    let storage = site.storage();
    let ((mut exporter, _live), (mut node, _away)) =
        tokio::join!(cannot_export(&site, |spec| spec, &sentence), cannot_import(&site, |spec| spec, &storage, &sentence));

    site.store.resume().await.unwrap();
    site.published(&mut exporter.node, &site.document()).await;
    node.wait_ready(BOUND).await.unwrap();
    assert_eq!(node.status().await.unwrap()["serving"]["origin"], "storage");
    exporter.end().await;
    ends_on_sigterm(&mut node).await;
}

/// A backup node that serves what its control plane delivered. The other half of its work fails, again and again.
async fn cannot_export(site: &Site, bad: impl FnOnce(NodeSpec) -> NodeSpec, sentence: &str) -> (Undisturbed, HttpControlPlane) {
    let control_plane = HttpControlPlane::start(site.document()).await.unwrap();
    let spec = bad(site.exporter("exporter", &control_plane).with_builtin_gateway().unwrap());
    let mut exporter = Undisturbed::start(site, &spec).await;
    let line = says(&mut exporter.node, &["Whether this exporter may publish cannot be found out, and is asked again: ", sentence]).await;
    assert!(line.contains(&format!(" again: {sentence}. ")), "{line}");

    let node = &mut exporter.node;
    let held = async || {
        let export = node.status().await?["export"].clone();
        Ok(Some(export).filter(|export| export["held"].is_string()))
    };
    let export = until(BOUND, SELDOM, "the held delivery", held).await.unwrap();
    assert_eq!((export["held"].as_str(), export["office"]["kind"].as_str()), (Some(sentence), Some("none")), "{export}");
    assert!(export["next_try_unix_ms"].is_u64(), "{export}");
    let told = format!("Nothing published yet; the newest delivery is not in the storage: {sentence}. The next try is in ");
    let why = why(node).await;
    assert!(why.iter().any(|said| said.starts_with(&told)), "{why:#?}");
    (exporter, control_plane)
}

/// A node born in an outage: it has nothing to serve, says so, and does not end.
async fn cannot_import(site: &Site, bad: impl FnOnce(NodeSpec) -> NodeSpec, storage: &str, sentence: &str) -> (Node, HttpControlPlane) {
    let control_plane = away(site.document()).await;
    let spec = bad(site.importer("new-node", &control_plane).with_builtin_gateway().unwrap());
    let mut node = Node::spawn(&spec).unwrap();
    says(&mut node, &["No configuration anywhere. Tried: ", &format!("storage {storage}: {sentence}"), ". The next climb is in "]).await;

    let unready = until(BOUND, SELDOM, "the stranded standing", async || {
        let page = node.status_page("/ready").await?;
        Ok(Some(String::from_utf8_lossy(&page.body).into_owned()).filter(|body| page.status == 503 && body.starts_with("stranded: ")))
    });
    let unready = unready.await.unwrap();
    assert!(unready.contains(sentence) && unready.contains("The next climb is in "), "{unready}");
    let status = node.status().await.unwrap();
    let failure = &status["last_failures"][format!("storage {storage}")]["sentence"];
    assert!(failure.as_str().is_some_and(|failure| failure.contains(sentence)), "{status:#}");
    let why = why(&node).await;
    assert!(why.iter().any(|said| said.starts_with("Serving nothing, stranded: ") && said.contains(sentence)), "{why:#?}");
    (node, control_plane)
}
