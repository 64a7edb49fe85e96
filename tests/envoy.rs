//! The policy inside a real Envoy, over a real SeaweedFS: the proxy-wasm module boots, climbs, and routes what Envoy's bootstrap never
//! heard of. What comes through is the core's own work; the files of `plugin/proxy-wasm` only carry it.

// A test that cannot go on says so by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use holdover_plugin::config::{self, Format, Strictness};
use holdover_plugin::model::{Epoch, Generation, Lineage, Position, UnixMs};
use holdover_plugin::snapshot::head::{Entry, Head};
use holdover_plugin::snapshot::{About, Publication, Snapshot, keys, seal};
use holdover_plugin_build::Guest;
use holdover_ports::{PutNew, Swap};
use holdover_storage::{Environment, PutConfig, StorageUrl};
use holdover_tests::third_party::{self, Identity, SeaweedFs, Tied, free_ports};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OnceCell;

const CLUSTER: &str = "envoy-tests";
/// With a character that path and signature have to agree on.
const VERSION: &str = "3.9.1+edge";
const EXPORTER: (&str, &str) = ("exporter", "secret-of-the-exporter-51c8");
const ENVOY: (&str, &str) = ("envoy", "secret-of-envoy-0d3e");
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn envoy_routes_by_the_snapshot_while_its_control_plane_is_away() {
    let upstream = Upstream::start("").await;
    let seaweed = seaweed().await;
    publish(seaweed, "snapshot", configuration(upstream.port)).await;
    let envoy = Envoy::start(&Bootstrap { storage: seaweed.endpoint(), prefix: "snapshot", ..Bootstrap::of(&nobody()) });
    envoy.until(200, "/orders/7?full=1").await;

    let seen = envoy.get("/orders/7?full=1", &[("x-forwarded-prefix", "/forged"), ("proxy", "http://evil")]).await;
    let head = seen.body.to_lowercase();
    assert!(head.starts_with("get /base/7?full=1 http/1.1"), "{head}");
    assert!(head.contains("x-forwarded-prefix: /orders") && head.contains("x-forwarded-host: shop.example"), "{head}");
    assert!(head.contains(&format!("\nhost: 127.0.0.1:{}\r\n", upstream.port)) && !head.contains("evil"), "{head}");

    let correlated = envoy.get("/correlated", &[]).await;
    let id = correlated.header("x-trace").unwrap_or_else(|| panic!("no id in {correlated:?}"));
    assert!(id.ends_with("#1") && correlated.body.contains(id), "{correlated:?}");
    let kept = envoy.get("/kept", &[("x-from", "\u{e9}t\u{e9}")]).await;
    assert!(kept.body.to_lowercase().contains("host: shop.example\r\n"), "{kept:?}");
    envoy.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_envoy_cannot_do_as_the_configuration_says_it_refuses() {
    let upstream = Upstream::start("").await;
    let seaweed = seaweed().await;
    publish(seaweed, "refusals", configuration(upstream.port)).await;
    let envoy = Envoy::start(&Bootstrap { storage: seaweed.endpoint(), prefix: "refusals", ..Bootstrap::of(&nobody()) });
    envoy.until(200, "/orders").await;

    let guarded = envoy.get("/guarded", &[]).await;
    assert_eq!(guarded.status, 503, "{guarded:?}");
    assert!(guarded.body.contains("'key-auth'"), "{guarded:?}");
    let closed = envoy.get("/closed", &[]).await;
    assert_eq!((closed.status, closed.body.as_str()), (418, r#"{"message":"closed for tea"}"#));
    assert_eq!(envoy.get("/nowhere", &[]).await.status, 404);
    let secure = envoy.get("/secure", &[]).await;
    assert_eq!((secure.status, secure.header("location")), (302, Some("https://shop.example/secure")), "{secure:?}");
    let encrypted = envoy.get("/encrypted", &[]).await;
    assert!(encrypted.status == 503 && encrypted.body.contains("TLS"), "{encrypted:?}");
    envoy.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_snapshot_envoy_answers_503_and_takes_the_first_one_that_is_published() {
    let upstream = Upstream::start("").await;
    let seaweed = seaweed().await;
    let envoy = Envoy::start(&Bootstrap { storage: seaweed.endpoint(), prefix: "empty", ..Bootstrap::of(&nobody()) });
    envoy.until_log("event=stranded").await;
    let answer = envoy.get("/orders/7", &[]).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["reason"], "not-configured", "{answer:?}");

    publish(seaweed, "empty", configuration(upstream.port)).await;
    envoy.until(200, "/orders/7").await;
    envoy.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_takes_its_control_planes_configuration_and_asks_no_storage() {
    let upstream = Upstream::start("").await;
    let control_plane = Upstream::start(&configuration(upstream.port)).await;
    let envoy = Envoy::start(&Bootstrap { control_plane: control_plane.authority(), ..Bootstrap::of(&nobody()) });
    envoy.until(200, "/orders/7").await;
    let said = envoy.process.said();
    assert!(said.contains("origin=control-plane") && !said.contains("storage_cluster"), "{said}");
    envoy.end().await;
}

/// The module, compiled once for all tests.
fn module() -> &'static Path {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| {
        let target_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("guest-proxy-wasm");
        let guest = Guest { package: "holdover-proxy-wasm", features: &[], target: "wasm32-wasip1", target_dir: &target_dir };
        guest.build().unwrap_or_else(|sentence| panic!("{sentence}"))
    })
}

/// One storage for all tests, a prefix for each. It ends with the process.
async fn seaweed() -> &'static SeaweedFs {
    static SEAWEED: OnceCell<SeaweedFs> = OnceCell::const_new();
    let identity = |(access_key, secret_key): (&str, &str), may_write| Identity {
        access_key: access_key.to_owned(),
        secret_key: secret_key.to_owned(),
        may_write,
    };
    SEAWEED.get_or_init(async || SeaweedFs::start(&[identity(EXPORTER, true), identity(ENVOY, false)]).await).await
}

