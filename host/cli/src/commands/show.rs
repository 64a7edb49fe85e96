//! `holdover show`: what one generation says of itself, fetched and verified. Never a value of its configuration (all-04).

use holdover_plugin::config::needs;
use holdover_plugin::model::UnixMs;
use holdover_plugin::snapshot::{KeyId, Manifest, Particulars};
use serde_json::{Value, json};

use super::history::standing;
use super::storages::{Heads, Picked, asked};
use super::times::{ago, rfc3339, size};
use super::{legible, now, say, say_json};
use crate::args::ShowArguments;
use crate::exit::{Exit, Failure};

/// What was found of one generation.
struct Shown {
    manifest: Manifest,
    signer: Option<KeyId>,
    /// `None`: it is encrypted, and there is no identity.
    particulars: Option<Particulars>,
}

pub async fn show(arguments: &ShowArguments) -> Result<Exit, Failure> {
    let asked = asked(&arguments.storages).await?;
    let heads = asked.heads().await?;
    let picked = heads.pick(arguments.generation, &asked)?;
    let file = heads.fetch(&picked, &asked.opener).await?;
    let refused = |why| Failure::new(Exit::Invalid, format!("generation {}: {why}", picked.entry.position()));
    let verified = asked.opener.verify(&file).map_err(refused)?;
    let particulars = asked.opener.particulars(&verified).map_err(refused)?;
    let shown = Shown { manifest: verified.manifest().clone(), signer: verified.signer(), particulars };
    if arguments.json {
        say_json(&document(&heads, &picked, &shown, now()))?;
    } else {
        say(lines(&heads, &picked, &shown, now()).iter().map(|line| legible(line)));
    }
    Ok(Exit::Done)
}

fn document(heads: &Heads, picked: &Picked<'_>, shown: &Shown, now: UnixMs) -> Value {
    let Picked { version, view, entry, .. } = picked;
    let holders: Vec<&str> = heads.holders(version, entry).map(|found| found.reader.name()).collect();
    json!({
        "position": entry.position().to_string(), "gateway_version": version, "standing": standing(view, entry), "key": entry.key,
        "file_digest": entry.file_digest, "file_bytes": entry.file_bytes, "sealed_as": entry.sealed_as, "storages": holders,
        "sealed_at": rfc3339(entry.sealed_at), "age_s": now.since(entry.sealed_at).as_secs(), "signer": shown.signer,
        "manifest": shown.manifest, "opened": shown.particulars.is_some(), "particulars": shown.particulars,
        "needs": shown.particulars.as_ref().map(|particulars| needs::sentences(&particulars.needs_control_plane, now)),
    })
}

fn lines(heads: &Heads, picked: &Picked<'_>, shown: &Shown, now: UnixMs) -> Vec<String> {
    let Picked { version, view, entry, found } = picked;
    let Manifest { cluster, format, sealed_at, sealed_by, .. } = &shown.manifest;
    let standing = standing(view, entry);
    let standing = if standing.is_empty() { String::new() } else { format!(" ({})", standing.join(", ")) };
    let holders: Vec<&str> = heads.holders(version, entry).map(|found| found.reader.name()).collect();
    let signature = match shown.signer {
        Some(signer) => format!("its signature is of key {signer}"),
        None => "nobody was asked for a signature (--trusted-key)".to_owned(),
    };
    let mut lines = vec![
        format!("generation     {}{standing}, for gateway version {version}", entry.position()),
        format!("cluster        {cluster}, lineage {}", found.head.lineage),
        format!("file           {}, {}, {}", entry.file_digest, size(entry.file_bytes), entry.key),
        format!("stored in      {}", holders.join(", ")),
        format!("sealed         {}, {}, by {sealed_by}; {signature}", rfc3339(*sealed_at), ago(*sealed_at, now)),
    ];
    if !entry.sealed_as.is_empty() {
        lines.push(format!("sealed as      {}", entry.sealed_as));
    }
    match &shown.particulars {
        Some(particulars) => lines.extend(particulars_lines(&format.to_string(), particulars, now)),
        None => lines.push("not opened     it is encrypted; give --identity FILE, or set holdover_identity".to_owned()),
    }
    lines
}

pub fn particulars_lines(format: &str, particulars: &Particulars, now: UnixMs) -> Vec<String> {
    let Particulars { digest, sameness, plain_bytes, counts, captured_at, warnings, needs_control_plane, compression: _ } = particulars;
    let counts: Vec<String> = counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let mut lines = vec![
        format!("configuration  {digest}, {}, format {format}", size(*plain_bytes)),
        format!("same as        whatever has sameness {}", sameness),
        format!("captured       {}, {}", rfc3339(*captured_at), ago(*captured_at, now)),
        format!("entities       {}", if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }),
    ];
    lines.extend(warnings.iter().map(|warning| format!("warning        {}", warning)));
    lines.extend(needs::sentences(needs_control_plane, now).into_iter().map(|need| format!("needs          {need}")));
    lines
}
