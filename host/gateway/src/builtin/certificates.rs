//! The certificates that TLS clients are shown, made ready to be used. Knows PEM and keys; knows no connection.
//!
//! One that cannot be used is said in the log, without a word of its text, and its names then have none: another's would only
//! mislead the client.

use std::fmt;
use std::sync::Arc;

use holdover_hybrid::Given;
use holdover_plugin::routing::{KeyPair, ServerCertificate, ServerCertificates};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

/// Of one configuration.
pub(super) struct Certificates {
    /// Without what has been made ready.
    names: ServerCertificates,
    /// By place; `None` for one that cannot be used.
    usable: Vec<Option<Arc<Certificate>>>,
}

/// One server's, with one type of key or two.
#[derive(Debug)]
pub(super) struct Certificate(Vec<Arc<CertifiedKey>>);

/// What is shown where the configuration has no certificate for a name, and to clients that send none: Kong's `ssl_cert` and `ssl_cert_key`.
#[derive(Clone, Debug)]
pub struct DefaultCertificate(pub(super) Arc<Certificate>);

/// Why a certificate cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotUsable {
    InVault,
    NoCertificate,
    NoKey,
    KeyNotUnderstood,
    KeyOfAnother,
}

/// What a server name has.
pub(super) enum Found {
    Usable(Arc<Certificate>),
    NotUsable,
    Nothing,
}

impl Certificates {
    pub(super) fn of(mut names: ServerCertificates) -> Self {
        let usable = std::mem::take(&mut names.certificates).into_iter().map(Certificate::of_entity).collect();
        Self { names, usable }
    }

    /// The name is in lower case.
    pub(super) fn find(&self, name: Option<&str>) -> Found {
        match self.names.place(name).and_then(|place| self.usable.get(place)) {
            Some(Some(certificate)) => Found::Usable(Arc::clone(certificate)),
            Some(None) => Found::NotUsable,
            None => Found::Nothing,
        }
    }
}

impl DefaultCertificate {
    /// One certificate for each type of key, with its keys in the same order; each a path, PEM or base64 of PEM. `None`: there is none. `Err` is a
    /// sentence that begins with the setting at fault.
    pub fn read(certificates: &[String], keys: &[&str]) -> Result<Option<Self>, String> {
        let (setting, key_setting) = ("ssl_cert", "ssl_cert_key");
        if certificates.len() != keys.len() {
            return Err(format!(
                "{key_setting} names {} for {} of {setting}; give each certificate its key",
                keys.len(),
                certificates.len()
            ));
        }
        let mut usable = Vec::with_capacity(keys.len());
        for (certificate, key) in certificates.iter().zip(keys) {
            let pair = KeyPair {
                chain_pem: text(Given { setting, value: certificate })?,
                key_pem: text(Given { setting: key_setting, value: key })?,
            };
            let key = certified(&pair).map_err(|why| match why {
                NotUsable::InVault | NotUsable::NoCertificate => format!("{setting}: {why}; give it a certificate"),
                NotUsable::NoKey | NotUsable::KeyNotUnderstood | NotUsable::KeyOfAnother => {
                    format!("{key_setting}: {why}; give it the key that stands for the certificate at the same place of {setting}")
                }
            })?;
            usable.push(Arc::new(key));
        }
        Ok((!usable.is_empty()).then(|| Self(Arc::new(Certificate(usable)))))
    }
}

fn text(given: Given<'_>) -> Result<String, String> {
    String::from_utf8(given.pem()?).map_err(|_| format!("{} is no text; give it PEM", given.setting))
}

impl Certificate {
    /// With whichever of its two keys can be used.
    fn of_entity(entity: ServerCertificate) -> Option<Arc<Self>> {
        let mut usable = Vec::new();
        for pair in std::iter::once(&entity.pair).chain(&entity.alternative) {
            match certified(pair) {
                Ok(key) => usable.push(Arc::new(key)),
                Err(why) => tracing::warn!(certificate = entity.id, %why, "a certificate of the configuration is not served"),
            }
        }
        (!usable.is_empty()).then(|| Arc::new(Self(usable)))
    }
}

impl ResolvesServerCert for Certificate {
    /// The first whose key the client can check.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.iter().find(|key| key.key.choose_scheme(hello.signature_schemes()).is_some()).cloned()
    }
}

pub(super) fn certified(pair: &KeyPair) -> Result<CertifiedKey, NotUsable> {
    let KeyPair { chain_pem, key_pem } = pair;
    if [chain_pem, key_pem].into_iter().any(|text| text.trim_start().starts_with("{vault://")) {
        return Err(NotUsable::InVault);
    }
    // What is wrong with a text is not passed on: the errors quote it.
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(chain_pem.as_bytes()).collect::<Result<_, _>>().map_err(|_| NotUsable::NoCertificate)?;
    if chain.is_empty() {
        return Err(NotUsable::NoCertificate);
    }
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(|_| NotUsable::NoKey)?;
    let key = ring::default_provider().key_provider.load_private_key(key).map_err(|_| NotUsable::KeyNotUnderstood)?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(NotUsable::KeyOfAnother),
        // Certificates of version 1 cannot be compared, and can be shown.
        Ok(()) | Err(_) => Ok(certified),
    }
}

impl fmt::Display for NotUsable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InVault => "it is in a vault, and no vault is asked here: put the certificate itself into the configuration",
            Self::NoCertificate => "its text is no certificate in PEM",
            Self::NoKey => "the text of its key is no private key in PEM",
            Self::KeyNotUnderstood => "its key is neither RSA (2048 to 4096 bits), nor ECDSA (P-256 or P-384), nor Ed25519",
            Self::KeyOfAnother => "its key belongs to another certificate",
        })
    }
}
