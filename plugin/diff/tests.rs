//! Differences as operators would meet them, in every format, and what must not be in them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Read;

use serde_json::{Value, json};

use super::*;
use crate::config::xds::{self, Resource, types};

const SMALL: &str = include_str!("../../tests/fixtures/kong-captures/small.reconfigure.json");
const HUNDRED_ROUTES: &[u8] = include_bytes!("../../tests/fixtures/kong-captures/r100.reconfigure.gz");
const ID: &str = "aaaaaaaa-0000-4000-8000-00000000000";

#[test]
fn a_capture_is_no_different_from_itself_however_it_is_written() {
    let message: Value = serde_json::from_str(&hundred_routes()).unwrap();
    let pretty = serde_json::to_string_pretty(&message).unwrap();
    for other in [hundred_routes(), pretty.clone(), message["config_table"].to_string()] {
        let diff = of_kong(&hundred_routes(), &other);
        assert_eq!((diff.is_empty(), diff.to_string().as_str()), (true, "no difference"));
    }
    assert_ne!(pretty, hundred_routes());
}

#[test]
fn what_was_done_to_a_capture_of_a_hundred_routes_is_what_is_said() {
    let mut message: Value = serde_json::from_str(&hundred_routes()).unwrap();
    let table = &mut message["config_table"];
    let routes = table["routes"].as_array_mut().unwrap();
    assert_eq!(routes.len(), 100);
    let removed = routes.remove(41);
    routes[7]["paths"] = json!(["/elsewhere"]);
    routes[7]["updated_at"] = json!(1);
    routes[8]["updated_at"] = json!(1);
    routes[9]["headers"] = json!({"x-version": ["2"]});
    let (repathed, reheaded) = (routes[7]["name"].clone(), routes[9]["name"].clone());
    let before: Value = serde_json::from_str(&hundred_routes()).unwrap();
    let path =
        before["config_table"]["routes"].as_array().unwrap().iter().find(|route| route["name"] == repathed).unwrap()["paths"][0].clone();
    let mut added = removed.clone();
    added["name"] = json!("brand-new");
    added["id"] = json!(format!("{ID}1"));
    routes.insert(0, added);
    table["services"][0]["client_certificate"] = json!(null);
    table["services"][0]["port"] = json!(4711);
    let service = table["services"][0].clone();
    let port =
        before["config_table"]["services"].as_array().unwrap().iter().find(|one| one["id"] == service["id"]).unwrap()["port"].clone();
    let expected = [
        "+ routes/brand-new".to_owned(),
        format!("- routes/{}", text(&removed["name"])),
        format!("~ routes/{}: paths [{}] -> [/elsewhere]", text(&repathed), text(&path)),
        format!("~ routes/{}: headers", text(&reheaded)),
        format!("~ services/{}: port {port} -> 4711", text(&service["name"])),
    ];
    let diff = of_kong(&hundred_routes(), &message.to_string()).to_string();
    let mut lines: Vec<&str> = diff.lines().collect();
    lines.sort_unstable();
    let mut expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    expected.sort_unstable();
    assert_eq!(lines, expected);
}

#[test]
fn a_nested_document_is_no_different_from_its_flat_form() {
    let nested = "
_format_version: '3.0'
services:
- name: a
  url: https://a.test:8443/x
  routes:
  - name: r
    paths: [/]
    plugins: [{name: cors}]
  - paths: [/unnamed]
consumers:
- username: alice
  keyauth_credentials: [{key: alice-key}]
upstreams:
- name: u
  targets: [{target: 'h:80'}]
certificates:
- {cert: '{vault://env/c}', key: '{vault://env/k}', snis: [a.test]}
";
    let flat = crate::config::kong::flatten(nested.as_bytes()).unwrap().into_owned();
    let flat = String::from_utf8(flat).unwrap();
    assert_eq!(of_kong(nested, &flat), Diff::default());
    assert_eq!(of_kong(&flat, nested), Diff::default());
}

#[test]
fn entities_of_one_name_are_one_whatever_their_ids_and_so_are_references_to_them() {
    let named = "
_format_version: '3.0'
services: [{name: a, host: a.test, port: 80}]
routes: [{name: r, paths: [/], service: a}]
plugins: [{name: cors, route: r}]
";
    let exported = json!({"_format_version": "3.0", "_transform": false,
        "services": [{"id": format!("{ID}1"), "name": "a", "host": "a.test", "port": 80.0, "path": null, "created_at": 1, "updated_at": 2}],
        "routes": [{"id": format!("{ID}2"), "name": "r", "paths": ["/"], "service": format!("{ID}1"), "headers": null}],
        "plugins": [{"id": format!("{ID}3"), "name": "cors", "route": format!("{ID}2"), "service": null, "enabled": false}]});
    assert_eq!(of_kong(named, &exported.to_string()).to_string(), format!("~ plugins/cors ({ID}3): enabled none -> false"));
}

