//! A storage that ignores conditions is none to elect in (export-12): the exporter declines, names the check that failed, and writes nothing
//! but scratch objects, until the operator says that there is no other exporter.

use std::time::Duration;

use holdover_drill::control_plane::HttpControlPlane;
use holdover_drill::store::Faults;
use holdover_drill::{get, until};
use holdover_plugin::snapshot::keys;
use serde_json::Value;

use crate::alone;
use crate::exporter::Exporter;
use crate::ground::{BOUND, Ground, LEASE_RENEW, PREFIX, StoreKind, document};
use crate::watch::Watch;

#[tokio::test(flavor = "multi_thread")]
async fn where_if_none_match_is_ignored_nobody_is_elected_and_only_a_single_exporter_writes() {
    declines_and_publishes_alone("creates-once", |faults| faults.ignore_if_none_match(true)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_if_match_is_ignored_nobody_is_elected_and_only_a_single_exporter_writes() {
    declines_and_publishes_alone("swaps-one-of-many", |faults| faults.ignore_if_match(true)).await;
}

async fn declines_and_publishes_alone(check: &str, breaks: impl Fn(&Faults)) {
    let _alone = alone().await;
    let ground = Ground::new(StoreKind::Embedded).await.unwrap();
    let store = ground.embedded().unwrap();
    breaks(store.faults());
    let watch = Watch::over(ground.eyes(PREFIX).await.unwrap());
    watch.control_plane_says(1, &document(1));
    watch.control_plane_says(2, &document(2));
    let control_plane = HttpControlPlane::start(document(1)).await.unwrap();
    let mut exporter = Exporter::start(ground.exporter("declines", &control_plane, &ground.storage(PREFIX)).unwrap()).unwrap();

    let reason = exporter.shows("the declined office", |status| {
        let office = status.pointer("/export/office")?;
        (office["kind"] == "declined").then(|| office["reason"].as_str().unwrap().to_owned())
    });
    let reason = reason.await.unwrap();
    assert!(reason.starts_with(&format!("{check}: ")), "{reason}");
    let said = exporter.says("storage-probed", check).await.unwrap();
    assert_eq!(said.field("reason"), Some("failed"), "{said:?}");
    let page = get(exporter.page().trim_start_matches("http://").parse().unwrap(), "/metrics", BOUND).await.unwrap();
    let metrics = String::from_utf8(page.body.into()).unwrap();
    assert!(metrics.contains("holdover_reasons_total{name=\"storage-probed\",reason=\"failed\"} 1"), "{metrics}");
    let why: Value = exporter.json("/why").await.unwrap();
    assert!(why["sentences"].to_string().contains("holdover_single_exporter"), "{why}");

    // What the control plane says meanwhile changes nothing.
    control_plane.set_document(document(2));
    let asked = control_plane.requests();
    until(BOUND, LEASE_RENEW, "some polls", async || Ok((control_plane.requests() > asked + 8).then_some(()))).await.unwrap();
    let written: Vec<String> = store.writes().into_iter().map(|write| write.key).collect();
    let scratch = format!("{PREFIX}/{}", keys::PROBES);
    assert!(!written.is_empty() && written.iter().all(|key| key.starts_with(&scratch)), "{written:?}");
    assert_eq!((exporter.counted("office-taken"), exporter.counted("exported"), watch.heads()), (0, 0, 0));

    exporter.kill_9().unwrap();
    exporter.set("holdover_single_exporter", "on");
    exporter.start_again().unwrap();
    watch.publishes_within(2, Duration::from_secs(30)).await.unwrap_or_else(|failure| panic!("{failure:#}\n{}", exporter.said()));
    watch.holds_what_was_said([&exporter]).await.unwrap();
    assert!(!store.keys().contains(&format!("{PREFIX}/{}", keys::LEASE)), "a single exporter has no lease");
}
