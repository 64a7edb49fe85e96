//! Certificates and keys for both ends, and why one is not accepted.
//!
//! PEM comes as text that somebody else has read. An error begins with the setting it came from, where one is at fault; neither errors nor
//! any `Debug` show a key.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::WebPkiClientVerifier;
use rustls::{CertificateError, ClientConfig, Error, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

/// gRPC is HTTP/2, and says so within TLS.
const ALPN: &[u8] = b"h2";

/// A setting's content, with the name that sentences call it by.
#[derive(Clone, Copy)]
pub struct Pem<'a> {
    pub setting: &'a str,
    pub pem: &'a [u8],
}

/// By which name a control plane is recognised, if not by the host that is dialled.
#[derive(Clone, Copy, Debug)]
pub struct ServerNameSetting<'a> {
    pub setting: &'a str,
    pub name: &'a str,
}

/// How a control plane is recognised, and what this node proves itself with.
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    /// `None`: the host that is dialled.
    name: Option<ServerName<'static>>,
}

/// What this server proves itself with, and whom it admits.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    asks_for_certificates: bool,
}

impl ClientTls {
    /// Without `ca`, whom this machine's own store trusts. `identity` is a certificate and its key, for mutual TLS.
    pub fn new(
        ca: Option<Pem<'_>>,
        identity: Option<(Pem<'_>, Pem<'_>)>,
        server_name: Option<ServerNameSetting<'_>>,
    ) -> Result<Self, String> {
        let roots = match ca {
            Some(ca) => ca.roots()?,
            None => of_this_machine()?,
        };
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build().map_err(|error| match ca {
            Some(ca) => ca.unusable(&error),
            None => format!("the certificate authorities of this machine cannot be used ({error}); install its ca-certificates anew"),
        })?;
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be set up ({error})"))?
            .with_webpki_verifier(verifier);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => builder
                .with_client_auth_cert(certificate.certificates()?, key.key()?)
                .map_err(|error| do_not_fit(certificate, key, &error))?,
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        let name = server_name.map(|server_name| server_name.read()).transpose()?;
        Ok(Self { config: Arc::new(config), name })
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }

    /// `None` if the host can stand in no certificate.
    pub(crate) fn server_name(&self, host: &str) -> Option<ServerName<'static>> {
        self.name.clone().or_else(|| ServerName::try_from(host.to_owned()).ok())
    }
}

impl ServerTls {
    /// With `client_ca`, only clients with a certificate from it get through the handshake.
    pub fn new(certificate: Pem<'_>, key: Pem<'_>, client_ca: Option<Pem<'_>>) -> Result<Self, String> {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be set up ({error})"))?;
        let builder = match client_ca {
            None => builder.with_no_client_auth(),
            Some(ca) => builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(Arc::new(ca.roots()?), provider())
                    .build()
                    .map_err(|error| ca.unusable(&error))?,
            ),
        };
        let mut config =
            builder.with_single_cert(certificate.certificates()?, key.key()?).map_err(|error| do_not_fit(certificate, key, &error))?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Self { config: Arc::new(config), asks_for_certificates: client_ca.is_some() })
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

impl ServerNameSetting<'_> {
    fn read(&self) -> Result<ServerName<'static>, String> {
        let Self { setting, name } = self;
        let is_none = |_| format!("{setting} = {name} is no host name; give it a name that the control plane's certificate says");
        ServerName::try_from((*name).to_owned()).map_err(is_none)
    }
}

impl Pem<'_> {
    fn unusable(&self, error: &dyn fmt::Display) -> String {
        format!("{} cannot be used ({error}); give it the certificates of the authorities that are trusted", self.setting)
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let holds_none = || format!("{} holds no certificate; give it one or more CERTIFICATE blocks in PEM", self.setting);
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(self.pem).collect();
        certificates.ok().filter(|certificates| !certificates.is_empty()).ok_or_else(holds_none)
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, String> {
        PrivateKeyDer::from_pem_slice(self.pem)
            .map_err(|_| format!("{} holds no private key that can be read; give it an unencrypted PRIVATE KEY block in PEM", self.setting))
    }

    fn roots(&self) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates()? {
            roots
                .add(certificate)
                .map_err(|error| format!("{} holds a certificate that cannot be trusted ({error}); make it again", self.setting))?;
        }
        Ok(roots)
    }
}

fn of_this_machine() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return Err("this machine trusts no certificate authority; install its ca-certificates, or name the authority's file".to_owned());
    }
    Ok(roots)
}

fn do_not_fit(certificate: Pem<'_>, key: Pem<'_>, error: &Error) -> String {
    format!("{} and {} cannot be used together ({error}); give both from the same pair", certificate.setting, key.setting)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Why a certificate is not accepted. `None`: there is none.
pub(crate) fn why_not(reason: Option<&CertificateError>) -> String {
    match reason {
        None => "it presented none".to_owned(),
        Some(CertificateError::UnknownIssuer) => "no trusted authority has signed it".to_owned(),
        // Of the certificate, where a trusted authority has the signer's name and another key; or of the handshake.
        Some(CertificateError::BadSignature) => "no trusted authority has signed it, or who presents it does not have its key".to_owned(),
        Some(other) => other.to_string(),
    }
}

impl fmt::Debug for Pem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pem({} = ***)", self.setting)
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("asks_for_certificates", &self.asks_for_certificates).finish_non_exhaustive()
    }
}
