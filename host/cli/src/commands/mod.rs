//! One file per command. A command says what it found on stdout, and what kept it from looking as a [`Failure`].

pub mod approve;
pub mod ask;
pub mod audit;
pub mod break_glass;
pub mod check;
pub mod control_plane;
pub mod diff;
pub mod drill;
pub mod envoy;
pub mod fetch;
pub mod generation;
pub mod history;
pub mod keygen;
pub mod opening;
pub mod orders;
pub mod policy;
pub mod publish;
pub mod run;
pub mod show;
pub mod status;
pub mod storages;
pub mod times;
pub mod verify;
pub mod why;

use std::io::{self, Write};
use std::path::Path;

use bytes::Bytes;
use holdover_node::SystemClock;
use holdover_plugin::model::UnixMs;
use holdover_ports::Clock;
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

/// One line on stderr, for what the answer itself has no place for.
pub fn warn(sentence: &str) {
    // Whether anybody reads it changes nothing about the answer.
    let _ = writeln!(io::stderr().lock(), "holdover: {sentence}");
}

pub fn now() -> UnixMs {
    SystemClock::starting_here().now()
}

/// A line from outside, of which nobody may know who wrote it: it must not move a terminal's cursor.
pub fn legible(line: &str) -> String {
    line.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
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
