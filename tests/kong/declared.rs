//! `holdover control-plane`: a file as Kong's control plane, its hashes and its refusals.

use std::process::Command;

use holdover_drill::process::free_address;
use holdover_hybrid::{Ended, Refusal};
use holdover_plugin::config::kong;
use holdover_tests::site::binary;
use serde_json::Value;

use crate::ground::{ControlPlane, DataPlane, outcome, pair, target};

const DECLARED: &str = "_format_version: '3.0'\nservices:\n- name: a\n  host: a.example\n  routes:\n  - name: r\n    paths: [/a]\n";
const ID: &str = "00000000-0000-4000-8000-000000000009";

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_served_under_kongs_hash_and_followed_but_never_when_it_is_bad() {
    let folder = tempfile::tempdir().unwrap();
    let control_plane = ControlPlane::start(folder.path(), free_address().unwrap(), DECLARED).await;
    let mut data_plane = DataPlane::new(1, control_plane.address);
    data_plane.until("the file", |data_plane| data_plane.reloads.len() == 1).await;
    let served: Value = serde_json::from_slice(&data_plane.reloads[0].message).unwrap();
    let table = &served["config_table"];
    assert_eq!(table["routes"][0]["service"], table["services"][0]["id"], "it is flat");
    assert_eq!(served["config_hash"], kong::hashes(table.to_string().as_bytes()).unwrap().config);

    control_plane.change("_format_version: '3.0'\nservices:\n- name: a\n");
    control_plane.says("is not served").await;
    control_plane.change(&DECLARED.replace("a.example", "b.example"));
    data_plane.until("the next good file", |data_plane| data_plane.reloads.len() == 2).await;
    let served: Value = serde_json::from_slice(&data_plane.reloads[1].message).unwrap();
    assert_eq!(served["config_table"]["services"][0]["host"], "b.example");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_served_learns_it_as_from_kong() {
    let folder = tempfile::tempdir().unwrap();
    let refused = Command::new(binary()).args(arguments(folder.path(), "_format_version: '3.0'\nservices:\n- name: a\n")).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(1) && said.contains("host") && said.contains("required field missing"), "{said}");

    let control_plane = ControlPlane::start(folder.path(), free_address().unwrap(), DECLARED).await;
    for version in ["2.8.0", "3.10.0", "4.0.0"] {
        let ended = outcome(&target(control_plane.address, ID.into(), version, &[])).await.unwrap_err();
        assert_eq!(ended, Ok(Ended::ClosedAfterIntroduction), "{version}");
    }
    let mut odd = target(control_plane.address, ID.into(), "3.9.0", &[]);
    assert!(outcome(&odd).await.is_ok(), "another patch version is served");
    odd.introduction = br#"{"type":"basic_info"}"#.as_slice().into();
    assert_eq!(outcome(&odd).await.unwrap_err(), Ok(Ended::ClosedAfterIntroduction));
    odd.node_id = String::new();
    assert_eq!(outcome(&odd).await.unwrap_err(), Err(Refusal::Status(400)));
}

fn arguments(folder: &std::path::Path, document: &str) -> Vec<String> {
    let config = folder.join("bad.yml");
    std::fs::write(&config, document).unwrap();
    let (certificate, key) = pair();
    let listen = free_address().unwrap();
    vec![
        "control-plane".into(),
        format!("--config={}", config.display()),
        format!("--listen={listen}"),
        format!("--cert={}", certificate.display()),
        format!("--cert-key={}", key.display()),
    ]
}
