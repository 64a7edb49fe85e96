//! The gateway's data planes, for the status page, `why` and metrics: who they are, what each of them runs, and how many stand where.

use std::collections::BTreeMap;

use holdover_ports::DataPlaneStatus;

/// Each is a series from the start.
const STATES: [&str; 6] = ["connected", "served", "applied", "rejected", "refused", "incompatible"];
/// Of those about whom there is something to say.
const NAMED_MAX: usize = 3;

/// How many of those that are connected stand where.
pub(super) fn counts(data_planes: &[DataPlaneStatus]) -> BTreeMap<&'static str, usize> {
    let mut counts: BTreeMap<_, _> = STATES.iter().map(|state| (*state, 0)).collect();
    for data_plane in data_planes.iter().filter(|data_plane| data_plane.connected) {
        *counts.entry(data_plane.state).or_default() += 1;
    }
    counts
}

pub(super) fn sentences(data_planes: &[DataPlaneStatus]) -> Vec<String> {
    let connected: Vec<_> = data_planes.iter().filter(|data_plane| data_plane.connected).collect();
    let applied = connected.iter().filter(|data_plane| data_plane.state == "applied").count();
    let relayed = connected.iter().filter(|data_plane| data_plane.relayed).count();
    let mut sentences =
        vec![format!("{} data planes are connected: {applied} run what they were sent, {relayed} are relayed.", connected.len())];
    for data_plane in connected.iter().filter(|data_plane| data_plane.reason.is_some()).take(NAMED_MAX) {
        let reason = data_plane.reason.as_deref().unwrap_or_default().trim_end_matches('.');
        let host = if data_plane.hostname.is_empty() { &data_plane.address } else { &data_plane.hostname };
        sentences.push(format!("Data plane {} ({host}) is {}: {reason}.", data_plane.id, data_plane.state));
    }
    sentences
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use holdover_plugin::model::UnixMs;

    use super::*;

    /// Who reads the status page relies on these names, and on null for what is not known.
    #[test]
    fn a_data_plane_is_written_on_the_status_page_field_by_field() {
        let data_plane = DataPlaneStatus {
            id: "a95a926f-a332-45a2-a770-d5ce911af874".to_owned(),
            hostname: "vm".to_owned(),
            version: "3.9.1".to_owned(),
            address: "127.0.0.1".to_owned(),
            connected: true,
            relayed: false,
            running: None,
            state: "incompatible",
            reason: Some("it lacks the plugin cors".to_owned()),
            seen_unix_ms: UnixMs(1_700_000_000_500),
        };
        let written = concat!(
            r#"{"id":"a95a926f-a332-45a2-a770-d5ce911af874","hostname":"vm","version":"3.9.1","address":"127.0.0.1","connected":true,"#,
            r#""relayed":false,"running":null,"state":"incompatible","reason":"it lacks the plugin cors","seen_unix_ms":1700000000500}"#
        );
        assert_eq!(serde_json::to_string(&data_plane).unwrap(), written);
    }
}
