//! `holdover check`: whether a node would start and find what it needs, before a rollout. Changes nothing: what it must write to try,
//! it removes. With `--as importer` it lets the policy restore the backup into nothing ([`importer`]); with `--storage` it asks the first
//! storage whether exporters can elect in it ([`storage`]).

mod importer;
mod ports;
mod storage;

use std::path::Path;

use holdover_node::settings::{Environment, Settings};
use holdover_plugin::snapshot::head::{HEAD_BYTES_MAX, Head};
use holdover_plugin::snapshot::{Trust, keys};
use holdover_ports::{StorageFailureKind, StorageRead};
use serde::Serialize;

use super::{read_file, say, say_json};
use crate::args::{CheckArguments, CheckedRole};
use crate::exit::{Exit, Failure};
use crate::wire;

#[derive(Serialize)]
struct Report {
    ok: bool,
    checks: Vec<Finding>,
    /// What was given, is allowed and has no effect.
    notes: Vec<String>,
}

#[derive(Serialize)]
struct Finding {
    what: String,
    verdict: Verdict,
    detail: String,
    #[serde(skip)]
    exit: Exit,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Ok,
    /// Works, with something that may not be meant.
    Warning,
    Failed,
}

pub async fn check(arguments: &CheckArguments) -> Result<Exit, Failure> {
    match arguments.role {
        Some(CheckedRole::Importer) => return importer::check(arguments).await,
        None => only_for_an_importer(arguments)?,
    }
    if !arguments.storage.is_empty() {
        return storage::check(arguments).await;
    }
    let environment = Environment::of_process();
    let report = match wire::settings(&arguments.files, environment.clone()) {
        Ok(settings) => {
            let mut checks = vec![Finding::ok("settings", "complete")];
            checks.extend(look(&settings, &environment).await);
            Report { ok: true, checks, notes: settings.notes }
        }
        Err(problems) => {
            let failed = problems.0.iter().map(|problem| Finding::failed("settings", problem.to_string(), Exit::Settings));
            Report { ok: false, checks: failed.collect(), notes: Vec::new() }
        }
    };
    let failed = report.checks.iter().filter(|finding| finding.verdict == Verdict::Failed).map(|finding| finding.exit);
    let exit = failed.min_by_key(|exit| *exit as u8).unwrap_or(Exit::Done);
    let report = Report { ok: exit == Exit::Done, ..report };
    if arguments.json {
        say_json(&report)?;
    } else {
        say(report.lines());
    }
    Ok(exit)
}

/// What has no meaning for the settings of a node is not passed over.
fn only_for_an_importer(arguments: &CheckArguments) -> Result<(), Failure> {
    let given = [
        ("--cluster", arguments.cluster.is_some()),
        ("--gateway-version", arguments.gateway_version.is_some()),
        ("--trusted-key", !arguments.keys.trusted_key.is_empty()),
        ("--identity", arguments.keys.identity.is_some()),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        Some((flag, _)) => Err(Failure::settings(format!("{flag}: it is about what a node would restore; add --as importer"))),
        None => Ok(()),
    }
}

async fn look(settings: &Settings, environment: &Environment) -> Vec<Finding> {
    let mut findings = Vec::new();
    for url in &settings.storages {
        findings.push(match wire::reader(url, Some(settings), environment).await {
            Ok(reader) => head(&*reader, &settings.policy.trusted).await,
            Err(failure) => Finding::failed("storage", failure.sentence, failure.exit),
        });
    }
    findings.push(cache(&settings.cache_dir));
    if let Some(schema) = &settings.schema {
        let what = format!("holdover_schema = '{}'", schema.display());
        findings.push(match crate::schema::text(schema).await {
            Ok(_) => Finding::ok(what, "can be read"),
            Err(why) => Finding::failed(what, why, Exit::NotOpened),
        });
    }
    if let Some(bundle) = &settings.bundle {
        findings.push(self::bundle(bundle, &settings.policy.trusted).await);
    }
    findings.push(match wire::try_policy(settings).await {
        Ok(ready_ms) => Finding::ok("policy", format!("compiles and links in {ready_ms:.0} ms")),
        Err(failure) => Finding::failed("policy", failure.sentence, failure.exit),
    });
    findings
}

async fn head(reader: &dyn StorageRead, trusted: &Trust) -> Finding {
    let what = format!("storage {}", reader.name());
    match reader.get(keys::HEAD, HEAD_BYTES_MAX).await {
        Ok(fetched) => match Head::read(&fetched.bytes, trusted) {
            Ok(head) => Finding::ok(what, format!("generation {} of cluster {}", head.generation.0, head.cluster)),
            Err(refusal) => Finding::failed(what, format!("its head is refused: {refusal}"), Exit::NotOpened),
        },
        Err(failure) => match failure.kind {
            StorageFailureKind::Absent => Finding::ok(what, "reachable; nothing is published there yet"),
            StorageFailureKind::AbsentOrForbidden => Finding { verdict: Verdict::Warning, ..Finding::ok(what, failure.detail) },
            StorageFailureKind::Forbidden
            | StorageFailureKind::Credentials
            | StorageFailureKind::NoSuchStorage
            | StorageFailureKind::SlowDown
            | StorageFailureKind::TooLarge
            | StorageFailureKind::Unreachable
            | StorageFailureKind::UnknownOutcome
            | StorageFailureKind::Other => Finding::failed(what, failure.detail, Exit::NotOpened),
        },
    }
}

/// Whether a node could keep files there. The folder may belong to a node that runs, so it is not taken.
fn cache(dir: &Path) -> Finding {
    let what = format!("holdover_cache_dir = '{}'", dir.display());
    // The node makes the folder itself, below what there is.
    let there = dir.ancestors().find(|folder| folder.exists()).unwrap_or(dir);
    let probe = there.join(format!(".holdover-check-{}", std::process::id()));
    let written = std::fs::write(&probe, b"").and_then(|()| std::fs::remove_file(&probe));
    match written {
        Ok(()) => Finding::ok(what, "can be written"),
        Err(error) => {
            Finding::failed(what, format!("it cannot be written ({error}); give it to the user that runs the node"), Exit::NotOpened)
        }
    }
}

async fn bundle(path: &Path, trusted: &Trust) -> Finding {
    let what = format!("holdover_bundle = '{}'", path.display());
    match read_file(path, holdover_plugin::snapshot::FILE_BYTES_MAX).await {
        Err(why) => Finding::failed(what, why, Exit::NotOpened),
        Ok(bytes) => match holdover_plugin::snapshot::verify(&bytes, trusted) {
            Ok(_) => Finding::ok(what, "a snapshot whose seal holds"),
            Err(refusal) => Finding::failed(what, format!("it is refused: {refusal}"), Exit::NotOpened),
        },
    }
}

impl Finding {
    fn ok(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { what: what.into(), verdict: Verdict::Ok, detail: detail.into(), exit: Exit::Done }
    }

    fn failed(what: impl Into<String>, detail: impl Into<String>, exit: Exit) -> Self {
        Self { what: what.into(), verdict: Verdict::Failed, detail: detail.into(), exit }
    }
}

impl Report {
    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for finding in &self.checks {
            let verdict = match finding.verdict {
                Verdict::Ok => "ok",
                Verdict::Warning => "warning",
                Verdict::Failed => "failed",
            };
            lines.push(format!("{verdict:<8} {}: {}", finding.what, finding.detail));
        }
        lines.extend(self.notes.iter().map(|note| format!("note     {note}")));
        lines
    }
}