#[test]
fn an_entity_without_a_name_is_the_one_with_its_content_and_what_hangs_on_it_moves_along() {
    let document =
        |routes: &[&str]| format!("_format_version: '3.0'\nservices:\n- name: a\n  host: h\n  routes: [{}]\n", routes.join(", "));
    let (one, other) = ("{paths: [/one], plugins: [{name: cors}]}", "{paths: [/other]}");
    let old = document(&[one, other]);
    assert_eq!(of_kong(&old, &document(&[other, one])), Diff::default());
    assert_eq!(of_kong(&old, &document(&["{paths: [/first]}", one, other])).to_string(), "+ routes/#1");
    assert_eq!(of_kong(&old, &document(&[one])).to_string(), "- routes/#2");
    assert_eq!(of_kong(&old, &document(&[one, "{paths: [/another]}"])).to_string(), "~ routes/#2: paths [/other] -> [/another]");
    let moved = document(&["{paths: [/other], plugins: [{name: cors}]}", "{paths: [/one]}"]);
    assert_eq!(of_kong(&old, &moved).to_string(), "~ plugins/cors (#1): route");
}

#[test]
fn entities_that_exchange_their_content_but_keep_their_ids_have_changed() {
    let document = |one: &str, other: &str| {
        json!({"_format_version": "3.0", "services": [{"id": format!("{ID}9"), "host": "h"}], "routes": [
            {"id": format!("{ID}1"), "paths": [one]}, {"id": format!("{ID}2"), "paths": [other]}],
            "plugins": [{"id": format!("{ID}3"), "name": "cors", "route": format!("{ID}1")}]})
        .to_string()
    };
    let diff = of_kong(&document("/a", "/b"), &document("/b", "/a")).to_string();
    assert_eq!(diff, format!("~ routes/{ID}1: paths [/a] -> [/b]\n~ routes/{ID}2: paths [/b] -> [/a]"));
}

#[test]
fn fields_are_named_by_their_path_and_values_shown_only_of_harmless_ones() {
    let document = |service: Value, config: Value| {
        json!({"_format_version": "3.0",
            "services": [merged(json!({"id": format!("{ID}1"), "name": "b"}), service)],
            "plugins": [{"id": format!("{ID}2"), "name": "http-log", "config": config}]})
        .to_string()
    };
    let old =
        document(json!({"host": "a", "retries": 5, "tags": ["x"]}), json!({"headers": {"a": "1", "b": "2"}, "timeout": 1, "queue": {}}));
    let new = document(
        json!({"host": "b", "retries": 6, "tags": ["x"], "client_certificate": null}),
        json!({"headers": {"b": "3", "c": "4"}, "timeout": 1.0, "queue": [], "http_endpoint": null}),
    );
    let expected =
        format!("~ plugins/http-log ({ID}2): config.headers.a, config.headers.b, config.headers.c\n~ services/b: host a -> b, retries");
    assert_eq!(of_kong(&old, &new).to_string(), expected);
}

#[test]
fn what_looks_like_a_credential_is_not_shown_even_of_a_harmless_field() {
    let document = |service: &str, path: &str, target: &str| {
        json!({"_format_version": "3.0",
            "services": [{"id": format!("{ID}1"), "name": "s", "host": service, "path": path}],
            "routes": [{"id": format!("{ID}2"), "name": "r", "paths": [format!("/@scope{path}")], "service": format!("{ID}1")}],
            "upstreams": [{"id": format!("{ID}3"), "name": "u"}],
            "targets": [{"id": format!("{ID}4"), "target": target, "upstream": format!("{ID}3")}]})
        .to_string()
    };
    let old = document("h", "/", "t:80");
    let new = document("u:hunter2@h", "/http%3A%2F%2Fu%3Ahunter2%40h", "u:hunter2@t:80");
    let diff = of_kong(&old, &new);
    assert_unseen(&diff, &["hunter2"]);
    let expected = format!("~ routes/r: paths\n~ services/s: host, path\n~ targets/{ID}4: target");
    assert_eq!(diff.to_string(), expected);
    let with_query = document("h", "/x?token=hunter2", "t:80");
    assert_eq!(of_kong(&old, &with_query).to_string(), "~ routes/r: paths [/@scope/] -> [/@scope/x?token=hunter2]\n~ services/s: path");
    let (url, other) = (service_url("https://u:hunter2@h/a"), service_url("https://u:hunter2@i/a"));
    assert_eq!(of_kong(&url, &other).to_string(), "~ services/s: host h -> i");
}

