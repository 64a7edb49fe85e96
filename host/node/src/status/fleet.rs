//! The gateway's data planes, for the status page, `why` and metrics: who they are, what each of them runs, and how many stand where.

use std::collections::BTreeMap;

use holdover_plugin::model::UnixMs;
use holdover_ports::DataPlaneStatus;
use serde::Serialize;

/// Each is a series from the start.
const STATES: [&str; 5] = ["connected", "served", "applied", "rejected", "incompatible"];
/// Of those that have no configuration in common with the offer, as many as a sentence can bear.
const NAMED_MAX: usize = 3;

#[derive(Clone, Debug, Serialize)]
pub struct DataPlaneReport {
    pub id: String,
    pub hostname: String,
    pub version: String,
    pub address: String,
    pub connected: bool,
    /// Whether its own control plane answers it, through this node.
    pub relayed: bool,
    /// The hash of the configuration that it says it runs.
    pub running: Option<String>,
    pub state: &'static str,
    pub reason: Option<String>,
    pub seen_unix_ms: UnixMs,
}

impl From<DataPlaneStatus> for DataPlaneReport {
    fn from(status: DataPlaneStatus) -> Self {
        let DataPlaneStatus { id, hostname, version, address, connected, relayed, running, state, reason, seen_unix_ms } = status;
        Self { id, hostname, version, address, connected, relayed, running, state, reason, seen_unix_ms }
    }
}

/// How many of those that are connected stand where.
pub(super) fn counts(data_planes: &[DataPlaneReport]) -> BTreeMap<&'static str, usize> {
    let mut counts: BTreeMap<_, _> = STATES.iter().map(|state| (*state, 0)).collect();
    for data_plane in data_planes.iter().filter(|data_plane| data_plane.connected) {
        *counts.entry(data_plane.state).or_default() += 1;
    }
    counts
}

pub(super) fn sentences(data_planes: &[DataPlaneReport]) -> Vec<String> {
    let connected: Vec<_> = data_planes.iter().filter(|data_plane| data_plane.connected).collect();
    let (applied, relayed) = (
        connected.iter().filter(|data_plane| data_plane.state == "applied").count(),
        connected.iter().filter(|data_plane| data_plane.relayed).count(),
    );
    let mut sentences =
        vec![format!("{} data planes are connected: {applied} run what they were sent, {relayed} are relayed.", connected.len())];
    for data_plane in connected.iter().filter(|data_plane| data_plane.reason.is_some()).take(NAMED_MAX) {
        let reason = data_plane.reason.as_deref().unwrap_or_default().trim_end_matches('.');
        sentences.push(format!("Data plane {} ({}) is {}: {reason}.", data_plane.id, data_plane.hostname, data_plane.state));
    }
    sentences
}
