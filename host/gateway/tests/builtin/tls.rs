//! TLS: certificates by server name, as the configuration has them at that moment.

use std::sync::Arc;

use base64::Engine;
use bytes::Bytes;
use holdover_gateway::{Builtin, DefaultCertificate, Options};
use holdover_plugin::routing::KeyPair;
use holdover_ports::{Config, Gateway};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, KeyPair as Generated, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, SignatureAlgorithm};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{AlertDescription, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::ground::*;

#[tokio::test]
async fn each_server_name_is_shown_its_certificate_and_an_unknown_one_is_refused() {
    let gateway = gateway_with(None).await;
    let (own, wild) = (made("own"), made("wild"));
    assert_eq!(shown(&gateway, "a.test").await, Err(UNRECOGNIZED), "before the first configuration");
    gateway.apply(&certified(&[(&own, &["a.test"]), (&wild, &["*.a.test", "b.*"])], json!({}))).await.unwrap();
    for (name, of) in [("a.test", &own), ("w.a.test", &wild), ("b.org", &wild), ("A.TEST", &own)] {
        assert_eq!(shown(&gateway, name).await.as_ref(), Ok(&of.der), "{name}");
    }
    for name in ["c.test", "x.w.a.test", "127.0.0.1"] {
        assert_eq!(shown(&gateway, name).await, Err(UNRECOGNIZED), "{name}");
    }
    let every_other = made("every-other");
    gateway.apply(&certified(&[(&wild, &["a.test"]), (&every_other, &["*"])], json!({}))).await.unwrap();
    for (name, of) in [("a.test", &wild), ("c.test", &every_other), ("127.0.0.1", &every_other)] {
        assert_eq!(shown(&gateway, name).await.as_ref(), Ok(&of.der), "{name}");
    }
}

#[tokio::test]
async fn the_default_certificate_is_for_names_that_have_none_and_for_clients_that_send_none() {
    let (default, own, every_other) = (made("default"), made("own"), made("every-other"));
    let gateway = gateway_with(by_default(&[&default])).await;
    assert_eq!(shown(&gateway, "a.test").await.as_ref(), Ok(&default.der));
    gateway.apply(&certified(&[(&own, &["a.test"]), (&every_other, &["*"])], json!({}))).await.unwrap();
    for (name, of) in [("a.test", &own), ("b.test", &every_other), ("127.0.0.1", &default)] {
        assert_eq!(shown(&gateway, name).await.as_ref(), Ok(&of.der), "{name}");
    }
}

#[tokio::test]
async fn a_client_that_cannot_use_the_first_key_gets_the_other() {
    let gateway = gateway_with(None).await;
    let (first, other) = (made("first"), made_with("other", &PKCS_ED25519));
    let mut wanted = json!({ "certificates": [entity(ID, &first)], "snis": [sni("a.test", ID)] });
    wanted["certificates"][0]["cert_alt"] = json!(other.pair.chain_pem);
    wanted["certificates"][0]["key_alt"] = json!(other.pair.key_pem);
    gateway.apply(&config(&wanted)).await.unwrap();
    let with = |scheme| client_config(vec![scheme], &[]);
    for (scheme, of) in [(SignatureScheme::ECDSA_NISTP256_SHA256, &first), (SignatureScheme::ED25519, &other)] {
        let stream = connect(&gateway, "a.test", with(scheme)).await.unwrap();
        assert_eq!(leaf(&stream), of.der, "{scheme:?}");
    }
}

#[tokio::test]
async fn the_default_may_have_a_certificate_for_each_type_of_key() {
    let (first, other) = (made("first"), made_with("other", &PKCS_ED25519));
    let gateway = gateway_with(by_default(&[&first, &other])).await;
    for (scheme, of) in [(SignatureScheme::ECDSA_NISTP256_SHA256, &first), (SignatureScheme::ED25519, &other)] {
        let stream = connect(&gateway, "a.test", client_config(vec![scheme], &[])).await.unwrap();
        assert_eq!(leaf(&stream), of.der, "{scheme:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_leaves_its_names_without_one() {
    let (own, other) = (made("own"), made("other"));
    let cases = [
        ("{vault://env/cert}".to_owned(), "{vault://env/key}".to_owned()),
        (own.pair.chain_pem.clone(), "{vault://env/key}".to_owned()),
        (own.pair.chain_pem.clone(), other.pair.key_pem.clone()),
        ("no PEM".to_owned(), own.pair.key_pem.clone()),
        (own.pair.chain_pem.clone(), "no PEM".to_owned()),
    ];
    for (cert, key) in cases {
        let gateway = gateway_with(by_default(&[&other])).await;
        let certificates = json!([{ "id": ID, "cert": cert, "key": key }, entity(OTHER_ID, &own)]);
        let snis = json!([sni("a.test", ID), sni("b.test", OTHER_ID)]);
        gateway.apply(&config(&json!({ "certificates": certificates, "snis": snis }))).await.unwrap();
        assert_eq!(shown(&gateway, "a.test").await, Err(UNRECOGNIZED), "{cert}");
        assert_eq!(shown(&gateway, "b.test").await.as_ref(), Ok(&own.der));
    }
}

#[tokio::test]
async fn requests_over_tls_are_https_with_their_server_name_and_may_be_http2() {
    let gateway = gateway_with(None).await;
    let (upstream, own) = (upstream("u").await, made("own"));
    let document = json!({
        "services": [{ "id": ID, "host": upstream.address.ip().to_string(), "port": upstream.address.port() }],
        "routes": [{ "id": ID, "paths": ["/a"], "protocols": ["https"], "snis": ["a.test"], "service": ID }],
    });
    gateway.apply(&certified(&[(&own, &["*"])], document)).await.unwrap();
    assert_eq!(get(&gateway, "/a").await.status, 426);
    let port = gateway.tls_addrs()[0].port().to_string();
    for protocol in ["http/1.1", "h2"] {
        let answer = ask(&gateway, "a.test", protocol).await;
        let seen = answer.json()["headers"].clone();
        assert_eq!((answer.status, seen["x-forwarded-proto"].as_str()), (200, Some("https")), "{protocol}");
        assert_eq!((seen["x-forwarded-port"].as_str(), seen["x-forwarded-host"].as_str()), (Some(port.as_str()), Some("shop.example")));
        assert_eq!(seen["via"], if protocol == "h2" { "2 holdover" } else { "1.1 holdover" });
        assert_eq!(ask(&gateway, "b.test", protocol).await.status, 404);
    }
    assert!(gateway.status().listens_on.unwrap().ends_with(&format!(":{port} ssl")));
}

#[test]
fn a_default_certificate_is_read_from_files_from_pem_and_from_base64() {
    let own = made("own");
    let KeyPair { chain_pem, key_pem } = &own.pair;
    let folder = tempfile::TempDir::new().unwrap();
    let path = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (cert, key) = (path("tls.crt", chain_pem), path("tls.key", key_pem));
    for (cert, key) in [(chain_pem, key_pem), (&cert, &key), (&cert, key_pem), (&base64(chain_pem), &base64(key_pem))] {
        assert!(DefaultCertificate::read(std::slice::from_ref(cert), &[key]).unwrap().is_some());
    }
    assert!(DefaultCertificate::read(&[], &[]).unwrap().is_none());
}

#[test]
fn a_default_certificate_that_cannot_be_used_is_said_with_its_setting_and_without_its_key() {
    let (own, other) = (made("own"), made("other"));
    let (cert, key) = (own.pair.chain_pem.as_str(), own.pair.key_pem.as_str());
    let cases: [(&[&str], &[&str], &str); 6] = [
        (&["/no/such.crt"], &[key], "ssl_cert = /no/such.crt: there is no such file"),
        (&[key], &[key], "ssl_cert: its text is no certificate"),
        (&[cert], &[cert], "ssl_cert_key: the text of its key is no private key"),
        (&[cert], &[&other.pair.key_pem], "ssl_cert_key: its key belongs to another certificate"),
        (&[cert, &other.pair.chain_pem], &[key, key], "ssl_cert_key: its key belongs to another certificate"),
        (&[cert, &other.pair.chain_pem], &[key], "ssl_cert_key names 1 for 2 of ssl_cert"),
    ];
    for (certificates, keys, wanted) in cases {
        let certificates: Vec<String> = certificates.iter().map(|text| (*text).to_owned()).collect();
        let sentence = DefaultCertificate::read(&certificates, keys).unwrap_err();
        assert!(sentence.starts_with(wanted), "{sentence}");
        assert!(!sentence.contains("PRIVATE KEY-----"), "{sentence}");
    }
}

const UNRECOGNIZED: Error = Error::AlertReceived(AlertDescription::UnrecognisedName);

fn by_default(made: &[&Made]) -> Option<DefaultCertificate> {
    let certificates: Vec<String> = made.iter().map(|made| made.pair.chain_pem.clone()).collect();
    let keys: Vec<&str> = made.iter().map(|made| made.pair.key_pem.as_str()).collect();
    DefaultCertificate::read(&certificates, &keys).unwrap()
}

fn base64(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}

async fn gateway_with(default_certificate: Option<DefaultCertificate>) -> Builtin {
    let options = Options { tls_listen: vec![LOOPBACK], default_certificate, ..Options::default() };
    Builtin::bind(&[LOOPBACK], options).await.unwrap()
}

struct Made {
    pair: KeyPair,
    der: CertificateDer<'static>,
}

fn made(name: &str) -> Made {
    made_with(name, &PKCS_ECDSA_P256_SHA256)
}

fn made_with(name: &str, algorithm: &'static SignatureAlgorithm) -> Made {
    let key = Generated::generate_for(algorithm).unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
    let pair = KeyPair { chain_pem: certificate.pem(), key_pem: key.serialize_pem() };
    Made { pair, der: certificate.der().clone() }
}

fn entity(id: &str, made: &Made) -> Value {
    json!({ "id": id, "cert": made.pair.chain_pem, "key": made.pair.key_pem, "cert_alt": null, "key_alt": null })
}

fn sni(name: &str, certificate: &str) -> Value {
    json!({ "id": name, "name": name, "certificate": certificate })
}

/// A document with these certificates, each with its names.
fn certified(certificates: &[(&Made, &[&str])], document: Value) -> Config {
    let mut document = document;
    let (mut entities, mut snis) = (Vec::new(), Vec::new());
    for (number, (made, names)) in certificates.iter().enumerate() {
        let id = format!("00000000-0000-4000-a000-{number:012}");
        entities.push(entity(&id, made));
        snis.extend(names.iter().map(|name| sni(name, &id)));
    }
    document["certificates"] = json!(entities);
    document["snis"] = json!(snis);
    config(&document)
}

/// The certificate that a client is shown, or why it is refused. An address is no server name: none is sent.
async fn shown(gateway: &Builtin, name: &str) -> Result<CertificateDer<'static>, Error> {
    let schemes = ring::default_provider().signature_verification_algorithms.supported_schemes();
    connect(gateway, name, client_config(schemes, &[])).await.map(|stream| leaf(&stream))
}

fn leaf(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

async fn connect(gateway: &Builtin, name: &str, config: ClientConfig) -> Result<TlsStream<TcpStream>, Error> {
    let stream = TcpStream::connect(gateway.tls_addrs()[0]).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connected = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    connected.map_err(|error| error.into_inner().unwrap().downcast_ref::<Error>().unwrap().clone())
}

async fn ask(gateway: &Builtin, name: &str, protocol: &str) -> Received {
    let schemes = ring::default_provider().signature_verification_algorithms.supported_schemes();
    let stream = connect(gateway, name, client_config(schemes, &[protocol])).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol.as_bytes()));
    let uri = if protocol == "h2" { "https://shop.example/a" } else { "/a" };
    let request = http::Request::builder().uri(uri).header("host", "shop.example").body(Full::<Bytes>::default()).unwrap();
    let response = if protocol == "h2" {
        let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    };
    let (parts, body) = response.into_parts();
    Received { status: parts.status.as_u16(), headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
}

/// A client that believes every certificate whose key signed the handshake.
fn client_config(schemes: Vec<SignatureScheme>, protocols: &[&str]) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Believing(schemes)))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config
}

#[derive(Debug)]
struct Believing(Vec<SignatureScheme>);

impl ServerCertVerifier for Believing {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &ring::default_provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &ring::default_provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}
