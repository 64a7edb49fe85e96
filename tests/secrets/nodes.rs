//! Nodes in every situation: what they log at level debug, and what their pages show.

use bytes::Bytes;
use holdover_drill::control_plane::HttpControlPlane;
use holdover_drill::process::{Node, NodeSpec};
use holdover_drill::{SELDOM, until};
use holdover_plugin::snapshot::keys;
use holdover_tests::keygen::{Identity, Signing};
use holdover_tests::site::{BOUND, PREFIX, Site, away, says};
use serde_json::json;

use crate::documents::{document, planted, wrong};
use crate::scanner::{Scanner, captures};

const STORAGE: &str = "cluster_fallback_config_storage";

#[tokio::test(flavor = "multi_thread")]
async fn an_export_and_an_import_say_nothing_of_what_they_carry() {
    let scanner = Scanner::of_captures();
    let site = Site::start().await;
    let mut deliveries: Vec<Vec<u8>> = captures();
    deliveries.extend([1, 2].map(|generation| document(site.upstream.address(), generation).to_string().into_bytes()));
    let mut live = HttpControlPlane::start(deliveries[0].clone()).await.unwrap();
    // The captures are different configurations, not changes of one.
    let exporter = site.exporter("exporter", &live).with_builtin_gateway().unwrap();
    let unguarded = exporter.set("holdover_guard_shrink", "0").set("holdover_guard_growth", "0");
    let mut backup = Node::spawn(&loud(unguarded)).unwrap();
    for (nth, delivered) in (1..).zip(&deliveries) {
        live.set_document(delivered.clone());
        site.generation(&mut backup, PREFIX, nth).await;
        scanner.holds_against_node("an export", &backup).await;
    }
    live.stop().await.unwrap();
    says(&mut backup, &["control-plane-lost"]).await;
    scanner.holds_against_node("a lost control plane", &backup).await;
    ends_on_sigterm(&mut backup).await;

    // Started from the storage, then from its cache, then from the control plane that came back.
    let spec = loud(site.importer("importer", &live).with_builtin_gateway().unwrap());
    for origin in ["storage", "cache"] {
        let mut node = Node::spawn(&spec).unwrap();
        node.wait_ready(BOUND).await.unwrap();
        assert_eq!(node.status().await.unwrap()["serving"]["origin"], origin);
        scanner.holds_against_node(&format!("a start from the {origin}"), &node).await;
        ends_on_sigterm(&mut node).await;
    }
    live.restart().await.unwrap();
    let mut node = Node::spawn(&spec).unwrap();
    node.wait_ready(BOUND).await.unwrap();
    assert_eq!(node.status().await.unwrap()["serving"]["origin"], "control-plane");
    scanner.holds_against_node("a start from the control plane", &node).await;
    ends_on_sigterm(&mut node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_refused_is_refused_without_its_secrets() {
    let mut scanner = Scanner::of_captures();
    let site = Site::start().await;
    let (signing, stranger) = (Signing::generate(site.folder(), "signing"), Signing::generate(site.folder(), "stranger"));
    let (identity, other) = (Identity::generate(site.folder(), "identity"), Identity::generate(site.folder(), "other"));
    for file in [&signing.file, &stranger.file, &identity.file, &other.file] {
        scanner.learn_key_file(file);
    }
    let live = HttpControlPlane::start(document(site.upstream.address(), 1).to_string()).await.unwrap();
    let sealed = loud(site.backup_node("exporter", &live))
        .set("holdover_signing_key", signing.file.display())
        .set("holdover_recipients", &identity.recipient);
    let plain = loud(site.backup_node("plain-exporter", &live)).set(STORAGE, site.storage_at("plain"));
    for (spec, prefix) in [(sealed, PREFIX), (plain, "plain")] {
        let mut backup = Node::spawn(&spec).unwrap();
        site.generation(&mut backup, prefix, 1).await;
        scanner.holds_against_node("a sealed export", &backup).await;
        ends_on_sigterm(&mut backup).await;
    }
    let entry = site.head_at("plain").unwrap().views.into_values().next().unwrap().history.remove(0);
    site.copy("plain", "broken").await;
    assert!(site.store.corrupt(&format!("broken/{}", entry.key), entry.file_bytes as usize / 2));
    site.copy("plain", "broken-head").await;
    assert!(site.store.corrupt(&format!("broken-head/{}", keys::HEAD), 20));
    // Sealed by nobody and no configuration either: Kong's own place.
    let (_, torn) = wrong(site.upstream.address()).into_iter().find(|(what, _)| *what == "torn within a secret").unwrap();
    site.overwrite_at("kong", "3.9.1/config.json", torn).await;

    let away = away("").await;
    let newborn =
        |name: &str, prefix: &str| loud(site.importer(name, &away).with_builtin_gateway().unwrap()).set(STORAGE, site.storage_at(prefix));
    for (situation, spec) in [
        ("another trusted key", newborn("a", PREFIX).set("holdover_trusted_keys", &stranger.public)),
        ("unsigned", newborn("b", "plain").set("holdover_trusted_keys", &signing.public)),
        ("no identity", newborn("c", PREFIX).set("holdover_trusted_keys", &signing.public)),
        ("another identity", newborn("d", PREFIX).set("holdover_identity", other.file.display())),
        ("another cluster", newborn("e", "plain").set("holdover_cluster", "blue")),
        ("another version", newborn("f", "plain").set("holdover_gateway_version", "3.8.0")),
        ("a broken snapshot", newborn("g", "broken")),
        ("a broken head", newborn("h", "broken-head")),
        ("below the floor", newborn("i", "plain").set("holdover_min_generation", "7")),
        ("nothing there", newborn("j", "empty")),
        ("Kong's file, invalid", newborn("k", "kong")),
        ("Kong's file, and a key", newborn("l", "kong").set("holdover_trusted_keys", &signing.public)),
        ("a wrong secret key", newborn("m", "plain").env("AWS_SECRET_ACCESS_KEY", planted("aws", 0))),
    ] {
        let mut node = Node::spawn(&spec).unwrap();
        let stranded = until(BOUND, SELDOM, situation, async || {
            node.still_runs()?;
            Ok(node.log().contains("No configuration anywhere. Tried: ").then_some(()))
        });
        stranded.await.unwrap_or_else(|failure| panic!("{failure:#}; it said:\n{}", node.log()));
        scanner.holds_against_node(situation, &node).await;
        ends_on_sigterm(&mut node).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_configuration_is_said_without_its_values() {
    let scanner = Scanner::of_captures();
    let site = Site::start().await;
    let live = HttpControlPlane::start(document(site.upstream.address(), 1).to_string()).await.unwrap();
    let mut node = Node::spawn(&loud(site.exporter("exporter", &live).with_builtin_gateway().unwrap())).unwrap();
    node.wait_ready(BOUND).await.unwrap();
    for (what, delivered) in wrong(site.upstream.address()) {
        live.set_document(delivered);
        polled(&live, &mut node).await;
        scanner.holds_against_node(what, &node).await;
    }
    assert!(node.log().contains("config-invalid"), "{}", node.log());
    ends_on_sigterm(&mut node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_and_a_gateway_refuse_without_repeating_what_they_refuse() {
    let scanner = Scanner::of_captures();
    let site = Site::start().await;
    let schema = site.folder().join("schema.json");
    let wanted = json!({"type": "object", "additionalProperties": false, "properties": {
        "password": {"type": "integer"}, "token": {"enum": ["a", "b"]}, "pattern": {"type": "string", "pattern": "^[a-c]+$"},
        "short": {"maxLength": 3}, "const": {"const": 1}, "list": {"uniqueItems": true, "contains": {"type": "integer"}},
        "format": {"type": "string", "format": "ipv4"}, "any": {"anyOf": [{"type": "null"}, {"minLength": 500}]}}});
    std::fs::write(&schema, wanted.to_string()).unwrap();
    let place = |place: &str| planted(place, 0);
    let refused = json!({"password": place("type"), "token": place("enum"), "pattern": place("pattern"), "short": place("length"),
        "const": place("const"), "list": [place("item"), place("item")], "format": place("format"), "any": place("any")});
    let live = HttpControlPlane::start(refused.to_string()).await.unwrap();
    let spec = loud(site.backup_node("schema", &live))
        .set("holdover_format", "document")
        .set("holdover_schema", schema.display())
        .set("holdover_kong_layout", "off");
    let mut node = Node::spawn(&spec).unwrap();
    says(&mut node, &["holdover_schema"]).await;
    scanner.holds_against_node("a schema's refusal", &node).await;
    ends_on_sigterm(&mut node).await;

    // A proxy that prints what it does not like.
    let gateway = site.folder().join("gateway.json");
    let live = HttpControlPlane::start(document(site.upstream.address(), 1).to_string()).await.unwrap();
    let spec = loud(site.importer("rejecting", &live))
        .set("holdover_gateway", format!("file://{}", gateway.display()))
        .set("holdover_gateway_reload", format!("cat '{}' >&2; exit 1", gateway.display()));
    let mut node = Node::spawn(&spec).unwrap();
    says(&mut node, &["the reload command refused the configuration"]).await;
    scanner.holds_against_node("a gateway's refusal", &node).await;
    ends_on_sigterm(&mut node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_credentials_for_the_control_plane_are_not_said_whatever_it_answers() {
    use holdover_drill::control_plane::Behaviour;
    let scanner = Scanner::default();
    let site = Site::start().await;
    let mut live = HttpControlPlane::start(Bytes::new()).await.unwrap();
    for behaviour in [Behaviour::Status(401), Behaviour::Status(403), Behaviour::Status(500), Behaviour::Refuse] {
        live.set_behaviour(behaviour).await.unwrap();
        let name: String = format!("{behaviour:?}").chars().filter(char::is_ascii_alphanumeric).collect();
        let spec = loud(site.importer(&name, &live).with_builtin_gateway().unwrap());
        let spec = spec.set("holdover_control_plane_user", "node").set("holdover_control_plane_password", planted("password", 0));
        let mut node = Node::spawn(&spec).unwrap();
        says(&mut node, &["name=\"control-plane-"]).await;
        scanner.holds_against_node(&format!("{behaviour:?}"), &node).await;
        ends_on_sigterm(&mut node).await;
    }
}

/// Says everything that it has to say.
fn loud(spec: NodeSpec) -> NodeSpec {
    spec.set("log_level", "debug")
}

/// Asked twice more: the first answer was looked at before the second was asked for.
async fn polled(live: &HttpControlPlane, node: &mut Node) {
    let enough = live.requests() + 2;
    let polled = until(BOUND, SELDOM, "two polls", async || {
        node.still_runs()?;
        Ok((live.requests() >= enough).then_some(()))
    });
    polled.await.unwrap();
}

async fn ends_on_sigterm(node: &mut Node) {
    node.still_runs().unwrap();
    let status = node.terminate(std::time::Duration::from_secs(20)).await.unwrap();
    assert_eq!(status.code(), Some(0), "{}", node.log());
}
