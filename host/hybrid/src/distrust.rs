//! Why TLS did not come about, in words for an operator. Decides nothing: [`crate::tls`] does.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::{AlertDescription, CertificateError, Error, OtherError};

/// What only this crate finds wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Distrust {
    /// Shared mode: another certificate than this side's own.
    NotOfThisCluster,
    /// Pki mode: X.509 version 1, in which nothing says a name.
    VersionOne,
}

/// What an error of TLS says about certificates.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TlsFailure {
    /// This side does not accept the other's certificate.
    Theirs(String),
    /// The other side says that it does not accept this one's.
    Ours(String),
    Other(String),
}

impl TlsFailure {
    /// `None` if the error is the connection's and not of TLS.
    pub fn within(error: &io::Error) -> Option<Self> {
        let inner = error.get_ref()?;
        match inner.downcast_ref::<Error>() {
            Some(error) => Some(Self::of(error)),
            None => Self::within(inner.downcast_ref::<io::Error>()?),
        }
    }

    fn of(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(reason) => Self::Theirs(why_not(reason)),
            Error::NoCertificatesPresented => Self::Theirs("it presented none".to_owned()),
            Error::AlertReceived(
                alert @ (AlertDescription::NoCertificate
                | AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied
                // A signature of ours that it cannot verify.
                | AlertDescription::DecryptError
                | AlertDescription::CertificateRequired),
            ) => Self::Ours(format!("alert {alert:?}")),
            other => Self::Other(other.to_string()),
        }
    }
}

/// The library's words, and what they mean for certificates as Kong's documentation makes them.
fn why_not(reason: &CertificateError) -> String {
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
