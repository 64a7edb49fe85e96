//! What a hybrid control plane says with a declarative document: the message that goes to its data planes, and what it asks of them.
//!
//! The document's flat form is the plugin's, which `holdover control-plane` sends as well; the drill's own documents are flat as they
//! are written. Knows no process.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, ensure};
use holdover_plugin::config::kong;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(rename = "type")]
    kind: String,
    config_hash: String,
    hashes: BTreeMap<String, String>,
    /// As it stands in the message, letter for letter.
    #[serde(borrow)]
    config_table: &'a RawValue,
}

#[derive(Deserialize)]
struct Table {
    #[serde(default)]
    plugins: Option<Vec<Named>>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

/// `Err` unless these bytes are the message of a control plane that serves exactly this document: the same table, byte for byte, under
/// the hashes that Kong computes for it.
pub(crate) fn ensure_says(message: &[u8], document: &[u8]) -> anyhow::Result<()> {
    let message: Message<'_> = serde_json::from_slice(message).context("it is no message of a hybrid control plane")?;
    ensure!(message.kind == "reconfigure", "it is a message of another kind than a configuration");
    let flat = kong::flatten(document).map_err(anyhow::Error::msg)?;
    ensure!(message.config_table.get().as_bytes() == &*flat, "it configures something else than the control plane's file");
    let kong::Hashes { config, routes, services, plugins, upstreams, targets } = kong::hashes(&flat).map_err(anyhow::Error::msg)?;
    ensure!(message.config_hash == config, "it has another config_hash than Kong computes for what it configures");
    let parts = [("config", config), ("routes", routes), ("services", services), ("plugins", plugins)];
    let parts = parts.into_iter().chain([("upstreams", upstreams), ("targets", targets)]);
    let hashes: BTreeMap<String, String> = parts.map(|(name, hash)| (name.to_owned(), hash)).collect();
    ensure!(message.hashes == hashes, "it has other hashes than Kong computes for what it configures");
    Ok(())
}

/// The plugins that a document configures: a data plane that lacks one of them is sent nothing.
pub(crate) fn plugins(document: &[u8]) -> anyhow::Result<BTreeSet<String>> {
    let flat = kong::flatten(document).map_err(anyhow::Error::msg)?;
    let Table { plugins } = serde_json::from_slice(&flat).context("its plugins are no list of named entities")?;
    Ok(plugins.unwrap_or_default().into_iter().map(|plugin| plugin.name).collect())
}

#[cfg(test)]
mod tests {
    // A test that cannot go on says so by panicking.
    #![allow(clippy::unwrap_used)]

    use super::*;

    const NESTED: &str = r#"{"_format_version":"3.0","services":[{"name":"a","host":"h","plugins":[{"name":"acl"}],"routes":[{"name":"r","paths":["/"],"plugins":[{"name":"own"},{"name":"acl"}]}]}]}"#;

    #[test]
    fn the_message_of_a_document_says_it_and_no_other_message_does() {
        let said = message(NESTED, |message| message);
        ensure_says(said.as_bytes(), NESTED.as_bytes()).unwrap();
        for (other, why) in [
            (message(&NESTED.replace("\"h\"", "\"i\""), |message| message), "something else"),
            (message(NESTED, |message| message.replace("\"host\":\"h\"", "\"host\": \"h\"")), "something else"),
            (message(NESTED, |message| message.replace("reconfigure", "ping")), "another kind"),
            (message(NESTED, |message| message.replacen("\"config_hash\":\"", "\"config_hash\":\"0", 1)), "another config_hash"),
            (message(NESTED, |message| message.replacen("\"targets\":\"", "\"targets\":\"1", 1)), "other hashes"),
            (NESTED.to_owned(), "no message"),
        ] {
            let failure = format!("{:#}", ensure_says(other.as_bytes(), NESTED.as_bytes()).unwrap_err());
            assert!(failure.contains(why), "{failure} for {other}");
        }
    }

    #[test]
    fn the_plugins_of_a_document_are_named_once_wherever_they_stand() {
        assert_eq!(plugins(NESTED.as_bytes()).unwrap().into_iter().collect::<Vec<_>>(), ["acl", "own"]);
        assert!(plugins(b"{\"_format_version\":\"3.0\"}").unwrap().is_empty());
    }

    /// As a control plane would write it, changed afterwards.
    fn message(document: &str, change: impl FnOnce(String) -> String) -> String {
        let flat = kong::flatten(document.as_bytes()).unwrap();
        let kong::Hashes { config, routes, services, plugins, upstreams, targets } = kong::hashes(&flat).unwrap();
        let table = std::str::from_utf8(&flat).unwrap();
        change(format!(
            r#"{{"type":"reconfigure","timestamp":1.5,"config_hash":"{config}","hashes":{{"config":"{config}","routes":"{routes}","services":"{services}","plugins":"{plugins}","upstreams":"{upstreams}","targets":"{targets}"}},"config_table":{table}}}"#
        ))
    }
}
