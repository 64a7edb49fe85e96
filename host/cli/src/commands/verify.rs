//! `holdover verify`: judges a file or every generation of a storage, with the same policy that a node runs. Works offline.
//!
//! "Not valid" and "could not look" end differently: the first with 1, the second with 3. What is encrypted and has nobody to open it
//! is verified and not opened; that is said, and is no fault of the file.

mod kong;
mod progress;
mod storage;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use holdover_node::settings::Environment;
use holdover_plugin::config::kong::Gateway;
use holdover_plugin::config::{Format, needs};
use holdover_plugin::snapshot::cached::{self, CachedOrigin};
use holdover_plugin::snapshot::head::Head;
use holdover_plugin::snapshot::{self, FILE_BYTES_MAX, Particulars, Trust, VerifiedSnapshot, encryption};
use holdover_ports::{EpisodeLost, Inspector, Report, Unsealing, Verdict};
use serde_json::{Map, Value, json};
use tokio::io::AsyncReadExt;
use tokio::sync::OnceCell;

use super::history::short_counts;
use super::opening::{Lock, Opener, Refused};
use super::storages;
use super::times::{rfc3339, size};
use super::{legible, now, read_file, say, say_json};
use crate::args::VerifyArguments;
use crate::exit::{Exit, Failure};
use crate::wire;

/// Whom to believe, what to open with, and the policy's judge, which is compiled when the first file needs it.
struct Judge {
    opener: Opener,
    inspector: OnceCell<Arc<dyn Inspector>>,
}

pub async fn verify(arguments: &VerifyArguments) -> Result<Exit, Failure> {
    let environment = Environment::of_process();
    let of_settings = arguments.storage.iter().any(String::is_empty);
    let settings = storages::settings(&arguments.files, &environment, of_settings)?;
    let gateway = kong::gateway(arguments)?;
    let judge = Judge { opener: Opener::new(settings.as_ref(), &arguments.keys)?, inspector: OnceCell::new() };
    let (judgement, exit) = match &arguments.path {
        Some(path) if !path.contains("://") => {
            let judgement = judge.file(path, arguments, gateway.as_ref()).await?;
            let exit = if is_valid(&judgement) { Exit::Done } else { Exit::Invalid };
            (judgement, exit)
        }
        path => {
            kong::not_asked("a storage", gateway.as_ref())?;
            let given = path.iter().chain(&arguments.storage).filter(|url| !url.is_empty()).cloned().collect::<Vec<_>>();
            let readers = storages::readers(&given, settings.as_ref().filter(|_| of_settings), &environment).await?;
            let cluster = arguments.cluster.clone().or_else(|| settings.filter(|_| of_settings).map(|settings| settings.policy.cluster));
            storage::storages(judge, readers, cluster, arguments.gateway_version.clone()).await?
        }
    };
    if arguments.json {
        say_json(&judgement)?;
    } else {
        say(lines(&judgement));
    }
    Ok(exit)
}

impl Judge {
    async fn file(&self, path: &str, arguments: &VerifyArguments, gateway: Option<&Gateway>) -> Result<Value, Failure> {
        let unreadable = |why: String| Failure::not_opened(format!("{path}: {why}"));
        let bytes = match path {
            "-" => read_stdin().await.map_err(unreadable)?,
            _ => read_file(Path::new(path), FILE_BYTES_MAX).await.map_err(unreadable)?,
        };
        let schema = match (&arguments.schema, arguments.format) {
            (None, _) => None,
            (Some(_), Format::Kong | Format::Xds) => {
                return Err(Failure::settings("--schema: a JSON Schema is held against documents; add --format document"));
            }
            (Some(schema), Format::Document) => {
                let text = crate::schema::text(schema).await;
                Some(text.map_err(|why| Failure::settings(format!("--schema {}: {why}", schema.display())))?)
            }
        };
        if encryption::is_encrypted(&bytes) {
            kong::not_asked(path, gateway)?;
            return self.encrypted(path, &bytes).await;
        }
        if let Some(judged) = self.own(path, &bytes).await? {
            kong::not_asked(path, gateway)?;
            return Ok(judged);
        }
        if let Some(gateway) = gateway {
            return Ok(kong::judgement(path, &bytes, gateway));
        }
        let format = arguments.format;
        let verdict = self.inspector().await?.validate(bytes, format, schema).await.map_err(lost)?;
        Ok(judgement(path, &format!("{format} configuration"), verdict))
    }

    /// A file of ours, known by how it begins.
    async fn own(&self, name: &str, bytes: &Bytes) -> Result<Option<Value>, Failure> {
        if snapshot::is_snapshot(bytes) {
            return self.snapshot(name, bytes.clone()).await.map(Some);
        }
        if cached::is_cache_entry(bytes) {
            return self.cache_entry(name, bytes).await.map(Some);
        }
        Ok(is_head(bytes).then(|| self.head(name, bytes)))
    }

