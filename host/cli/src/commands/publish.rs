//! `holdover publish`: one configuration file into the storage, by the exporting policy itself. The process is an exporter whose control
//! plane delivered that file: it takes office, publishes under every rule and guard, and gives its office back.
//!
//! ```text
//! file ─ judged strictly ─ tick: in office? ─ received: published ─ tick without control plane: lease given back
//!                              └ another leads: waits for its lease to die, or says who
//! ```
//! No rule stands here: what became of it is read off the policy's outcomes and events.

mod publisher;

use std::path::Path;
use std::time::Duration;

use holdover_node::settings::{Environment, Settings};
use holdover_node::{Entry, Journal};
use holdover_plugin::policy::Approvable;
use holdover_ports::{Config, Verdict};
use serde_json::{Value, json};

use super::{legible, say, say_json, warn};
use crate::args::PublishArguments;
use crate::exit::{Exit, Failure};
use crate::wire;
use publisher::{Ended, Publisher};

/// What the policy says on the way and somebody should know, though it published.
const TELLING: [&str; 3] = ["export-warning", "copy-failed", "orders-refused"];

pub async fn publish(arguments: &PublishArguments) -> Result<Exit, Failure> {
    let environment = Environment::of_process();
    let settings = wire::settings(&arguments.files, environment.clone())?;
    let Some(export) = &settings.export else {
        let fix = "cluster_fallback_config_export: it is off, and publishing needs an exporter's keys, guards and storages; give the settings \
                   of an exporter with --config";
        return Err(Failure::settings(fix));
    };
    let config = judged(&arguments.file, &settings).await?;
    let written = wire::Written::open(&settings, export, &environment).await?;
    let exporter = wire::publisher(Some(&settings), written).await?;
    let journal = exporter.journal.clone();
    let mut publisher = Publisher::new(exporter, config, Duration::from_secs(arguments.wait));
    let ended = publisher.publish().await;
    // Also when it failed: whoever waits for the lease need not wait until it dies.
    publisher.leave().await;
    let ended = ended?;
    for entry in journal.entries().iter().filter(|entry| TELLING.contains(&entry.name)) {
        warn(&legible(&entry.sentence));
    }
    if arguments.json {
        say_json(&document(&ended, &settings, &journal))?;
    } else {
        say(lines(&ended, &settings, &journal).iter().map(|line| legible(line)));
    }
    Ok(exit(&ended))
}

/// The file as its adapter delivers it, once the judge has nothing against it.
async fn judged(path: &Path, settings: &Settings) -> Result<Config, Failure> {
    let config = wire::file_config(path).await?;
    let schema = match &settings.schema {
        None => None,
        Some(schema) => {
            let text = crate::schema::text(schema).await;
            Some(text.map_err(|why| Failure::settings(format!("holdover_schema = '{}': {why}", schema.display())))?)
        }
    };
    let verdict = wire::inspector_beside(settings).await?.validate(config.bytes().clone(), settings.policy.format, schema).await;
    match verdict.map_err(|lost| Failure::policy(lost.to_string()))? {
        Verdict::Valid(_) => Ok(config),
        Verdict::Invalid(findings) => {
            let findings: Vec<String> = findings.iter().map(|finding| format!("\n  {}", legible(finding))).collect();
            Err(Failure::new(Exit::Invalid, format!("{} is not published:{}", path.display(), findings.concat())))
        }
    }
}

fn exit(ended: &Ended) -> Exit {
    match ended {
        Ended::Published(_) | Ended::Already(_) => Exit::Done,
        Ended::Refused(_) => Exit::Invalid,
        Ended::Held { .. } => Exit::Held,
        Ended::StandsBy(_) => Exit::StandsBy,
        Ended::Declined(_) | Ended::Failed(_) => Exit::NotOpened,
    }
}

/// The first generation ever is good at once; every other one soaks, where that is set.
fn soak(journal: &Journal) -> Option<Entry> {
    journal.entries().into_iter().find(|entry| entry.name == "soak-began")
}

fn lines(ended: &Ended, settings: &Settings, journal: &Journal) -> Vec<String> {
    let version = &settings.policy.gateway_version;
    match ended {
        Ended::Published(position) => {
            let mut lines = vec![format!("generation {position} is published for {version}")];
            if soak(journal).is_some() {
                lines.push("it is a candidate, until an exporter with a control plane has seen its soak through".to_owned());
            }
            lines
        }
        Ended::Already(position) => {
            vec![format!("generation {position} for {version} is this configuration already: nothing was published")]
        }
        Ended::Held { sentence, approvable } => {
            let mut lines = vec![format!("held: {sentence}")];
            lines.extend(approvable.as_ref().map(|approvable| {
                let base = base(approvable).unwrap_or_else(|| "none".to_owned());
                let Approvable { gateway_version, sameness, .. } = approvable;
                format!(
                    "to release it: holdover approve --gateway-version {gateway_version} --base {base} --sameness '{sameness}' --why …; \
                     then publish again"
                )
            }));
            lines
        }
        Ended::StandsBy(sentence) => vec![format!("not published: {sentence}")],
        Ended::Declined(sentence) => vec![format!("not published: the first storage is none to elect in: {sentence}")],
        Ended::Refused(sentence) | Ended::Failed(sentence) => vec![format!("not published: {sentence}")],
    }
}

fn base(approvable: &Approvable) -> Option<String> {
    approvable.base.map(|base| base.to_string())
}

fn document(ended: &Ended, settings: &Settings, journal: &Journal) -> Value {
    let (outcome, position, sentence, approvable) = match ended {
        Ended::Published(position) => ("published", Some(position), None, None),
        Ended::Already(position) => ("already", Some(position), None, None),
        Ended::Held { sentence, approvable } => ("held", None, Some(sentence), approvable.as_ref()),
        Ended::StandsBy(sentence) => ("stands-by", None, Some(sentence), None),
        Ended::Declined(sentence) => ("declined", None, Some(sentence), None),
        Ended::Refused(sentence) => ("refused", None, Some(sentence), None),
        Ended::Failed(sentence) => ("failed", None, Some(sentence), None),
    };
    let approvable = approvable.map(
        |approvable| json!({"gateway_version": approvable.gateway_version, "base": base(approvable), "sameness": approvable.sameness}),
    );
    json!({
        "outcome": outcome, "gateway_version": settings.policy.gateway_version, "position": position.map(|position| position.to_string()),
        "candidate": soak(journal).is_some(), "sentence": sentence, "approvable": approvable, "said": journal.entries(),
    })
}
