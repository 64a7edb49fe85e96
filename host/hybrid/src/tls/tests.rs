use std::path::Path;

use holdover_tls::TlsFailure;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::{TlsAcceptor, TlsConnector, server};

use super::*;
use crate::Given;
use crate::distrust::why_not;

const VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];

#[tokio::test]
async fn every_certificate_of_kong_works_both_ways_in_both_versions_of_tls() {
    for name in ["cluster", "rsa", "documented", "p256"] {
        let identity = of_cluster(name);
        for version in VERSIONS {
            let client = shared_client(&identity, version);
            let server = ServerTls::shared(&identity).unwrap();
            let (client, judged) = meet(&client, &server, "unused.example").await;
            assert_eq!((client, judged), (Ok(()), Some(Judged::Admitted)), "{name} {version:?}");
        }
    }
}

#[tokio::test]
async fn another_certificate_is_refused_by_the_client_and_judged_a_stranger_by_the_server() {
    let (ours, other) = (of_cluster("cluster"), of_cluster("other"));
    for version in VERSIONS {
        let client = shared_client(&ours, version);
        let (refused, _) = meet(&client, &ServerTls::shared(&other).unwrap(), "").await;
        let why = why_theirs(refused);
        assert!(why.contains("cluster_cert"), "{why}");

        let careless = presenting(&other, Arc::new(Careless), version);
        let (through, judged) = meet(&careless, &ServerTls::shared(&ours).unwrap(), "").await;
        assert_eq!((through, judged), (Ok(()), Some(Judged::Stranger)), "{version:?}");
    }
}

#[tokio::test]
async fn a_client_without_a_certificate_gets_through_the_handshake_and_no_further() {
    let (authorities, ca) = authority();
    let pki = ServerTls::pki(&issued(&ca, "cp.example", None), &authorities).unwrap();
    for (server, expected) in [(ServerTls::shared(&of_cluster("cluster")).unwrap(), Judged::Stranger), (pki, Judged::WithoutCertificate)] {
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(ALL_VERSIONS)
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Careless))
            .with_no_client_auth();
        let client = ClientTls { config: Arc::new(config), name: None };
        assert_eq!(meet(&client, &server, "cp.example").await, (Ok(()), Some(expected)));
    }
}

#[tokio::test]
async fn who_has_the_certificate_and_not_its_key_proves_nothing_on_either_side() {
    let ours = of_cluster("cluster");
    let thief = Identity { key: of_cluster("other").key, ..ours.clone() };
    for version in VERSIONS {
        let (refused, _) = meet(&shared_client(&ours, version), &ServerTls::shared(&thief).unwrap(), "").await;
        assert!(matches!(refused, Err(TlsFailure::Theirs(_))), "{version:?}: {refused:?}");

        let (_, judged) = meet(&shared_client(&thief, version), &ServerTls::shared(&ours).unwrap(), "").await;
        assert_eq!(judged, None, "{version:?}");
    }
}

#[tokio::test]
async fn pki_asks_for_a_chain_and_the_name() {
    let (authorities, ca) = authority();
    let (server, client) = (issued(&ca, "cp.example", None), issued(&ca, "dp.example", None));
    let serving = ServerTls::pki(&server, &authorities).unwrap();
    let dialling = ClientTls::pki(&client, &authorities, None).unwrap();
    assert_eq!(meet(&dialling, &serving, "cp.example").await, (Ok(()), Some(Judged::Admitted)));
    let named = ClientTls::pki(&client, &authorities, Some("cp.example")).unwrap();
    assert_eq!(meet(&named, &serving, "127.0.0.1").await, (Ok(()), Some(Judged::Admitted)));
    let (refused, _) = meet(&dialling, &serving, "other.example").await;
    assert!(matches!(refused, Err(TlsFailure::Theirs(_))), "{refused:?}");

    let (strangers, their_ca) = authority();
    let theirs = ServerTls::pki(&issued(&their_ca, "cp.example", None), &strangers).unwrap();
    let (refused, _) = meet(&dialling, &theirs, "cp.example").await;
    let why = why_theirs(refused);
    assert!(why.contains("cluster_ca_cert"), "{why}");

    let stranger = presenting(&issued(&their_ca, "dp.example", None), Arc::new(Careless), &rustls::version::TLS12);
    let (told, judged) = meet(&stranger, &serving, "cp.example").await;
    assert!(matches!(told, Err(TlsFailure::Ours(_))) && judged.is_none(), "{told:?} {judged:?}");
}

