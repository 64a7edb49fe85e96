//! Which values may be shown: an allowlist of fields, and even of these nothing that looks like a credential.

use super::names::legible;
use crate::config::tree::{Node, Number};

/// Fields whose values say what happened to the traffic, by type of entity.
const SHOWN: [(&str, &[&str]); 4] = [
    ("routes", &["paths", "hosts", "methods", "protocols", "priority", "regex_priority", "strip_path"]),
    ("services", &["host", "port", "path", "protocol"]),
    ("targets", &["target", "weight"]),
    ("plugins", &["name", "enabled"]),
];

/// Of these a text is a mistake, and may be anything.
const COUNTED: [&str; 6] = ["priority", "regex_priority", "strip_path", "port", "weight", "enabled"];

const VALUE_CHARS_MAX: usize = 200;

/// The values of both sides. `None`: they are not for showing.
pub fn shown(kind: &str, field: &str, from: &Node<'_>, to: &Node<'_>) -> Option<(String, String)> {
    let (_, fields) = SHOWN.iter().find(|(shown, _)| *shown == kind)?;
    if !fields.contains(&field) {
        return None;
    }
    if COUNTED.contains(&field) && [from, to].iter().any(|value| matches!(value, Node::String(_))) {
        return None;
    }
    written(kind, from).zip(written(kind, to))
}

fn written(kind: &str, value: &Node<'_>) -> Option<String> {
    match value {
        Node::Null => Some("none".to_owned()),
        Node::Bool(value) => Some(value.to_string()),
        Node::Number(Number::Integer(value)) => Some(value.to_string()),
        Node::Number(Number::Unsigned(value)) => Some(value.to_string()),
        Node::Number(Number::Float(value)) => Some(value.to_string()),
        Node::String(value) => is_harmless(kind, value).then(|| legible(value, VALUE_CHARS_MAX)),
        Node::Array(elements) => {
            let elements: Option<Vec<String>> = elements.iter().map(|element| written(kind, element)).collect();
            elements.map(|elements| legible(&format!("[{}]", elements.join(", ")), VALUE_CHARS_MAX))
        }
        Node::Object(members) => members.is_empty().then(|| "[]".to_owned()),
    }
}

/// Addresses may have been given `user:password@` or a query with a token in it, by somebody who took them for URLs. In the path of a
/// route an `@` alone is common, and so is a `?` in its regexes.
pub fn is_harmless(kind: &str, value: &str) -> bool {
    let at = value.rfind('@').max(value.rfind("%40"));
    match kind {
        "routes" => !at.is_some_and(|at| value.get(..at).is_some_and(|before| before.contains(':') || before.contains("%3"))),
        _ => at.is_none() && !value.contains(['?', '#']),
    }
}
