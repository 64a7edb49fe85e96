//! How a service's upstream is spoken to, and what a service wants that Envoy's clusters cannot give it. Each way has a route and a cluster in
//! Envoy's own configuration (docs/envoy-filter.yaml).

use holdover_plugin::routing::{Scheme, UpstreamTls};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Http,
    /// Whatever certificate the upstream shows.
    Https,
    /// The upstream has to prove that it is the Host which it gets.
    HttpsVerified,
    /// HTTP/2 without TLS.
    Grpc,
    /// HTTP/2 over TLS, whatever certificate the upstream shows.
    Grpcs,
}

/// What a cluster that stands for all upstreams cannot do for one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unspoken {
    ClientCertificate,
    OwnAuthorities,
    VerifiedGrpc,
}

impl Way {
    /// `tls`: `None` for what is spoken in plain.
    pub fn of(scheme: Scheme, tls: Option<&UpstreamTls>) -> Result<Self, Unspoken> {
        if tls.is_some_and(|tls| tls.client_certificate.is_some()) {
            return Err(Unspoken::ClientCertificate);
        }
        let verified = tls.filter(|tls| tls.verify == Some(true));
        let verifies = verified.is_some();
        // Nobody is held against them otherwise.
        if verified.is_some_and(|tls| !tls.authorities.is_empty()) {
            return Err(Unspoken::OwnAuthorities);
        }
        match (scheme, verifies) {
            (Scheme::Http, _) => Ok(Self::Http),
            (Scheme::Https, false) => Ok(Self::Https),
            (Scheme::Https, true) => Ok(Self::HttpsVerified),
            (Scheme::Grpc, _) => Ok(Self::Grpc),
            (Scheme::Grpcs, false) => Ok(Self::Grpcs),
            (Scheme::Grpcs, true) => Err(Unspoken::VerifiedGrpc),
        }
    }

    /// By which Envoy's routes tell it from the others.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::HttpsVerified => "https-verified",
            Self::Grpc => "grpc",
            Self::Grpcs => "grpcs",
        }
    }
}