#[tokio::test]
async fn pki_says_what_is_wrong_with_certificates_as_kong_makes_them() {
    let (authorities, ca) = authority();
    let common_name_only = issued(&ca, "", Some("cp.example"));
    let dialling = ClientTls::pki(&issued(&ca, "dp.example", None), &authorities, None).unwrap();
    let (refused, _) = meet(&dialling, &ServerTls::pki(&common_name_only, &authorities).unwrap(), "cp.example").await;
    let why = why_theirs(refused);
    assert!(why.contains("subject alternative name that says 'cp.example'"), "{why}");

    let (refused, _) = meet(&dialling, &ServerTls::shared(&of_cluster("cluster")).unwrap(), "cp.example").await;
    let why = why_theirs(refused);
    assert!(why.contains("X.509 version 1"), "{why}");
}

#[test]
fn a_name_that_is_none_is_told() {
    let (authorities, ca) = authority();
    let error = ClientTls::pki(&issued(&ca, "dp.example", None), &authorities, Some("no name")).unwrap_err();
    assert!(error.contains("cluster_server_name = no name"), "{error}");
}

/// What the client makes of the handshake, its end on the server's side included, and what the server judges if it came so far.
async fn meet(client: &ClientTls, server: &ServerTls, host: &str) -> (Result<(), TlsFailure>, Option<Judged>) {
    let (near, far) = duplex(16 * 1024);
    let name = client.server_name(if host.is_empty() { "localhost" } else { host }).unwrap();
    let dialling = async {
        let mut stream = TlsConnector::from(client.config()).connect(name, near).await?;
        stream.write_all(b"?").await?;
        // In TLS 1.3 a server's refusal comes after the client's handshake.
        stream.read_exact(&mut [0]).await.map(|_| ())
    };
    let serving = async {
        let mut stream: server::TlsStream<DuplexStream> = TlsAcceptor::from(server.config()).accept(far).await.ok()?;
        let judged = server.judge(stream.get_ref().1);
        stream.write_all(b"!").await.ok()?;
        let _ = stream.read(&mut [0]).await;
        Some(judged)
    };
    let (dialled, judged) = tokio::join!(dialling, serving);
    let failure = |error: std::io::Error| TlsFailure::within(&error).unwrap_or(TlsFailure::Other(Error::General(error.to_string())));
    (dialled.map_err(failure), judged)
}

/// In the words for an operator.
fn why_theirs(refused: Result<(), TlsFailure>) -> String {
    let Err(TlsFailure::Theirs(reason)) = refused else { panic!("{refused:?}") };
    why_not(reason.as_ref())
}

fn shared_client(identity: &Identity, version: &'static SupportedProtocolVersion) -> ClientTls {
    presenting(identity, pinned(identity), version)
}

/// A client that would be let in by any server, for tests of what a server makes of it.
pub(crate) fn careless_client(identity: &Identity) -> ClientTls {
    presenting(identity, Arc::new(Careless), &rustls::version::TLS13)
}

fn presenting(identity: &Identity, verifier: Arc<dyn ServerCertVerifier>, version: &'static SupportedProtocolVersion) -> ClientTls {
    ClientTls::new(identity, verifier, Some(ServerName::try_from(SHARED_NAME).unwrap()), &[version]).unwrap()
}

pub(crate) fn of_cluster(name: &str) -> Identity {
    if name == "p256" {
        let (_, ca) = authority();
        return issued(&ca, "", Some("kong_clustering"));
    }
    let path = |kind: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{name}.{kind}.pem"));
    let (certificate, key) = (path("crt"), path("key"));
    let given = |setting, path: &Path| (setting, path.to_str().unwrap().to_owned());
    let ((cert_setting, cert), (key_setting, key)) = (given("cluster_cert", &certificate), given("cluster_cert_key", &key));
    Identity::read(Given { setting: cert_setting, value: &cert }, Given { setting: key_setting, value: &key }).unwrap()
}

type Issuer = rcgen::CertifiedIssuer<'static, rcgen::KeyPair>;

/// An authority as it is trusted, and as it signs.
fn authority() -> (Authorities, Issuer) {
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "authority");
    let issuer = rcgen::CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap();
    let authorities = Authorities::read(Given { setting: "cluster_ca_cert", value: &issuer.pem() }).unwrap();
    (authorities, issuer)
}

/// With a SAN, unless it is empty, and perhaps a common name.
fn issued(issuer: &Issuer, san: &str, common_name: Option<&str>) -> Identity {
    let names: Vec<String> = [san].into_iter().filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let mut params = rcgen::CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    if let Some(name) = common_name {
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
    }
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    let (cert, key) = (certificate.pem(), key.serialize_pem());
    Identity::read(Given { setting: "cluster_cert", value: &cert }, Given { setting: "cluster_cert_key", value: &key }).unwrap()
}

/// Believes every server, so that a test may come to what the server thinks.
#[derive(Debug)]
struct Careless;

impl ServerCertVerifier for Careless {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
