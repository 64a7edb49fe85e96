//! `holdover policy`: what a component may do, read off its file, and native code ahead of time.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{read_file, say, say_json};
use crate::args::PolicyCommand;
use crate::exit::{Exit, Failure};

const COMPONENT_BYTES_MAX: u64 = 64 * 1024 * 1024;

pub async fn policy(command: PolicyCommand) -> Result<Exit, Failure> {
    match command {
        PolicyCommand::Inspect { file, json } => inspect(file.as_deref(), json).await,
        PolicyCommand::Precompile { out, with_inspector } => precompile(out, with_inspector).await,
    }
}

async fn inspect(file: Option<&Path>, as_json: bool) -> Result<Exit, Failure> {
    let mut inspections = Vec::new();
    match file {
        None => {
            for (name, bytes) in holdover_component::embedded() {
                inspections.push(inspection(name, bytes)?);
            }
        }
        Some(path) => {
            let shown = path.display().to_string();
            let bytes = read_file(path, COMPONENT_BYTES_MAX).await.map_err(|why| Failure::not_opened(format!("{shown}: {why}")))?;
            inspections.push(inspection(&shown, &bytes)?);
        }
    }
    if as_json {
        say_json(&inspections)?;
    } else {
        say(inspections.iter().flat_map(lines));
    }
    Ok(Exit::Done)
}

fn inspection(name: &str, bytes: &[u8]) -> Result<Value, Failure> {
    let found = holdover_component::inspect(bytes).map_err(|error| Failure::policy(format!("{name}: {}", error.sentence)))?;
    Ok(json!({"name": name, "bytes": found.bytes, "digest": found.digest, "imports": found.imports, "exports": found.exports}))
}

fn lines(inspection: &Value) -> Vec<String> {
    let text =
        |name: &str| inspection.get(name).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).unwrap_or_default();
    let mut lines = vec![format!("{}  {} bytes  {}", text("name"), text("bytes"), text("digest"))];
    for way in ["imports", "exports"] {
        let names = inspection.get(way).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        lines.extend(names.map(|name| format!("  {way} {name}")));
    }
    lines
}

async fn precompile(out: PathBuf, with_inspector: bool) -> Result<Exit, Failure> {
    let compiled = tokio::task::spawn_blocking(move || holdover_component::precompile(&out, with_inspector)).await;
    let compiled = compiled.map_err(|_| Failure::policy("the compilation ended early"))?;
    let files = compiled.map_err(|error| Failure::policy(error.sentence))?;
    say(files.iter().map(|file| file.display().to_string()));
    Ok(Exit::Done)
}
