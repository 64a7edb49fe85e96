//! What the upstream and the client are told in headers, and how a request is turned away that its route does not take.

use bytes::Bytes;
use holdover_gateway::{Builtin, Options, Telling, Trusted};
use holdover_ports::Gateway;
use http::Method;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::ground::*;

#[tokio::test]
async fn the_upstream_is_told_who_asked_and_for_what() {
    let gateway = gateway().await;
    let upstream = upstream("u").await;
    let mut wanted = document(upstream.address);
    wanted["services"][0]["path"] = json!("/base");
    wanted["plugins"] =
        json!([{ "id": ID, "name": "correlation-id", "config": { "header_name": "X-Id", "generator": "uuid", "echo_downstream": true } }]);
    gateway.apply(&config(&wanted)).await.unwrap();
    let mut asked = request(&gateway, "/a/b%20c?q=%20&r");
    let port = gateway.local_addr().unwrap().port().to_string();
    for (name, value) in [
        ("host", "Shop.example:81"),
        ("x-forwarded-for", "9.9.9.9"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-prefix", "/theirs"),
        ("x-kong-request-id", "theirs"),
        ("via", "1.0 theirs"),
        ("connection", "x-drop"),
        ("x-drop", "1"),
        ("x-keep", "1"),
    ] {
        asked.headers_mut().insert(name, value.parse().unwrap());
    }
    let answer = send(&client(), asked).await;
    let seen = answer.json();
    assert_eq!(seen["target"], "/base/b%20c?q=%20&r");
    let seen = &seen["headers"];
    assert_eq!(seen["host"], upstream.address.to_string());
    assert_eq!((seen["x-forwarded-for"].as_str(), seen["x-real-ip"].as_str()), (Some("9.9.9.9, 127.0.0.1"), Some("127.0.0.1")));
    assert_eq!((seen["x-forwarded-proto"].as_str(), seen["x-forwarded-host"].as_str()), (Some("http"), Some("shop.example")));
    assert_eq!((seen["x-forwarded-port"].as_str(), seen["x-forwarded-path"].as_str()), (Some(port.as_str()), Some("/a/b%20c")));
    assert_eq!((seen["x-forwarded-prefix"].as_str(), seen["x-keep"].as_str()), (Some("/a"), Some("1")));
    assert_eq!(seen["x-drop"], Value::Null);
    assert_eq!(seen["x-id"].as_str(), answer.headers["x-id"].to_str().ok());
    assert_eq!(answer.headers["x-id"].len(), 36);
    assert_eq!(seen["via"], "1.0 theirs, 1.1 holdover");
    assert_eq!(seen["x-kong-request-id"].as_str(), answer.headers["x-kong-request-id"].to_str().ok());
    assert_eq!((&answer.headers["via"], &answer.headers["server"]), (&"1.1 holdover".parse().unwrap(), &"holdover".parse().unwrap()));
}

#[tokio::test]
async fn an_answer_says_what_it_is_called_and_where_its_time_went() {
    let gateway = gateway().await;
    let upstream = upstream("u").await;
    let number = |answer: &Received, name: &str| answer.headers.get(name).map(|value| value.to_str().unwrap().parse::<u64>().unwrap());
    let times = |answer: &Received| {
        ["x-kong-proxy-latency", "x-kong-upstream-latency", "x-kong-response-latency"].map(|name| number(answer, name).is_some())
    };
    assert_eq!(times(&get(&gateway, "/a").await), [false, false, true], "before the first configuration");
    gateway.apply(&to(upstream.address)).await.unwrap();
    let proxied = get(&gateway, "/a").await;
    assert_eq!(times(&proxied), [true, true, false]);
    let ours = get(&gateway, "/other").await;
    assert_eq!((ours.status, times(&ours)), (404, [false, false, true]));
    assert_eq!((&ours.headers["server"], ours.headers.get("via")), (&"holdover".parse().unwrap(), None));
    let ids = [&proxied, &ours].map(|answer| answer.headers["x-kong-request-id"].to_str().unwrap().to_owned());
    assert!(ids.iter().all(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())), "{ids:?}");
    assert_ne!(ids[0], ids[1]);
    let gone = TcpListener::bind(LOOPBACK).await.unwrap().local_addr().unwrap();
    gateway.apply(&to(gone)).await.unwrap();
    let failed = get(&gateway, "/a").await;
    assert_eq!((failed.status, times(&failed)), (502, [true, true, false]));
    assert_eq!((&failed.headers["server"], &failed.headers["via"]), (&"holdover".parse().unwrap(), &"1.1 holdover".parse().unwrap()));
}

