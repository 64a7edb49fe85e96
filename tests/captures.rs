//! Configurations that a real Kong 3.9.1 control plane sent, from export to a node born in an outage: byte for byte, and served.
//!
//! The captured services are at 127.0.0.1:18900. To serve them, each `18900` in the text becomes the port of this test's upstream, and
//! nothing else is changed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;

use holdover_drill::control_plane::HttpControlPlane;
use holdover_drill::process::{Node, NodeSpec};
use holdover_plugin::snapshot::head::Entry;
use holdover_plugin::snapshot::{self, Trust};
use holdover_tests::site::{BOUND, Site};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CAPTURED_PORT: &str = "18900";

#[tokio::test(flavor = "multi_thread")]
async fn the_small_capture_comes_out_byte_for_byte() {
    comes_out_byte_for_byte("small").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_captured_routes_come_out_byte_for_byte() {
    comes_out_byte_for_byte("r100").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_captured_routes_come_out_byte_for_byte() {
    comes_out_byte_for_byte("r5000").await;
}

/// A request, and what the upstream is asked for; `None`: no route takes it.
struct Row(&'static str, &'static str, Option<&'static str>);

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_captured_routes_are_served() {
    let rows = [
        Row("any.example.test", "/r00000", Some("/u0")),
        Row("any.example.test", "/r00000/further?and=so", Some("/u0/further?and=so")),
        Row("any.example.test", "/r00042", Some("/u2")),
        Row("h9.example.test", "/r00057", Some("/u7")),
        Row("h9.example.test", "/r00009", Some("/u9")),
        Row("h39.example.test", "/r00089/x", Some("/u9/x")),
        // Kong compares the header as it came, letter for letter.
        Row("H49.Example.Test", "/r00099", None),
        Row("any.example.test", "/r00009", None),
        Row("h9.example.test", "/r00099", None),
        Row("any.example.test", "/r00100", None),
        Row("any.example.test", "/", None),
    ];
    are_served("r100", 10, &rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_captured_routes_are_served() {
    let rows = [
        Row("any.example.test", "/r00000", Some("/u0")),
        Row("any.example.test", "/r00500", Some("/u0")),
        Row("any.example.test", "/r01234/further", Some("/u234/further")),
        Row("any.example.test", "/r04321", Some("/u321")),
        Row("h9.example.test", "/r00009", Some("/u9")),
        Row("h49.example.test", "/r00499", Some("/u499")),
        Row("h49.example.test", "/r02999", Some("/u499")),
        Row("h49.example.test", "/r04999", Some("/u499")),
        Row("any.example.test", "/r04999", None),
        Row("h9.example.test", "/r02999", None),
        Row("any.example.test", "/r05000", None),
    ];
    are_served("r5000", 500, &rows).await;
}

/// What one request of the small capture must come to.
enum Must {
    /// 200, and the upstream was asked for this path.
    Reach(&'static str),
    /// 503: the route asks for a plugin that this gateway does not enforce.
    Name(&'static str),
    /// 503: the route has no service.
    HaveNoService,
    /// 404.
    MatchNothing,
}

/// Of the captured plugins, `correlation-id` is global and enforced; `response-transformer` is on the route `r-a-path`, `rate-limiting` on
/// the service of `r-c-hdr`, `key-auth` on that of `r-b-host`.
#[tokio::test(flavor = "multi_thread")]
async fn each_route_of_the_small_capture_answers_or_names_the_plugin_that_stops_it() {
    let carried = Carried::served("small", 3, |document| document, |spec| spec).await;
    let plain = "";
    let rows = [
        ("r-a-regex", "GET", "/a/42", plain, Must::Reach("/a/a/42")),
        ("r-a-regex, any method", "DELETE", "/a/42", plain, Must::Reach("/a/a/42")),
        ("r-late", "GET", "/late", plain, Must::Reach("/a")),
        ("r-late, beyond its path", "POST", "/late/x?y=1", plain, Must::Reach("/a/x?y=1")),
        ("r-noservice", "GET", "/noservice", plain, Must::HaveNoService),
        ("r-a-path", "GET", "/a", plain, Must::Name("response-transformer")),
        ("r-a-path, where the regex does not match", "POST", "/a/x", plain, Must::Name("response-transformer")),
        ("r-a-path, another method", "DELETE", "/a", plain, Must::MatchNothing),
        ("r-c-hdr", "GET", "/c", "x-ver: 2", Must::Name("rate-limiting")),
        ("r-c-hdr, the other value", "GET", "/c/x", "x-ver: 3", Must::Name("rate-limiting")),
        ("r-c-hdr, another value", "GET", "/c", "x-ver: 4", Must::MatchNothing),
        ("r-c-hdr, without the header", "GET", "/c", plain, Must::MatchNothing),
        ("r-b-host", "GET", "/", "host: b.example.test", Must::Name("key-auth")),
        ("r-b-host, with a key", "GET", "/", "host: b.example.test\r\napikey: alice-key", Must::Name("key-auth")),
        ("r-b-host, below the wildcard", "GET", "/", "host: x.b.example.test", Must::Name("key-auth")),
        ("r-b-host, another host", "GET", "/", "host: c.example.test", Must::MatchNothing),
    ];
    for (row, method, path, headers, must) in rows {
        let answer = ask(carried.proxy, method, path, headers).await;
        let (status, body) = match must {
            Must::Reach(upstream_path) => (200, carried.site.upstream.body_for(upstream_path)),
            Must::Name(plugin) => {
                (503, format!(r#"{{"message":"this route needs the plugin '{plugin}', which this gateway does not enforce"}}"#))
            }
            Must::HaveNoService => (503, r#"{"message":"no Service found with those values"}"#.to_owned()),
            Must::MatchNothing => (404, r#"{"message":"no Route matched with those values"}"#.to_owned()),
        };
        assert_eq!((answer.status, answer.body), (status, body), "{row}: {method} {path} {headers}");
    }
    let status = carried.node.status().await.unwrap();
    let unenforced = serde_json::json!(["key-auth", "rate-limiting", "response-transformer"]);
    assert_eq!(status["gateway"]["unenforced_plugins"], unenforced);
    carried.end().await;
}

/// None of the captured plugins is of this kind, so here `response-transformer` on `r-a-path` is renamed, in the text.
#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_only_logs_may_be_left_out_and_no_other() {
    let logs = |document: String| document.replace("response-transformer", "http-log");
    let ignores = |spec: NodeSpec| spec.set("holdover_unenforced_plugins", "ignore:http-log");
    let carried = Carried::served("small", 3, logs, ignores).await;
    let answer = ask(carried.proxy, "GET", "/a", "").await;
    assert_eq!((answer.status, answer.body), (200, carried.site.upstream.body_for("/a")));
    assert_eq!(ask(carried.proxy, "GET", "/c", "x-ver: 2").await.status, 503);
    let status = carried.node.status().await.unwrap();
    assert_eq!(status["gateway"]["unenforced_plugins"], serde_json::json!(["key-auth", "rate-limiting"]));

    let away = HttpControlPlane::start("").await.unwrap();
    let spec = carried.site.importer("ignorant", &away).with_builtin_gateway().unwrap();
    let mut ignorant = Node::spawn(&spec.set("holdover_unenforced_plugins", "ignore:http-log,key-auth")).unwrap();
    assert_eq!(ignorant.ended(BOUND).await.unwrap().code(), Some(2));
    let said = ignorant.log();
    assert!(said.contains("holdover_unenforced_plugins = 'ignore:http-log,key-auth' ("), "{said}");
    assert!(said.contains("plugin 'key-auth' cannot be ignored") && said.contains(": take it out of the list"), "{said}");
    carried.end().await;
}

async fn comes_out_byte_for_byte(name: &str) {
    let captured = capture(name);
    let site = Site::start().await;
    let (entry, away) = exported(&site, &captured).await;
    let file = site.object(&entry.key).unwrap();
    let opened = snapshot::verify(&file, &Trust::unasked()).unwrap().open(None).unwrap();
    assert!(opened.into_bytes() == captured, "the snapshot of {name} holds other bytes than were captured");

    let document = site.folder().join("document.json");
    let spec = site.importer("new-node", &away).set("holdover_gateway", format!("file://{}", document.display()));
    let mut node = Node::spawn(&spec).unwrap();
    node.wait_ready(BOUND).await.unwrap_or_else(|failure| panic!("{failure:#}; it said:\n{}", node.log()));
    assert_eq!(node.status().await.unwrap()["serving"]["origin"], "storage");
    assert!(fs::read(&document).unwrap() == captured, "the file of {name} holds other bytes than were captured");
    end(node).await;
}

async fn are_served(name: &str, services: usize, rows: &[Row]) {
    let carried = Carried::served(name, services, |document| document, |spec| spec).await;
    for Row(host, path, upstream_path) in rows {
        let answer = ask(carried.proxy, "GET", path, &format!("host: {host}")).await;
        let must = match upstream_path {
            Some(upstream_path) => (200, carried.site.upstream.body_for(upstream_path)),
            None => (404, r#"{"message":"no Route matched with those values"}"#.to_owned()),
        };
        assert_eq!((answer.status, answer.body), must, "{host} {path}");
    }
    carried.end().await;
}

/// A node born in an outage that serves a capture from the storage with its built-in gateway.
struct Carried {
    site: Site,
    node: Node,
    proxy: SocketAddr,
    _away: HttpControlPlane,
}

impl Carried {
    async fn served(name: &str, ports: usize, change: impl FnOnce(String) -> String, with: impl FnOnce(NodeSpec) -> NodeSpec) -> Self {
        let site = Site::start().await;
        let captured = String::from_utf8(capture(name)).unwrap();
        assert_eq!(captured.matches(CAPTURED_PORT).count(), ports, "each is the port of a service or target, and nothing else");
        let document = change(captured.replace(CAPTURED_PORT, &site.upstream.address().port().to_string()));
        let (_, away) = exported(&site, document.as_bytes()).await;
        let spec = with(site.importer("new-node", &away).with_builtin_gateway().unwrap());
        let mut node = Node::spawn(&spec).unwrap();
        node.wait_ready(BOUND).await.unwrap_or_else(|failure| panic!("{failure:#}; it said:\n{}", node.log()));
        assert_eq!(node.status().await.unwrap()["serving"]["origin"], "storage");
        let proxy = node.proxy().unwrap();
        Self { site, node, proxy, _away: away }
    }

    async fn end(self) {
        end(self.node).await;
    }
}

/// A backup node publishes what a control plane says. Then both are gone.
async fn exported(site: &Site, document: &[u8]) -> (Entry, HttpControlPlane) {
    let mut control_plane = HttpControlPlane::start(document.to_vec()).await.unwrap();
    let mut backup = Node::spawn(&site.backup_node("backup-node", &control_plane)).unwrap();
    let entry = site.published(&mut backup, document).await;
    control_plane.stop().await.unwrap();
    end(backup).await;
    (entry, control_plane)
}

async fn end(mut node: Node) {
    node.still_runs().unwrap();
    assert!(node.terminate(BOUND).await.unwrap().success(), "{}", node.log());
}

struct Answer {
    status: u16,
    body: String,
}

/// One request with these header lines, on a connection of its own. Without a `host` among them it is for 127.0.0.1.
async fn ask(proxy: SocketAddr, method: &str, path: &str, headers: &str) -> Answer {
    let host = if headers.contains("host: ") { "" } else { "host: 127.0.0.1\r\n" };
    let headers = if headers.is_empty() { String::new() } else { format!("{headers}\r\n") };
    let request = format!("{method} {path} HTTP/1.1\r\n{host}{headers}content-length: 0\r\nconnection: close\r\n\r\n");
    let exchange = async {
        let mut connection = TcpStream::connect(proxy).await.unwrap();
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = tokio::time::timeout(BOUND, exchange).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    assert!(!head.contains("transfer-encoding: chunked"), "the body is read as it is: {head}");
    Answer { status: head.split(' ').nth(1).unwrap().parse().unwrap(), body: body.to_owned() }
}

/// The reconfigure message as it was received, inflated.
fn capture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/kong-captures/{name}.reconfigure.gz"));
    let message = fs::read(path).unwrap();
    let mut inflated = Vec::new();
    flate2::read::GzDecoder::new(message.as_slice()).read_to_end(&mut inflated).unwrap();
    inflated
}
