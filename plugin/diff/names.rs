//! How an entity is called in front of people. Whatever may be a secret or a person's name is left out: only types of which it is known
//! that their names are neither are called by them, all others by id.
//!
//! An id that was made from a name gives the name away to whoever guesses it. Where such an id would be shown, the entity's place in
//! its list stands instead.

use std::collections::BTreeMap;

use super::values::is_harmless;
use crate::config::tree::Node;

/// Types that are called by a field of theirs.
const CALLED_BY: [(&str, &str); 12] = [
    ("filter_chains", "name"),
    ("key_sets", "name"),
    ("keys", "name"),
    ("parameters", "key"),
    ("plugins", "name"),
    ("routes", "name"),
    ("services", "name"),
    ("snis", "name"),
    ("targets", "target"),
    ("upstreams", "name"),
    ("vaults", "prefix"),
    ("workspaces", "name"),
];

const NAME_CHARS_MAX: usize = 128;

/// Gives names to the entities of one list, in their order.
pub struct Naming<'n> {
    kind: &'n str,
    /// Id to name.
    consumers: &'n BTreeMap<String, String>,
    /// How many were seen, by consumer; those that belong to none under the empty text.
    seen: BTreeMap<String, usize>,
}

impl<'n> Naming<'n> {
    pub fn new(kind: &'n str, consumers: &'n BTreeMap<String, String>) -> Self {
        Self { kind, consumers, seen: BTreeMap::new() }
    }

    pub fn name(&mut self, entity: &Node<'_>) -> String {
        let text = |field: &str| entity.member(field).and_then(Node::as_str);
        let consumer = text("consumer").unwrap_or_default();
        let seen = self.seen.entry(consumer.to_owned()).or_default();
        *seen += 1;
        let place = match self.consumers.get(consumer) {
            Some(consumer) => format!("#{seen} of consumer {consumer}"),
            None => format!("#{seen}"),
        };
        let by_id = text("id").filter(|id| !is_derived(id)).map(|id| legible(id, NAME_CHARS_MAX));
        let called = CALLED_BY.iter().find(|(kind, _)| *kind == self.kind).and_then(|(_, field)| text(field));
        match (self.kind, called.filter(|name| !name.is_empty() && is_harmless(self.kind, name))) {
            (_, None) => by_id.unwrap_or(place),
            // Of these several may be called the same.
            ("plugins" | "targets", Some(name)) => {
                let instance = text("instance_name").map(|name| legible(name, NAME_CHARS_MAX));
                format!("{} ({})", legible(name, NAME_CHARS_MAX), instance.or(by_id).unwrap_or(place))
            }
            (_, Some(name)) => legible(name, NAME_CHARS_MAX),
        }
    }
}

/// Made from a name: a UUID of version 5.
pub fn is_derived(id: &str) -> bool {
    id.len() == 36 && id.as_bytes().get(14) == Some(&b'5')
}

/// Without what a terminal would obey, and not at any length.
pub fn legible(text: &str, chars_max: usize) -> String {
    let mut legible: String = text.chars().filter(|character| !character.is_control()).take(chars_max).collect();
    if text.chars().nth(chars_max).is_some() {
        legible.push('…');
    }
    legible
}
