//! Kong documents as wholes: envelopes, references, strictness, the flat form. The verdicts of a real Kong are compared in
//! `tests/kong_verdicts.rs`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

const SERVICE_ID: &str = "11111111-1111-4111-8111-000000000001";

#[test]
fn a_hand_written_document_is_counted_flat() {
    let facts = hand_written(
        "services:\n- name: a\n  url: http://a.test/x\n  routes:\n  - name: r\n    paths: [/]\n    plugins:\n    - name: cors\n- name: b\n  host: b.test\n",
    )
    .unwrap();
    let counts: Vec<(&str, u64)> = facts.counts.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    assert_eq!(counts, [("plugins", 1), ("routes", 1), ("services", 2)]);
    assert_eq!(facts.sameness.len(), 32);
    assert_eq!(facts.warnings, Vec::<String>::new());
}

#[test]
fn a_finding_says_where_and_never_what_stood_there() {
    let yaml = "services:\n- name: a\n  host: hunter2-\n  port: 99999\n  routes:\n  - paths: [/a//hunter2]\n    service: hunter2\nroutes:\n- name: r\n  paths: [/]\n  service: hunter2\n";
    let sentences = hand_written(yaml).err().unwrap().sentences();
    let expected = [
        "routes[0].service: invalid reference (no such entry in 'services')",
        "services[0].host: invalid value",
        "services[0].port: value should be between 0 and 65535",
        "services[0].routes[0].paths[0]: must not have empty segments",
        "services[0].routes[0].service: value must be null",
    ];
    assert_eq!(sentences, expected);
}

#[test]
fn what_configures_nothing_is_refused_but_not_by_kong() {
    let yaml = "_format_version: '3.0'\nworkspaces:\n- name: default\n";
    assert_eq!(judge(yaml.as_bytes(), &Gateway::default()), Ok(()));
    for strictness in [Strictness::HandWritten, Strictness::Delivered] {
        assert!(validate(yaml.as_bytes(), strictness).err().unwrap().to_string().starts_with("configures nothing"));
    }
    let facts = validate(yaml.as_bytes(), Strictness::Live).unwrap();
    assert!(super::configures_nothing(&facts.counts), "{:?}", facts.counts);
}

