//! `holdover drill` as its users run it: real processes of the real binary, its control plane among them, from the first export to the
//! second outage.
//!
//! The binary is the one beside this test, `target/debug/holdover`.

// A test that cannot go on says so by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Read;
use std::process::Command;

use holdover_drill::{DrillOptions, ExternalStorage, KeyPair, Report, StorageChoice};
use holdover_tests::site::binary;
use holdover_tests::third_party::{Identity, SeaweedFs};
use serde_json::json;

const STEPS: [&str; 12] = [
    "parts",
    "policy",
    "backup-node",
    "outage",
    "new-node",
    "serving",
    "storage-read-once",
    "restart-from-cache",
    "rejoin",
    "export-after-return",
    "control-plane-lost-again",
    "shutdown",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_node_born_in_an_outage_serves_and_rejoins_and_no_request_fails() {
    let report = holdover_drill::run(DrillOptions::of(binary())).await.unwrap();
    assert_whole(&report);
    assert!(report.steps.iter().all(|step| !step.skipped), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_story_holds_on_seaweedfs() {
    let (exporter, importer) = (identity("drill-exporter", true), identity("drill-importer", false));
    let seaweed = SeaweedFs::start(&[exporter.clone(), importer.clone()]).await;
    let storage = StorageChoice::External(ExternalStorage {
        endpoint: seaweed.endpoint().to_owned(),
        bucket: SeaweedFs::BUCKET.to_owned(),
        prefix: "drill".to_owned(),
        exporter: keys(&exporter),
        importer: keys(&importer),
    });
    let report = holdover_drill::run(DrillOptions { storage, ..DrillOptions::of(binary()) }).await.unwrap();
    assert_whole(&report);
    let skipped: Vec<_> = report.steps.iter().filter(|step| step.skipped).map(|step| step.name).collect();
    assert_eq!(skipped, ["storage-read-once", "restart-from-cache"], "only what needs the store's own request log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_captured_from_a_real_control_plane_is_carried_whole() {
    let document = Some(captured());
    let report = holdover_drill::run(DrillOptions { document, routes: 10, ..DrillOptions::of(binary()) }).await.unwrap();
    assert_whole(&report);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_with_a_plugin_that_kong_does_not_bundle_is_carried_whole() {
    let route = json!({"name": "theirs", "paths": ["/theirs"], "plugins": [{"name": "their-own", "config": {"key": "value"}}]});
    let document = json!({"_format_version": "3.0", "services": [{"name": "theirs", "host": "theirs.example", "routes": [route]}]});
    let document = Some(document.to_string().into_bytes());
    let report = holdover_drill::run(DrillOptions { document, routes: 10, ..DrillOptions::of(binary()) }).await.unwrap();
    assert_whole(&report);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_no_hybrid_control_plane_serves_is_said_at_the_first_step() {
    let document = Some(json!({"_format_version": "3.0", "services": [{"name": "theirs"}]}).to_string().into_bytes());
    let report = holdover_drill::run(DrillOptions { document, routes: 10, ..DrillOptions::of(binary()) }).await.unwrap();
    assert!(!report.ok());
    let [parts] = report.steps.as_slice() else { panic!("the drill went on: {report:#?}") };
    let says = |part: &str| parts.note.contains(part);
    assert!(!parts.ok && says("the control plane did not come up") && says("host") && says("required field missing"), "{report:#?}");
}

#[test]
fn the_command_says_in_one_json_document_what_it_found() {
    let output = Command::new(binary()).args(["drill", "--json", "--routes", "10"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let report: serde_json::Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error} in {said:?}"));
    assert!(output.status.success(), "{report:#}");
    assert_eq!(report["failed_requests"], 0);
    assert!(report["rto_ms"].is_u64() && report["rejoin_ms"].is_u64(), "{report:#}");
    assert_eq!(report["steps"].as_array().map(Vec::len), Some(STEPS.len()));
}

fn assert_whole(report: &Report) {
    assert!(report.ok(), "{report:#?}");
    assert_eq!(report.failed_requests, 0);
    assert_eq!(report.steps.iter().map(|step| step.name).collect::<Vec<_>>(), STEPS);
    println!(
        "RTO {} ms, restart {} ms, rejoin {} ms, {} requests",
        report.rto_ms.unwrap(),
        report.restart_ms.unwrap(),
        report.rejoin_ms.unwrap(),
        report.requests
    );
}

fn identity(name: &str, may_write: bool) -> Identity {
    Identity { access_key: name.to_owned(), secret_key: format!("{name}-secret"), may_write }
}

fn keys(identity: &Identity) -> KeyPair {
    KeyPair { access_key: identity.access_key.clone(), secret_key: identity.secret_key.clone() }
}

/// A hundred routes, as a Kong 3.9.1 control plane sent them.
fn captured() -> Vec<u8> {
    let message = include_bytes!("fixtures/kong-captures/r100.reconfigure.gz");
    let mut inflated = Vec::new();
    flate2::read::GzDecoder::new(message.as_slice()).read_to_end(&mut inflated).unwrap();
    inflated
}
