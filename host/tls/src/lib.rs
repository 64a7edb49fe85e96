//! Whose certificate is at fault when TLS does not come about, or is cut short: theirs, ours, or nobody's.
//!
//! Told by type, out of whatever errors lie around that of TLS. Knows rustls alone: not who is spoken to, nor what over TLS, and it has no
//! sentence for an operator, for only the caller knows which setting mends it.

use std::error::Error as StdError;
use std::io;

use rustls::{AlertDescription, CertificateError, Error};

/// What an error of TLS says about certificates, at this side's end of the connection.
#[derive(Clone, Debug, PartialEq)]
pub enum TlsFailure {
    /// This side does not accept the other's certificate. `None`: it presented none.
    Theirs(Option<CertificateError>),
    /// The other side says that it does not accept this one's, or misses one.
    Ours(AlertDescription),
    Other(Error),
}

impl TlsFailure {
    /// However deep it lies. `None` if no error of TLS is in there.
    pub fn within(error: &(dyn StdError + 'static)) -> Option<Self> {
        if let Some(error) = error.downcast_ref::<Error>() {
            return Some(Self::of(error));
        }
        match error.downcast_ref::<io::Error>() {
            // Its `source` skips what it wraps.
            Some(error) => Self::within(error.get_ref()?),
            None => Self::within(error.source()?),
        }
    }

    fn of(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(reason) => Self::Theirs(Some(reason.clone())),
            Error::NoCertificatesPresented => Self::Theirs(None),
            Error::AlertReceived(
                alert @ (AlertDescription::NoCertificate
                | AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied
                // A signature of ours that it cannot verify, if this side has signed anything.
                | AlertDescription::DecryptError
                | AlertDescription::CertificateRequired),
            ) => Self::Ours(*alert),
            other => Self::Other(other.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[test]
    fn a_failure_of_tls_is_found_however_deep_it_lies_and_another_error_is_none() {
        let failed = || io::Error::other(Error::NoCertificatesPresented);
        let found = Some(TlsFailure::Theirs(None));
        assert_eq!(TlsFailure::within(&Error::NoCertificatesPresented), found);
        assert_eq!(TlsFailure::within(&failed()), found);
        assert_eq!(TlsFailure::within(&io::Error::other(io::Error::other(failed()))), found);
        assert_eq!(TlsFailure::within(&io::Error::other(Exchange(failed()))), found);
        assert_eq!(TlsFailure::within(&io::Error::other("cut")), None);
        assert_eq!(TlsFailure::within(&io::Error::other(io::Error::from(io::ErrorKind::ConnectionReset))), None);
        assert_eq!(TlsFailure::within(&Exchange(io::Error::from(io::ErrorKind::UnexpectedEof))), None);
    }

    #[test]
    fn a_certificate_that_is_not_accepted_is_theirs_with_the_reason() {
        let refused = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        assert_eq!(TlsFailure::within(&refused), Some(TlsFailure::Theirs(Some(CertificateError::UnknownIssuer))));
    }

    #[test]
    fn an_alert_is_about_our_certificate_or_about_none() {
        use AlertDescription::{AccessDenied, CertificateRequired, DecryptError, UnknownCA};
        for alert in [UnknownCA, AccessDenied, DecryptError, CertificateRequired] {
            assert_eq!(TlsFailure::within(&Error::AlertReceived(alert)), Some(TlsFailure::Ours(alert)));
        }
        for alert in [AlertDescription::HandshakeFailure, AlertDescription::ProtocolVersion, AlertDescription::InternalError] {
            let other = Error::AlertReceived(alert);
            assert_eq!(TlsFailure::within(&other), Some(TlsFailure::Other(other.clone())));
        }
    }

    /// As a client of HTTP wraps what its socket said.
    #[derive(Debug)]
    struct Exchange(io::Error);

    impl fmt::Display for Exchange {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the exchange broke off")
        }
    }

    impl StdError for Exchange {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&self.0)
        }
    }
}
