//! A service: whom a route's requests are sent to, and how patiently.

use super::entity;

#[derive(Debug)]
pub struct Service {
    pub id: String,
    pub name: Option<String>,
    pub scheme: Scheme,
    pub host: String,
    pub port: u16,
    /// How many further attempts a request gets that could not be sent.
    pub retries: u32,
    pub timeouts: Timeouts,
    /// The place in [`Table::upstream_tls`](super::Table::upstream_tls) of how TLS is spoken to it. `None`: in plain.
    pub tls: Option<usize>,
    pub(super) path: String,
    /// The place of the upstream that the host names.
    pub(super) upstream: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    Http,
    Https,
    /// HTTP/2 without TLS.
    Grpc,
    /// HTTP/2 over TLS.
    Grpcs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    pub connect_ms: u64,
    /// The longest pause while the request is sent.
    pub write_ms: u64,
    /// The longest pause while the answer is awaited and read.
    pub read_ms: u64,
}

const PORT: u16 = 80;
const RETRIES: u32 = 5;
const TIMEOUT_MS: u64 = 60_000;

impl Service {
    pub(super) fn of(service: entity::Service, scheme: Scheme, tls: Option<usize>, upstream: Option<usize>) -> Self {
        // Float casts saturate, and validation has bounded these.
        let milliseconds = |number: Option<f64>| number.map_or(TIMEOUT_MS, |number| number as u64);
        Self {
            id: service.id,
            name: service.name,
            scheme,
            host: service.host,
            port: service.port.map_or(PORT, |port| port as u16),
            retries: service.retries.map_or(RETRIES, |retries| retries as u32),
            timeouts: Timeouts {
                connect_ms: milliseconds(service.connect_timeout),
                write_ms: milliseconds(service.write_timeout),
                read_ms: milliseconds(service.read_timeout),
            },
            tls,
            path: service.path.filter(|path| !path.is_empty()).unwrap_or_else(|| "/".to_owned()),
            upstream,
        }
    }
}

impl Scheme {
    /// `None` if the service's protocol is not HTTP.
    pub(super) fn of(service: &entity::Service) -> Option<Self> {
        match service.protocol.as_deref().unwrap_or("http") {
            "http" => Some(Self::Http),
            "https" => Some(Self::Https),
            "grpc" => Some(Self::Grpc),
            "grpcs" => Some(Self::Grpcs),
            _ => None,
        }
    }

    /// As in the URL that is dialled.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http | Self::Grpc => "http",
            Self::Https | Self::Grpcs => "https",
        }
    }

    /// The port that a Host header leaves out.
    pub fn own_port(self) -> u16 {
        match self {
            Self::Http | Self::Grpc => 80,
            Self::Https | Self::Grpcs => 443,
        }
    }

    pub(super) fn is_tls(self) -> bool {
        match self {
            Self::Http | Self::Grpc => false,
            Self::Https | Self::Grpcs => true,
        }
    }

    pub fn is_grpc(self) -> bool {
        match self {
            Self::Http | Self::Https => false,
            Self::Grpc | Self::Grpcs => true,
        }
    }
}
