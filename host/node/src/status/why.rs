//! The status in sentences: what is served, from where, how old, why, and what is being retried.

use std::time::Duration;

use holdover_plugin::model::UnixMs;

use super::{ExportReport, ServingReport, StatusReport};
use crate::events::CONTROL_PLANE;

pub(super) fn sentences(report: &StatusReport) -> Vec<String> {
    let mut sentences = vec![served(report)];
    sentences.push(control_plane(report));
    for (rung, failure) in report.last_failures.iter().filter(|(rung, _)| *rung != CONTROL_PLANE) {
        let ago = age(report.now_unix_ms.since(failure.at_unix_ms));
        sentences.push(format!("The last failure of {rung}, {ago} ago: {}.", bare(&failure.sentence)));
    }
    sentences.extend(report.gateway.data_planes.iter().flat_map(|data_planes| super::fleet::sentences(data_planes)));
    if !report.gateway.unenforced_plugins.is_empty() {
        let plugins = report.gateway.unenforced_plugins.join(", ");
        sentences.push(format!("The gateway cannot enforce {plugins}, and answers 503 on the routes that ask for it."));
    }
    sentences.extend(report.export.as_ref().map(|exported| export(exported, report.now_unix_ms)));
    if let Some(wake_at) = report.next_wake_unix_ms {
        sentences.push(format!("The policy looks again in {}.", age(wake_at.since(report.now_unix_ms))));
    }
    sentences
}

fn served(report: &StatusReport) -> String {
    match (&report.serving, &report.reason) {
        (Some(serving), reason) => {
            let ServingReport { digest, origin, position, since_unix_ms, .. } = serving;
            let short: String = digest.chars().take(16).collect();
            let position = position.as_ref().map(|position| format!(", generation {position},")).unwrap_or_default();
            let age = age(report.now_unix_ms.since(*since_unix_ms));
            let but = reason.as_ref().map(|reason| format!(" It could not be replaced: {}.", bare(reason))).unwrap_or_default();
            format!("Serving configuration {short} from {}{position} for {age}.{but}", whence(origin))
        }
        (None, Some(reason)) => format!("Serving nothing, {}: {}.", report.standing, bare(reason)),
        (None, None) => "Serving nothing yet: the first configuration is being looked for.".into(),
    }
}

fn whence(origin: &str) -> &str {
    match origin {
        "control-plane" => "the control plane",
        "cache" => "this node's cache",
        "storage" => "the storage",
        "bundle" => "the bundle",
        other => other,
    }
}

fn control_plane(report: &StatusReport) -> String {
    let name = &report.identity.control_plane;
    match (report.connected, report.last_failures.get(CONTROL_PLANE)) {
        (true, _) => format!("Connected to the control plane {name}."),
        (false, None) => format!("Not connected to the control plane {name} yet."),
        (false, Some(failure)) => {
            let ago = age(report.now_unix_ms.since(failure.at_unix_ms));
            format!("Not connected to the control plane {name}; {ago} ago: {}.", bare(&failure.sentence))
        }
    }
}

fn export(export: &ExportReport, now: UnixMs) -> String {
    let published = match &export.published {
        Some(position) => format!("Published up to generation {position}"),
        None => "Nothing published yet".into(),
    };
    let again = export.next_try_unix_ms.map(|at| format!(" The next try is in {}.", age(at.since(now)))).unwrap_or_default();
    match (&export.held, export.pending) {
        (Some(held), _) => format!("{published}; the newest delivery is not in the storage: {}.{again}", bare(held)),
        (None, true) => format!("{published}; the newest delivery waits for its turn."),
        (None, false) => format!("{published}."),
    }
}

/// Sentences come with and without their full stop.
fn bare(sentence: &str) -> &str {
    sentence.trim_end_matches('.')
}

fn age(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}
