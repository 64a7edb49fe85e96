//! `holdover verify`: judges a snapshot, a configuration or a whole storage, with the same policy that a node runs.
//!
//! "Not valid" and "could not look" end differently: the first with 1, the second with 3.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use holdover_node::settings::Environment;
use holdover_plugin::config::Format;
use holdover_plugin::model::GatewayVersion;
use holdover_plugin::snapshot::head::{Entry, HEAD_BYTES_MAX, Head};
use holdover_plugin::snapshot::{self, keys};
use holdover_ports::{Inspector, StorageFailure, StorageFailureKind, StorageRead, Verdict};
use serde_json::{Map, Value, json};

use super::{read_file, say, say_json};
use crate::args::VerifyArguments;
use crate::exit::{Exit, Failure};
use crate::wire;

pub async fn verify(arguments: &VerifyArguments) -> Result<Exit, Failure> {
    let judgement = if arguments.path.contains("://") { storage(arguments).await? } else { file(arguments).await? };
    if arguments.json {
        say_json(&judgement)?;
    } else {
        say(lines(&judgement));
    }
    Ok(if is_valid(&judgement) { Exit::Done } else { Exit::Invalid })
}

async fn file(arguments: &VerifyArguments) -> Result<Value, Failure> {
    let path = Path::new(&arguments.path);
    let unreadable = |why: String| Failure::not_opened(format!("{}: {why}", arguments.path));
    let bytes = read_file(path, snapshot::FILE_BYTES_MAX).await.map_err(unreadable)?;
    let schema = match (&arguments.schema, arguments.format) {
        (None, _) => None,
        (Some(_), Format::Kong) => {
            return Err(Failure::settings("--schema: a JSON Schema is held against documents; add --format document"));
        }
        (Some(schema), Format::Document) => {
            let text = crate::schema::text(schema).await;
            Some(text.map_err(|why| Failure::settings(format!("--schema {}: {why}", schema.display())))?)
        }
    };
    let inspector = wire::inspector().await?;
    if snapshot::is_snapshot(&bytes) {
        return judge_snapshot(&*inspector, &arguments.path, bytes).await;
    }
    let format = arguments.format;
    let verdict = inspector.validate(bytes, format, schema).await.map_err(|lost| Failure::policy(lost.to_string()))?;
    Ok(judgement(&arguments.path, &format!("{format} configuration"), verdict))
}

async fn judge_snapshot(inspector: &dyn Inspector, name: &str, bytes: Bytes) -> Result<Value, Failure> {
    let verdict = inspector.verify(bytes).await.map_err(|lost| Failure::policy(lost.to_string()))?;
    Ok(judgement(name, "snapshot", verdict))
}

/// The head, then the newest snapshot that it names for each version asked for.
async fn storage(arguments: &VerifyArguments) -> Result<Value, Failure> {
    let reader = wire::reader(&arguments.path, &Environment::of_process()).await?;
    let name = reader.name().to_owned();
    let bytes = match reader.get(keys::HEAD, HEAD_BYTES_MAX).await {
        Ok(fetched) => fetched.bytes,
        Err(failure) => return not_there(&name, keys::HEAD, failure),
    };
    let head = match Head::read(&bytes) {
        Ok(head) => head,
        Err(refusal) => return Ok(refused(&name, "storage", format!("its head is refused: {refusal}"))),
    };
    let wanted = |version: &GatewayVersion| arguments.gateway_version.as_ref().is_none_or(|wanted| wanted == version);
    let newest: Vec<(&GatewayVersion, &Entry)> = head
        .views
        .iter()
        .filter(|(version, _)| wanted(version))
        .filter_map(|(version, view)| Some((version, view.history.first()?)))
        .collect();
    if newest.is_empty() {
        let known: Vec<&str> = head.views.keys().map(GatewayVersion::as_str).collect();
        return Ok(refused(&name, "storage", format!("it names no snapshot for the version asked for; it has {}", known.join(", "))));
    }
    let inspector = wire::inspector().await?;
    let mut snapshots = Vec::new();
    for (version, entry) in newest {
        let judged = published(&reader, &*inspector, entry).await?;
        snapshots.push(with(judged, "version", json!(version.as_str())));
    }
    let valid = snapshots.iter().all(is_valid);
    let head = json!({"cluster": head.cluster, "lineage": head.lineage, "epoch": head.epoch, "generation": head.generation,
        "confirmed_at_unix_ms": head.confirmed_at, "writer": head.writer});
    Ok(json!({"name": name, "kind": "storage", "valid": valid, "head": head, "snapshots": snapshots}))
}

