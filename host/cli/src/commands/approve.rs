//! `holdover approve`: an operator's word that releases one export that a guard holds, once and within an hour (export-03). What is held,
//! its exporter's status page says. With `--rejoin`: what a node's own rejoin guard holds ([`rejoin`]).

mod rejoin;

use holdover_plugin::model::GatewayVersion;
use holdover_plugin::policy::Approvable;
use holdover_plugin::policy::orders::Order;
use serde_json::Value;

use super::ask::{ask_at, of_settings};
use super::generation::Base;
use super::orders::desk::{Desk, act};
use super::orders::{Obeyed, say_given};
use super::{legible, warn};
use crate::args::{ApproveArguments, SettingsFiles};
use crate::exit::{Exit, Failure};

/// What is to be released, as far as it was found out.
struct Held {
    /// `None`: of the version that the storage and the settings are about.
    gateway_version: Option<GatewayVersion>,
    base: Base,
    sameness: String,
}

pub async fn approve(arguments: &ApproveArguments) -> Result<Exit, Failure> {
    let ApproveArguments { sameness, base, status, rejoin, why, operator } = arguments;
    let act = act(operator.by.as_deref(), Some(why))?;
    if *rejoin {
        return rejoin::approve(arguments, act).await;
    }
    let held = match (sameness, base) {
        (Some(sameness), Some(base)) => Held { gateway_version: None, base: *base, sameness: sameness.clone() },
        (Some(_), None) => {
            let fix = "--base: with --sameness, name the newest generation when it was held, as in 7-41, or none; the exporter's status page \
                       says both";
            return Err(Failure::settings(fix));
        }
        (None, _) => held_at(&node(status.as_deref(), &operator.storages.files)?).await?,
    };
    let desk = Desk::open(operator).await?;
    let given = desk.give(act, |heads, asked| {
        let gateway_version = match (&asked.only_version, &held.gateway_version) {
            (Some(only), Some(held)) if only != held => {
                return Err(Failure::settings(format!("--gateway-version: what is held is for {held}, not for {only}")));
            }
            (Some(version), _) | (None, Some(version)) => version.clone(),
            (None, None) => heads.version(asked)?.clone(),
        };
        Ok(Order::Approve { approvable: Approvable { gateway_version, base: held.base.0, sameness: held.sameness.clone() } })
    });
    say_given(&given.await?, &Obeyed::NotAsked, operator.json)?;
    Ok(Exit::Done)
}

/// What the node's exporter holds. It is said before it is released.
async fn held_at(node: &str) -> Result<Held, Failure> {
    let status = ask_at(node, "/status").await?;
    let sentence = status.pointer("/export/held").and_then(Value::as_str);
    let Some(approvable) = status.pointer("/export/approvable").filter(|approvable| !approvable.is_null()) else {
        let why = match (sentence, status.get("export").is_some_and(|export| !export.is_null())) {
            (_, false) => "it exports nothing; name the exporter's page with --status".to_owned(),
            (None, true) => "its exporter holds nothing".to_owned(),
            (Some(sentence), true) => format!("its exporter says: {}", legible(sentence)),
        };
        return Err(Failure::new(Exit::Invalid, format!("the node at {node} has nothing that an approval would release: {why}")));
    };
    let unreadable =
        || Failure::new(Exit::NotAnswered, format!("the status page at {node} does not say what is held as this version reads it"));
    let text = |name: &str| approvable.get(name).and_then(Value::as_str);
    let base = match approvable.get("base") {
        None | Some(Value::Null) => Base(None),
        Some(base) => base.as_str().and_then(|base| base.parse().ok()).ok_or_else(unreadable)?,
    };
    let gateway_version = text("gateway_version").and_then(|version| version.parse().ok()).ok_or_else(unreadable)?;
    let sameness = text("sameness").ok_or_else(unreadable)?.to_owned();
    warn(&format!("releases what {node} holds: {}", legible(sentence.unwrap_or("it does not say why"))));
    Ok(Held { gateway_version: Some(gateway_version), base, sameness })
}

/// `http://host:port`, as written or as the settings of this machine's node say.
fn node(status: Option<&str>, files: &SettingsFiles) -> Result<String, Failure> {
    let Some(written) = status else { return of_settings(files) };
    let node = written.trim_end_matches('/').trim_end_matches("/status");
    match node.strip_prefix("http://").is_some_and(|authority| !authority.is_empty() && !authority.contains(['/', '@', '?', '#'])) {
        true => Ok(node.to_owned()),
        false => Err(Failure::settings("--status: write the address of the node's status page, for example http://10.0.0.7:8108")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use super::*;

    #[test]
    fn a_page_is_named_with_or_without_its_path_and_nothing_else_is_one() {
        let files = SettingsFiles::default();
        for written in ["http://a:1", "http://a:1/", "http://a:1/status", "http://a:1/status/"] {
            assert_eq!(node(Some(written), &files).unwrap(), "http://a:1", "{written}");
        }
        for written in ["a:1", "https://a:1", "http://", "http://me:secret@a:1", "http://a:1/other"] {
            let failure = node(Some(written), &files).unwrap_err();
            assert!(failure.sentence.starts_with("--status") && !failure.sentence.contains("secret"), "{failure}");
        }
    }
}
