//! Our verdicts on Kong documents beside those of eight Kongs; what Kong computes and sends is in `kong_verdicts/wire.rs`.
//!
//! The fixtures were made with Kong's own code and on the wire between a real control plane and data plane. Wherever we are not of
//! Kong's opinion, it is named here with the reason; a disagreement more, or one less, fails.

// A test that cannot go on says so by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "kong_verdicts/wire.rs"]
mod wire;

use std::path::PathBuf;

use holdover_plugin::config::Invalid;
use holdover_plugin::config::kong::{self, Flattened, Flavor, Gateway, Role};
use holdover_plugin::model::UnixMs;
use serde_json::Value;

/// 2026-11-22, when the verdicts were made: one of the CA certificates had expired by then.
const JUDGED_AT: UnixMs = UnixMs(1_795_305_600_000);

/// One Kong: its name in `edge-cases.jsonl`, its column in the third-party `index.tsv`.
struct Variant {
    name: &'static str,
    column: &'static str,
    version: &'static str,
    role: Role,
    flavor: Flavor,
}

#[rustfmt::skip]
const VARIANTS: [Variant; 8] = [
    Variant { name: "3.4.2", column: "kong_3.4.2", version: "3.4.2", role: Role::DbLess, flavor: Flavor::TraditionalCompatible },
    Variant { name: "3.6.1", column: "kong_3.6.1", version: "3.6.1", role: Role::DbLess, flavor: Flavor::TraditionalCompatible },
    Variant { name: "3.7.1", column: "kong_3.7.1", version: "3.7.1", role: Role::DbLess, flavor: Flavor::TraditionalCompatible },
    Variant { name: "3.9.3", column: "verdict_kong_3.9.3", version: "3.9.3", role: Role::DbLess, flavor: Flavor::TraditionalCompatible },
    Variant { name: "3.9.3-dp", column: "kong_3.9.3_role_data_plane", version: "3.9.3", role: Role::DataPlane, flavor: Flavor::TraditionalCompatible },
    Variant { name: "3.9.3-expr", column: "kong_3.9.3_router_expressions", version: "3.9.3", role: Role::DbLess, flavor: Flavor::Expressions },
    Variant { name: "3.9.3-trad", column: "kong_3.9.3_router_traditional", version: "3.9.3", role: Role::DbLess, flavor: Flavor::Traditional },
    Variant { name: "master", column: "kong_master_3.10dev", version: "3.10.0", role: Role::DbLess, flavor: Flavor::TraditionalCompatible },
];

/// Verdicts that differ from Kong's: variant, case or file, reason. There are none.
const DISAGREEMENTS: [(&str, &str, &str); 0] = [];

/// Cases in which Kong 3.9.3 names other fields than we do, with the reason.
const OTHER_FIELDS: [(&str, &str); 11] = [
    ("ent/route http+snis", "Kong says it of the field and of the route, we once"),
    ("ent/route path backreference", "Kong means the expression that it made of the route, we name the path"),
    ("ent/route header empty", "Kong means the expression that it made of the route, we name the field"),
    ("gdr-render--deterministic-sort--005-nested-entities--input.yaml", "a parent's odd id is found in each child again by Kong"),
    ("deck-sync--041-plugins-nested-foreign-keys--1_1--kong-consumers-via-ids.yaml", "Kong takes a reference's object for an entity"),
    (
        "deck-file-convert--002-kong-gateway-28x-to-34x-migration--34x-expected-plugins.yaml",
        "Kong takes a reference's object for an entity",
    ),
    ("kong-15-off-L846.json", "Kong looks for doubles only in what is sound otherwise"),
    ("kong-03-flatten-L1446.yaml", "Kong's second reading finds the reference missing beside the password as well"),
    ("kong-03-flatten-L1580.yaml", "Kong's second reading finds the reference missing beside the password as well"),
    ("kong-03-flatten-L2150.json", "Kong's second reading takes the reference for an object"),
    ("kong-03-flatten-L2245.yaml", "a reference to nobody stands in none of Kong's flattened errors"),
];

