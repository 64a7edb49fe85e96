//! What services answer to a listing or a deletion that S3 itself would not.

// A test stops at the first thing that is not as it says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand_in;

use std::sync::Arc;

use holdover_plugin::model::UnixMs;
use holdover_ports::{Listed, StorageDelete, StorageFailureKind as Kind};
use holdover_storage::{Environment, Options, StorageUrl};
use stand_in::{Reply, StandIn};

const WRITTEN: &str = "2026-11-22T20:00:00.000Z";
const WRITTEN_MS: UnixMs = UnixMs(1_795_377_600_000);

#[tokio::test]
async fn a_listing_asks_for_one_page_behind_a_key_and_cuts_the_storages_prefix_off() {
    let store = StandIn::start(|_| page(&["p/holdover/snapshots/b"], true));
    let listing = deleter(&store, "/p").await.list("holdover/snapshots/", Some("holdover/snapshots/a")).await.unwrap();
    assert_eq!(listing.objects, [Listed { key: "holdover/snapshots/b".into(), modified: WRITTEN_MS }]);
    assert!(listing.more);
    let target = store.asked()[0].target.clone();
    let parameters = ["list-type=2", "prefix=p%2Fholdover%2Fsnapshots%2F", "start-after=p%2Fholdover%2Fsnapshots%2Fa", "max-keys=1000"];
    assert!(parameters.iter().all(|parameter| target.contains(parameter)), "{target}");
}

#[tokio::test]
async fn without_a_prefix_of_its_own_a_storage_is_the_whole_bucket() {
    let store = StandIn::start(|_| page(&["a", "b/c"], false));
    let listing = deleter(&store, "").await.list("", None).await.unwrap();
    assert_eq!(listing.objects.iter().map(|listed| listed.key.as_str()).collect::<Vec<_>>(), ["a", "b/c"]);
}

#[tokio::test]
async fn a_listing_of_what_was_not_asked_for_is_no_listing() {
    let foreign: [&[&str]; 4] = [
        // Another storage's, another prefix's, the page before once more, and none at all.
        &["p/holdover/snapshots/a", "p2/holdover/snapshots/b"],
        &["p/holdover/snapshots/a", "p/holdover/head"],
        &["p/holdover/snapshots/a", "p/holdover/snapshots/after"],
        &[""],
    ];
    for keys in foreign {
        let store = StandIn::start(move |_| page(keys, false));
        let failure = deleter(&store, "/p").await.list("holdover/snapshots/", Some("holdover/snapshots/after")).await.unwrap_err();
        assert_eq!(failure.kind, Kind::Other, "{keys:?}: {failure:?}");
        assert!(failure.detail.contains("cluster_fallback_config_storage = ") && failure.detail.contains("what was not asked for"));
    }
}

#[tokio::test]
async fn a_page_without_objects_is_the_last_whatever_the_service_says() {
    let store = StandIn::start(|_| page(&[], true));
    let listing = deleter(&store, "/p").await.list("holdover/", None).await.unwrap();
    assert_eq!((listing.objects.len(), listing.more), (0, false));
}

#[tokio::test]
async fn an_object_without_a_date_counts_as_written_just_now() {
    let store = StandIn::start(|_| {
        let object = "<Contents><Key>p/a</Key><Size>1</Size></Contents>";
        Reply::new(200, format!("<ListBucketResult><IsTruncated>false</IsTruncated>{object}</ListBucketResult>"))
    });
    let listing = deleter(&store, "/p").await.list("", None).await.unwrap();
    assert!(listing.objects[0].modified > WRITTEN_MS, "{listing:?}");
}

#[tokio::test]
async fn a_service_that_says_no_such_key_to_a_deletion_has_deleted() {
    let store = StandIn::start(|_| Reply::s3(404, "NoSuchKey"));
    assert_eq!(deleter(&store, "/p").await.delete("holdover/snapshots/a").await, Ok(()));
    let asked = store.asked();
    assert_eq!(asked[0].method, "DELETE");
    assert!(asked[0].target.starts_with("/bucket/p/holdover/snapshots/a"), "{}", asked[0].target);
    let store = StandIn::start(|_| Reply::s3(404, "NoSuchBucket"));
    assert_eq!(deleter(&store, "/p").await.delete("holdover/snapshots/a").await.unwrap_err().kind, Kind::NoSuchStorage);
}

#[tokio::test]
async fn an_answer_that_is_no_listing_is_a_failure_and_no_empty_storage() {
    for body in ["", "<html>welcome</html>", "<ListBucketResult><Contents>"] {
        let store = StandIn::start(move |_| Reply::new(200, body));
        let failure = deleter(&store, "/p").await.list("holdover/", None).await.unwrap_err();
        assert_eq!(failure.kind, Kind::Other, "'{body}': {failure:?}");
        assert!(failure.detail.contains("is an S3 service"), "{failure:?}");
    }
    let store = StandIn::start(|_| Reply::new(200, "<ListBucketResult>").announcing(1000));
    let failure = deleter(&store, "/p").await.list("holdover/", None).await.unwrap_err();
    assert_eq!(failure.kind, Kind::Unreachable, "{failure:?}");
}

fn page(keys: &[&str], is_truncated: bool) -> Reply {
    let object = |key: &&str| format!("<Contents><Key>{key}</Key><LastModified>{WRITTEN}</LastModified><Size>1</Size></Contents>");
    let objects: String = keys.iter().map(object).collect();
    let xml = format!("<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>{is_truncated}</IsTruncated>{objects}</ListBucketResult>");
    Reply::new(200, xml).with("content-type", "application/xml")
}

async fn deleter(store: &StandIn, prefix: &str) -> Arc<dyn StorageDelete> {
    let url = StorageUrl::parse(&format!("{}/bucket{prefix}", store.address())).unwrap();
    let variables = [("AWS_ACCESS_KEY_ID", "AKIAHOLDOVERJANITOR1"), ("AWS_SECRET_ACCESS_KEY", "secret-of-the-janitor-31e0")];
    let environment: Environment = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    holdover_storage::open_deleter_with(&url, &environment, &Options::default()).await.unwrap()
}
