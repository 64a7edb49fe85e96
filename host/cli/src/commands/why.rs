//! `holdover why`: the node's own sentences, then its last decisions.

use serde_json::Value;

use super::{ask::ask, say, say_json};
use crate::args::AskArguments;
use crate::exit::{Exit, Failure};

/// Of the decisions that the node remembers, the last ones; `--json` has them all.
const RECENT_MAX: usize = 12;

pub async fn why(arguments: &AskArguments) -> Result<Exit, Failure> {
    let why = ask(arguments, "/why").await?;
    if arguments.json {
        say_json(&why)?;
    } else {
        say(lines(&why));
    }
    Ok(Exit::Done)
}

fn lines(why: &Value) -> Vec<String> {
    let list = |name: &str| why.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut lines: Vec<String> = list("sentences").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let recent = list("recent");
    if !recent.is_empty() {
        lines.push(String::new());
    }
    for entry in recent.iter().skip(recent.len().saturating_sub(RECENT_MAX)) {
        let field = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        lines.push(format!("{:<8} {:<22} {}", field("severity"), field("name"), field("sentence")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sentences_come_first_and_only_the_last_decisions_follow() {
        let recent: Vec<Value> =
            (0..20).map(|nth| json!({"severity": "info", "name": "exported", "sentence": format!("nth {nth}")})).collect();
        let lines = lines(&json!({"sentences": ["Serves generation 7."], "recent": recent}));
        assert_eq!(lines.len(), 2 + RECENT_MAX);
        assert_eq!(lines.first().map(String::as_str), Some("Serves generation 7."));
        assert!(lines.last().is_some_and(|line| line.ends_with("nth 19")));
    }
}
