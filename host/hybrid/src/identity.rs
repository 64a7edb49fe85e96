//! Certificates and keys as Kong's settings give them: a path, PEM text, or base64 of PEM (KONG.md A.2).
//!
//! Errors are sentences that name the setting. None of them, and no `Debug`, shows what a setting holds unless it is a path.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::RootCertStore;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::sign::SigningKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};

use crate::spki;

/// Of a file. Chains have a few kilobytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A setting's value, with the name that sentences call it by.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    pub setting: &'a str,
    pub value: &'a str,
}

/// What one side of a cluster proves itself with.
#[derive(Clone)]
pub struct Identity {
    pub(crate) certs: Vec<CertificateDer<'static>>,
    pub(crate) key: Arc<dyn SigningKey>,
    pub(crate) leaf_sha256: [u8; 32],
}

/// Who may sign the other side's certificate: `cluster_ca_cert`.
#[derive(Clone)]
pub struct Authorities {
    pub(crate) roots: Arc<RootCertStore>,
    setting: String,
}

impl Identity {
    /// Reads both, and makes sure that they belong together.
    pub fn read(certificate: Given<'_>, key: Given<'_>) -> Result<Self, String> {
        let certs = certificates(certificate)?;
        let key_pem = key.pem()?;
        let private = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|_| {
            format!("{} holds no private key that can be read; give it an unencrypted PRIVATE KEY block in PEM", key.setting)
        })?;
        let signing = any_supported_type(&private).map_err(|_| {
            format!("{} is a private key of an unsupported kind; give it a key of P-256, P-384 or RSA with 2048 bits or more", key.setting)
        })?;
        let Some(leaf) = certs.first() else {
            return Err(certificate.holds_none());
        };
        let Some(in_certificate) = spki::public_key(leaf) else {
            return Err(format!("the first certificate of {} cannot be read; make it again", certificate.setting));
        };
        let of_key = signing.public_key();
        let differs = of_key.is_some_and(|of_key| spki::bits_of(&of_key).is_some_and(|bits| bits != in_certificate.bits));
        if differs {
            return Err(format!(
                "{} is not the key of the certificate in {}; give both from the same pair",
                key.setting, certificate.setting
            ));
        }
        let leaf_sha256 = sha256(leaf);
        Ok(Self { certs, key: signing, leaf_sha256 })
    }

    /// Of the certificate itself, without what signed it: by this a cluster in shared mode knows its own.
    pub fn leaf_sha256(&self) -> [u8; 32] {
        self.leaf_sha256
    }
}

impl Authorities {
    pub fn read(given: Given<'_>) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(given)? {
            roots.add(certificate).map_err(|error| format!("{} holds a certificate that cannot be trusted ({error})", given.setting))?;
        }
        Ok(Self { roots: Arc::new(roots), setting: given.setting.to_owned() })
    }
}

pub(crate) fn sha256(der: &[u8]) -> [u8; 32] {
    Sha256::digest(der).into()
}

fn certificates(given: Given<'_>) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = given.pem()?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.map_err(|_| given.holds_none())?;
    if certificates.is_empty() { Err(given.holds_none()) } else { Ok(certificates) }
}

impl Given<'_> {
    /// The PEM, wherever it is.
    pub fn pem(&self) -> Result<Vec<u8>, String> {
        let value = self.value.trim();
        if value.is_empty() {
            return Err(format!("{} is empty; give it the path of a PEM file", self.setting));
        }
        if value.contains("-----BEGIN") {
            return Ok(value.as_bytes().to_vec());
        }
        // A line break or a length that no path has would only make the file system complain.
        if value.len() < 4096 && !value.contains(['\n', '\0']) && Path::new(value).exists() {
            return self.file(Path::new(value));
        }
        let unbroken: String = value.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        match STANDARD.decode(unbroken) {
            Ok(pem) if pem.starts_with(b"-----BEGIN") => Ok(pem),
            _ if self.is_path() => Err(format!("{} = {value}: there is no such file; correct the path", self.setting)),
            _ => Err(format!("{} is no file, no PEM text and no base64 of one; give it the path of a PEM file", self.setting)),
        }
    }

    /// Only what cannot be key material by mistake is printed: base64 of PEM or DER begins with a letter.
    fn is_path(&self) -> bool {
        let value = self.value.trim();
        value.len() < 256 && (value.starts_with('/') || value.starts_with('.')) && !value.contains(char::is_whitespace)
    }

    fn file(&self, path: &Path) -> Result<Vec<u8>, String> {
        let unreadable = |error| format!("{} = {} cannot be read ({error})", self.setting, path.display());
        let mut bytes = Vec::new();
        File::open(path).map_err(unreadable)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(format!("{} = {} is larger than {FILE_BYTES_MAX} bytes, and no PEM file", self.setting, path.display()));
        }
        Ok(bytes)
    }

    fn holds_none(&self) -> String {
        format!("{} holds no certificate; give it one or more CERTIFICATE blocks in PEM", self.setting)
    }
}

impl fmt::Debug for Given<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Given({} = ***)", self.setting)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("certs", &self.certs.len()).field("key", &"***").finish()
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorities({}: {})", self.setting, self.roots.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: &str = include_str!("../tests/fixtures/cluster.crt.pem");
    const KEY: &str = include_str!("../tests/fixtures/cluster.key.pem");
    const OTHER_KEY: &str = include_str!("../tests/fixtures/other.key.pem");

    #[test]
    fn a_path_pem_and_base64_of_pem_give_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cluster.crt");
        std::fs::write(&path, CERTIFICATE).unwrap();
        let wrapped: String = STANDARD.encode(CERTIFICATE).as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line) + "\n").collect();
        let digests = [path.to_str().unwrap(), CERTIFICATE, &STANDARD.encode(CERTIFICATE), &wrapped]
            .map(|value| Identity::read(cert(value), key(&STANDARD.encode(KEY))).unwrap().leaf_sha256());
        assert!(digests.iter().all(|digest| *digest == digests[0]));
    }

    #[test]
    fn a_key_of_another_certificate_is_told() {
        let error = Identity::read(cert(CERTIFICATE), key(OTHER_KEY)).unwrap_err();
        assert!(error.contains("cluster_cert_key") && error.contains("cluster_cert;"), "{error}");
    }

    #[test]
    fn errors_name_the_setting_and_show_no_key() {
        for value in ["", "/no/such/file", "LS0tLS1CRUdJTiBQUklW", "MIGkAgEBBDBsecret", CERTIFICATE, "-----BEGIN PRIVATE KEY-----\nsecret"]
        {
            let error = Identity::read(cert(CERTIFICATE), key(value)).unwrap_err();
            assert!(error.contains("cluster_cert_key"), "{error}");
            assert!(!error.contains("secret") && !error.contains("LS0") && !error.contains("MIG"), "{error}");
        }
        let error = Identity::read(cert("/no/such/file"), key(KEY)).unwrap_err();
        assert!(error.contains("cluster_cert = /no/such/file"), "{error}");
        let error = Identity::read(cert(KEY), key(KEY)).unwrap_err();
        assert!(error.contains("cluster_cert holds no certificate"), "{error}");
        let identity = Identity::read(cert(CERTIFICATE), key(KEY)).unwrap();
        assert_eq!(format!("{identity:?} {:?}", key(KEY)), r#"Identity { certs: 1, key: "***" } Given(cluster_cert_key = ***)"#);
    }

    fn cert(value: &str) -> Given<'_> {
        Given { setting: "cluster_cert", value }
    }

    fn key(value: &str) -> Given<'_> {
        Given { setting: "cluster_cert_key", value }
    }
}
