//! Our verdicts on Kong documents beside those of a real Kong: hashes must be equal, verdicts agree but for what is named here.
//!
//! The fixtures were made with Kong's own code and on the wire between a real control plane and data plane.

// A test that cannot go on says so by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::borrow::Cow;
use std::io::Read;
use std::path::PathBuf;

use holdover_plugin::config::kong::{self, Role};
use holdover_plugin::config::{self, Format, Proof, Strictness};
use serde_json::Value;

/// What Kong knows and our tables do not: which plugins a node has, and what their schemas say.
const DISAGREEMENTS: [&str; 3] = ["ent/plugin unknown", "ent/plugin cfg unknown", "ent/plugin protocols bad"];

#[test]
fn every_hash_equals_kongs() {
    let vectors: Value = serde_json::from_slice(&fixture("kong-verdicts/hash-vectors.json")).unwrap();
    let vectors = vectors["vectors"].as_array().unwrap();
    assert!(vectors.len() >= 20, "the vectors are read");
    for vector in vectors {
        let table = vector["config_table"].to_string();
        let ours = kong::hashes(table.as_bytes()).unwrap();
        let theirs = |name: &str| vector["hashes"][name].as_str().unwrap();
        let pairs = [
            (&ours.config, vector["config_hash"].as_str().unwrap()),
            (&ours.config, theirs("config")),
            (&ours.routes, theirs("routes")),
            (&ours.services, theirs("services")),
            (&ours.plugins, theirs("plugins")),
            (&ours.upstreams, theirs("upstreams")),
            (&ours.targets, theirs("targets")),
        ];
        for (ours, theirs) in pairs {
            assert_eq!(ours, theirs, "{table}");
        }
    }
}

#[test]
fn verdicts_without_a_database_are_kongs_but_for_what_only_a_node_knows() {
    assert_eq!(disagreements("3.9.3", Role::DbLess), DISAGREEMENTS);
}

#[test]
fn verdicts_as_a_data_plane_are_kongs_but_for_what_only_a_node_knows() {
    assert_eq!(disagreements("3.9.3-dp", Role::DataPlane), DISAGREEMENTS);
}

#[test]
fn what_a_real_control_plane_sent_is_valid_and_keeps_its_hash() {
    for (name, counts) in [
        ("small", vec![("routes", 6), ("services", 3), ("plugins", 4), ("targets", 2), ("parameters", 1), ("vaults", 1)]),
        ("r100", vec![("routes", 100), ("workspaces", 1)]),
        ("r5000", vec![("routes", 5000), ("workspaces", 1)]),
    ] {
        let bytes = capture(name);
        let message: Value = serde_json::from_slice(&bytes).unwrap();
        let proof = delivered(bytes.clone());
        assert_eq!(proof.sameness(), message["config_hash"].as_str().unwrap(), "{name}");
        assert_eq!(proof.warnings(), Vec::<String>::new(), "{name}");
        for (entity, count) in counts {
            assert_eq!(proof.counts().get(entity), Some(&count), "{name}: {entity}");
        }
        assert_eq!(kong::judge(&bytes, Role::DbLess), Ok(()), "{name} is a legal file for a node without a database");
    }
}

#[test]
fn the_hash_of_a_captured_configuration_is_computed_as_kong_computed_it() {
    for name in ["empty", "small", "r100", "r5000"] {
        let message: Value = serde_json::from_slice(&capture(name)).unwrap();
        let hashes = kong::hashes(&capture_table(name)).unwrap();
        assert_eq!(hashes.config, message["config_hash"].as_str().unwrap(), "{name}");
        assert_eq!(hashes.routes, message["hashes"]["routes"].as_str().unwrap(), "{name}");
        assert_eq!(hashes.targets, message["hashes"]["targets"].as_str().unwrap(), "{name}");
    }
}

#[test]
fn an_empty_control_plane_is_never_a_configuration() {
    let refused = config::validate(capture("empty"), Format::Kong, Strictness::Delivered).err().unwrap();
    assert!(refused.to_string().starts_with("configures nothing"), "{refused}");
    assert_eq!(kong::judge(&capture("empty"), Role::DataPlane), Ok(()), "Kong itself takes it");
}

#[test]
fn a_captured_configuration_is_flat_already() {
    for name in ["small", "r100", "r5000"] {
        let bytes = capture(name);
        let flat = kong::flatten(&bytes).unwrap();
        assert!(matches!(flat, Cow::Borrowed(_)), "{name}");
        let flat: Value = serde_json::from_slice(&flat).unwrap();
        let message: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(flat, message["config_table"], "{name}");
    }
}

#[test]
fn the_assembled_message_is_valid_and_its_hash_kongs() {
    let bytes = fixture("kong-verdicts/reconfigure-example.json");
    let message: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(delivered(bytes).sameness(), message["config_hash"].as_str().unwrap());
    let table = message["config_table"].to_string();
    assert_eq!(kong::hashes(table.as_bytes()).unwrap().config, message["config_hash"].as_str().unwrap());
}

#[test]
fn no_verdict_repeats_a_value_of_the_document() {
    for case in cases() {
        let yaml = case["yaml"].as_str().unwrap().replace("_format_version: '3.0'\n", "_format_version: '3.0'\n_comment: hunter2\n");
        let yaml = yaml.replace("host: x\n", "host: 'hunter2-'\n").replace("name: a\n", "name: 'hunter2 !'\n");
        if let Err(invalid) = kong::judge(yaml.as_bytes(), Role::DbLess) {
            assert!(!invalid.to_string().contains("hunter2"), "{}: {invalid}", case["name"]);
        }
    }
}

/// The names of the cases on which Kong and we disagree, in the order of the fixture.
fn disagreements(kong: &str, role: Role) -> Vec<String> {
    let mut names = Vec::new();
    for case in cases() {
        let ours = kong::judge(case["yaml"].as_str().unwrap().as_bytes(), role);
        let theirs = case["verdict"][kong].as_str().unwrap();
        if ours.is_ok() != (theirs == "valid") {
            println!("{kong} {}: Kong says {theirs}, we say {ours:?}", case["name"]);
            names.push(case["name"].as_str().unwrap().to_owned());
        }
    }
    names
}

fn cases() -> Vec<Value> {
    let text = String::from_utf8(fixture("kong-verdicts/edge-cases.jsonl")).unwrap();
    let cases: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(cases.len(), 142, "the cases are read");
    cases
}

fn delivered(bytes: Vec<u8>) -> Proof {
    config::validate(bytes, Format::Kong, Strictness::Delivered).unwrap().into_proof()
}

fn capture_table(name: &str) -> Vec<u8> {
    let bytes = capture(name);
    let text = std::str::from_utf8(&bytes).unwrap();
    let sections = config::tree::sections(text).unwrap().unwrap();
    sections.into_iter().find(|(key, _)| key == "config_table").unwrap().1.as_bytes().to_vec()
}

fn capture(name: &str) -> Vec<u8> {
    let mut inflated = Vec::new();
    let packed = fixture(&format!("kong-captures/{name}.reconfigure.gz"));
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut inflated).unwrap();
    inflated
}

fn fixture(path: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