fn configuration(upstream_port: u16) -> String {
    let id = |number: u32| format!("00000000-0000-4000-8000-{number:012}");
    let service = |name: &str, protocol: &str, id: String, routes: Value| json!({ "id": id, "name": name, "protocol": protocol, "host": "127.0.0.1", "port": upstream_port, "path": "/base", "routes": routes });
    let route = |number: u32, path: &str| json!({ "id": id(number), "name": path.trim_start_matches('/'), "paths": [path] });
    let with = |mut entity: Value, name: &str, value: Value| {
        entity[name] = value;
        entity
    };
    let plugin = |number: u32, name: &str, config: Value| json!([{ "id": id(number), "name": name, "config": config }]);
    let tea = json!({ "status_code": 418, "message": "closed for tea" });
    let traced = json!({ "header_name": "x-trace", "echo_downstream": true });
    let plain = json!([
        route(11, "/orders"),
        with(route(12, "/guarded"), "plugins", plugin(21, "key-auth", json!({}))),
        with(route(13, "/closed"), "plugins", plugin(22, "request-termination", tea)),
        with(route(14, "/correlated"), "plugins", plugin(23, "correlation-id", traced)),
        with(route(15, "/kept"), "preserve_host", json!(true)),
        with(with(route(16, "/secure"), "protocols", json!(["https"])), "https_redirect_status_code", json!(302)),
    ]);
    let services = json!([service("plain", "http", id(1), plain), service("tls", "https", id(2), json!([route(17, "/encrypted")]))]);
    json!({ "_format_version": "3.0", "services": services }).to_string()
}

/// What an exporter does: body first, head second.
async fn publish(seaweed: &SeaweedFs, prefix: &str, configuration: String) {
    let url = StorageUrl::parse(&format!("{}/{}/{prefix}", seaweed.endpoint(), SeaweedFs::BUCKET)).unwrap();
    let environment: Environment =
        [("AWS_ACCESS_KEY_ID", EXPORTER.0), ("AWS_SECRET_ACCESS_KEY", EXPORTER.1)].map(|(name, value)| (name.into(), value.into())).into();
    let writer = holdover_storage::open(&url, &environment, PutConfig::default()).await.unwrap().writer;
    let (snapshot, head) = sealed(configuration);
    let key = head.newest(&VERSION.parse().unwrap()).unwrap().key.clone();
    assert_eq!(writer.put_new(&key, Bytes::from(snapshot.into_bytes())).await, Ok(PutNew::Created));
    assert_eq!(writer.swap(keys::HEAD, None, Bytes::from(head.lines().unwrap().sign(&[]))).await, Ok(Swap::Swapped));
}

fn sealed(configuration: String) -> (Snapshot, Head) {
    let valid = config::validate(configuration.into_bytes(), Format::Kong, Strictness::HandWritten).unwrap();
    let (version, lineage, now) = (VERSION.parse().unwrap(), Lineage::from_random(1, 2), UnixMs(1_700_000_000_000));
    let position = Position { epoch: Epoch(1), generation: Generation(1) };
    let about = About {
        cluster: CLUSTER.parse().unwrap(),
        gateway_version: VERSION.parse().unwrap(),
        publication: Some(Publication { lineage, epoch: position.epoch, generation: position.generation }),
        captured_at: now,
        sealed_at: now,
        sealed_by: "tests/envoy.rs".into(),
    };
    let snapshot = seal(valid, &about, None).unwrap().sign(&[]).unwrap();
    let entry = Entry::of(&snapshot, String::new()).unwrap();
    let mut head = Head::first(CLUSTER.parse().unwrap(), lineage);
    (head.epoch, head.generation, head.confirmed_at) = (position.epoch, position.generation, now);
    head.publish(version, entry);
    (snapshot, head)
}

