//! Why a certificate is not accepted, in words for an operator. Decides nothing: [`crate::tls`] does.

use std::fmt;
use std::sync::Arc;

use rustls::{CertificateError, Error, OtherError};

/// What only this crate finds wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Distrust {
    /// Shared mode: another certificate than this side's own.
    NotOfThisCluster,
    /// Pki mode: X.509 version 1, in which nothing says a name.
    VersionOne,
}

/// The library's words, and what they mean for certificates as Kong's documentation makes them. `None`: there is none.
pub(crate) fn why_not(reason: Option<&CertificateError>) -> String {
    let Some(reason) = reason else { return "it presented none".to_owned() };
    match reason {
        CertificateError::NotValidForNameContext { expected, presented } if presented.is_empty() => format!(
            "it has a common name only, and cluster_mtls = pki needs a subject alternative name that says '{}'; make it again with \
             subjectAltName, or use cluster_mtls = shared",
            expected.to_str()
        ),
        CertificateError::BadSignature => {
            "a signature is wrong; either no certificate in cluster_ca_cert has signed it, or who presents it does not have its key"
                .to_owned()
        }
        CertificateError::UnknownIssuer => "no certificate in cluster_ca_cert has signed it".to_owned(),
        CertificateError::Other(other) => other.0.to_string(),
        other => other.to_string(),
    }
}

impl From<Distrust> for Error {
    fn from(distrust: Distrust) -> Self {
        CertificateError::Other(OtherError(Arc::new(distrust))).into()
    }
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOfThisCluster => "it is not the one in cluster_cert; with cluster_mtls = shared both sides have the same certificate",
            Self::VersionOne => {
                "it is X.509 version 1, and cluster_mtls = pki needs version 3 with a subject alternative name; make it again with \
                 subjectAltName, or use cluster_mtls = shared"
            }
        })
    }
}

impl std::error::Error for Distrust {}