#[test]
fn verdicts_on_our_own_cases_are_those_of_every_kong() {
    for variant in &VARIANTS {
        let mut differing = Vec::new();
        for case in cases() {
            let ours = kong::judge(text(&case["yaml"]).as_bytes(), &variant.gateway());
            let theirs = text(&case["verdict"][variant.name]);
            variant.compare(text(&case["name"]), ours.err(), theirs == "valid", &mut differing);
        }
        assert_eq!(differing, variant.known(is_case), "{}", variant.name);
    }
}

#[test]
fn verdicts_on_declarative_files_of_others_are_those_of_every_kong() {
    let Some((columns, rows)) = third_party() else { return };
    for variant in &VARIANTS {
        let column = columns.iter().position(|column| column == variant.column).unwrap_or_else(|| panic!("no {}", variant.column));
        let mut differing = Vec::new();
        for row in &rows {
            let ours = kong::judge(&third_party_file(&row[0]), &variant.gateway());
            variant.compare(&row[0], ours.err(), row[column] == "valid", &mut differing);
        }
        assert_eq!(differing, variant.known(is_file), "{}", variant.name);
    }
}

#[test]
fn findings_stand_at_the_fields_that_kong_names() {
    let gateway = Gateway { now: Some(JUDGED_AT), ..Gateway::default() };
    let mut differing = Vec::new();
    let mut compared = 0;
    for case in cases() {
        // Kong's errors by entity, one line: `service/a: port: expected an integer; @: …`. Others have no such form.
        let Some(theirs) = case["error_3.9.3"].as_str().and_then(fields_in_line) else { continue };
        let Err(invalid) = kong::judge(text(&case["yaml"]).as_bytes(), &gateway) else { continue };
        compared += 1;
        let ours = fields(&kong::flattened(&invalid));
        if ours != theirs {
            println!("{}: Kong names {theirs:?}, we {ours:?}", case["name"]);
            differing.push(text(&case["name"]).to_owned());
        }
    }
    assert!(compared >= 70, "only {compared} were compared");
    assert_eq!(differing, known(&OTHER_FIELDS, is_case));
}

