//! Who is trusted, for both ends and both modes of `cluster_mtls`. The one file to review for it.
//!
//! ```text
//!           the server proves itself by                    the client proves itself by
//! shared    the very certificate that this side has        the very certificate that this side has
//! pki       a chain to cluster_ca_cert, and its name       a chain to cluster_ca_cert
//! ```
//! Every handshake also proves that the other side holds its certificate's key: no session is ever resumed. In shared mode names and
//! dates are not asked for, because the certificate is known byte by byte; so X.509 version 1 and a missing SAN are as good as any.
//!
//! As in Kong, a server lets a client without the right certificate through the handshake in shared mode, and one without any in both
//! modes. What it then may do, [`ServerTls::judge`] says, and nothing else is answered before.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    ALL_VERSIONS, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, ServerConnection, SignatureScheme,
    SupportedProtocolVersion,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::distrust::Distrust;
use crate::identity::{Authorities, Identity, sha256};
use crate::proof::{self, ServerProof};
use crate::spki;

/// The name that every certificate of shared mode goes by.
const SHARED_NAME: &str = "kong_clustering";

/// How a data plane reaches its control plane.
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    /// `None`: the host that is dialled.
    name: Option<ServerName<'static>>,
}

/// How a control plane receives its data planes.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    /// The digest of the only certificate that is admitted; `None` in pki mode, where the handshake has judged.
    pinned: Option<[u8; 32]>,
}

/// What a client is worth after the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    Admitted,
    /// Shared mode: another certificate, or none. The connection ends without a word.
    Stranger,
    /// Pki mode: it presented nothing. It is told so in HTTP, as nginx does.
    WithoutCertificate,
}

impl ClientTls {
    /// `cluster_mtls = shared`.
    pub fn shared(identity: &Identity) -> Result<Self, String> {
        let name = ServerName::try_from(SHARED_NAME).map_err(|error| format!("'{SHARED_NAME}' is no server name ({error})"))?;
        Self::new(identity, pinned(identity), Some(name), ALL_VERSIONS)
    }

    /// `cluster_mtls = pki`. `server_name` is `cluster_server_name`; without it, the host of `cluster_control_plane` is the name.
    pub fn pki(identity: &Identity, authorities: &Authorities, server_name: Option<&str>) -> Result<Self, String> {
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::clone(&authorities.roots), provider())
            .build()
            .map_err(|error| format!("cluster_ca_cert cannot be used ({error})"))?;
        let name = server_name.map(|name| {
            ServerName::try_from(name.to_owned()).map_err(|_| format!("cluster_server_name = {name} is no host name; correct it"))
        });
        Self::new(identity, Arc::new(Chain(verifier)), name.transpose()?, ALL_VERSIONS)
    }

    fn new(
        identity: &Identity,
        verifier: Arc<dyn ServerCertVerifier>,
        name: Option<ServerName<'static>>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<Self, String> {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .map_err(|error| format!("TLS cannot be set up ({error})"))?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(Arc::new(Presented::of(identity)));
        config.resumption = Resumption::disabled();
        Ok(Self { config: Arc::new(config), name })
    }

    /// For a connection that is made otherwise than by [`crate::Connection`].
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }

    /// `None` if the host can stand in no certificate.
    pub(crate) fn server_name(&self, host: &str) -> Option<ServerName<'static>> {
        self.name.clone().or_else(|| ServerName::try_from(host.to_owned()).ok())
    }
}

impl ServerTls {
    /// `cluster_mtls = shared`.
    pub fn shared(identity: &Identity) -> Result<Self, String> {
        Self::new(identity, Arc::new(Requested::new()), Some(identity.leaf_sha256()))
    }

    /// `cluster_mtls = pki`.
    pub fn pki(identity: &Identity, authorities: &Authorities) -> Result<Self, String> {
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&authorities.roots), provider())
            .allow_unauthenticated()
            .build()
            .map_err(|error| format!("cluster_ca_cert cannot be used ({error})"))?;
        Self::new(identity, verifier, None)
    }

    fn new(identity: &Identity, verifier: Arc<dyn ClientCertVerifier>, pinned: Option<[u8; 32]>) -> Result<Self, String> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(ALL_VERSIONS)
            .map_err(|error| format!("TLS cannot be set up ({error})"))?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(Presented::of(identity)));
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self { config: Arc::new(config), pinned })
    }

    /// For a listener other than [`crate::serve`], which then has to judge for itself who has come.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Asked once after each handshake, before a byte of HTTP is read.
    pub(crate) fn judge(&self, connection: &ServerConnection) -> Judged {
        let leaf = connection.peer_certificates().and_then(|certificates| certificates.first());
        match (self.pinned, leaf) {
            (Some(pinned), Some(leaf)) if sha256(leaf) == pinned => Judged::Admitted,
            (Some(_), _) => Judged::Stranger,
            // The handshake does not end well with a chain that is not trusted.
            (None, Some(_)) => Judged::Admitted,
            (None, None) => Judged::WithoutCertificate,
        }
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// This side's certificate, whatever the other side asks for: a cluster has one.
#[derive(Debug)]
struct Presented(Arc<CertifiedKey>);

impl Presented {
    /// [`CertifiedKey::new`] reads no certificate; [`Identity::read`] has seen that both belong together.
    fn of(identity: &Identity) -> Self {
        Self(Arc::new(CertifiedKey::new(identity.certs.clone(), Arc::clone(&identity.key))))
    }
}

impl ResolvesClientCert for Presented {
    fn resolve(&self, _root_hint_subjects: &[&[u8]], _sigschemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl ResolvesServerCert for Presented {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// Trusts one certificate, by its digest.
fn pinned(identity: &Identity) -> Arc<dyn ServerCertVerifier> {
    let leaf_sha256 = identity.leaf_sha256();
    Arc::new(ServerProof::of(move |leaf| match sha256(leaf) == leaf_sha256 {
        true => Ok(()),
        false => Err(Distrust::NotOfThisCluster.into()),
    }))
}

/// Trusts a chain and a name, as the library does; it only says more plainly what is wrong with version 1.
#[derive(Debug)]
struct Chain(Arc<WebPkiServerVerifier>);

/// Trusts nobody and asks for a certificate: who it is, [`ServerTls::judge`] finds out.
#[derive(Debug)]
struct Requested {
    algorithms: WebPkiSupportedAlgorithms,
}

impl Requested {
    fn new() -> Self {
        Self { algorithms: proof::algorithms() }
    }
}

impl ServerCertVerifier for Chain {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if spki::public_key(end_entity).is_some_and(|key| key.is_version_1) {
            return Err(Distrust::VersionOne.into());
        }
        self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

impl ClientCertVerifier for Requested {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        proof::verify_tls12(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        proof::verify_tls13(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("shared", &self.pinned.is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests;
