//! What Kong computes and sends beside what we do: hashes are equal, what a real control plane sent is valid, flat and counted.

use std::borrow::Cow;
use std::io::Read;

use holdover_plugin::config::kong::{self, Gateway, Role};
use holdover_plugin::config::{self, Format, Proof, Strictness};
use serde_json::Value;

use super::fixture;

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
        assert_eq!(kong::judge(&bytes, &Gateway::default()), Ok(()), "{name} is a legal file for a node without a database");
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
    let data_plane = Gateway { role: Role::DataPlane, ..Gateway::default() };
    assert_eq!(kong::judge(&capture("empty"), &data_plane), Ok(()), "Kong itself takes it");
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