/// An HTTP server that answers every request with one body, or with what it received.
struct Upstream {
    port: u16,
}

impl Upstream {
    async fn start(body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let body = body.to_owned();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let body = body.clone();
                tokio::spawn(async move {
                    let received = read_head(&mut stream).await;
                    let body = if body.is_empty() { received } else { body };
                    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
                    let length = body.len();
                    let answer = format!("HTTP/1.1 200 OK\r\ndate: {date}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        Self { port }
    }

    fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut received = Vec::new();
    while !received.ends_with(b"\r\n\r\n") {
        let Ok(byte @ 0..) = stream.read_u8().await else { break };
        received.push(byte);
    }
    String::from_utf8_lossy(&received).into_owned()
}

/// An address that refuses every connection.
fn nobody() -> String {
    let [port] = free_ports();
    format!("127.0.0.1:{port}")
}

/// What differs from one Envoy to the next.
struct Bootstrap<'a> {
    control_plane: String,
    storage: &'a str,
    prefix: &'a str,
}

impl Bootstrap<'_> {
    /// Control plane and storage are away.
    fn of(nobody: &str) -> Self {
        Self { control_plane: nobody.to_owned(), storage: "", prefix: "none" }
    }

    fn write(&self, admin: u16, listen: u16) -> Value {
        let storage = self.storage.strip_prefix("http://").unwrap_or(&self.control_plane);
        json!({
            "admin": { "address": address(&format!("127.0.0.1:{admin}")) },
            "static_resources": {
                "listeners": [{ "name": "main", "address": address(&format!("127.0.0.1:{listen}")), "filter_chains": [{ "filters": [{
                    "name": "envoy.filters.network.http_connection_manager",
                    "typed_config": self.connection_manager(storage),
                }] }] }],
                "clusters": [
                    upstreams(),
                    cluster("control-plane", &self.control_plane, json!([])),
                    cluster("storage", storage, json!([{ "name": "envoy.filters.http.aws_request_signing", "typed_config": {
                        "@type": typed("filters.http.aws_request_signing.v3.AwsRequestSigning"),
                        "service_name": "s3", "region": "us-east-1", "use_unsigned_payload": true,
                        // The environment and nothing else: no instance role is asked for over the network.
                        "credential_provider": { "custom_credential_provider_chain": true, "environment_credential_provider": {} },
                    } }])),
                ],
            },
        })
    }

    fn connection_manager(&self, storage: &str) -> Value {
        let settings = json!({
            "cluster": CLUSTER, "gateway_version": VERSION, "format": "kong",
            "storage_cluster": "storage", "storage_authority": storage,
            "storage_prefix": format!("/{}/{}", SeaweedFs::BUCKET, self.prefix),
            "control_plane_cluster": "control-plane", "control_plane_path": "/config", "give_up_ms": 5000,
        });
        let wasm = json!({
            "name": "holdover", "root_id": "holdover", "failure_policy": "FAIL_RELOAD",
            "configuration": { "@type": "type.googleapis.com/google.protobuf.StringValue", "value": settings.to_string() },
            "vm_config": { "vm_id": "holdover", "runtime": "envoy.wasm.runtime.v8", "code": { "local": { "filename": module() } } },
        });
        json!({
            "@type": typed("filters.network.http_connection_manager.v3.HttpConnectionManager"),
            "stat_prefix": "main",
            "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [{
                "match": { "prefix": "/" }, "route": { "cluster": "upstreams" },
            }] }] },
            "http_filters": [
                { "name": "holdover", "typed_config": { "@type": typed("filters.http.wasm.v3.Wasm"), "config": wasm } },
                { "name": "envoy.filters.http.dynamic_forward_proxy", "typed_config": {
                    "@type": typed("filters.http.dynamic_forward_proxy.v3.FilterConfig"),
                    "dns_cache_config": dns_cache(), "allow_dynamic_host_from_filter_state": true,
                } },
                { "name": "envoy.filters.http.router", "typed_config": { "@type": typed("filters.http.router.v3.Router") } },
            ],
        })
    }
}

fn typed(name: &str) -> String {
    format!("type.googleapis.com/envoy.extensions.{name}")
}

fn dns_cache() -> Value {
    json!({ "name": "upstreams", "dns_lookup_family": "V4_ONLY" })
}