#[tokio::test]
async fn what_clients_are_told_is_what_the_setting_names() {
    let upstream = upstream("u").await;
    const NAMES: [&str; 7] = [
        "server",
        "via",
        "x-kong-proxy-latency",
        "x-kong-upstream-latency",
        "x-kong-response-latency",
        "x-kong-upstream-status",
        "x-kong-request-id",
    ];
    let cases: [(&str, &[&str], &[&str]); 5] = [
        ("off", &[], &[]),
        ("Server", &["server"], &["server"]),
        ("via", &["via"], &[]),
        ("latency_tokens", &["x-kong-proxy-latency", "x-kong-upstream-latency"], &["x-kong-response-latency"]),
        ("X-Kong-Upstream-Status,X-Kong-Request-Id", &["x-kong-upstream-status", "x-kong-request-id"], &["x-kong-request-id"]),
    ];
    for (setting, proxied, ours) in cases {
        let names: Vec<String> = setting.split(',').map(str::to_owned).collect();
        let gateway = gateway_of(Options { telling: Telling::read(&names).unwrap(), ..Options::default() }).await;
        gateway.apply(&to(upstream.address)).await.unwrap();
        for (path, wanted) in [("/a", proxied), ("/other", ours)] {
            let answer = get(&gateway, path).await;
            let told: Vec<&str> = NAMES.into_iter().filter(|name| answer.headers.contains_key(*name)).collect();
            assert_eq!(told, wanted, "{setting} {path}");
        }
        let status = get(&gateway, "/a").await.headers.get("x-kong-upstream-status").cloned();
        assert!(status.is_none_or(|status| status == "200"), "{setting}");
    }
}

#[tokio::test]
async fn of_a_trusted_proxy_everything_stays_that_it_said() {
    let upstream = upstream("u").await;
    let said = [
        ("x-real-ip", "1.1.1.1"),
        ("x-forwarded-for", "2.2.2.2"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "Shop.example"),
        ("x-forwarded-port", "443"),
        ("x-forwarded-path", "/before/a"),
        ("x-forwarded-prefix", "/before"),
    ];
    let names = said.map(|(name, _)| name);
    let trusted = |network: &str| Trusted::read(&[network.to_owned()], "X-Real-IP", false).unwrap();
    let cases = [
        ("127.0.0.0/8", ["1.1.1.1", "2.2.2.2, 127.0.0.1", "https", "Shop.example", "443", "/before/a", "/before"]),
        ("10.0.0.0/8", ["127.0.0.1", "2.2.2.2, 127.0.0.1", "http", "127.0.0.1", "", "/a/x", "/a"]),
    ];
    for (network, wanted) in cases {
        let gateway = gateway_of(Options { trusted: trusted(network), ..Options::default() }).await;
        gateway.apply(&to(upstream.address)).await.unwrap();
        let port = gateway.local_addr().unwrap().port().to_string();
        let mut asked = request(&gateway, "/a/x");
        for (name, value) in said {
            asked.headers_mut().insert(name, value.parse().unwrap());
        }
        let seen = send(&client(), asked).await.json();
        for (name, wanted) in names.into_iter().zip(wanted) {
            let wanted = if wanted.is_empty() { port.as_str() } else { wanted };
            assert_eq!(seen["headers"][name], wanted, "{network} {name}");
        }
    }
}