#[test]
fn findings_in_declarative_files_of_others_stand_at_the_fields_that_kong_names() {
    let Some((_, rows)) = third_party() else { return };
    let gateway = Gateway { now: Some(JUDGED_AT), ..Gateway::default() };
    let mut differing = Vec::new();
    let mut compared = 0;
    for file in rows.iter().map(|row| &row[0]) {
        let expected: Value = serde_json::from_slice(&third_party_file(&format!("expected/{file}.json"))).unwrap();
        let Err(invalid) = kong::judge(&third_party_file(file), &gateway) else { continue };
        let said = &expected["kong"]["3.9.3"]["flat"];
        let names = said["flattened_errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        let outside: Vec<&str> = said["fields"].as_object().into_iter().flatten().map(|(field, _)| field.as_str()).collect();
        if names.is_empty() && outside.is_empty() {
            continue;
        }
        compared += 1;
        let flattened = kong::flattened(&invalid);
        let ours_outside: Vec<&str> = flattened.fields.keys().map(String::as_str).collect();
        if fields(&flattened) != fields_of_report(names) || ours_outside != outside {
            println!("{file}: Kong names {:?} and {outside:?}, we {:?} and {ours_outside:?}", fields_of_report(names), fields(&flattened));
            differing.push(file.clone());
        }
    }
    assert!(compared >= 25, "only {compared} were compared");
    let mut known = known(&OTHER_FIELDS, is_file);
    known.sort_unstable();
    differing.sort_unstable();
    assert_eq!(differing, known);
}

#[test]
fn a_gateway_takes_the_plugins_that_it_lists_and_no_others() {
    let yaml = |plugin: &str| format!("_format_version: '3.0'\nplugins:\n- name: {plugin}\n");
    let valid = |plugin: &str, gateway: &Gateway| kong::judge(yaml(plugin).as_bytes(), gateway).is_ok();
    let of = |version: &str, plugins: &[&str]| Gateway {
        version: version.parse().unwrap(),
        plugins: plugins.iter().map(|plugin| (*plugin).to_owned()).collect(),
        ..Gateway::default()
    };
    let information: Value = serde_json::from_slice(&fixture("kong-captures/basic_info.json")).unwrap();
    for plugin in information["plugins"].as_array().unwrap() {
        assert!(valid(text(&plugin["name"]), &Gateway::default()), "a real Kong 3.9 has {plugin}");
    }
    assert!(!valid("ai-proxy", &of("3.5.0", &["bundled"])) && valid("ai-proxy", &of("3.6.0", &["bundled"])));
    assert!(!valid("redirect", &of("3.8.1", &["bundled"])) && valid("redirect", &of("3.10.0", &["bundled"])));
    assert!(!valid("mine", &Gateway::default()) && valid("mine", &of("3.9.1", &["bundled", "mine"])));
    assert!(!valid("cors", &of("3.9.1", &["mine"])));
}

#[test]
fn expressions_and_the_fields_they_replace_exclude_each_other_as_versions_went() {
    let valid = |version: &str, flavor, route: &str| {
        let gateway = Gateway { version: version.parse().unwrap(), flavor, ..Gateway::default() };
        kong::judge(format!("_format_version: '3.0'\nroutes:\n- {{{route}}}\n").as_bytes(), &gateway).is_ok()
    };
    let written = "expression: 'http.path == \"/\"', priority: 7";
    for version in ["3.4.2", "3.6.1", "3.7.1", "3.8.1", "3.9.3", "3.10.0"] {
        let current = !matches!(version, "3.4.2" | "3.6.1");
        assert!(valid(version, Flavor::Expressions, written), "{version}");
        assert!(!valid(version, Flavor::TraditionalCompatible, written) && !valid(version, Flavor::Traditional, written), "{version}");
        assert!(!valid(version, Flavor::Expressions, "expression: 'a', paths: [/]"), "{version}");
        assert_eq!(valid(version, Flavor::Expressions, "paths: [/]"), current, "{version}");
        assert_eq!(valid(version, Flavor::Expressions, "paths: [/], sources: [{ip: 127.0.0.1}]"), current, "{version}");
        assert_eq!(!valid(version, Flavor::Expressions, "expression: 'a', priority: 70368744177664"), current, "{version}: 2^46");
        assert!(valid(version, Flavor::Expressions, "expression: 'a', priority: 70368744177663"), "{version}");
    }
    for (version, forbidden) in [("3.7.1", false), ("3.8.1", true), ("3.9.3", true)] {
        assert_eq!(!valid(version, Flavor::Expressions, "expression: 'a', regex_priority: 1"), forbidden, "{version}");
        assert_eq!(!valid(version, Flavor::Expressions, "paths: [/], priority: 1"), forbidden, "{version}");
        assert!(valid(version, Flavor::Expressions, "paths: [/], priority: 0, expression: null"), "{version}: as exported");
    }
}

#[test]
fn no_verdict_repeats_a_value_of_the_document() {
    for case in cases() {
        let yaml = case["yaml"].as_str().unwrap().replace("_format_version: '3.0'\n", "_format_version: '3.0'\n_comment: hunter2\n");
        let yaml = yaml.replace("host: x\n", "host: 'hunter2-'\n").replace("name: a\n", "name: 'hunter2 !'\n");
        let yaml = yaml.replace("name: zzz\n", "name: hunter2\n");
        for variant in &VARIANTS {
            let Err(invalid) = kong::judge(yaml.as_bytes(), &variant.gateway()) else { continue };
            let flattened = serde_json::to_string(&kong::flattened(&invalid)).unwrap();
            assert!(!invalid.to_string().contains("hunter2") && !flattened.contains("hunter2"), "{}: {invalid}", case["name"]);
        }
    }
}

impl Variant {
    fn gateway(&self) -> Gateway {
        let version = self.version.parse().unwrap();
        Gateway { version, role: self.role, flavor: self.flavor, now: Some(JUDGED_AT), ..Gateway::default() }
    }

    fn compare(&self, name: &str, ours: Option<Invalid>, theirs_valid: bool, differing: &mut Vec<String>) {
        if ours.is_none() != theirs_valid {
            println!("{} {name}: Kong says valid={theirs_valid}, we say {ours:?}", self.name);
            differing.push(name.to_owned());
        }
    }

    fn known(&self, of: fn(&str) -> bool) -> Vec<&'static str> {
        let mine: Vec<_> = DISAGREEMENTS.iter().filter(|(variant, ..)| *variant == self.name).map(|(_, name, why)| (*name, *why)).collect();
        known(&mine, of)
    }
}

