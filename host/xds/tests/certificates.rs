//! TLS of both ends: who is trusted, and how each side names what the other holds against it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod kit;

use holdover_xds::{ClientTls, Connection, Gate, Pem, Refusal, ServerNameSetting, ServerTls};
use kit::{PATIENCE, Running, secured, serving, set};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::time::timeout;

#[tokio::test]
async fn with_the_right_certificates_a_set_comes_through() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let server = Running::with(serving(set("one", "7")), Some(server_tls(&servers, Some(&clients)))).await;
    let tls = client_tls(&servers, Some(&clients.signed("node")), None).unwrap();
    let mut connection = Connection::open(&secured(server.port, tls)).await.unwrap();
    assert_eq!(timeout(PATIENCE, connection.next()).await.unwrap(), Ok(set("one", "7")));
}

#[tokio::test]
async fn a_server_of_another_authority_or_another_name_is_not_believed() {
    let (servers, others) = (Authority::new(), Authority::new());
    let server = Running::with(Gate::Waiting, Some(server_tls(&servers, None))).await;
    let refused = Connection::open(&secured(server.port, client_tls(&others, None, None).unwrap())).await.unwrap_err();
    assert!(matches!(&refused, Refusal::TheirCertificate(why) if why.contains("no trusted authority has signed it")), "{refused}");
    let refused = Connection::open(&secured(server.port, client_tls(&servers, None, Some("elsewhere")).unwrap())).await.unwrap_err();
    assert!(matches!(&refused, Refusal::TheirCertificate(why) if why.contains("elsewhere")), "{refused}");
}

#[tokio::test]
async fn a_client_without_the_right_certificate_is_told_that_it_is_its_own() {
    let (servers, clients, others) = (Authority::new(), Authority::new(), Authority::new());
    let server = Running::with(serving(set("one", "7")), Some(server_tls(&servers, Some(&clients)))).await;
    for identity in [None, Some(others.signed("node"))] {
        let tls = client_tls(&servers, identity.as_ref(), None).unwrap();
        let refused = Connection::open(&secured(server.port, tls)).await.unwrap_err();
        assert!(matches!(refused, Refusal::OurCertificate(_)), "{refused}");
    }
    assert!(server.shelf.seen.borrow().is_empty(), "nobody was seen");
}

#[tokio::test]
async fn a_port_without_tls_is_told_from_a_certificate() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let playing = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.write_all(b"SSH-2.0-OpenSSH\r\n").await.unwrap();
        let (tcp, _) = listener.accept().await.unwrap();
        drop(tcp);
    });
    let tls = client_tls(&Authority::new(), None, None).unwrap();
    let refused = Connection::open(&secured(port, tls.clone())).await.unwrap_err();
    assert!(matches!(refused, Refusal::Tls(_)), "{refused}");
    let refused = Connection::open(&secured(port, tls.clone())).await.unwrap_err();
    assert!(matches!(refused, Refusal::ConnectionReset { .. }), "{refused}");
    playing.await.unwrap();
    let mut plain = secured(port, tls);
    plain.endpoint = format!("http://localhost:{port}").parse().unwrap();
    assert!(matches!(Connection::open(&plain).await.unwrap_err(), Refusal::BadTarget(why) if why.contains("https")));
}

#[test]
fn an_error_begins_with_the_setting_at_fault_and_shows_no_key() {
    let authority = Authority::new();
    let (certificate, key) = authority.signed("node");
    let garbled = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let (other, _) = Authority::new().signed("node");
    let certificate = Pem { setting: "client_cert", pem: certificate.as_bytes() };
    let key = Pem { setting: "client_key", pem: key.as_bytes() };
    for (ca, identity, named) in [
        (Some(Pem { setting: "ca_file", pem: b"nothing" }), None, "ca_file "),
        (Some(Pem { setting: "ca_file", pem: garbled.as_bytes() }), None, "ca_file "),
        (None, Some((Pem { setting: "client_cert", pem: b"" }, key)), "client_cert "),
        (None, Some((certificate, Pem { setting: "client_key", pem: b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0" })), "client_key "),
        (None, Some((Pem { setting: "client_cert", pem: other.as_bytes() }, key)), "client_cert and client_key"),
    ] {
        let ca = ca.unwrap_or(Pem { setting: "ca", pem: authority.certificate.as_bytes() });
        let error = ClientTls::new(Some(ca), identity, None).unwrap_err();
        assert!(error.starts_with(named) && !error.contains("c2VjcmV0"), "{error}");
        let (certificate, key) = identity.unwrap_or((certificate, key));
        let error = ServerTls::new(certificate, key, Some(ca)).unwrap_err();
        assert!(error.starts_with(named) && !error.contains("c2VjcmV0"), "{error}");
    }
    let name = ServerNameSetting { setting: "server_name", name: "no host" };
    let error = ClientTls::new(Some(Pem { setting: "ca_file", pem: authority.certificate.as_bytes() }), None, Some(name)).unwrap_err();
    assert!(error.starts_with("server_name = no host "), "{error}");
    assert_eq!(format!("{key:?}"), "Pem(client_key = ***)");
}

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let certificate = issuer.pem();
        Self { issuer, certificate }
    }

    /// Certificate and key.
    fn signed(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

fn server_tls(of: &Authority, client_ca: Option<&Authority>) -> ServerTls {
    let (certificate, key) = of.signed("localhost");
    let client_ca = client_ca.map(|ca| Pem { setting: "client_ca", pem: ca.certificate.as_bytes() });
    let (certificate, key) = (Pem { setting: "cert", pem: certificate.as_bytes() }, Pem { setting: "key", pem: key.as_bytes() });
    ServerTls::new(certificate, key, client_ca).unwrap()
}

fn client_tls(ca: &Authority, identity: Option<&(String, String)>, server_name: Option<&str>) -> Result<ClientTls, String> {
    let identity = identity.map(|(certificate, key)| {
        (Pem { setting: "client_cert", pem: certificate.as_bytes() }, Pem { setting: "client_key", pem: key.as_bytes() })
    });
    let server_name = server_name.map(|name| ServerNameSetting { setting: "server_name", name });
    ClientTls::new(Some(Pem { setting: "ca_file", pem: ca.certificate.as_bytes() }), identity, server_name)
}
