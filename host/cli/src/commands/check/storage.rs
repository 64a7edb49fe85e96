//! `holdover check --storage`: whether the first storage does what an election needs, asked of the storage itself by the exporting
//! policy's own probe (export-12). Writes scratch objects, which the janitor removes after a day.

use holdover_node::settings::Environment;
use holdover_plugin::policy::Facts;
use serde_json::{Value, json};

use crate::args::{CheckArguments, StorageArguments};
use crate::commands::storages::settings;
use crate::commands::{legible, say, say_json};
use crate::exit::{Exit, Failure};
use crate::wire::{self, Written};

/// What stands in place of all checks when the storage could not be asked.
const ANSWERS: &str = "answers";

type Check = (String, Result<(), String>);

pub async fn check(arguments: &CheckArguments) -> Result<Exit, Failure> {
    let StorageArguments { files, storage, .. } = arguments.storages();
    if storage.len() > 1 {
        return Err(Failure::settings("--storage: exporters elect in one storage; name one"));
    }
    let environment = Environment::of_process();
    let settings = settings(&files, &environment, storage.is_empty())?;
    let storages = match (storage.as_slice(), &settings) {
        ([], Some(settings)) => settings.storages.as_slice(),
        (named, _) => named,
    };
    let first = wire::first_writable(storages, settings.as_ref(), &environment).await?;
    let name = first.reader.name().to_owned();
    let written = Written { opened: vec![first], soak_watch: Vec::new(), janitor: false };
    let prober = wire::publisher(settings.as_ref(), written).await?;
    let facts = Facts::beginning(prober.settings.clone(), prober.random.random());
    let checks = prober.exporter.probe(facts).await.map_err(|lost| Failure::policy(lost.to_string()))?;
    if arguments.json {
        say_json(&document(&name, &checks))?;
    } else {
        say(lines(&name, &checks).iter().map(|line| legible(line)));
    }
    Ok(exit(&checks))
}

fn exit(checks: &[Check]) -> Exit {
    match checks.iter().find(|(_, found)| found.is_err()) {
        None => Exit::Done,
        Some((name, _)) if name == ANSWERS => Exit::NotOpened,
        Some(_) => Exit::Invalid,
    }
}

fn document(storage: &str, checks: &[Check]) -> Value {
    let rows: Vec<Value> =
        checks.iter().map(|(name, found)| json!({"check": name, "holds": found.is_ok(), "found": found.as_ref().err()})).collect();
    json!({"storage": storage, "ok": exit(checks) == Exit::Done, "checks": rows})
}

fn lines(storage: &str, checks: &[Check]) -> Vec<String> {
    let width = checks.iter().map(|(name, _)| name.len()).max().unwrap_or_default().max("check".len());
    let mut lines = vec![format!("storage {storage}"), format!("{:<width$}  holds  what happened instead", "check")];
    lines.extend(checks.iter().map(|(name, found)| match found {
        Ok(()) => format!("{name:<width$}  yes"),
        Err(instead) => format!("{name:<width$}  no     {instead}"),
    }));
    let failing = checks.iter().find(|(_, found)| found.is_err());
    lines.push(match failing.map(|(name, _)| name.as_str()) {
        None => "exporters can elect a leader there".to_owned(),
        Some(ANSWERS) => "the storage could not be asked".to_owned(),
        Some(_) => {
            "no exporter is elected there: name another storage first, or set holdover_single_exporter = on if there is no other exporter"
                .to_owned()
        }
    });
    lines
}
