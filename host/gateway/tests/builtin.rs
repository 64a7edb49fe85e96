//! The built-in gateway against real upstreams on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed unwrap is a failed test.

#[path = "builtin/ground.rs"]
mod ground;
#[path = "builtin/tls.rs"]
mod tls;
#[path = "builtin/told.rs"]
mod told;
#[path = "builtin/upstream_tls.rs"]
mod upstream_tls;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use holdover_gateway::{Builtin, NotBound, Options};
use holdover_ports::{Gateway, NotApplied};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use ground::*;

#[tokio::test]
async fn every_request_is_answered_503_until_the_first_configuration() {
    let gateway = gateway().await;
    let answer = get(&gateway, "/anything").await;
    assert_eq!((answer.status, answer.json()["reason"].as_str()), (503, Some("not-configured")));
    assert!(answer.headers.contains_key("retry-after"));
    gateway.apply(&config(&json!({}))).await.unwrap();
    let answer = get(&gateway, "/anything").await;
    assert_eq!((answer.status, answer.message()), (404, "no Route matched with those values".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_swapped_under_load_without_a_failed_request() {
    let gateway = Arc::new(gateway().await);
    let (old, new) = (upstream("old").await, upstream("new").await);
    gateway.apply(&to(old.address)).await.unwrap();
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (gateway, stop, asked) = (Arc::clone(&gateway), Arc::clone(&stop), Arc::clone(&asked));
            tokio::spawn(async move {
                let client = client();
                let mut seen = BTreeMap::new();
                while !stop.load(Ordering::Relaxed) {
                    let answer = send(&client, request(&gateway, "/a")).await;
                    assert_eq!(answer.status, 200, "{:?}", answer.body);
                    *seen.entry(answer.headers["upstream"].to_str().unwrap().to_owned()).or_insert(0) += 1;
                    asked.fetch_add(1, Ordering::Relaxed);
                }
                seen
            })
        })
        .collect();
    for round in 0..20 {
        let before = asked.load(Ordering::Relaxed);
        gateway.apply(&to(if round % 2 == 0 { new.address } else { old.address })).await.unwrap();
        while asked.load(Ordering::Relaxed) < before + 20 {
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        let seen = client.await.unwrap();
        assert_eq!(seen.keys().collect::<Vec<_>>(), ["new", "old"]);
    }
}

#[tokio::test]
async fn a_configuration_that_cannot_be_routed_by_is_rejected_and_the_served_one_stays() {
    let gateway = gateway().await;
    let upstream = upstream("u").await;
    gateway.apply(&to(upstream.address)).await.unwrap();
    let bad = json!({ "routes": [{ "id": ID, "name": "mine", "paths": ["~/a(?=b)"] }] });
    let Err(NotApplied::Rejected(why)) = gateway.apply(&config(&bad)).await else { panic!("not rejected") };
    assert!(why.contains("mine"), "{why}");
    assert_eq!(get(&gateway, "/a").await.status, 200);
}

#[tokio::test]
async fn a_plugin_that_is_not_enforced_is_named_by_a_503() {
    let gateway = gateway().await;
    let upstream = upstream("u").await;
    let mut wanted = document(upstream.address);
    wanted["plugins"] = json!([{ "id": ID, "name": "key-auth", "config": { "key_names": ["apikey"] } }]);
    gateway.apply(&config(&wanted)).await.unwrap();
    let answer = get(&gateway, "/a").await;
    assert_eq!(answer.status, 503);
    assert!(answer.message().contains("'key-auth'"), "{}", answer.message());
    assert_eq!(upstream.requests.load(Ordering::Relaxed), 0);
    assert_eq!(gateway.status().unenforced_plugins, ["key-auth"]);
}

#[tokio::test]
async fn a_body_of_any_length_streams_through() {
    let gateway = gateway().await;
    let upstream = upstream("u").await;
    gateway.apply(&to(upstream.address)).await.unwrap();
    let mut asked = request(&gateway, "/a/echo");
    *asked.method_mut() = http::Method::POST;
    let body = Bytes::from((0..3_000_000_u32).map(|n| n as u8).collect::<Vec<_>>());
    *asked.body_mut() = Full::new(body.clone());
    let answer = send(&client(), asked).await;
    assert!(answer.body == body, "{} bytes came back", answer.body.len());
}

#[tokio::test]
async fn targets_share_requests_by_weight_and_none_goes_to_weight_zero() {
    let gateway = gateway().await;
    let (three, one, none) = (upstream("three").await, upstream("one").await, upstream("none").await);
    gateway.apply(&config(&balanced(&[(three.address, 3), (one.address, 1), (none.address, 0)], json!({})))).await.unwrap();
    let client = client();
    for _ in 0..80 {
        assert_eq!(send(&client, request(&gateway, "/a")).await.status, 200);
    }
    assert!(three.requests.load(Ordering::Relaxed).abs_diff(60) <= 3, "{:?}", three.requests);
    assert_eq!(none.requests.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_request_that_could_not_be_sent_goes_to_the_second_target_with_its_body() {
    let gateway = gateway().await;
    let (alive, dead) = (upstream("alive").await, refusing().await);
    gateway.apply(&config(&balanced(&[(dead, 100), (alive.address, 1)], json!({ "retries": 1 })))).await.unwrap();
    for _ in 0..20 {
        let mut asked = request(&gateway, "/a/echo");
        *asked.method_mut() = http::Method::POST;
        *asked.body_mut() = Full::new(Bytes::from_static(b"kept"));
        let answer = send(&client(), asked).await;
        assert_eq!((answer.status, answer.body.as_ref()), (200, &b"kept"[..]));
    }
    gateway.apply(&config(&balanced(&[(dead, 100)], json!({ "retries": 3 })))).await.unwrap();
    assert_eq!(get(&gateway, "/a").await.status, 502);
    gateway.apply(&config(&balanced(&[(dead, 0)], json!({})))).await.unwrap();
    assert_eq!(get(&gateway, "/a").await.status, 503);
}

#[tokio::test]
async fn a_request_that_was_sent_is_not_sent_again() {
    let gateway = gateway().await;
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let address = listener.local_addr().unwrap();
    let taken = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&taken);
    let _closing = Abort(tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut first = [0; 1];
            stream.read_exact(&mut first).await.unwrap();
            counting.fetch_add(1, Ordering::Relaxed);
        }
    }));
    gateway.apply(&to(address)).await.unwrap();
    assert_eq!(get(&gateway, "/a").await.status, 502);
    assert_eq!(taken.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_silent_upstream_times_out() {
    let gateway = gateway().await;
    let silent = TcpListener::bind(LOOPBACK).await.unwrap();
    let mut wanted = document(silent.local_addr().unwrap());
    wanted["services"][0]["read_timeout"] = json!(50);
    gateway.apply(&config(&wanted)).await.unwrap();
    let started = Instant::now();
    let answer = get(&gateway, "/a").await;
    assert_eq!((answer.status, answer.message()), (504, "The upstream server is timing out".into()));
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn an_upstream_that_pauses_within_its_body_is_cut_off() {
    let gateway = gateway().await;
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let mut wanted = document(listener.local_addr().unwrap());
    wanted["services"][0]["read_timeout"] = json!(50);
    gateway.apply(&config(&wanted)).await.unwrap();
    let _pausing = Abort(tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
        std::future::pending::<()>().await;
    }));
    let response = client().request(request(&gateway, "/a")).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.into_body().collect().await.is_err());
}