#[test]
fn no_secret_of_a_capture_is_in_a_difference_from_it() {
    let mut message: Value = serde_json::from_str(SMALL).unwrap();
    let empty = json!({"_format_version": "3.0", "services": [{"id": format!("{ID}1"), "name": "only", "host": "h"}]}).to_string();
    let table = &mut message["config_table"];
    table["keyauth_credentials"][0]["key"] = json!("another-key");
    table["consumers"][0]["username"] = json!("bob");
    table["certificates"][0]["key"] = json!("-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----");
    table["plugins"][1]["config"]["redis"]["password"] = json!("hunter2");
    let secrets = ["alice", "bob", "another-key", "hunter2", "BEGIN", "MIG"];
    let changed = of_kong(SMALL, &message.to_string());
    for (diff, lines) in [(&changed, 4), (&of_kong(SMALL, &empty), 26), (&of_kong(&empty, &message.to_string()), 26)] {
        assert_unseen(diff, &secrets);
        assert_eq!(diff.to_string().lines().count(), lines, "{diff}");
    }
    let fields: Vec<&str> = changed.changed.iter().flat_map(|changed| &changed.changes).map(|change| change.field.as_str()).collect();
    assert_eq!(fields, ["key", "username", "key", "config.redis.password"]);
}

#[test]
fn credentials_and_consumers_without_ids_are_called_by_their_place() {
    let document = |keys: &str| {
        format!(
            "_format_version: '3.0'\nconsumers:\n- username: alice\n- username: bob\n  keyauth_credentials: [{keys}]\n  acls: [{{group: staff}}]\n"
        )
    };
    let diff = of_kong(&document("{key: one}"), &document("{key: one}, {key: two}"));
    assert_eq!(diff.to_string(), "+ keyauth_credentials/#2 of consumer #2");
    let diff = of_kong(&document("{key: one}"), "_format_version: '3.0'\nconsumers:\n- username: alice\n  tags: [t]\n");
    let expected = "- acls/#1 of consumer #2\n- consumers/#2\n- keyauth_credentials/#1 of consumer #2\n~ consumers/#1: tags";
    assert_eq!(diff.to_string(), expected);
}

#[test]
fn entities_that_only_enterprise_has_are_compared_by_id_and_never_called_by_name() {
    let document = |name: &str, value: u8| {
        json!({"_format_version": "3.0", "services": [{"id": format!("{ID}1"), "host": "h"}],
            "partials": [{"id": format!("{ID}2"), "name": name, "config": {"x": value}}], "licence": {"payload": name}})
        .to_string()
    };
    let diff = of_kong(&document("hunter2", 1), &document("hunter3", 2));
    assert_unseen(&diff, &["hunter"]);
    assert_eq!(diff.to_string(), format!("~ licence/#1: payload\n~ partials/{ID}2: config.x, name"));
}

#[test]
fn a_document_is_compared_by_the_pointers_of_its_members() {
    let old = r#"{"routes": [{"path": "/a", "to": {"x": {"y": 1}}}, {"path": "/b"}], "gone": "hunter2", "a/b~c": 1, "n": 1}"#;
    let new = "routes:\n- {path: /first}\n- {to: {x: {y: 2}}, path: /a}\n- {path: /b}\na/b~c: 2\nn: 1.0\nfresh: null\n";
    let diff = diff(old.as_bytes(), new.as_bytes(), Format::Document).unwrap();
    let expected = "+ /fresh\n+ /routes/1\n- /gone\n- /routes/0/to\n~ /a~1b~0c\n~ /routes/0/path";
    assert_eq!(diff.to_string(), expected);
}

