//! `holdover fetch`: one generation into a file, after it was verified. The sealed snapshot as it is stored, or with `--plain` the
//! configuration in it. Either way nobody but the file's owner may read it, and nothing is written over without `--force`.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use bytes::Bytes;
use serde_json::json;

use super::opening::Refused;
use super::storages::asked;
use super::times::size;
use super::{say, say_json, warn};
use crate::args::FetchArguments;
use crate::exit::{Exit, Failure};

pub async fn fetch(arguments: &FetchArguments) -> Result<Exit, Failure> {
    let asked = asked(&arguments.storages).await?;
    let heads = asked.heads().await?;
    let picked = heads.pick(arguments.generation, &asked)?;
    let position = picked.entry.position();
    let file = heads.fetch(&picked, &asked.opener).await?;
    let refused = |why: Refused| Failure::new(Exit::Invalid, format!("generation {position}: {why}"));
    let verified = asked.opener.verify(&file).map_err(refused)?;
    let signer = verified.signer();
    let (bytes, what) = match arguments.plain {
        false => (file.clone(), "sealed snapshot"),
        true => {
            let opened = asked.opener.open(&verified).map_err(refused)?;
            (Bytes::from(opened.into_bytes()), "configuration")
        }
    };
    write(&arguments.out, &bytes, arguments.force)?;
    if arguments.plain {
        warn(&format!("{} holds the configuration in the clear, secrets included: treat it as one", arguments.out.display()));
    }
    if arguments.json {
        say_json(&json!({
            "position": position.to_string(), "gateway_version": picked.version, "out": arguments.out, "plain": arguments.plain,
            "bytes": bytes.len(), "file_digest": picked.entry.file_digest, "signer": signer,
        }))?;
    } else {
        let out = arguments.out.display();
        say([format!("{what} of generation {position}, {}, verified, is in {out}", size(bytes.len() as u64))]);
    }
    Ok(Exit::Done)
}

/// Whole or not at all: a temporary file beside it, on disk, then its name.
fn write(path: &Path, bytes: &[u8], force: bool) -> Result<(), Failure> {
    let failed =
        |fix: &str, error: &io::Error| Failure::not_opened(format!("--out {}: it cannot be written ({error}); {fix}", path.display()));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let writable = "name a file in a folder that you may write";
    // Such a file is its owner's alone from the start.
    let mut temporary = tempfile::NamedTempFile::new_in(folder).map_err(|error| failed(writable, &error))?;
    let written = temporary.write_all(bytes).and_then(|()| temporary.as_file().sync_all());
    written.map_err(|error| failed("see to the space", &error))?;
    let named = if force { temporary.persist(path) } else { temporary.persist_noclobber(path) };
    named.map_err(|not_named| match not_named.error.kind() {
        io::ErrorKind::AlreadyExists => Failure::not_opened(format!(
            "--out {}: it exists already and is left as it is; name another file, or add --force",
            path.display()
        )),
        _ => failed(writable, &not_named.error),
    })?;
    // The name itself must outlive a power cut, too.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| failed("write it again", &error))
}
