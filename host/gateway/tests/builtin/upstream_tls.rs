//! TLS and HTTP/2 upstream: who has to prove what to whom, and by which name the upstream is asked.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use holdover_gateway::{Builtin, Options, UpstreamAuthorities};
use holdover_ports::Gateway;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::ground::*;

const CA_ID: &str = "00000000-0000-4000-8000-00000000000a";
const PAIR_ID: &str = "00000000-0000-4000-8000-00000000000b";

#[tokio::test]
async fn an_upstream_proves_itself_only_where_that_is_asked_for() {
    let (ours, others) = (Authority::new(), Authority::new());
    let upstream = tls_upstream(&ours, "up.test").await;
    let cases = [
        ("nothing is said", json!({}), false, 200),
        ("nothing is said, and the operator asks for it", json!({}), true, 502),
        ("it is asked for, and the machine does not trust the authority", json!({ "tls_verify": true }), false, 502),
        ("it is asked for, of the authority", json!({ "tls_verify": true, "ca_certificates": [CA_ID] }), false, 200),
        ("the authority is named, and nothing asked", json!({ "ca_certificates": [CA_ID] }), false, 200),
        ("the service does not ask, though the operator does", json!({ "tls_verify": false }), true, 200),
    ];
    for (case, tls, verifies_upstreams, wanted) in cases {
        let gateway = gateway_that(verifies_upstreams).await;
        gateway.apply(&config(&over_tls(&upstream, "up.test", tls, &ours))).await.unwrap();
        assert_eq!(get(&gateway, "/a").await.status, wanted, "{case}");
    }
    let authorities = UpstreamAuthorities::read(&["system".to_owned(), ours.issuer.pem()]).unwrap();
    let options = Options { verifies_upstreams: true, upstream_authorities: authorities, ..Options::default() };
    let gateway = Builtin::bind(&[LOOPBACK], options).await.unwrap();
    gateway.apply(&config(&over_tls(&upstream, "up.test", json!({}), &ours))).await.unwrap();
    assert_eq!(get(&gateway, "/a").await.status, 200, "the operator asks for it, and trusts the authority");
    let strict = || json!({ "tls_verify": true, "ca_certificates": [CA_ID] });
    gateway.apply(&config(&over_tls(&upstream, "up.test", strict(), &others))).await.unwrap();
    assert_eq!(get(&gateway, "/a").await.status, 502, "of another authority");
    gateway.apply(&config(&over_tls(&upstream, "else.test", strict(), &ours))).await.unwrap();
    assert_eq!(get(&gateway, "/a").await.status, 502, "by another name");
}

#[tokio::test]
async fn an_upstream_that_need_not_prove_itself_may_have_an_old_certificate() {
    let ours = Authority::new();
    for name in ["cluster", "rsa"] {
        let fixture = |kind: &str| std::fs::read(format!("../hybrid/tests/fixtures/{name}.{kind}.pem")).unwrap();
        let certificate = CertificateDer::from_pem_slice(&fixture("crt")).unwrap();
        let upstream = tls_upstream_with(&ours, certificate, std::str::from_utf8(&fixture("key")).unwrap()).await;
        let gateway = gateway().await;
        gateway.apply(&config(&over_tls(&upstream, "up.test", json!({}), &ours))).await.unwrap();
        assert_eq!(get(&gateway, "/a").await.status, 200, "{name}: X.509 version 1");
    }
}

#[tokio::test]
async fn an_upstream_is_asked_by_the_name_of_its_host_header() {
    let ours = Authority::new();
    let upstream = tls_upstream(&ours, "up.test").await;
    let gateway = gateway().await;
    let mut document = over_tls(&upstream, "up.test", json!({}), &ours);
    document["routes"] = json!([
        { "id": ID, "name": "fixed", "paths": ["/a"], "service": ID },
        { "id": OTHER_ID, "name": "kept", "paths": ["/k"], "service": ID, "preserve_host": true },
    ]);
    gateway.apply(&config(&document)).await.unwrap();
    let seen = get(&gateway, "/a").await.json();
    assert_eq!((&seen["server_name"], &seen["host"]), (&json!("up.test"), &json!("up.test")), "{seen}");
    for name in ["one.test", "two.test:8443", "one.test"] {
        let mut asked = request(&gateway, "/k");
        asked.headers_mut().insert("host", name.parse().unwrap());
        let seen = send(&client(), asked).await.json();
        let host_only = name.split(':').next().unwrap();
        assert_eq!((&seen["server_name"], &seen["host"]), (&json!(host_only), &json!(name)), "{seen}");
    }
    assert_eq!(upstream.connections.load(Ordering::Relaxed), 3, "one for each name, each used again");
}

