//! Which route a request takes, and what happens on it: shared by the built-in gateway and the proxy-wasm filter.
//!
//! ```text
//! config ──Table::build──► table          once per configuration
//! request ──Table::decide──► decision     once per request, no allocation but the upstream path
//! ```
//!
//! Routes are tried in the order in which Kong's `traditional_compatible` router really tries them ([`order`]). A plugin that
//! is not enforced here makes its routes answer 503: what the operator asked for is never silently left out ([`enforce`]).
//! Knows no socket, clock or randomness: bytes and numbers come from the caller, and what to do goes back as data.

mod certificates;
mod correlation;
mod decision;
mod encoding;
mod enforce;
mod entity;
mod index;
mod literal;
mod matcher;
mod order;
mod packed;
mod path;
mod prefixes;
mod request;
mod service;
mod table;
mod target;
mod termination;
mod texts;
mod unfit;
mod upstream_tls;

use std::fmt;

pub use certificates::{KeyPair, ServerCertificate, ServerCertificates};
pub use correlation::{Circumstances, Correlation};
pub use decision::{Answer, Decision, Destination, HostHeader, Proxy};
pub use enforce::{BadUnenforced, Unenforced};
pub use packed::pack;
pub use request::{Headers, Protocol, Request};
pub use service::{Scheme, Service, Timeouts};
pub use table::{Route, Table};
pub use target::{Target, Upstream};
pub use upstream_tls::{UpstreamCertificates, UpstreamTls};

/// A configuration that cannot be routed by. Says which entity, what is wrong and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unroutable {
    sentence: String,
}

impl Unroutable {
    fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into() }
    }
}

impl fmt::Display for Unroutable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for Unroutable {}

#[cfg(test)]
mod tests;