fn known(named: &[(&'static str, &'static str)], of: fn(&str) -> bool) -> Vec<&'static str> {
    named.iter().map(|(name, _)| *name).filter(|name| of(name)).collect()
}

fn is_case(name: &str) -> bool {
    name.starts_with("top/") || name.starts_with("ent/")
}

fn is_file(name: &str) -> bool {
    !is_case(name)
}

/// Entity types with the names of fields, `@` for errors of the entity; sorted.
type Fields = Vec<(String, String)>;

fn fields(flattened: &Flattened) -> Fields {
    let of = |errors: &kong::EntityErrors| {
        let entity = errors.entity_type.clone();
        let named = errors.errors.iter().map(move |error| (entity.clone(), error.field.clone().unwrap_or_else(|| "@".to_owned())));
        named.collect::<Vec<_>>()
    };
    let mut fields: Fields = flattened.flattened_errors.iter().flat_map(of).collect();
    fields.sort();
    fields
}

fn fields_of_report(flattened_errors: &[Value]) -> Fields {
    let of = |entity: &Value| {
        let entity_type = text(&entity["entity_type"]).to_owned();
        let errors = entity["errors"].as_array().unwrap().iter();
        errors.map(|error| (entity_type.clone(), error["field"].as_str().unwrap_or("@").to_owned())).collect::<Vec<_>>()
    };
    let mut fields: Fields = flattened_errors.iter().flat_map(of).collect();
    fields.sort();
    fields
}

fn fields_in_line(lines: &str) -> Option<Fields> {
    let mut fields = Vec::new();
    // What follows is the expression that the first line is about.
    let line = lines.lines().next()?;
    for entity in line.split(" | ") {
        let (entity_type, rest) = entity.split_once('/')?;
        let is_type = entity_type.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let (_name, errors) = rest.split_once(": ").filter(|_| is_type)?;
        // Messages may hold `; ` themselves; a field is a word before a colon.
        let named =
            errors.split("; ").filter_map(|error| error.split_once(": ")).map(|(field, _)| field).filter(|field| !field.contains(' '));
        fields.extend(named.map(|field| (entity_type.to_owned(), field.to_owned())));
    }
    fields.sort();
    Some(fields)
}

/// The columns and rows of the index of files that are read in place and belong to no commit.
fn third_party() -> Option<(Vec<String>, Vec<Vec<String>>)> {
    let path = third_party_folder().join("index.tsv");
    let Ok(index) = std::fs::read_to_string(&path) else {
        println!("NOT COMPARED: {} is not there; put the shared fixtures beside the repository", path.display());
        return None;
    };
    let mut rows = index.lines().map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>());
    let columns = rows.next().unwrap();
    let rows: Vec<_> = rows.collect();
    assert!(rows.len() >= 50, "the index is read");
    Some((columns, rows))
}

fn third_party_file(name: &str) -> Vec<u8> {
    let path = third_party_folder().join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn third_party_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures/third-party/kong-declarative")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn cases() -> Vec<Value> {
    let text = String::from_utf8(fixture("kong-verdicts/edge-cases.jsonl")).unwrap();
    let cases: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(cases.len(), 142, "the cases are read");
    cases
}

fn fixture(path: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
