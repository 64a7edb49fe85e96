//! What the host tells an episode, and what an episode tells the host. Plain values; no decision.

use std::time::Duration;

use crate::config::Format;
use crate::model::{Cluster, Digest, GatewayVersion, Position, VersionRule};

/// What holds while an episode runs.
#[derive(Clone, Debug)]
pub struct Facts {
    pub settings: Settings,
    /// What the gateway runs, if it was configured since this process began.
    pub serving: Option<Serving>,
    /// Whether a session with the control plane is open.
    pub connected: bool,
    /// Whether the process is about to end in an orderly way.
    pub stopping: bool,
    /// A random number of this process: tells a state of this one from one that an earlier process left behind.
    pub process: u64,
}

#[derive(Clone, Debug)]
pub struct Settings {
    pub cluster: Cluster,
    /// The version of the gateways to serve: what a snapshot must be made for.
    pub gateway_version: GatewayVersion,
    pub format: Format,
    pub version_rule: VersionRule,
    /// Who publishes, in manifests and heads: a name for people.
    pub node: String,
    /// Whether the storages are rungs of this node's ladder.
    pub import: bool,
    /// The storages' names for sentences, in order; a [`super::capabilities::StorageId`] is an index into them.
    pub storages: Vec<String>,
    pub on_refusal: OnRefusal,
    /// How long a control plane may take to deliver the first configuration. Default 10 s.
    pub give_up: Duration,
    /// The first fetch waits a random part of this. Default 0.
    pub first_fetch_jitter: Duration,
    /// At most one export in this time. Default 60 s.
    pub export_delay: Duration,
    /// How long a configuration must run before it counts as settled. Default 60 s.
    pub settle: Duration,
    /// How old a head may be before it is reported. Default 24 h.
    pub staleness_warn: Duration,
}

/// What a node without cache does when the control plane refuses it (boot-02).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnRefusal {
    #[default]
    Wait,
    Fallback,
}

/// What the gateway runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serving {
    pub digest: Digest,
    pub sameness: String,
    pub origin: Origin,
    /// Where in the history of the storage it stands, when it came from a snapshot.
    pub position: Option<Position>,
}

/// Which rung a configuration came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    ControlPlane,
    Cache,
    Storage,
    Bundle,
}

impl Origin {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ControlPlane => "control-plane",
            Self::Cache => "cache",
            Self::Storage => "storage",
            Self::Bundle => "bundle",
        }
    }
}

/// What an importing episode leaves behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Versioned bytes for the next episode; opaque to the host.
    pub state: Vec<u8>,
    /// When to call `tick`, counted from now. `None`: not before something is delivered.
    pub wake_after: Option<Duration>,
    pub standing: Standing,
}

/// Where the node stands after an episode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The gateway runs this.
    Serving(Serving),
    /// An outage and nothing usable; the sentence says what was tried.
    Stranded(String),
    /// The control plane refused this node, and it waits as told; the sentence says whom to ask.
    Refused(String),
}

/// What an exporting episode leaves behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportOutcome {
    pub state: Vec<u8>,
    pub wake_after: Option<Duration>,
    /// Whether the host must keep the newest delivery for the next `tick`.
    pub pending: bool,
    /// What stands in the storage after this episode, as far as the policy saw it.
    pub published: Option<Position>,
    /// Why the newest delivery is not in the storage, when it is not: a sentence.
    pub held: Option<String>,
}