    /// An encrypted cache's file.
    async fn encrypted(&self, name: &str, file: &[u8]) -> Result<Value, Failure> {
        if !self.opener.ring.has_identity() {
            let sentence =
                format!("{name}: it is encrypted as a whole, and there is no identity to look into it with; give --identity FILE");
            return Err(Failure::not_opened(sentence));
        }
        let opened = || {
            let (wrapped, chunks) = encryption::split(file)?;
            let key = self.opener.ring.unwrap(wrapped)?;
            Ok::<_, Refused>(Bytes::from(encryption::decrypt(&key, chunks)?))
        };
        let inner = match opened() {
            Ok(inner) => inner,
            Err(why) => return Ok(refused(name, "encrypted file", &why)),
        };
        match self.own(name, &inner).await? {
            Some(judged) => Ok(with(judged, "encrypted_file", json!(true))),
            None => Ok(json!({"name": name, "kind": "encrypted file", "valid": true, "opened": true, "bytes": inner.len()})),
        }
    }

    async fn cache_entry(&self, name: &str, file: &Bytes) -> Result<Value, Failure> {
        let cached = match cached::unwrap(file) {
            Ok(cached) => cached,
            Err(refusal) => return Ok(refused(name, "cache entry", &refusal.into())),
        };
        let trust = match cached.header.origin {
            CachedOrigin::Storage => self.opener.trust.clone(),
            // This node sealed it itself, and signs nothing of the kind.
            CachedOrigin::ControlPlane | CachedOrigin::KongPlace => Trust::unasked(),
        };
        let judged = self.sealed(name, "cache entry", file.slice_ref(cached.snapshot), &trust).await?;
        let judged = with(judged, "origin", json!(cached.header.origin));
        Ok(with(judged, "kept_at", json!(rfc3339(cached.header.kept_at))))
    }

    fn head(&self, name: &str, file: &[u8]) -> Value {
        match Head::read_signed(file, &self.opener.trust) {
            Err(refusal) => refused(name, "head", &refusal.into()),
            Ok((head, signer)) => {
                let versions: Vec<String> = head.views.keys().map(ToString::to_string).collect();
                json!({"name": name, "kind": "head", "valid": true, "cluster": head.cluster, "lineage": head.lineage,
                    "position": head.position().to_string(), "confirmed_at": rfc3339(head.confirmed_at), "writer": head.writer,
                    "versions": versions, "signer": signer})
            }
        }
    }

    async fn snapshot(&self, name: &str, file: Bytes) -> Result<Value, Failure> {
        self.sealed(name, "snapshot", file, &self.opener.trust).await
    }

    /// Verified here; opened and validated by the policy's own judge, in its sandbox.
    async fn sealed(&self, name: &str, kind: &str, file: Bytes, trust: &Trust) -> Result<Value, Failure> {
        let verified = match snapshot::verify(&file, trust) {
            Ok(verified) => verified,
            Err(refusal) => return Ok(refused(name, kind, &refusal.into())),
        };
        let (signer, manifest) = (json!(verified.signer()), json!(verified.manifest()));
        let about = |judged: Value| with(with(judged, "signer", signer.clone()), "manifest", manifest.clone());
        let lock = match self.opener.unlock(&verified) {
            Ok(lock) => lock,
            Err(why) => return Ok(about(refused(name, kind, &why))),
        };
        let key = match &lock {
            Lock::Open => None,
            Lock::Unlocked(key) => Some(key),
            Lock::NoIdentity => {
                let note = "encrypted: verified, not opened; give --identity FILE to open and validate it";
                return Ok(about(
                    json!({"name": name, "kind": kind, "valid": true, "opened": false, "note": note, "file_bytes": file.len()}),
                ));
            }
        };
        let verdict = self.inspector().await?.verify(file.clone(), trust, key).await.map_err(lost)?;
        let opened = matches!(verdict, Verdict::Valid(_));
        let judged = with(judgement(name, kind, verdict), "opened", json!(opened));
        let judged = with(judged, "file_bytes", json!(file.len()));
        Ok(about(if opened { judged } else { with(judged, "reason", json!(reason(&verified, &lock))) }))
    }

    async fn inspector(&self) -> Result<&dyn Inspector, Failure> {
        self.inspector.get_or_try_init(wire::inspector).await.map(|inspector| &**inspector)
    }
}

/// Which station the judge stopped at: it says sentences only.
fn reason(verified: &VerifiedSnapshot<'_>, lock: &Lock) -> &'static str {
    let opened = lock.key().and_then(|key| Ok(verified.open(key)?));
    opened.map_or_else(|why| why.reason, |_| "invalid")
}

async fn read_stdin() -> Result<Bytes, String> {
    let mut bytes = Vec::new();
    let read = tokio::io::stdin().take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).await;
    read.map_err(|error| format!("stdin cannot be read ({error})"))?;
    match bytes.len() as u64 > FILE_BYTES_MAX {
        true => Err(format!("stdin has more than {FILE_BYTES_MAX} bytes; give a smaller file")),
        false => Ok(bytes.into()),
    }
}