async fn published(reader: &Arc<dyn StorageRead>, inspector: &dyn Inspector, entry: &Entry) -> Result<Value, Failure> {
    let bytes = match reader.get(&entry.key, snapshot::FILE_BYTES_MAX).await {
        Ok(fetched) => fetched.bytes,
        Err(failure) => return not_there(&entry.key, &entry.key, failure),
    };
    if holdover_plugin::model::Digest::of(&bytes) != entry.file_digest {
        return Ok(refused(&entry.key, "snapshot", "the file is not the one that the head names: its digest differs".into()));
    }
    judge_snapshot(inspector, &entry.key, bytes).await
}

/// What a storage surely does not have is a finding about it; what it would not tell is none.
fn not_there(name: &str, key: &str, failure: StorageFailure) -> Result<Value, Failure> {
    match failure.kind {
        StorageFailureKind::Absent => Ok(refused(name, "storage", format!("there is no {key}: {}", failure.detail))),
        StorageFailureKind::TooLarge => Ok(refused(name, "storage", failure.detail)),
        StorageFailureKind::AbsentOrForbidden
        | StorageFailureKind::Forbidden
        | StorageFailureKind::Credentials
        | StorageFailureKind::NoSuchStorage
        | StorageFailureKind::SlowDown
        | StorageFailureKind::Unreachable
        | StorageFailureKind::UnknownOutcome
        | StorageFailureKind::Other => Err(Failure::not_opened(failure.detail)),
    }
}

fn judgement(name: &str, kind: &str, verdict: Verdict) -> Value {
    match verdict {
        Verdict::Invalid(findings) => json!({"name": name, "kind": kind, "valid": false, "findings": findings}),
        Verdict::Valid(report) => {
            let counts: Map<String, Value> = report.counts.into_iter().map(|(entity, count)| (entity, json!(count))).collect();
            let manifest: Option<Value> = report.manifest.and_then(|manifest| serde_json::from_str(&manifest).ok());
            json!({"name": name, "kind": kind, "valid": true, "digest": report.digest, "sameness": report.sameness, "bytes": report.bytes,
                "counts": counts, "warnings": report.warnings, "manifest": manifest})
        }
    }
}

fn refused(name: &str, kind: &str, finding: String) -> Value {
    json!({"name": name, "kind": kind, "valid": false, "findings": [finding]})
}

fn with(mut judgement: Value, field: &str, value: Value) -> Value {
    if let Some(fields) = judgement.as_object_mut() {
        fields.insert(field.to_owned(), value);
    }
    judgement
}

fn is_valid(judgement: &Value) -> bool {
    judgement.get("valid").and_then(Value::as_bool).unwrap_or(false)
}

fn lines(judgement: &Value) -> Vec<String> {
    let text = |name: &str| judgement.get(name).and_then(Value::as_str).unwrap_or_default();
    let list = |name: &str| judgement.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let verdict = if is_valid(judgement) { "valid" } else { "not valid" };
    let mut lines = vec![format!("{verdict}: {} {}", text("kind"), text("name"))];
    if !text("digest").is_empty() {
        lines.push(format!("  digest   {}", text("digest")));
    }
    let counts = judgement.get("counts").and_then(Value::as_object).into_iter().flatten();
    let counts: Vec<String> = counts.map(|(entity, count)| format!("{count} {entity}")).collect();
    if !counts.is_empty() {
        lines.push(format!("  entities {}", counts.join(", ")));
    }
    let sentences = |name: &'static str| list(name).iter().filter_map(Value::as_str).map(str::to_owned);
    lines.extend(sentences("findings").map(|finding| format!("  finding  {finding}")));
    lines.extend(sentences("warnings").map(|warning| format!("  warning  {warning}")));
    lines.extend(list("snapshots").iter().flat_map(self::lines));
    lines
}
