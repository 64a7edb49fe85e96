//! In which fields two versions of one entity differ.

use super::Change;
use super::names::legible;
use super::same::{Reader, same, sorted};
use super::values;
use crate::config::tree::Node;

/// What lies deeper is reported as a change of what it lies in.
const DEPTH_MAX: usize = 4;
const KEY_CHARS_MAX: usize = 64;

/// Written by the control plane itself, or compared already.
pub const ASIDE: [&str; 3] = ["id", "created_at", "updated_at"];

pub fn changes(kind: &str, old: &Node<'_>, new: &Node<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    compare(kind, "", 0, old, new, &mut changes);
    changes
}

fn compare(kind: &str, path: &str, depth: usize, old: &Node<'_>, new: &Node<'_>, changes: &mut Vec<Change>) {
    if let (Node::Object(one), Node::Object(other)) = (old, new)
        && depth < DEPTH_MAX
    {
        let (one, other) = (sorted(one, Reader::Kong), sorted(other, Reader::Kong));
        let added = other.keys().filter(|key| !one.contains_key(*key));
        for key in one.keys().chain(added).filter(|key| depth > 0 || !ASIDE.contains(key)) {
            let key_shown = legible(key, KEY_CHARS_MAX);
            let path = if path.is_empty() { key_shown } else { format!("{path}.{key_shown}") };
            let (before, after) = (one.get(key).copied().unwrap_or(&Node::Null), other.get(key).copied().unwrap_or(&Node::Null));
            compare(kind, &path, depth + 1, before, after, changes);
        }
        return;
    }
    if !same(old, new, Reader::Kong) {
        let (from, to) = values::shown(kind, path, old, new).unzip();
        changes.push(Change { field: path.to_owned(), from, to });
    }
}
