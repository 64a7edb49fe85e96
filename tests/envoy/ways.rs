//! How upstreams are spoken to: with TLS or without, by HTTP/1.1 or HTTP/2, as the configuration's services say; and not at all where Envoy
//! cannot do as they say.

use serde_json::{Value, json};

use crate::bootstrap::{Bootstrap, IMPATIENT, ROUTE};
use crate::configurations::of_services;
use crate::running::{Answer, Envoy};
use crate::spoken::{Authority, Shown, Spoken};
use crate::upstream::Server;

const TRUSTED: &str = "/etc/ssl/certs/ca-certificates.crt";
const PAIR: &str = "00000000-0000-4000-8000-00000000000a";
const CA: &str = "00000000-0000-4000-8000-00000000000b";

#[tokio::test(flavor = "multi_thread")]
async fn tls_goes_upstream_with_the_host_as_server_name_whatever_certificate_is_shown() {
    let upstream = Spoken::over_tls(&Shown::self_signed("elsewhere.test")).await;
    let https = |host: &str| json!({ "protocol": "https", "host": host, "port": upstream.port });
    let services = [
        ("default", https("localhost")),
        ("unverified", with(https("localhost"), "tls_verify", json!(false))),
        ("address", https("127.0.0.1")),
        ("balanced", https("balanced.test")),
    ];
    let target = json!({ "target": format!("127.0.0.1:{}", upstream.port) });
    let upstreams = json!({ "upstreams": [{ "name": "balanced.test", "host_header": "fixed.test", "targets": [target] }] });
    let (envoy, _control_plane) = routing(&of_services(&services, upstreams), &[]).await;
    let port = upstream.port;
    for (path, told) in [
        ("/default/x", format!("localhost, HTTP/1.1, no scheme, localhost:{port}, /x")),
        ("/default-kept/x", "shop.example, HTTP/1.1, no scheme, shop.example, /x".to_owned()),
        ("/unverified/x", format!("localhost, HTTP/1.1, no scheme, localhost:{port}, /x")),
        ("/unverified-kept/x", "shop.example, HTTP/1.1, no scheme, shop.example, /x".to_owned()),
        // An address is no server name (RFC 6066, 3).
        ("/address/x", format!("no name, HTTP/1.1, no scheme, 127.0.0.1:{port}, /x")),
        ("/balanced/x", "fixed.test, HTTP/1.1, no scheme, fixed.test, /x".to_owned()),
    ] {
        is_told(&envoy.get(path, &[]).await, &told);
    }
    envoy.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_to_be_verified_gets_no_request_unless_it_is_who_it_should_be() {
    let authority = Authority::new();
    let stranger = Spoken::over_tls(&Shown::self_signed("localhost")).await;
    let upstream = Spoken::over_tls(&authority.signed("localhost")).await;
    let verified = |port: u16| json!({ "protocol": "https", "host": "localhost", "port": port, "tls_verify": true });
    let configuration = of_services(&[("stranger", verified(stranger.port)), ("known", verified(upstream.port))], json!({}));
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("trusted.pem");
    std::fs::write(&trusted, authority.pem()).unwrap();
    let (envoy, _control_plane) = routing(&configuration, &[(TRUSTED, trusted.to_str().unwrap())]).await;

    is_told(&envoy.get("/known/x", &[]).await, &format!("localhost, HTTP/1.1, no scheme, localhost:{}, /x", upstream.port));
    for (path, why) in [("/stranger/x", "fail_verify_error"), ("/known-kept/x", "fail_verify_san")] {
        let counted = format!("cluster.holdover-https-verified.ssl.{why}");
        assert_eq!(envoy.statistic(&counted).await, 0, "{path}");
        let refused = envoy.get(path, &[]).await;
        assert!(refused.status == 503 && refused.body.contains("upstream connect error"), "{path}: {refused:?}");
        assert!(envoy.statistic(&counted).await > 0, "{path}: {}", envoy.process.said());
    }
    assert_eq!((stranger.asked(), upstream.asked()), (0, 1), "nobody reads a request before the certificate was believed");
    envoy.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_goes_by_http2_with_tls_and_without() {
    let (plain, sealed) = (Spoken::in_plain().await, Spoken::over_tls(&Shown::self_signed("elsewhere.test")).await);
    let service = |protocol: &str, port: u16| json!({ "protocol": protocol, "host": "localhost", "port": port });
    let services = [("grpc", service("grpc", plain.port)), ("grpcs", service("grpcs", sealed.port)), ("http", service("http", plain.port))];
    let (envoy, _control_plane) = routing(&of_services(&services, json!({})), &[]).await;
    for (path, told) in [
        ("/grpc/x", format!("no TLS, HTTP/2.0, http, localhost:{}, /x", plain.port)),
        ("/grpc-kept/x", "no TLS, HTTP/2.0, http, shop.example, /x".to_owned()),
        ("/grpcs/x", format!("localhost, HTTP/2.0, https, localhost:{}, /x", sealed.port)),
        ("/grpcs-kept/x", "shop.example, HTTP/2.0, https, shop.example, /x".to_owned()),
        ("/http/x", format!("no TLS, HTTP/1.1, no scheme, localhost:{}, /x", plain.port)),
    ] {
        is_told(&envoy.get(path, &[]).await, &told);
    }
    envoy.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_for_grpc_takes_it_by_http2_only_and_with_tls_if_it_says_so() {
    let upstream = Spoken::in_plain().await;
    let route = |name: &str, number: u32| {
        let id = format!("00000000-0000-4000-8002-{number:012}");
        json!({ "id": id, "name": name, "protocols": [name], "paths": [format!("/{name}")], "strip_path": false })
    };
    let service = json!({ "id": PAIR, "name": "calls", "protocol": "grpc", "host": "localhost", "port": upstream.port });
    let service = with(service, "routes", json!([route("grpc", 1), route("grpcs", 2)]));
    let configuration = json!({ "_format_version": "3.0", "services": [service] }).to_string();
    let (envoy, _control_plane) = routing(&configuration, &[]).await;
    let grpc = [("content-type", "application/grpc")];
    // Envoy puts what is said to a gRPC request into gRPC's words: 2 is "unknown", 1 is "cancelled".
    let is_refused = |refused: &Answer, status: &str, why: &str| {
        let told = ["grpc-status", "grpc-message"].map(|name| refused.header(name).unwrap_or_default());
        assert!(refused.status == 200 && told[0] == status && told[1].contains(why), "{refused:?}");
    };
    for path in ["/grpc/x", "/grpcs/x"] {
        is_refused(&envoy.get(path, &grpc).await, "2", "Please use HTTP2 protocol");
        let refused = envoy.by_http2(path, &[]).await;
        assert!(refused.status == 415 && refused.body.contains("Non-gRPC"), "{path}: {refused:?}");
    }
    assert_eq!(upstream.asked(), 0);
    is_told(&envoy.by_http2("/grpc/x", &grpc).await, &format!("no TLS, HTTP/2.0, http, localhost:{}, /grpc/x", upstream.port));
    is_refused(&envoy.by_http2("/grpcs/x", &grpc).await, "1", "gRPC request matched gRPCs route");
    assert_eq!(upstream.asked(), 1);
    envoy.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_service_wants_of_tls_and_envoy_cannot_do_is_refused() {
    let upstream = Spoken::over_tls(&Shown::self_signed("localhost")).await;
    let https = json!({ "protocol": "https", "host": "localhost", "port": upstream.port });
    let trusting = with(https.clone(), "ca_certificates", json!([CA]));
    let grpcs = json!({ "protocol": "grpcs", "host": "shown.test" });
    let services = [
        ("shows", with(https, "client_certificate", json!({ "id": PAIR }))),
        ("upstream-shows", grpcs),
        ("trusts", with(trusting.clone(), "tls_verify", json!(true))),
        ("trusts-anybody", trusting),
    ];
    let (certificate, key) = Shown::self_signed("client.test").pem();
    let target = json!({ "target": format!("127.0.0.1:{}", upstream.port) });
    let others = json!({
        "certificates": [{ "id": PAIR, "cert": certificate, "key": key }],
        "ca_certificates": [{ "id": CA, "cert": Authority::new().pem() }],
        "upstreams": [{ "name": "shown.test", "client_certificate": { "id": PAIR }, "targets": [target] }],
    });
    let (envoy, _control_plane) = routing(&of_services(&services, others), &[]).await;
    for (path, wanted) in [("/shows", "(client_certificate)"), ("/upstream-shows", "(client_certificate)"), ("/trusts", "ca_certificates")]
    {
        let refused = envoy.get(path, &[]).await;
        assert!(refused.status == 503 && refused.body.contains(wanted), "{path}: {refused:?}");
    }
    assert_eq!(upstream.asked(), 0);
    // Whose certificate is not checked, nobody is held against them.
    assert_eq!(envoy.get("/trusts-anybody", &[]).await.status, 200);
    envoy.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_that_envoy_has_no_route_for_never_comes_to_its_own() {
    let (own, upstream) = (Server::echoing().await, Spoken::in_plain().await);
    let service = |protocol: &str| json!({ "protocol": protocol, "host": "localhost", "port": upstream.port });
    let control_plane = Server::saying(&of_services(&[("grpc", service("grpc")), ("http", service("http"))], json!({}))).await;
    let renamed = ("exact: grpc }", "exact: otherwise }");
    let bootstrap = Bootstrap {
        own: own.authority(),
        control_plane: control_plane.authority(),
        otherwise: &[IMPATIENT, ROUTE, renamed],
        ..Bootstrap::alone()
    };
    let envoy = Envoy::start(&bootstrap);
    envoy.until(200, "/http").await;
    let refused = envoy.get("/grpc", &[]).await;
    assert!(refused.status == 503 && refused.body.contains("no route for this way"), "{refused:?}");
    assert_eq!(refused.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(own.asked(), 0);
    envoy.end().await;
}

/// An Envoy that routes by this configuration already, and who serves it.
async fn routing(configuration: &str, otherwise: &[(&str, &str)]) -> (Envoy, Server) {
    let control_plane = Server::saying(configuration).await;
    let otherwise: Vec<_> = [IMPATIENT, ROUTE].into_iter().chain(otherwise.iter().copied()).collect();
    let envoy = Envoy::start(&Bootstrap { control_plane: control_plane.authority(), otherwise: &otherwise, ..Bootstrap::alone() });
    envoy.until(404, "/nowhere").await;
    (envoy, control_plane)
}

fn with(mut service: Value, name: &str, value: Value) -> Value {
    service[name] = value;
    service
}

fn is_told(answer: &Answer, told: &str) {
    assert_eq!((answer.status, answer.body.as_str()), (200, told), "{answer:?}");
}