#[tokio::test]
async fn a_service_shows_its_certificate_else_its_upstreams() {
    let ours = Authority::new();
    let upstream = tls_upstream(&ours, "up.test").await;
    let gateway = gateway().await;
    gateway.apply(&config(&over_tls(&upstream, "up.test", json!({}), &ours))).await.unwrap();
    assert_eq!(get(&gateway, "/a").await.json()["shown"], json!(false));
    gateway.apply(&config(&over_tls(&upstream, "up.test", json!({ "client_certificate": PAIR_ID }), &ours))).await.unwrap();
    assert_eq!(get(&gateway, "/a").await.json()["shown"], json!(true));
    let mut document = over_tls(&upstream, "up.test", json!({}), &ours);
    document["upstreams"][0]["client_certificate"] = json!(PAIR_ID);
    gateway.apply(&config(&document)).await.unwrap();
    assert_eq!(get(&gateway, "/a").await.json()["shown"], json!(true));
}

#[tokio::test]
async fn what_cannot_be_shown_or_trusted_is_not_left_out() {
    let ours = Authority::new();
    let upstream = tls_upstream(&ours, "up.test").await;
    let shows = || json!({ "client_certificate": PAIR_ID });
    let trusts = || json!({ "tls_verify": true, "ca_certificates": [CA_ID] });
    for (tls, certificates, authorities) in [
        (shows(), json!([{ "id": PAIR_ID, "cert": "{vault://env/cert}", "key": "{vault://env/key}" }]), json!([])),
        (trusts(), json!([]), json!([{ "id": CA_ID, "cert": "no PEM" }])),
        (trusts(), json!([]), json!([])),
    ] {
        let gateway = gateway().await;
        let mut document = over_tls(&upstream, "up.test", tls, &ours);
        document["certificates"] = certificates;
        document["ca_certificates"] = authorities;
        gateway.apply(&config(&document)).await.unwrap();
        let answer = get(&gateway, "/a").await;
        assert!(answer.status == 503 && answer.message().contains("certificates"), "{}", answer.status);
    }
    assert_eq!(upstream.connections.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn connections_outlive_a_configuration_that_trusts_as_the_one_before() {
    let ours = Authority::new();
    let upstream = tls_upstream(&ours, "up.test").await;
    let gateway = gateway().await;
    let strict = || json!({ "tls_verify": true, "ca_certificates": [CA_ID], "client_certificate": PAIR_ID });
    for retries in 0..3 {
        let mut document = over_tls(&upstream, "up.test", strict(), &ours);
        document["services"][0]["retries"] = json!(retries);
        gateway.apply(&config(&document)).await.unwrap();
        assert_eq!(get(&gateway, "/a").await.status, 200);
    }
    assert_eq!(upstream.connections.load(Ordering::Relaxed), 1);
    gateway.apply(&config(&over_tls(&upstream, "up.test", json!({}), &ours))).await.unwrap();
    assert_eq!(get(&gateway, "/a").await.json()["shown"], json!(false), "not by the connection that was shown something");
    assert_eq!(upstream.connections.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn grpc_goes_by_http2_with_the_upstreams_name_with_tls_and_without() {
    let ours = Authority::new();
    for (protocol, upstream) in [("grpc", plain_upstream().await), ("grpcs", tls_upstream(&ours, "up.test").await)] {
        let gateway = gateway().await;
        let mut document = over_tls(&upstream, "up.test", json!({ "protocol": protocol }), &ours);
        document["routes"][0]["protocols"] = json!(["grpc"]);
        gateway.apply(&config(&document)).await.unwrap();
        let seen = asked_by_http2(&gateway, "/a").await;
        assert_eq!((&seen["version"], &seen["authority"]), (&json!("HTTP/2.0"), &json!("up.test")), "{protocol}: {seen}");
        let name = if protocol == "grpcs" { json!("up.test") } else { Value::Null };
        assert_eq!((&seen["server_name"], &seen["host"]), (&name, &Value::Null), "{protocol}: {seen}");
    }
}

#[test]
fn authorities_that_cannot_be_used_are_said_with_their_setting() {
    let (ours, client) = (Authority::new().issuer.pem(), Authority::new().client_key_pem);
    for (values, wanted) in [
        (vec!["/no/such.pem"], "lua_ssl_trusted_certificate = /no/such.pem: there is no such file"),
        (vec!["system", &ours, &client], "lua_ssl_trusted_certificate: one of its values holds no certificate; give it 'system'"),
    ] {
        let values: Vec<String> = values.into_iter().map(str::to_owned).collect();
        let sentence = UpstreamAuthorities::read(&values).unwrap_err();
        assert!(sentence.starts_with(wanted) && !sentence.contains("PRIVATE"), "{sentence}");
    }
}

async fn gateway_that(verifies_upstreams: bool) -> Builtin {
    Builtin::bind(&[LOOPBACK], Options { verifies_upstreams, ..Options::default() }).await.unwrap()
}

/// An authority of this test, and a pair that it has signed for clients.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    client_pem: String,
    client_key_pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let client = CertificateParams::new(vec!["client.test".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        Self { client_pem: client.pem(), client_key_pem: key.serialize_pem(), issuer }
    }
}

/// Says of each request by which connection and name it came.
struct Seeing {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    _serving: Abort,
}

async fn tls_upstream(authority: &Authority, name: &str) -> Seeing {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &authority.issuer).unwrap();
    tls_upstream_with(authority, certificate.der().clone(), &key.serialize_pem()).await
}

async fn tls_upstream_with(authority: &Authority, certificate: CertificateDer<'static>, key_pem: &str) -> Seeing {
    let mut roots = RootCertStore::empty();
    roots.add(authority.issuer.der().clone()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let key = provider.key_provider.load_private_key(PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).unwrap()).unwrap();
    // The library would refuse a certificate of version 1; a server may show it.
    let certified = CertifiedKey::new(vec![certificate], key);
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).allow_unauthenticated().build();
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients.unwrap())
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    seeing(Some(TlsAcceptor::from(Arc::new(config)))).await
}

async fn plain_upstream() -> Seeing {
    seeing(None).await
}

async fn seeing(tls: Option<TlsAcceptor>) -> Seeing {
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&connections);
    let serving = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (tls, counting) = (tls.clone(), Arc::clone(&counting));
            tokio::spawn(async move {
                match tls {
                    None => speak(TokioIo::new(stream), Value::Null, false).await,
                    Some(tls) => {
                        // A client that does not trust us ends here.
                        let Ok(stream) = tls.accept(stream).await else { return };
                        counting.fetch_add(1, Ordering::Relaxed);
                        let session = stream.get_ref().1;
                        let (name, shown) = (json!(session.server_name()), session.peer_certificates().is_some());
                        speak(TokioIo::new(stream), name, shown).await;
                    }
                }
            });
        }
    });
    Seeing { address, connections, _serving: Abort(serving) }
}

