//! What is around the entities: the hybrid protocol's reconfigure message, or the bare declarative document.

use std::borrow::Cow;

use super::super::Invalid;
use super::super::tree::{self, Section};

/// A document taken out of its envelope, split into sections and not parsed further.
pub struct Document<'a> {
    /// The config table's text.
    pub table: &'a str,
    pub sections: Vec<Section<'a>>,
    /// Levels between the root of the document and a section.
    pub depth: usize,
    /// As the message says, when it says 32 characters.
    pub config_hash: Option<Cow<'a, str>>,
}

const HASH_CHARS: usize = 32;

pub fn open(text: &str) -> Result<Document<'_>, Invalid> {
    let sections = tree::sections(text)?.ok_or_else(|| Invalid::whole("expected an object"))?;
    let of = |name: &str| sections.iter().find(|(key, _)| key == name).map(|(_, text)| *text);
    let kind = of("type").map(str::trim);
    if of("config_table").is_none() && kind != Some("\"reconfigure\"") {
        return Ok(Document { table: text.trim(), sections, depth: 1, config_hash: None });
    }
    if kind != Some("\"reconfigure\"") {
        return Err(at("type", "expected one of: reconfigure"));
    }
    let table = of("config_table").ok_or_else(|| at("config_table", "required field missing"))?;
    let config_hash = match of("config_hash").map(|text| tree::parse(text, 1)).transpose()? {
        None | Some(tree::Node::Null) => None,
        Some(tree::Node::String(hash)) => Some(hash).filter(|hash| hash.chars().count() == HASH_CHARS),
        Some(tree::Node::Bool(_) | tree::Node::Number(_) | tree::Node::Array(_) | tree::Node::Object(_)) => {
            return Err(at("config_hash", "expected a string"));
        }
    };
    if of("hashes").is_some_and(|hashes| !matches!(tree::first_byte(hashes), Some(b'{' | b'n'))) {
        return Err(at("hashes", "expected an object"));
    }
    let sections = tree::sections(table)?.ok_or_else(|| at("config_table", "expected an object"))?;
    Ok(Document { table: table.trim(), sections, depth: 2, config_hash })
}

fn at(field: &str, message: &str) -> Invalid {
    Invalid { findings: vec![super::super::Finding { path: field.to_owned(), message: message.to_owned() }], more: 0 }
}
