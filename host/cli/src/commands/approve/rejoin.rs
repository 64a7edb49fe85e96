//! `holdover approve --rejoin`: the operator's word for a node whose control plane came back without its memory (boot-14). It goes into
//! the node's own folder, where the running node finds it within seconds; no storage hears of it.

use holdover_node::settings::Environment;
use holdover_node::write_approval;
use holdover_plugin::policy::rejoin::Approved;
use holdover_plugin::snapshot::orders::Act;
use serde_json::{Value, json};

use super::node;
use crate::args::ApproveArguments;
use crate::commands::ask::ask_at;
use crate::commands::{audit, legible, say, say_json, warn};
use crate::exit::{Exit, Failure};
use crate::wire;

/// Of the events on `/why`.
const HELD: &str = "rejoin-held";
const RELEASED: &str = "rejoin-released";
/// The reason of an event that is about an approval, not about what is held.
const PASSED_OVER: &str = "approval-not-used";

pub async fn approve(arguments: &ApproveArguments, act: Act) -> Result<Exit, Failure> {
    let files = &arguments.operator.storages.files;
    let settings = wire::settings(files, Environment::of_process())?;
    let sameness = match &arguments.sameness {
        Some(sameness) => sameness.clone(),
        None => held_at(&node(arguments.status.as_deref(), files)?).await?,
    };
    let approved = Approved { sameness, by: act.by.clone(), at: act.at, why: act.why.clone() };
    let unwritten = |why: String| Failure::not_opened(format!("the approval cannot be written: {why}"));
    // In plain in an encrypted cache as well: it holds no secret, and whoever writes it needs no identity.
    let file = approved.write().map_err(unwritten)?;
    write_approval(&settings.cache_dir, &file).map_err(Failure::not_opened)?;
    let what = "the configuration that the rejoin guard holds may be applied";
    if arguments.operator.json {
        let mut said = audit::act_document(&act);
        if let Some(fields) = said.as_object_mut() {
            fields.extend([("what".to_owned(), json!(what)), ("sameness".to_owned(), json!(approved.sameness))]);
        }
        say_json(&said)?;
    } else {
        say([legible(&audit::line(what, &act))]);
    }
    Ok(Exit::Done)
}

/// The sameness of what the node holds: its last word on the matter.
async fn held_at(node: &str) -> Result<String, Failure> {
    let why = ask_at(node, "/why").await?;
    let entries = why.get("recent").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let (sameness, sentence) = held(entries).ok_or_else(|| {
        let sentence =
            format!("the node at {node} holds nothing since its control plane came back; what it once held, name with --sameness");
        Failure::new(Exit::Invalid, sentence)
    })?;
    warn(&format!("releases what {node} holds: {}", legible(sentence)));
    Ok(sameness.to_owned())
}

/// The oldest entry stands first.
fn held(entries: &[Value]) -> Option<(&str, &str)> {
    let is_about = |entry: &&Value| match text(entry, "/name") {
        Some(RELEASED) => true,
        Some(HELD) => text(entry, "/fields/reason") != Some(PASSED_OVER),
        Some(_) | None => false,
    };
    let last = entries.iter().rev().find(is_about).filter(|entry| text(entry, "/name") == Some(HELD))?;
    Some((text(last, "/fields/sameness")?, text(last, "/sentence").unwrap_or_default()))
}

fn text<'a>(entry: &'a Value, pointer: &str) -> Option<&'a str> {
    entry.pointer(pointer).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_the_last_word_and_nothing_after_a_release() {
        let held_as = |sameness: &str, reason: &str| json!({"name": HELD, "sentence": "It is held.", "fields": {"sameness": sameness, "reason": reason}});
        let (released, other) = (json!({"name": RELEASED, "sentence": "", "fields": {}}), json!({"name": "stale", "fields": {}}));
        let (empty, passed_over) = (held_as("b", "empty"), held_as("c", PASSED_OVER));
        assert_eq!(held(&[held_as("a", "empty"), empty.clone(), passed_over, other]), Some(("b", "It is held.")));
        assert_eq!(held(&[empty.clone(), released.clone()]), None);
        assert_eq!(held(&[released, empty]), Some(("b", "It is held.")));
        assert_eq!(held(&[]), None);
    }
}
