//! What the host tells an episode, and what an episode tells the host. Plain values; no decision.

use std::time::Duration;

use crate::config::Format;
use crate::model::{Cluster, Digest, Epoch, GatewayVersion, Generation, Lineage, Position, VersionRule};
use crate::snapshot::Trust;

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
    /// Whether somebody accepts connections at the control plane's address where nobody did. Said once.
    pub appeared: bool,
    /// A random number of this process: tells a state of this one from one that an earlier process left behind.
    pub process: u64,
    /// The number of the control plane's session that delivered last; rises with every session, 0 before the first. A process that finds
    /// something pending counts on from the session that delivered it.
    pub session: u64,
}

impl Facts {
    /// Of a process that has just begun, and knows its settings alone.
    pub fn beginning(settings: Settings, process: u64) -> Self {
        Self { settings, serving: None, connected: false, stopping: false, appeared: false, process, session: 0 }
    }
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
    /// Whether this exporter is the only one, by the operator's word: there is no election (export-12).
    pub single_exporter: bool,
    /// How often a leader renews its lease. Default 10 s.
    pub lease_renew: Duration,
    /// A lease that did not change for this long is dead. Default 30 s.
    pub lease_expire: Duration,
    pub guard: Guard,
    /// How long a new generation is a candidate before it is good. Default 0.
    pub soak: Duration,
    /// The watched nodes' names for sentences, in order.
    pub soak_watch: Vec<String>,
    pub rejoin_guard: RejoinGuard,
    /// How long a configuration must run before it counts as settled. Default 60 s.
    pub settle: Duration,
    /// How old a head may be before it is reported. Default 24 h.
    pub staleness_warn: Duration,
    /// How old a head may be at most. Default 7 d.
    pub head_age_max: Duration,
    pub on_stale: OnStale,
    /// A cache that was kept or confirmed longer ago comes after the storages. `None`: it never does.
    pub cache_age_max: Option<Duration>,
    /// Who may seal what this node takes from outside. Empty: nobody is asked for a signature.
    pub trusted: Trust,
    /// Who may break glass.
    pub operators: Trust,
    /// Whether this node can open what is encrypted to it.
    pub has_identity: bool,
    /// By which keys and for whom this node seals; empty when neither. A change of it is a change of what is published.
    pub sealed_as: String,
    /// Whether Kong's documented place is written, too (export-13).
    pub kong_layout: bool,
    /// What a node without a mark does not go below.
    pub min_generation: Generation,
    /// The lineage that the operator accepts, whatever this node remembers.
    pub accept_lineage: Option<Lineage>,
    /// The text of a break-glass token.
    pub break_glass: Option<String>,
}

impl Settings {
    /// With every default of the rules.
    pub fn new(cluster: Cluster, gateway_version: GatewayVersion, format: Format) -> Self {
        const HOUR: Duration = Duration::from_secs(3600);
        Self {
            cluster,
            gateway_version,
            format,
            version_rule: VersionRule::default(),
            node: "node".into(),
            import: true,
            storages: Vec::new(),
            on_refusal: OnRefusal::default(),
            give_up: Duration::from_secs(10),
            first_fetch_jitter: Duration::ZERO,
            export_delay: Duration::from_secs(60),
            single_exporter: false,
            lease_renew: Duration::from_secs(10),
            lease_expire: Duration::from_secs(30),
            guard: Guard::default(),
            soak: Duration::ZERO,
            soak_watch: Vec::new(),
            rejoin_guard: RejoinGuard::default(),
            settle: Duration::from_secs(60),
            staleness_warn: 24 * HOUR,
            head_age_max: 7 * 24 * HOUR,
            on_stale: OnStale::default(),
            cache_age_max: None,
            trusted: Trust::default(),
            operators: Trust::default(),
            has_identity: false,
            sealed_as: String::new(),
            kong_layout: false,
            min_generation: Generation::default(),
            accept_lineage: None,
            break_glass: None,
        }
    }
}

/// What a head older than the maximum age means (boot-13).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStale {
    #[default]
    Warn,
    Refuse,
}

/// How much a configuration may change before its export is held (export-03).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// A type that loses this share of its entities, in percent, holds the export, as does the last one of a type and any authentication
    /// plugin; 0: no loss does. Default 40.
    pub shrink_percent: u32,
    /// A type that gains this share, in percent, holds the export; 0: none does. Default 200.
    pub growth_percent: u32,
}

impl Default for Guard {
    fn default() -> Self {
        Self { shrink_percent: 40, growth_percent: 200 }
    }
}

/// What a returning control plane may not take away at once (boot-14).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RejoinGuard {
    /// An empty configuration replaces none that is served; a shrink beyond the export's guard is applied and alarmed.
    #[default]
    Empty,
    /// A shrink beyond the guard is held, too.
    Shrink,
    Off,
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
    /// Empty: an episode that handed the gateway another configuration was lost, and which of the two runs is not known.
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
    /// Whether the control plane is to be asked anew: its session is ended and dialled again.
    pub refresh: bool,
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
    /// Whether the host must keep the newest delivery for the next `tick`, on disk as well.
    pub pending: bool,
    /// Whether the control plane is to be asked anew: what this exporter publishes must have been delivered after it took office.
    pub refresh: bool,
    /// What stands in the storage after this episode, as far as the policy saw it.
    pub published: Option<Position>,
    /// Why the newest delivery is not in the storage, when it is not: a sentence.
    pub held: Option<String>,
    /// What an approval must name to release what is held, when a guard holds it.
    pub approvable: Option<Approvable>,
    pub office: Office,
}

/// A held export, as an approval names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approvable {
    pub gateway_version: GatewayVersion,
    /// The head's newest of this version.
    pub base: Option<Position>,
    pub sameness: String,
}

/// Whether this exporter may publish.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Office {
    /// It has not tried yet, has no control plane, or cannot find out.
    #[default]
    None,
    Leader(Epoch),
    /// Another one leads, or may; the sentence says who.
    Standby(String),
    /// The storage is none to elect in; the sentence names the failing check (export-12).
    Declined(String),
}

/// What a check of the storage found (export-12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// A stable word.
    pub name: &'static str,
    /// `Err` says what happened instead.
    pub found: Result<(), String>,
}

/// What an episode of the janitor leaves behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    pub wake_after: Option<Duration>,
    /// How many objects were removed.
    pub removed: u64,
}
