//! How TLS is spoken to upstreams, made ready of what the configuration's services say. Knows certificates and trust; knows no connection.
//!
//! As in Kong an upstream proves who it is only where its service, or the operator for all of them, asks for that. What is asked for and
//! cannot be done is said in the log, without a word of any text, and such upstreams are then not reached: neither with less trust nor
//! without the certificate that they know this gateway by.

use std::fmt;
use std::sync::Arc;

use holdover_hybrid::ServerProof;
use holdover_plugin::model::Digest;
use holdover_plugin::routing::{KeyPair, UpstreamCertificates, UpstreamTls};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, Error, RootCertStore};

use super::authorities::UpstreamAuthorities;
use super::certificates::{self, NotUsable};

/// Whom the operator trusts, and whether an upstream has to prove anything where its service does not say.
pub(super) struct Trust {
    roots: Arc<RootCertStore>,
    verifies: bool,
}

/// By the places of [`Table::upstream_tls`](holdover_plugin::routing::Table::upstream_tls); `None` for what cannot be done.
#[derive(Default)]
pub(super) struct Ways(Vec<Option<Way>>);

/// One way, and what tells it from every other: the same of two configurations are one, and share their connections.
#[derive(Clone)]
pub(super) struct Way {
    pub id: Digest,
    pub config: Arc<ClientConfig>,
}

/// Why a way cannot be gone.
#[derive(Debug)]
enum Impossible {
    NoSuchCertificate,
    ClientCertificate(NotUsable),
    NoSuchAuthority,
    NoAuthority,
    NobodyIsTrusted,
    Library(Error),
}

impl Trust {
    pub(super) fn new(authorities: &UpstreamAuthorities, verifies: bool) -> Self {
        Self { roots: Arc::new(authorities.roots()), verifies }
    }

    pub(super) fn ways(&self, wanted: &[UpstreamTls], certificates: &UpstreamCertificates) -> Ways {
        let ready = |wanted: &UpstreamTls| {
            self.way(wanted, certificates)
                .inspect_err(|why| {
                    let UpstreamTls { authorities, client_certificate, .. } = wanted;
                    tracing::warn!(?client_certificate, ca_certificates = ?authorities, %why, "upstreams of services that say so are not reached");
                })
                .ok()
        };
        Ways(wanted.iter().map(ready).collect())
    }

    fn way(&self, wanted: &UpstreamTls, certificates: &UpstreamCertificates) -> Result<Way, Impossible> {
        let mut said = Said::default();
        let verifier: Arc<dyn ServerCertVerifier> = match wanted.verify.unwrap_or(self.verifies) {
            // Whatever its certificate is, the upstream has the key.
            false => Arc::new(ServerProof::of(|_| Ok(()))),
            true => {
                said.say("verified");
                WebPkiServerVerifier::builder_with_provider(self.roots(wanted, certificates, &mut said)?, provider())
                    .build()
                    .map_err(|_| Impossible::NobodyIsTrusted)?
            }
        };
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(Impossible::Library)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match &wanted.client_certificate {
            None => builder.with_no_client_auth(),
            Some(id) => {
                let pair = certificates.pair(id).ok_or(Impossible::NoSuchCertificate)?;
                let KeyPair { chain_pem, key_pem } = pair;
                ["shown", chain_pem, key_pem].into_iter().for_each(|text| said.say(text));
                let key = certificates::certified(pair).map_err(Impossible::ClientCertificate)?;
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key)))
            }
        };
        Ok(Way { id: said.digest(), config: Arc::new(config) })
    }

    /// The service's own authorities stand in the place of the operator's.
    fn roots(&self, wanted: &UpstreamTls, certificates: &UpstreamCertificates, said: &mut Said) -> Result<Arc<RootCertStore>, Impossible> {
        if wanted.authorities.is_empty() {
            return Ok(Arc::clone(&self.roots));
        }
        let mut roots = RootCertStore::empty();
        for id in &wanted.authorities {
            let pem = certificates.authority(id).ok_or(Impossible::NoSuchAuthority)?;
            said.say(pem);
            let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| Impossible::NoAuthority)?;
            roots.add(certificate).map_err(|_| Impossible::NoAuthority)?;
        }
        Ok(Arc::new(roots))
    }
}

impl Ways {
    pub(super) fn get(&self, place: usize) -> Option<&Way> {
        self.0.get(place)?.as_ref()
    }
}

/// What a way is made of, each piece with its length.
#[derive(Default)]
struct Said(Vec<u8>);

impl Said {
    fn say(&mut self, text: &str) {
        self.0.extend_from_slice(&text.len().to_be_bytes());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

/// Every handshake fails.
pub(super) fn with_nobody() -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchCertificate => f.write_str("the client_certificate is not in the configuration: add it"),
            Self::ClientCertificate(why) => write!(f, "the client_certificate cannot be shown: {why}"),
            Self::NoSuchAuthority => f.write_str("one of the ca_certificates is not in the configuration: add it"),
            Self::NoAuthority => {
                f.write_str("the text of one of the ca_certificates is no authority's certificate in PEM, of X.509 version 3")
            }
            Self::NobodyIsTrusted => f.write_str(
                "they have to prove who they are, and no authority is trusted: install the machine's ca-certificates, or name some in \
                 lua_ssl_trusted_certificate",
            ),
            Self::Library(error) => write!(f, "TLS cannot be set up ({error})"),
        }
    }
}