#[test]
fn what_a_control_plane_sent_is_refused_for_structure_and_only_warned_of_for_schema() {
    let odd = message(
        r#"{"_format_version":"3.0","services":[{"id":"11111111-1111-4111-8111-000000000001","host":"h","novel":1}],"partials":[{}]}"#,
    );
    let facts = validate(odd.as_bytes(), Strictness::Delivered).unwrap();
    assert_eq!(facts.warnings, ["services[0].novel: unknown field", "partials: unknown field"]);
    assert_eq!(facts.counts.get("partials"), Some(&1));
    assert_eq!(facts.sameness, "0123456789abcdef0123456789abcdef");
    assert!(validate(odd.as_bytes(), Strictness::HandWritten).is_err());
    for (broken, why) in [
        (r#"{"_format_version":"3.0","routes":[{"id":"r","paths":["/"],"service":"x"}]}"#, "invalid reference"),
        (r#"{"_format_version":"3.0","services":[{"id":"s","host":"h"},{"id":"s","host":"h"}]}"#, "primary key"),
        (r#"{"_format_version":"3.0","services":{"a":1}}"#, "expected an array"),
        (r#"{"_format_version":"3.0","services":[7]}"#, "expected a record"),
        (r#"{"_format_version":"9","services":[{"host":"h"}]}"#, "expected one of"),
        (r#"{"services":[{"host":"h"}]}"#, "_format_version: required field missing"),
    ] {
        let refused = validate(message(broken).as_bytes(), Strictness::Delivered).err().unwrap().to_string();
        assert!(refused.contains(why), "{refused}");
    }
}

#[test]
fn an_envelope_that_is_not_one_is_refused() {
    for text in [
        "",
        "7",
        "[]",
        "hello",
        "{",
        r#"{"type":"reconfigure"}"#,
        r#"{"type":"ping","config_table":{}}"#,
        r#"{"type":"reconfigure","config_table":[]}"#,
        r#"{"type":"reconfigure","config_table":{"_format_version":"3.0"},"config_hash":7}"#,
    ] {
        assert!(validate(text.as_bytes(), Strictness::Delivered).is_err(), "{text}");
        assert!(flatten(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn nested_and_named_references_become_ids_in_the_flat_form() {
    let yaml = "_format_version: '3.0'\n_transform: false\n_comment: c\nservices:\n- name: a\n  url: https://a.test:8443/x?q\n  _comment: c\n  routes:\n  - name: r\n    paths: [/]\nplugins:\n- name: cors\n  route: r\n";
    let flat = flatten(yaml.as_bytes()).unwrap();
    let flat = std::str::from_utf8(&flat).unwrap();
    let node = tree::parse(flat, 0).unwrap();
    let entity = |section: &str| match node.member(section) {
        Some(tree::Node::Array(elements)) if elements.len() == 1 => &elements[0],
        _ => unreachable!("one of {section} in {flat}"),
    };
    let text = |section: &str, field: &str| entity(section).member(field).and_then(tree::Node::as_str).map(str::to_owned);
    assert_eq!(text("routes", "service"), text("services", "id"));
    assert_eq!(text("plugins", "route"), text("routes", "id"));
    assert_eq!(text("services", "host").as_deref(), Some("a.test"));
    assert_eq!(text("services", "path").as_deref(), Some("/x"));
    assert_eq!(entity("services").member("port"), Some(&tree::Node::Number(tree::Number::Integer(8443))));
    for gone in ["_comment", "_transform", "\"url\"", "\"routes\":[{}"] {
        assert!(!flat.contains(gone), "{gone} in {flat}");
    }
    assert_eq!(judge(flat.as_bytes(), &Gateway::default()), Ok(()));
    assert!(matches!(flatten(flat.as_bytes()).unwrap(), Cow::Borrowed(_)), "what was made flat is flat");
}

#[test]
fn paths_of_older_formats_are_migrated_where_kong_migrates_them() {
    let yaml = "_format_version: '1.1'\nservices:\n- name: a\n  host: x\n  routes:\n  - paths: ['/a/(b)', /c]\n";
    let flat = String::from_utf8(flatten(yaml.as_bytes()).unwrap().into_owned()).unwrap();
    assert!(flat.contains(r#""paths":["~/a/(b)","/c"]"#), "{flat}");
    assert!(flat.contains(r#""_format_version":"3.0""#), "{flat}");
}

#[test]
fn a_flat_document_is_borrowed_bare_or_out_of_its_message() {
    let table = format!(
        r#"{{"_format_version":"3.0","_transform":false,"services":[{{"id":"{SERVICE_ID}","host":"h","name":"s"}}],"routes":[{{"id":"r","paths":["/"],"service":"{SERVICE_ID}"}}]}}"#
    );
    for text in [table.clone(), message(&table)] {
        let flat = flatten(text.as_bytes()).unwrap();
        assert!(matches!(flat, Cow::Borrowed(_)));
        assert_eq!(flat, table.as_bytes());
    }
    for changed in [r#""service":"s""#.to_owned(), format!(r#""service":{{"id":"{SERVICE_ID}"}}"#)] {
        let named = table.replace(&format!(r#""service":"{SERVICE_ID}""#), &changed);
        let flat = flatten(named.as_bytes()).unwrap();
        assert!(matches!(flat, Cow::Owned(_)));
        assert!(String::from_utf8_lossy(&flat).contains(&format!(r#""service":"{SERVICE_ID}""#)));
    }
}

#[test]
fn certificates_carry_snis_as_names_or_objects() {
    for snis in ["[a.test, b.test]", "[{name: a.test}, {name: b.test}]"] {
        let yaml = format!("certificates:\n- cert: '{{vault://env/c}}'\n  key: '{{vault://env/k}}'\n  snis: {snis}\n");
        assert_eq!(hand_written(&yaml).unwrap().counts.get("snis"), Some(&2));
    }
}

#[test]
fn depth_is_bounded_inside_a_message_as_outside() {
    let deep = format!(r#"{{"_format_version":"3.0","_ignore":[{}{}],"services":[{{"host":"h"}}]}}"#, "[".repeat(260), "]".repeat(260));
    for text in [deep.clone(), message(&deep)] {
        assert!(validate(text.as_bytes(), Strictness::Delivered).err().unwrap().to_string().contains("levels deep"));
    }
}

fn hand_written(yaml: &str) -> Result<Facts, Invalid> {
    validate(format!("_format_version: '3.0'\n{yaml}").as_bytes(), Strictness::HandWritten)
}

fn message(table: &str) -> String {
    format!(r#"{{"type":"reconfigure","timestamp":1.5,"config_hash":"0123456789abcdef0123456789abcdef","config_table":{table}}}"#)
}
