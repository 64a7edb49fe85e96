//! Whether what is stored or kept is whole: verified, opened and validated as a reader would.

use std::fs;
use std::path::Path;

use anyhow::Context;
use holdover_plugin::snapshot::head::Entry;
use holdover_plugin::snapshot::{self, Trust, cached};
use serde_json::Value;

use crate::ground::Eyes;

/// The head, and every snapshot that it lists. Nothing published is whole, too.
pub async fn storage(eyes: &Eyes) -> anyhow::Result<()> {
    let Some(head) = eyes.head().await? else { return Ok(()) };
    for entry in head.views.values().flat_map(|view| &view.history) {
        listed(eyes, entry).await?;
    }
    Ok(())
}

/// The snapshot is where the head says, and is what the head says.
pub async fn listed(eyes: &Eyes, entry: &Entry) -> anyhow::Result<()> {
    let file = eyes.object(&entry.key, entry.file_bytes).await?.with_context(|| format!("{} is listed and not there", entry.key))?;
    let verified = snapshot::verify(&file, &Trust::unasked()).with_context(|| format!("{} is listed and not whole", entry.key))?;
    anyhow::ensure!(verified.file_digest() == entry.file_digest, "{} holds other bytes than the head says", entry.key);
    let opened = verified.open(None).with_context(|| format!("{} is listed and does not open", entry.key))?;
    let is_shown = entry.shown.as_ref().is_some_and(|shown| shown.digest == opened.digest());
    anyhow::ensure!(is_shown, "{} holds another configuration than the head says", entry.key);
    anyhow::ensure!(opened.validate().is_ok(), "{} is listed and not valid", entry.key);
    Ok(())
}

/// A node's cache and states, as a crash left them.
pub fn disk(cache: &Path) -> anyhow::Result<()> {
    for name in ["applied.snapshot", "settled.snapshot"] {
        let Ok(file) = fs::read(cache.join(name)) else { continue };
        let entry = cached::unwrap(&file).with_context(|| format!("{name} is torn"))?;
        let verified = snapshot::verify(entry.snapshot, &Trust::unasked()).with_context(|| format!("{name} is torn"))?;
        verified.open(None).with_context(|| format!("{name} does not open"))?;
    }
    for name in ["exporter.state", "importer.state"] {
        state(&cache.join(name))?;
    }
    Ok(())
}

/// `None`: nothing was remembered yet.
pub fn state(file: &Path) -> anyhow::Result<Option<Value>> {
    let Ok(bytes) = fs::read(file) else { return Ok(None) };
    Ok(Some(serde_json::from_slice(&bytes).with_context(|| format!("{} is torn", file.display()))?))
}
