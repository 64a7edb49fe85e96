//! An exporter that is told to end gives its lease back (export-01): the next one leads at once, and need not wait for the expiry.

use holdover_drill::control_plane::HttpControlPlane;
use holdover_plugin::model::Epoch;

use crate::alone;
use crate::exporter::Exporter;
use crate::ground::{Ground, PREFIX, StoreKind, document};
use crate::watch::Watch;

#[tokio::test(flavor = "multi_thread")]
async fn an_exporter_that_ends_in_order_leaves_its_office_to_the_next_at_once() {
    let _alone = alone().await;
    let ground = Ground::new(StoreKind::Embedded).await.unwrap();
    let eyes = ground.eyes(PREFIX).await.unwrap();
    let watch = Watch::over(eyes.clone());
    watch.control_plane_says(1, &document(1));
    watch.control_plane_says(2, &document(2));
    let control_plane = HttpControlPlane::start(document(1)).await.unwrap();
    // Nobody lives to see this lease expire.
    let patient = |name| ground.exporter(name, &control_plane, &ground.storage(PREFIX)).unwrap().set("holdover_lease_expire", "24h");
    let mut first = Exporter::start(patient("first")).unwrap();
    watch.publishes(1).await.unwrap();
    assert_eq!(eyes.leader().await.unwrap().as_deref(), Some("first"));
    first.end().await.unwrap();
    assert_eq!(first.counted("office-given-up"), 1, "{}", first.said());
    assert_eq!(eyes.leader().await.unwrap(), None);

    control_plane.set_document(document(2));
    let next = Exporter::start(patient("next")).unwrap();
    watch.publishes(2).await.unwrap_or_else(|failure| panic!("{failure:#}\n{}", next.said()));
    assert_eq!(watch.last().unwrap().epoch, Epoch(2));
    watch.holds_what_was_said([&first, &next]).await.unwrap();
}