#[tokio::test]
async fn a_trusted_proxys_word_decides_what_it_is_asked_over_and_where_it_is_not_said_ours_stands() {
    let upstream = upstream("u").await;
    let networks = ["127.0.0.1".to_owned()];
    let gateway = gateway_of(Options { trusted: Trusted::read(&networks, "X-Forwarded-For", true).unwrap(), ..Options::default() }).await;
    let mut wanted = document(upstream.address);
    wanted["routes"][0]["protocols"] = json!(["https"]);
    wanted["routes"][0]["https_redirect_status_code"] = json!(301);
    gateway.apply(&config(&wanted)).await.unwrap();
    let ask = |said: &[(&'static str, &'static str)]| {
        let mut asked = request(&gateway, "/a");
        for (name, value) in said {
            asked.headers_mut().insert(*name, value.parse().unwrap());
        }
        asked
    };
    let sent_there = send(&client(), ask(&[("x-forwarded-host", "shop.example")])).await;
    assert_eq!((sent_there.status, &sent_there.headers["location"]), (301, &"https://shop.example/a".parse().unwrap()));
    let served = send(&client(), ask(&[("x-forwarded-proto", "https"), ("x-forwarded-for", "3.3.3.3, 127.0.0.1")])).await;
    assert_eq!(served.status, 200);
    let seen = served.json()["headers"].clone();
    assert_eq!((&seen["x-real-ip"], &seen["x-forwarded-for"]), (&json!("3.3.3.3"), &json!("3.3.3.3, 127.0.0.1, 127.0.0.1")));
    assert_eq!((&seen["x-forwarded-host"], &seen["x-forwarded-prefix"]), (&json!("127.0.0.1"), &json!("/a")));
}

#[tokio::test]
async fn plain_http_on_a_route_for_https_is_told_to_upgrade_or_sent_there() {
    let gateway = gateway().await;
    let routes = json!([
        { "id": ID, "paths": ["/u"], "protocols": ["https"], "service": ID },
        { "id": OTHER_ID, "paths": ["/r"], "protocols": ["https"], "https_redirect_status_code": 307, "service": ID },
    ]);
    gateway.apply(&with_routes(routes)).await.unwrap();
    let told = get(&gateway, "/u").await;
    assert_eq!((told.status, told.json()), (426, json!({ "message": "Please use HTTPS protocol" })));
    assert_eq!(
        (&told.headers["connection"], &told.headers["upgrade"]),
        (&"Upgrade".parse().unwrap(), &"TLS/1.2, HTTP/1.1".parse().unwrap())
    );
    let mut asked = request(&gateway, "/r/x%20y?q=1");
    asked.headers_mut().insert("host", "Shop.example:8000".parse().unwrap());
    let sent_there = send(&client(), asked).await;
    assert_eq!((sent_there.status, &sent_there.headers["location"]), (307, &"https://shop.example/r/x%20y?q=1".parse().unwrap()));
    assert!(sent_there.body.is_empty());
}

#[tokio::test]
async fn a_route_for_grpc_says_what_it_misses() {
    let gateway = gateway().await;
    let routes = json!([
        { "id": ID, "paths": ["/g"], "protocols": ["grpc"], "service": ID },
        { "id": OTHER_ID, "paths": ["/s"], "protocols": ["grpcs"], "service": ID },
    ]);
    gateway.apply(&with_routes(routes)).await.unwrap();
    let http2: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    assert_eq!(get(&gateway, "/g").await.status, 415);
    for path in ["/g", "/s"] {
        let told = send(&client(), grpc(&gateway, path)).await;
        assert_eq!((told.status, told.message().as_str()), (426, "Please use HTTP2 protocol"), "{path}");
        assert_eq!(told.headers["upgrade"], "HTTP/2");
    }
    let told = send(&http2, grpc(&gateway, "/s")).await;
    assert_eq!((told.status, &told.headers["grpc-status"], told.body.len()), (200, &"1".parse().unwrap(), 0));
}

async fn gateway_of(options: Options) -> Builtin {
    Builtin::bind(&[LOOPBACK], options).await.unwrap()
}

fn grpc(gateway: &Builtin, path: &str) -> http::Request<Full<Bytes>> {
    let mut asked = request(gateway, path);
    *asked.method_mut() = Method::POST;
    asked.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    asked
}

fn with_routes(routes: Value) -> holdover_ports::Config {
    config(&json!({ "services": [{ "id": ID, "host": "127.0.0.1", "port": 9 }], "routes": routes }))
}