/// A head begins with its format and its cluster; no configuration does.
fn is_head(file: &[u8]) -> bool {
    let first_line = file.split(|byte| *byte == b'\n').next().unwrap_or_default();
    first_line.starts_with(b"{\"format\":") && first_line.windows(11).any(|window| window == b"\"lineage\":\"")
}

fn lost(lost: EpisodeLost) -> Failure {
    Failure::policy(lost.to_string())
}

fn judgement(name: &str, kind: &str, verdict: Verdict) -> Value {
    match verdict {
        Verdict::Invalid(findings) => json!({"name": name, "kind": kind, "valid": false, "reason": "invalid", "findings": findings}),
        Verdict::Valid(report) => {
            let Report { digest, sameness, bytes, counts, warnings, manifest: _, particulars } = report;
            let counts: Map<String, Value> = counts.into_iter().map(|(entity, count)| (entity, json!(count))).collect();
            let particulars: Option<Particulars> = particulars.and_then(|particulars| serde_json::from_str(&particulars).ok());
            let needs = particulars.as_ref().map(|particulars| needs::sentences(&particulars.needs_control_plane, now()));
            json!({"name": name, "kind": kind, "valid": true, "digest": digest, "sameness": sameness, "bytes": bytes, "counts": counts,
                "warnings": warnings, "captured_at": particulars.map(|particulars| rfc3339(particulars.captured_at)), "needs": needs})
        }
    }
}

fn refused(name: &str, kind: &str, why: &Refused) -> Value {
    json!({"name": name, "kind": kind, "valid": false, "reason": why.reason, "findings": [why.sentence]})
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
    for (name, label) in [("digest", "digest"), ("origin", "origin"), ("lineage", "lineage"), ("position", "position"), ("note", "note")] {
        if !text(name).is_empty() {
            lines.push(format!("  {label:<8} {}", legible(text(name))));
        }
    }
    if let Some(head) = judgement.get("head") {
        let text = |name: &str| head.get(name).and_then(Value::as_str).unwrap_or_default();
        let written = format!("{}, confirmed {} by {}", text("position"), text("confirmed_at"), text("writer"));
        lines.push(format!("  head     {}", legible(&written)));
        lines.push(format!("  lineage  {}, cluster {}", text("lineage"), text("cluster")));
    }
    lines.extend(signature(judgement));
    let counts = judgement.get("counts").and_then(Value::as_object).into_iter().flatten();
    let counts: Vec<String> = counts.map(|(entity, count)| format!("{count} {entity}")).collect();
    if !counts.is_empty() {
        lines.push(format!("  entities {}", legible(&counts.join(", "))));
    }
    for (name, label) in [("findings", "finding"), ("warnings", "warning"), ("needs", "needs")] {
        let sentences = list(name).iter().filter_map(Value::as_str);
        lines.extend(sentences.map(|sentence| format!("  {label:<8} {}", legible(sentence))));
    }
    lines.extend(list("snapshots").iter().map(line));
    lines.extend(list("storages").iter().flat_map(self::lines));
    lines
}

/// Whose signature was believed, of whatever can bear one.
fn signature(judgement: &Value) -> Option<String> {
    match judgement.get("signer").or_else(|| judgement.pointer("/head/signer"))? {
        Value::String(signer) => Some(format!("  signed   by key {signer}")),
        _ if is_valid(judgement) => Some("  signed   nobody was asked for a signature (--trusted-key)".to_owned()),
        _ => None,
    }
}

/// One generation of a storage.
fn line(judgement: &Value) -> String {
    let text = |name: &str| judgement.get(name).and_then(Value::as_str).unwrap_or_default();
    let first = judgement.get("findings").and_then(|findings| findings.get(0)).and_then(Value::as_str);
    let (verdict, detail) = match (is_valid(judgement), judgement.get("opened").and_then(Value::as_bool)) {
        (true, Some(false)) => ("sealed", text("note").to_owned()),
        (true, _) => {
            let counts = judgement.get("counts").and_then(Value::as_object).into_iter().flatten();
            let counts = counts.filter_map(|(kind, count)| Some((kind.clone(), count.as_u64()?))).collect();
            ("valid", format!("{}, {}", size(judgement.get("bytes").and_then(Value::as_u64).unwrap_or_default()), short_counts(&counts)))
        }
        (false, _) => (text("reason"), first.unwrap_or_default().to_owned()),
    };
    format!("  {} {:<8} {verdict:<16} {}", text("version"), text("position"), legible(&detail))
}