async fn speak<S: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static>(stream: S, server_name: Value, shown: bool) {
    let service = service_fn(move |request: Request<Incoming>| {
        let seen = json!({
            "server_name": server_name,
            "shown": shown,
            "version": format!("{:?}", request.version()),
            "authority": request.uri().authority().map(|authority| authority.as_str()),
            "host": request.headers().get("host").map(|host| host.to_str().unwrap()),
        });
        async move { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(seen.to_string())))) }
    });
    // Whoever went away is no failure of this one.
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await;
}

/// A service whose upstream is called `name` and stands at an address, with `tls` besides.
fn over_tls(upstream: &Seeing, name: &str, tls: Value, authority: &Authority) -> Value {
    let mut service = json!({ "id": ID, "name": "s", "host": "many", "protocol": "https" });
    tls.as_object().unwrap().iter().for_each(|(field, value)| service[field] = value.clone());
    let Authority { issuer, client_pem, client_key_pem } = authority;
    json!({
        "ca_certificates": [{ "id": CA_ID, "cert": issuer.pem() }],
        "certificates": [{ "id": PAIR_ID, "cert": client_pem, "key": client_key_pem }],
        "upstreams": [{ "id": ID, "name": "many", "host_header": name, "targets": [{ "id": ID, "target": upstream.address.to_string() }] }],
        "services": [service],
        "routes": [{ "id": ID, "name": "r", "paths": ["/a"], "service": ID }],
    })
}

async fn asked_by_http2(gateway: &Builtin, path: &str) -> Value {
    let stream = TcpStream::connect(gateway.local_addr().unwrap()).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::builder()
        .version(Version::HTTP_2)
        .uri(format!("http://shop.test{path}"))
        .header("content-type", "application/grpc")
        .body(Full::<Bytes>::default())
        .unwrap();
    let body = sender.send_request(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{body:?}"))
}