#[tokio::test]
async fn a_websocket_passes_through() {
    let gateway = gateway().await;
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    gateway.apply(&to(listener.local_addr().unwrap())).await.unwrap();
    let _shouting = Abort(tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = read_head(&mut stream).await;
        assert!(head.to_lowercase().contains("upgrade: websocket"), "{head}");
        stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n").await.unwrap();
        let mut four = [0; 4];
        stream.read_exact(&mut four).await.unwrap();
        stream.write_all(&four.map(|byte| byte.to_ascii_uppercase())).await.unwrap();
    }));
    let mut stream = TcpStream::connect(gateway.local_addr().unwrap()).await.unwrap();
    stream.write_all(b"GET /a HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n").await.unwrap();
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    stream.write_all(b"ping").await.unwrap();
    let mut four = [0; 4];
    stream.read_exact(&mut four).await.unwrap();
    assert_eq!(&four, b"PING");
}

#[tokio::test]
async fn http2_without_tls_is_served_too() {
    let gateway = gateway().await;
    let upstream = upstream("u").await;
    gateway.apply(&to(upstream.address)).await.unwrap();
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let answer = send(&client, request(&gateway, "/a")).await;
    assert_eq!((answer.status, answer.headers["upstream"].as_bytes()), (200, &b"u"[..]));
}