#[test]
fn an_element_more_does_not_change_those_behind_it() {
    let document = |elements: &[&str]| format!(r#"{{"list": [{}]}}"#, elements.join(", "));
    let said = |old: &[&str], new: &[&str]| diff(document(old).as_bytes(), document(new).as_bytes(), Format::Document).unwrap().to_string();
    assert_eq!(said(&["1", "2", "3"], &["0", "1", "2", "3"]), "+ /list/0");
    assert_eq!(said(&["1", "2", "3"], &["1", "3"]), "- /list/1");
    assert_eq!(said(&["1", "2", "3"], &["1", "4", "3"]), "~ /list/1");
    assert_eq!(said(&["1", "1"], &["1"]), "- /list/1");
    assert_eq!(said(&["[1, [2, [3]]]"], &["[1, [2, [4]]]"]), "~ /list/0/1");
    assert_eq!(said(&["{\"a\": 1, \"b\": 2}"], &["{ \"b\":2.0, \"a\":1 }"]), "no difference");
    assert_eq!(said(&["{\"a\": null}"], &["{}"]), "- /list/0/a");
}

#[test]
fn xds_resources_are_compared_by_type_and_name_and_their_bytes_never_shown() {
    let set = |rows: &[(&str, &str, &str, &str)]| {
        xds::encode(
            rows.iter()
                .map(|(type_url, name, version, value)| Resource {
                    type_url: (*type_url).to_owned(),
                    name: (*name).to_owned(),
                    version: (*version).to_owned(),
                    value: value.as_bytes().to_vec(),
                })
                .collect(),
        )
    };
    let unknown = "type.googleapis.com/x.Y";
    let old = set(&[
        (types::CLUSTER, "a", "1", "hunter1"),
        (types::CLUSTER, "b", "1", "hunter1"),
        (types::CLUSTER, "c", "hunter5", "x"),
        (types::SECRET, "a", "1", "hunter1"),
        (unknown, "u", "1", "x"),
    ]);
    let new = set(&[
        (types::CLUSTER, "a", "1", "hunter2"),
        (types::CLUSTER, "c", "hunter6", "x"),
        (types::SECRET, "a", "2", "hunter2"),
        (types::ROUTES, "\u{1b}[2Jb", "1", "hunter3"),
        (unknown, "u", "1", "x"),
    ]);
    let diff_of = |old: &[u8], new: &[u8]| diff(old, new, Format::Xds).unwrap();
    assert_unseen(&diff_of(&old, &new), &["hunter", "\u{1b}"]);
    let expected = "+ routes/[2Jb\n- clusters/b\n~ clusters/a: bytes\n~ clusters/c: version\n~ secrets/a: bytes, version";
    assert_eq!(diff_of(&old, &new).to_string(), expected);
    assert!(diff_of(&old, &old).is_empty());
    let refusal = diff(&old, b"{}", Format::Xds).unwrap_err().to_string();
    assert_eq!(refusal, "the new configuration: is no list of xDS resources: what stands for resource 0 is none");
}

#[test]
fn what_cannot_be_read_says_which_of_the_two_it_is() {
    let good = "_format_version: '3.0'\nservices: [{name: a, host: h}]\n";
    let bad = "_format_version: '3.0'\nroutes: [{name: hunter2, service: hunter2}]\n";
    let refusal = |old: &str, new: &str, format| diff(old.as_bytes(), new.as_bytes(), format).unwrap_err().to_string();
    assert_eq!(
        refusal(bad, good, Format::Kong),
        "the old configuration, routes[0].service: invalid reference (no such entry in 'services')"
    );
    assert!(refusal(good, "{", Format::Kong).starts_with("the new configuration: "));
    assert_eq!(refusal("{}", "[]", Format::Document), "the new configuration: expected an object");
}

#[test]
fn a_difference_is_written_as_json_without_what_it_does_not_show() {
    let document = |host: &str, retries: u8| format!("_format_version: '3.0'\nservices: [{{name: a, host: {host}, retries: {retries}}}]\n");
    let written = serde_json::to_string(&of_kong(&document("x", 1), &document("y", 2))).unwrap();
    let expected = concat!(
        r#"{"added":[],"removed":[],"changed":[{"entity":{"kind":"services","name":"a"},"#,
        r#""changes":[{"field":"host","from":"x","to":"y"},{"field":"retries"}]}]}"#
    );
    assert_eq!(written, expected);
}

#[test]
fn nothing_of_a_document_can_move_the_cursor_of_a_terminal() {
    let document = |value: u8| format!("{{\"\\u001b[2J{}\": {value}, \"a\": 1}}", "x".repeat(500));
    let diff = diff(document(1).as_bytes(), document(2).as_bytes(), Format::Document).unwrap().to_string();
    assert!(diff.starts_with("~ /[2Jx") && diff.chars().count() < 80, "{diff:?}");
}

fn of_kong(old: &str, new: &str) -> Diff {
    diff(old.as_bytes(), new.as_bytes(), Format::Kong).unwrap()
}

fn assert_unseen(diff: &Diff, secrets: &[&str]) {
    assert!(!diff.is_empty());
    for written in [diff.to_string(), format!("{diff:?}"), serde_json::to_string(diff).unwrap()] {
        for secret in secrets {
            assert!(!written.contains(secret), "{secret} in {written}");
        }
    }
}

fn hundred_routes() -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(HUNDRED_ROUTES).read_to_string(&mut text).unwrap();
    text
}

fn service_url(url: &str) -> String {
    format!("_format_version: '3.0'\nservices: [{{name: s, url: '{url}'}}]\n")
}

fn merged(mut one: Value, other: Value) -> Value {
    if let (Value::Object(one), Value::Object(other)) = (&mut one, other) {
        one.extend(other);
    }
    one
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
