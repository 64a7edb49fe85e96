//! One file per command. A command says what it found on stdout, and what kept it from looking as a [`Failure`].

pub mod ask;
pub mod check;
pub mod drill;
pub mod policy;
pub mod run;
pub mod status;
pub mod verify;
pub mod why;

use std::io::{self, Write};
use std::path::Path;

use bytes::Bytes;
use serde::Serialize;
use tokio::io::AsyncReadExt;

use crate::exit::Failure;

/// Prints lines for people. A reader that went away, as `head` does, is no failure.
pub fn say(lines: impl IntoIterator<Item = String>) {
    let mut out = io::stdout().lock();
    for line in lines {
        if writeln!(out, "{line}").is_err() {
            return;
        }
    }
}

/// Prints one JSON document.
pub fn say_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::not_opened(format!("the answer is no JSON: {error}")))?;
    say([text]);
    Ok(())
}

/// A file of at most `bytes_max`. `Err` is the rest of a sentence about it.
pub async fn read_file(path: &Path, bytes_max: u64) -> Result<Bytes, String> {
    let unreadable = |error: io::Error| format!("it cannot be read ({error}); name a readable file");
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).await.map_err(unreadable)?;
    if bytes.len() as u64 > bytes_max {
        return Err(format!("it has more than {bytes_max} bytes; name a smaller file"));
    }
    Ok(bytes.into())
}