#[tokio::test]
async fn two_host_headers_are_one_too_many() {
    let gateway = gateway().await;
    gateway.apply(&config(&json!({}))).await.unwrap();
    let mut stream = TcpStream::connect(gateway.local_addr().unwrap()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n").await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 400"));
}

#[tokio::test]
async fn a_port_in_use_is_named_with_its_setting_and_a_fix() {
    let taken = TcpListener::bind(LOOPBACK).await.unwrap();
    let address = taken.local_addr().unwrap();
    let Err(not_bound) = Builtin::bind(&[LOOPBACK, address], Options::default()).await else { panic!("bound") };
    assert!(matches!(not_bound, NotBound::InUse { address: named } if named == address));
    let sentence = not_bound.to_string();
    assert!(sentence.starts_with(&format!("proxy_listen = {address} is in use")), "{sentence}");
    assert!(matches!(Builtin::bind(&[], Options::default()).await, Err(NotBound::NoAddress)));
}

#[tokio::test]
async fn a_drain_takes_nothing_more_and_ends_with_the_last_answer() {
    let (gateway, mut upstream, under_way) = request_under_way().await;
    let address = gateway.local_addr().unwrap();
    let draining = tokio::spawn(async move { gateway.drain(Duration::from_secs(60)).await });
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!draining.is_finished());
    upstream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    assert_eq!(under_way.await.unwrap(), 204);
    assert!(draining.await.unwrap());
}

#[tokio::test]
async fn a_drain_ends_with_its_patience() {
    let (gateway, _upstream, _under_way) = request_under_way().await;
    assert!(!gateway.drain(Duration::from_millis(20)).await);
}

/// A request that the upstream has read and not answered.
async fn request_under_way() -> (Arc<Builtin>, TcpStream, tokio::task::JoinHandle<u16>) {
    let gateway = Arc::new(gateway().await);
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    gateway.apply(&to(listener.local_addr().unwrap())).await.unwrap();
    let asking = Arc::clone(&gateway);
    let under_way = tokio::spawn(async move { get(&asking, "/a").await.status });
    let (mut upstream, _) = listener.accept().await.unwrap();
    read_head(&mut upstream).await;
    (gateway, upstream, under_way)
}

/// An address that nobody listens on.
async fn refusing() -> SocketAddr {
    TcpListener::bind(LOOPBACK).await.unwrap().local_addr().unwrap()
}

fn balanced(targets: &[(SocketAddr, u32)], service: Value) -> Value {
    let mut service = service;
    service["id"] = json!(ID);
    service["host"] = json!("up");
    let targets: Vec<Value> = (1..)
        .zip(targets)
        .map(|(number, (target, weight))| {
            json!({ "id": format!("00000000-0000-4000-9000-{number:012}"), "target": target.to_string(), "weight": weight, "upstream": OTHER_ID })
        })
        .collect();
    json!({
        "services": [service],
        "routes": [{ "id": ID, "paths": ["/a"], "service": ID }],
        "upstreams": [{ "id": OTHER_ID, "name": "up" }],
        "targets": targets,
    })
}
