//! The status as Prometheus' text format.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::StatusReport;

pub(super) fn text(
    report: &StatusReport,
    ready: bool,
    counts: &BTreeMap<&'static str, u64>,
    reasons: &BTreeMap<(&'static str, String), u64>,
) -> String {
    let mut text = String::new();
    family(&mut text, "holdover_events_total", "counter", "Decisions of the policy, by name.");
    for (name, count) in counts {
        line(&mut text, "holdover_events_total", &[("name", name)], *count as f64);
    }
    family(&mut text, "holdover_reasons_total", "counter", "Decisions that say why, by name and reason.");
    for ((name, reason), count) in reasons {
        line(&mut text, "holdover_reasons_total", &[("name", name), ("reason", reason)], *count as f64);
    }
    family(&mut text, "holdover_ready", "gauge", "1 once a configuration was applied.");
    line(&mut text, "holdover_ready", &[], f64::from(u8::from(ready)));
    family(&mut text, "holdover_connected", "gauge", "1 while a session with the control plane is open.");
    line(&mut text, "holdover_connected", &[], f64::from(u8::from(report.connected)));
    family(&mut text, "holdover_standing", "gauge", "1 for where the node stands.");
    line(&mut text, "holdover_standing", &[("standing", report.standing)], 1.0);
    if let Some(serving) = &report.serving {
        let position = serving.position.as_deref().unwrap_or_default();
        let labels = [("digest", serving.digest.as_str()), ("origin", serving.origin), ("position", position)];
        family(&mut text, "holdover_serving_info", "gauge", "What the gateway runs.");
        line(&mut text, "holdover_serving_info", &labels, 1.0);
        family(&mut text, "holdover_serving_age_seconds", "gauge", "For how long the gateway has run it.");
        line(&mut text, "holdover_serving_age_seconds", &[], report.now_unix_ms.since(serving.since_unix_ms).as_secs_f64());
    }
    if let Some(export) = &report.export {
        family(&mut text, "holdover_export_held", "gauge", "1 while the newest delivery is not in the storage.");
        line(&mut text, "holdover_export_held", &[], f64::from(u8::from(export.held.is_some())));
    }
    family(&mut text, "holdover_unenforced_plugins", "gauge", "Plugins of the configuration that the gateway cannot enforce.");
    line(&mut text, "holdover_unenforced_plugins", &[], report.gateway.unenforced_plugins.len() as f64);
    text
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    // Writing into a String cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(text: &mut String, name: &str, labels: &[(&str, &str)], value: f64) {
    let labels: Vec<_> = labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
    let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
    let _ = writeln!(text, "{name}{labels} {value}");
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
