//! Envoy's aggregated discovery service (ADS), version 3: one gRPC stream between a node and its control plane, both ends of it,
//! in both variants.
//!
//! ```text
//!  client                                                     server
//!  Connection::open  ── CDS *, LDS * ────────────────────►    Gate: control plane answers ─► UNAVAILABLE
//!                    ◄───────── clusters, listeners ─────           waiting ─► the stream is held
//!    follows names   ── EDS, RDS, SDS by name ───────────►          serving ─► answers, to fresh nodes
//!                    ◄───────── endpoints, routes … ─────    Offers::seen, Offers::gone
//!  connection.next() = the whole set, closed and settled
//! ```
//! [`client`] is a node of a group, [`server`] stands in for a control plane that does not answer. Resources are (type, name, version,
//! bytes): what is in the bytes, [`Reads`] says where it has to be known, and nothing here rewrites them.
//! Knows gRPC, versions, nonces and certificates; knows no settings file, and not whose configuration this is or what is done with it.
//! Every error is a value with a sentence, and ends one stream.

pub mod client;
pub mod server;
pub mod tls;

/// A part of the kit is that of `tests/`, and calls this crate as it is called there.
#[cfg(test)]
extern crate self as holdover_xds;

mod codec;
mod described;
#[cfg(test)]
mod kit;
mod message;
mod wanted;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

pub use client::{Code, Connection, Ended, PING_INTERVAL_MIN, Refusal, Stage, Target, Token};
pub use described::Described;
pub use server::{Client, Gate, Limits, Offers, Snapshot, State, Told, serve};
pub use tls::{ClientTls, Pem, ServerNameSetting, ServerTls};

/// Of clusters: everything of this type is asked for without names.
pub const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
/// Of listeners: the same.
pub const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";

/// For every step of a conversation that one side waits for.
pub(crate) const STEP: Duration = Duration::from_secs(5);
/// HTTP/2 pings to nodes: one that is gone without a word is noticed after both times.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(10);
pub(crate) const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// Of one answer, and of all that a client holds. A resource that says anything has a hundred bytes and more, so the largest configuration
/// has no more; of empty ones its bytes would make hundreds of millions.
pub(crate) const RESOURCES_MAX: usize = 2_000_000;
/// Of a text that the other side made up, in characters.
pub(crate) const DETAIL_MAX: usize = 256;

pub(crate) const ADS_SOTW: &str = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
pub(crate) const ADS_DELTA: &str = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

/// One resource, as the control plane sent it.
#[derive(Clone, PartialEq, Eq)]
pub struct Resource {
    pub type_url: String,
    pub name: String,
    /// The control plane's own. In the state-of-the-world variant that of the answer that brought it.
    pub version: String,
    pub value: Bytes,
}

/// How the two variants of ADS are called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Each answer has everything that was asked for of one type.
    #[default]
    StateOfTheWorld,
    /// Answers say what was added, changed and removed.
    Delta,
}

/// Who speaks, in its own words.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node {
    pub id: String,
    /// Most control planes tell groups of nodes apart by it.
    pub cluster: String,
    pub user_agent_name: String,
    pub version: String,
}

/// What has to be known of a resource's content. Called from the connection's own task; must not block.
pub trait Reads: Send + Sync {
    /// The name within the bytes: an answer in the state-of-the-world variant does not say it otherwise.
    fn name_of(&self, type_url: &str, value: &[u8]) -> Result<String, String>;

    /// The resources, as (type, name), that this one refers to over the same stream.
    fn wants(&self, resource: &Resource) -> Result<Vec<(String, String)>, String>;
}

/// Clusters and listeners are asked for whole, and an answer without any is never believed and never given.
pub(crate) fn is_root(type_url: &str) -> bool {
    type_url == CLUSTER || type_url == LISTENER
}

pub(crate) fn bounded(text: &str) -> String {
    text.chars().take(DETAIL_MAX).collect()
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { type_url, name, version, value } = self;
        write!(f, "Resource({type_url} {name} {version}, {} bytes)", value.len())
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StateOfTheWorld => "state of the world",
            Self::Delta => "delta",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_printed_without_its_content() {
        let resource =
            Resource { type_url: "t".into(), name: "n".into(), version: "v".into(), value: Bytes::from_static(b"a private key") };
        assert_eq!(format!("{resource:?}"), "Resource(t n v, 13 bytes)");
    }
}
