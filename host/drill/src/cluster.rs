//! What the members of a drill's cluster prove themselves with: one certificate and its key, made for this drill and gone with it.
//!
//! Mode `shared`: every member has the same pair, and knows the others by it. Knows neither control plane nor node.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P384_SHA384};

use crate::child::{Secret, write_private};

/// The name by which Kong's data planes dial in the mode `shared`.
const NAME: &str = "kong_clustering";

pub(crate) struct Cluster {
    /// For `cluster_cert`.
    pub certificate: PathBuf,
    /// For `cluster_cert_key`: nobody but its owner may read it.
    pub key: PathBuf,
}

impl Cluster {
    /// Keeps the pair in `<parent>/cluster`.
    pub fn make(parent: &Path) -> anyhow::Result<Self> {
        let folder = parent.join("cluster");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let (certificate, key) = pair().context("the cluster's certificate cannot be made")?;
        let cluster = Self { certificate: folder.join("cluster.crt"), key: folder.join("cluster.key") };
        fs::write(&cluster.certificate, certificate).with_context(|| format!("cannot write {}", cluster.certificate.display()))?;
        write_private(&cluster.key, key)?;
        Ok(cluster)
    }

    /// What no member may say.
    pub fn secrets(&self) -> Vec<Secret> {
        Secret::lines_of("cluster_cert_key", &self.key)
    }
}

/// A self-signed certificate and its private key, in PEM.
fn pair() -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384)?;
    let mut params = CertificateParams::new([])?;
    params.distinguished_name.push(DnType::CommonName, NAME);
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

#[cfg(test)]
mod tests {
    // A test that cannot go on says so by panicking.
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn every_cluster_has_a_pair_of_its_own_and_its_key_is_the_owners_alone() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [one, other] = folders.each_ref().map(|folder| Cluster::make(folder.path()).unwrap());
        for cluster in [&one, &other] {
            assert_eq!(fs::metadata(&cluster.key).unwrap().permissions().mode() & 0o777, 0o600);
            assert!(fs::read_to_string(&cluster.certificate).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
            assert!(!cluster.secrets().is_empty() && cluster.secrets().iter().all(|secret| !secret.text.contains("PRIVATE KEY")));
        }
        assert_ne!(fs::read(&one.key).unwrap(), fs::read(&other.key).unwrap());
        assert_ne!(fs::read(&one.certificate).unwrap(), fs::read(&other.certificate).unwrap());
    }
}
