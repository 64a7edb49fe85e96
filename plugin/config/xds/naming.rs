//! What a resource is called: inside its own bytes, and in front of people.

use super::envoy::NAME;
use super::types;
use super::wire::Message;

const SHOWN_CHARS_MAX: usize = 200;

/// The name that a resource of a known type has in itself. In answers with the state of the world it has no other.
pub fn name_of(type_url: &str, value: &[u8]) -> Result<String, String> {
    if !types::is_known(type_url) {
        return Err(format!("resources of type {} are not known, so neither is where their name stands", shown(type_url)));
    }
    let kind = types::short(type_url);
    match Message(value).text(NAME) {
        Ok("") => Err(format!("one of the {kind} has no name")),
        Ok(name) => Ok(name.to_owned()),
        Err(_) => Err(format!("one of the {kind} is no message of its type")),
    }
}

/// A name or a type for a sentence: management servers call them aloud in every answer. Without what a terminal would obey, and not at
/// any length.
pub(crate) fn shown(name: &str) -> String {
    let mut shown: String = name.chars().filter(|character| !character.is_control()).take(SHOWN_CHARS_MAX).collect();
    if name.chars().nth(SHOWN_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}
