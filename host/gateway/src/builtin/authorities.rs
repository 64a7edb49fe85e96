//! Whom the operator lets vouch for upstreams whose services name nobody: Kong's `lua_ssl_trusted_certificate`.

use holdover_hybrid::Given;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

const SETTING: &str = "lua_ssl_trusted_certificate";
/// Stands for the authorities that this machine trusts.
const SYSTEM: &str = "system";

#[derive(Clone, Debug)]
pub struct UpstreamAuthorities {
    has_system: bool,
    others: RootCertStore,
}

impl Default for UpstreamAuthorities {
    fn default() -> Self {
        Self { has_system: true, others: RootCertStore::empty() }
    }
}

impl UpstreamAuthorities {
    /// Each is `system`, a path, PEM or base64 of PEM. `Err` is a sentence that begins with the setting.
    pub fn read(values: &[String]) -> Result<Self, String> {
        let (mut has_system, mut others) = (false, RootCertStore::empty());
        for value in values {
            if value == SYSTEM {
                has_system = true;
                continue;
            }
            let pem = Given { setting: SETTING, value }.pem()?;
            let certificates: Result<Vec<CertificateDer<'_>>, _> = CertificateDer::pem_slice_iter(&pem).collect();
            let certificates = certificates.ok().filter(|certificates| !certificates.is_empty());
            for certificate in certificates.ok_or_else(|| format!("{SETTING}: {}", no_authority("holds no certificate")))? {
                others.add(certificate).map_err(|error| format!("{SETTING}: {}", no_authority(&format!("cannot be used ({error})"))))?;
            }
        }
        Ok(Self { has_system, others })
    }

    pub(super) fn roots(&self) -> RootCertStore {
        let mut roots = self.others.clone();
        if self.has_system {
            // A machine without roots, or with broken ones, still proxies; upstreams that have to prove themselves are then not reached, and it is said.
            let (added, ignored) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            tracing::debug!(added, ignored, "trusted certificates of the system");
        }
        roots
    }
}

fn no_authority(what: &str) -> String {
    format!("one of its values {what}; give it 'system', paths of certificates of authorities in PEM, or both")
}
