//! `holdover status`: the node's status page, for people or as it is.

use serde_json::Value;

use super::{ask::ask, say, say_json};
use crate::args::AskArguments;
use crate::exit::{Exit, Failure};

pub async fn status(arguments: &AskArguments) -> Result<Exit, Failure> {
    let status = ask(arguments, "/status").await?;
    if arguments.json {
        say_json(&status)?;
    } else {
        say(lines(&status));
    }
    Ok(Exit::Done)
}

/// A line per fact that there is; what the node does not say is left out.
fn lines(status: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = |name: &str, text: Option<String>| lines.extend(text.map(|text| format!("{name:<16} {text}")));
    let now_ms = status.get("now_unix_ms").and_then(Value::as_u64);

    line("node", joined(status, &["/node", "/cluster", "/gateway_version", "/role"]));
    line("standing", joined(status, &["/standing", "/reason"]));
    line("serving", joined(status, &["/serving/digest"]));
    line("from", joined(status, &["/serving/origin", "/serving/position"]));
    line("since", ago(now_ms, status.pointer("/serving/since_unix_ms")));
    let connected = status.get("connected").and_then(Value::as_bool).map(|connected| if connected { "connected" } else { "away" });
    line("control plane", connected.map(|state| format!("{}, {state}", text(status.get("control_plane")).unwrap_or_default())));
    for storage in status.get("storages").and_then(Value::as_array).into_iter().flatten() {
        line("storage", text(Some(storage)));
    }
    line("gateway", joined(status, &["/gateway/kind", "/gateway/listens_on"]));
    let plugins: Vec<String> = status
        .pointer("/gateway/unenforced_plugins")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|name| text(Some(name)))
        .collect();
    line("not enforced", (!plugins.is_empty()).then(|| plugins.join(", ")));
    line("office", joined(status, &["/export/office/kind", "/export/office/epoch", "/export/office/reason"]));
    line("published", text(status.pointer("/export/published")));
    line("held", text(status.pointer("/export/held")));
    let approvable = status.pointer("/export/approvable").is_some_and(|approvable| !approvable.is_null());
    line("to release it", approvable.then(|| "holdover approve --why TEXT".to_owned()));
    for (rung, failure) in status.get("last_failures").and_then(Value::as_object).into_iter().flatten() {
        let when = ago(now_ms, failure.get("at_unix_ms")).unwrap_or_default();
        line("failed", text(failure.get("sentence")).map(|sentence| format!("{rung}, {when}: {sentence}")));
    }
    line("next try", until(now_ms, status.get("next_wake_unix_ms")));
    lines
}

fn joined(value: &Value, pointers: &[&str]) -> Option<String> {
    let texts: Vec<String> = pointers.iter().filter_map(|pointer| text(value.pointer(pointer))).collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn ago(now_ms: Option<u64>, at: Option<&Value>) -> Option<String> {
    Some(format!("{} ago", span(now_ms?.saturating_sub(at?.as_u64()?))))
}

fn until(now_ms: Option<u64>, at: Option<&Value>) -> Option<String> {
    Some(format!("in {}", span(at?.as_u64()?.saturating_sub(now_ms?))))
}

pub(super) fn span(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        3600..86_400 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_that_serves_from_storage_says_so_in_lines() {
        let status = json!({
            "role": "importer", "node": "a", "cluster": "default", "gateway_version": "3.9.1", "control_plane": "http://cp",
            "storages": ["s3://bucket"], "standing": "serving", "reason": null, "connected": false, "now_unix_ms": 100_000,
            "serving": {"digest": "ab", "origin": "storage", "position": "1-7", "since_unix_ms": 35_000},
            "gateway": {"kind": "builtin", "unenforced_plugins": [], "listens_on": null}, "export": null,
            "last_failures": {"control-plane": {"at_unix_ms": 98_000, "sentence": "refused"}}, "next_wake_unix_ms": 107_000,
        });
        let lines = lines(&status).join("\n");
        for wanted in [
            "serving          ab",
            "from             storage, 1-7",
            "since            1 min 5 s ago",
            "http://cp, away",
            "failed           control-plane, 2 s ago: refused",
            "next try         in 7 s",
        ] {
            assert!(lines.contains(wanted), "{wanted} is not in\n{lines}");
        }
        assert!(!lines.contains("held") && !lines.contains("null"), "{lines}");
    }

    #[test]
    fn an_exporter_says_its_office_and_how_to_release_what_it_holds() {
        let export = |held: Option<&str>, approvable: Value| json!({"export": {"office": {"kind": "leader", "epoch": 7, "reason": null}, "held": held, "approvable": approvable}});
        let held = lines(&export(Some("all 3 routes are gone"), json!({"base": "7-41", "sameness": "ab"}))).join("\n");
        assert!(
            held.contains("office           leader, 7\nheld             all 3 routes are gone\nto release it    holdover approve"),
            "{held}"
        );
        let free = lines(&export(None, Value::Null)).join("\n");
        assert!(!free.contains("approve") && !free.contains("held"), "{free}");
    }
}
