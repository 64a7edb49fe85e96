//! `holdover diff`: what differs between two generations or two files. Both are opened here and compared by the plugin, whose answer
//! holds no secret (all-04). Ends with 0 whether they differ or not; what cannot be compared ends with 1.

use std::path::Path;

use bytes::Bytes;
use holdover_node::settings::Environment;
use holdover_plugin::config::Format;
use holdover_plugin::diff::{Diff, diff as differences};
use holdover_plugin::snapshot::{self, FILE_BYTES_MAX, Trust, cached};
use serde_json::json;

use super::generation::Which;
use super::opening::{Opener, Refused};
use super::storages::{self, Asked, Heads, asked};
use super::{legible, read_file, say, say_json};
use crate::args::DiffArguments;
use crate::exit::{Exit, Failure};

/// One of the two.
struct Side {
    name: String,
    format: Format,
    config: Bytes,
}

pub async fn diff(arguments: &DiffArguments) -> Result<Exit, Failure> {
    let (old, new) = match arguments.files.as_slice() {
        [old, new] => of_files(arguments, old, new).await?,
        _ => of_generations(arguments).await?,
    };
    if old.format != new.format {
        let sentence = format!("{} has format {}, and {} has {}: they have nothing to compare", old.name, old.format, new.name, new.format);
        return Err(Failure::new(Exit::Invalid, sentence));
    }
    let (names, format) = ((old.name, new.name), new.format);
    // A large configuration takes a while: not on the threads that answer.
    let compared = tokio::task::spawn_blocking(move || differences(&old.config, &new.config, format)).await;
    let compared = compared.map_err(|_| Failure::not_opened("comparing ended early"))?;
    let diff = compared.map_err(|invalid| Failure::new(Exit::Invalid, legible(&invalid.to_string())))?;
    if arguments.json {
        let Diff { added, removed, changed } = &diff;
        say_json(
            &json!({"old": names.0, "new": names.1, "equal": diff.is_empty(), "added": added, "removed": removed, "changed": changed}),
        )?;
    } else {
        say([format!("from {} to {}", names.0, names.1)].into_iter().chain(diff.to_string().lines().map(legible)));
    }
    Ok(Exit::Done)
}

async fn of_generations(arguments: &DiffArguments) -> Result<(Side, Side), Failure> {
    let asked = asked(&arguments.storages).await?;
    let heads = asked.heads().await?;
    let new = arguments.new.unwrap_or(Which::Newest);
    let old = match arguments.old {
        Some(old) => old,
        None => before(&asked, &heads)?,
    };
    Ok((generation(&asked, &heads, old).await?, generation(&asked, &heads, new).await?))
}

/// The good generation, if it is not the newest itself; else the one behind it.
fn before(asked: &Asked, heads: &Heads) -> Result<Which, Failure> {
    let version = heads.version(asked)?;
    let history = heads.leading.head.views.get(version).map(|view| (view.good, view.history.as_slice()));
    let (good, history) = history.unwrap_or_default();
    let newest = history.first().map(|entry| entry.position());
    let older = history.get(1).map(|entry| entry.position());
    let old = good.filter(|good| Some(*good) < newest && history.iter().any(|entry| entry.position() == *good)).or(older);
    old.map(Which::At).ok_or_else(|| {
        Failure::new(Exit::Invalid, format!("for gateway version {version} there is one generation only, and nothing to compare it with"))
    })
}

async fn generation(asked: &Asked, heads: &Heads, which: Which) -> Result<Side, Failure> {
    let picked = heads.pick(which, asked)?;
    let name = format!("generation {}", picked.entry.position());
    let file = heads.fetch(&picked, &asked.opener).await?;
    sealed(&asked.opener, name, &file)
}

async fn of_files(arguments: &DiffArguments, old: &Path, new: &Path) -> Result<(Side, Side), Failure> {
    let settings = storages::settings(&arguments.storages.files, &Environment::of_process(), false)?;
    let opener = Opener::new(settings.as_ref(), &arguments.storages.keys)?;
    Ok((file(&opener, old, arguments.format).await?, file(&opener, new, arguments.format).await?))
}

async fn file(opener: &Opener, path: &Path, format: Format) -> Result<Side, Failure> {
    let name = path.display().to_string();
    let bytes = read_file(path, FILE_BYTES_MAX).await.map_err(|why| Failure::not_opened(format!("{name}: {why}")))?;
    if snapshot::is_snapshot(&bytes) {
        return sealed(opener, name, &bytes);
    }
    if !cached::is_cache_entry(&bytes) {
        return Ok(Side { name, format, config: bytes });
    }
    match cached::unwrap(&bytes) {
        Ok(cached) => match cached.header.origin {
            cached::CachedOrigin::Storage => sealed(opener, name, cached.snapshot),
            // This node sealed it itself, and signs nothing of the kind.
            cached::CachedOrigin::ControlPlane | cached::CachedOrigin::KongPlace => {
                let unasked = Opener { trust: Trust::unasked(), ring: opener.ring.clone() };
                sealed(&unasked, name, cached.snapshot)
            }
        },
        Err(refusal) => Err(Failure::new(Exit::Invalid, format!("{name}: {}", Refused::from(refusal)))),
    }
}

fn sealed(opener: &Opener, name: String, file: &[u8]) -> Result<Side, Failure> {
    let opened = opener.verify(file).and_then(|verified| opener.open(&verified));
    let opened = opened.map_err(|why| Failure::new(Exit::Invalid, format!("{name}: {why}")))?;
    Ok(Side { name, format: opened.format(), config: opened.into_bytes().into() })
}
