//! What an exporter writes besides: the operator's put parameters with every object (export-14), and Kong's own file (export-13).

use holdover_drill::control_plane::HttpControlPlane;
use holdover_drill::process::Node;
use holdover_drill::{SELDOM, until};
use holdover_plugin::snapshot::keys;
use holdover_tests::keygen::Signing;
use holdover_tests::site::{BOUND, PREFIX, Site, VERSION, away, event};

use crate::history::{STORAGE, ends_on_sigterm, serves, strands};

#[tokio::test(flavor = "multi_thread")]
async fn put_parameters_arrive_at_the_store_with_every_object() {
    let site = Site::start().await;
    let live = HttpControlPlane::start(site.document()).await.unwrap();
    let parameters = serde_json::json!({
        "ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "arn:aws:kms:us-east-1:111122223333:key/edge", "BucketKeyEnabled": true,
        "StorageClass": "STANDARD_IA", "Metadata": {"team": "edge"}, "Tagging": "team=edge&cost=42",
    });
    let spec = site.backup_node("backup-node", &live).set("cluster_fallback_export_s3_config", parameters);
    let mut backup = Node::spawn(&spec).unwrap();
    let entry = site.published(&mut backup, &site.document()).await;
    let kong = keys::kong_place(&VERSION.parse().unwrap());
    has(&site, &mut backup, &kong).await;
    ends_on_sigterm(&mut backup).await;

    let writes = site.store.writes();
    for key in [entry.key.as_str(), keys::HEAD, &kong] {
        let of_key: Vec<_> = writes.iter().filter(|write| write.key == format!("{PREFIX}/{key}")).collect();
        assert!(!of_key.is_empty(), "{key} was not written: {writes:?}");
        for write in of_key {
            for (name, value) in [
                ("x-amz-server-side-encryption", "aws:kms"),
                ("x-amz-server-side-encryption-aws-kms-key-id", "arn:aws:kms:us-east-1:111122223333:key/edge"),
                ("x-amz-server-side-encryption-bucket-key-enabled", "true"),
                ("x-amz-storage-class", "STANDARD_IA"),
                ("x-amz-meta-team", "edge"),
                ("x-amz-tagging", "team=edge&cost=42"),
            ] {
                assert_eq!(write.headers.get(name).map(String::as_str), Some(value), "{name} of {key}: {write:?}");
            }
        }
    }
    for (key, condition) in [(entry.key.as_str(), "if-none-match"), (keys::HEAD, "if-none-match")] {
        let write = writes.iter().find(|write| write.key == format!("{PREFIX}/{key}")).unwrap();
        assert_eq!(write.headers.get(condition).map(String::as_str), Some("*"), "{write:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kongs_file_is_written_beside_read_without_keys_and_refused_with_them() {
    let site = Site::start().await;
    let kong = keys::kong_place(&VERSION.parse().unwrap());
    let live = HttpControlPlane::start(site.document()).await.unwrap();
    let mut backup = Node::spawn(&site.backup_node("backup-node", &live)).unwrap();
    has(&site, &mut backup, &kong).await;
    assert_eq!(site.object(&kong).unwrap(), site.document(), "the bytes as the control plane sent them");
    ends_on_sigterm(&mut backup).await;

    // As Kong's own exporter would leave it: its file, and nothing of ours.
    site.overwrite_at("kong", &kong, site.object(&kong).unwrap()).await;
    let away = away("").await;
    let newborn = |name| site.importer(name, &away).with_builtin_gateway().unwrap().set(STORAGE, site.storage_at("kong"));
    let key = Signing::generate(site.folder(), "trusted");
    let mut keyed = Node::spawn(&newborn("keyed").set("holdover_trusted_keys", &key.public)).unwrap();
    strands(&mut keyed).await;
    event(&mut keyed, "snapshot-skipped", ("reason", "legacy-would-downgrade")).await;
    ends_on_sigterm(&mut keyed).await;

    let mut plain = Node::spawn(&newborn("plain")).unwrap();
    serves(&site, &mut plain, "storage").await;
    ends_on_sigterm(&mut plain).await;
}

/// Whoever signs what it publishes writes nothing beside that nobody signed.
#[tokio::test(flavor = "multi_thread")]
async fn an_exporter_that_signs_leaves_kongs_file_out() {
    let site = Site::start().await;
    let key = Signing::generate(site.folder(), "signing");
    let live = HttpControlPlane::start(site.document()).await.unwrap();
    let spec = site.backup_node("backup-node", &live).set("holdover_signing_key", key.file.display());
    let mut backup = Node::spawn(&spec).unwrap();
    site.published(&mut backup, &site.document()).await;
    event(&mut backup, "exported", ("gateway_version", VERSION)).await;
    ends_on_sigterm(&mut backup).await;
    assert_eq!(site.object(&keys::kong_place(&VERSION.parse().unwrap())), None);
}

async fn has(site: &Site, backup: &mut Node, key: &str) {
    let what = format!("the writing of {key}");
    let written = until(BOUND, SELDOM, &what, async || {
        backup.still_runs()?;
        Ok(site.object(key).map(drop))
    });
    written.await.unwrap_or_else(|failure| panic!("{failure:#}; it said:\n{}", backup.log()));
}
