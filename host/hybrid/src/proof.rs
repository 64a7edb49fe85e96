//! That the other side of a handshake has its certificate's key, however old the certificate is: the library reads none of X.509 version 1.
//! Whose certificate is trusted, the caller says.

use std::fmt;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls13_signature_with_raw_key};
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerIncompatible, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};

use crate::spki;

/// Takes the servers whose certificate `judges` lets pass, and has each prove that it has the key.
pub struct ServerProof<J> {
    judges: J,
    algorithms: WebPkiSupportedAlgorithms,
}

impl<J: Fn(&CertificateDer<'_>) -> Result<(), Error> + Send + Sync> ServerProof<J> {
    pub fn of(judges: J) -> Self {
        Self { judges, algorithms: algorithms() }
    }
}

impl<J: Fn(&CertificateDer<'_>) -> Result<(), Error> + Send + Sync> ServerCertVerifier for ServerProof<J> {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        (self.judges)(end_entity).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl<J> fmt::Debug for ServerProof<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerProof").finish_non_exhaustive()
    }
}

pub(crate) fn algorithms() -> WebPkiSupportedAlgorithms {
    ring::default_provider().signature_verification_algorithms
}

/// TLS 1.3 binds each scheme to one curve: the library's own check for keys without a certificate does that.
pub(crate) fn verify_tls13(
    message: &[u8],
    cert: &CertificateDer<'_>,
    dss: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let key = spki::public_key(cert).ok_or(CertificateError::BadEncoding)?;
    verify_tls13_signature_with_raw_key(message, &SubjectPublicKeyInfoDer::from(key.spki), dss, algorithms)
}

/// In TLS 1.2 a scheme names only the hash, so the algorithm is the one of the scheme that fits the key.
pub(crate) fn verify_tls12(
    message: &[u8],
    cert: &CertificateDer<'_>,
    dss: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let key = spki::public_key(cert).ok_or(CertificateError::BadEncoding)?;
    let of_scheme = algorithms.mapping.iter().find(|(scheme, _)| *scheme == dss.scheme).map(|(_, fitting)| *fitting);
    let fitting = of_scheme.unwrap_or_default().iter().find(|algorithm| algorithm.public_key_alg_id().as_ref() == key.algorithm);
    let Some(algorithm) = fitting else {
        return Err(PeerIncompatible::NoSignatureSchemesInCommon.into());
    };
    match algorithm.verify_signature(key.bits, message, dss.signature()) {
        Ok(()) => Ok(HandshakeSignatureValid::assertion()),
        Err(_) => Err(CertificateError::BadSignature.into()),
    }
}