/// The one cluster for every upstream that a snapshot may name.
fn upstreams() -> Value {
    let forward_proxy = json!({ "@type": typed("clusters.dynamic_forward_proxy.v3.ClusterConfig"), "dns_cache_config": dns_cache() });
    let cluster_type = json!({ "name": "envoy.clusters.dynamic_forward_proxy", "typed_config": forward_proxy });
    json!({ "name": "upstreams", "lb_policy": "CLUSTER_PROVIDED", "connect_timeout": "2s", "cluster_type": cluster_type })
}

fn cluster(name: &str, authority: &str, filters: Value) -> Value {
    let mut filters = filters.as_array().cloned().unwrap();
    filters.push(json!({ "name": "envoy.filters.http.upstream_codec", "typed_config": {
        "@type": typed("filters.http.upstream_codec.v3.UpstreamCodec"),
    } }));
    let options = json!({
        "@type": typed("upstreams.http.v3.HttpProtocolOptions"),
        "explicit_http_config": { "http_protocol_options": {} },
        "http_filters": filters,
    });
    let endpoint = json!({ "endpoint": { "address": address(authority) } });
    json!({
        "name": name, "type": "STATIC", "connect_timeout": "2s",
        "load_assignment": { "cluster_name": name, "endpoints": [{ "lb_endpoints": [endpoint] }] },
        "typed_extension_protocol_options": { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options },
    })
}

fn address(authority: &str) -> Value {
    let (host, port) = authority.rsplit_once(':').unwrap();
    json!({ "socket_address": { "address": host, "port_value": port.parse::<u16>().unwrap() } })
}

/// A running Envoy. Ends with this value, and with the test process, however that ends.
struct Envoy {
    process: Tied,
    admin: u16,
    listen: u16,
    _home: TempDir,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Envoy {
    fn start(bootstrap: &Bootstrap<'_>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let [admin, listen] = free_ports();
        let config = home.path().join("bootstrap.json");
        fs::write(&config, bootstrap.write(admin, listen).to_string()).unwrap();
        // `env` and `sh` become Envoy, so that its environment holds a key that the module is never told. Without `sh`, `env` would
        // take the path, which holds an '=', for a variable.
        let keys = [format!("AWS_ACCESS_KEY_ID={}", ENVOY.0), format!("AWS_SECRET_ACCESS_KEY={}", ENVOY.1)];
        let mut arguments = Vec::from(keys);
        arguments.extend(["sh", "-c", r#"exec "$@""#, "sh"].map(str::to_owned));
        arguments.extend([third_party::envoy().display().to_string(), "--config-path".into(), config.display().to_string()]);
        arguments.extend(["--concurrency", "1", "--disable-hot-restart", "--log-level", "info"].map(str::to_owned));
        let process = Tied::start(Path::new("env"), &arguments, home.path());
        Self { process, admin, listen, _home: home }
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let answer = self.try_get(path, headers).await;
        answer.unwrap_or_else(|| panic!("Envoy did not answer a GET of {path}; it said: {}", self.process.said()))
    }

    async fn try_get(&self, path: &str, headers: &[(&str, &str)]) -> Option<Answer> {
        exchange("GET", self.listen, path, headers).await
    }

    /// Waits for an answer with this status.
    async fn until(&self, status: u16, path: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.try_get(path, &[]).await {
                Some(answer) if answer.status == status => return,
                Some(_) | None if Instant::now() < end => tokio::time::sleep(Duration::from_millis(50)).await,
                last => panic!("no {status} to a GET of {path} within {PATIENCE:?}, but {last:?}; Envoy said: {}", self.process.said()),
            }
        }
    }

    async fn until_log(&self, words: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.process.said().contains(words) {
            assert!(Instant::now() < end, "Envoy did not say '{words}' within {PATIENCE:?}, but: {}", self.process.said());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends it in an orderly way, with calls of the module still on their way: Envoy must not crash over them.
    async fn end(self) {
        let asked = exchange("POST", self.admin, "/quitquitquit", &[]).await;
        assert_eq!(asked.map(|answer| answer.status), Some(200), "{}", self.process.said());
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.admin)).await.is_ok() {
            assert!(Instant::now() < end, "Envoy did not end within {PATIENCE:?}: {}", self.process.said());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.until_log("exiting").await;
        let said = self.process.said();
        assert!(!said.contains("Caught Segmentation fault") && !said.contains("Caught Aborted"), "{said}");
    }
}

async fn exchange(method: &str, port: u16, path: &str, headers: &[(&str, &str)]) -> Option<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: shop.example\r\ncontent-length: 0\r\nconnection: close\r\n{more}\r\n");
    // One byte a character: what is not ASCII goes out as no UTF-8.
    let bytes: Vec<u8> = request.chars().map(|character| character as u8).collect();
    stream.write_all(&bytes).await.ok()?;
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await.ok()?;
    let received = String::from_utf8_lossy(&received);
    let (head, body) = received.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    Some(Answer { status, headers, body: body.to_owned() })
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}
