//! Whether two values are the same, whatever order their members were written in.

use std::collections::BTreeMap;

use crate::config::tree::{Member, Node, Number};

/// Who reads the values.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// Takes null for absent, and cannot tell an empty list from an empty object.
    Kong,
    /// Takes everything as it is written.
    Anyone,
}

/// The members in order; for Kong only those that are there.
pub fn sorted<'n, 'a>(members: &'n [Member<'a>], reader: Reader) -> BTreeMap<&'n str, &'n Node<'a>> {
    let there = |value: &Node<'_>| reader == Reader::Anyone || !value.is_null();
    members.iter().filter(|(_, value)| there(value)).map(|(key, value)| (key.as_ref(), value)).collect()
}

pub fn same(one: &Node<'_>, other: &Node<'_>, reader: Reader) -> bool {
    match (one, other) {
        (Node::Null, Node::Null) => true,
        (Node::Bool(one), Node::Bool(other)) => one == other,
        (Node::Number(one), Node::Number(other)) => same_number(*one, *other),
        (Node::String(one), Node::String(other)) => one == other,
        (Node::Array(one), Node::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other, reader))
        }
        (Node::Object(one), Node::Object(other)) => {
            let (one, other) = (sorted(one, reader), sorted(other, reader));
            one.len() == other.len()
                && one.iter().zip(&other).all(|((key, value), (twin, other))| key == twin && same(value, other, reader))
        }
        (Node::Array(elements), Node::Object(members)) | (Node::Object(members), Node::Array(elements)) => {
            reader == Reader::Kong && elements.is_empty() && sorted(members, reader).is_empty()
        }
        (Node::Null | Node::Bool(_) | Node::Number(_) | Node::String(_) | Node::Array(_) | Node::Object(_), _) => false,
    }
}

fn same_number(one: Number, other: Number) -> bool {
    match (one, other) {
        (Number::Integer(one), Number::Integer(other)) => one == other,
        (Number::Unsigned(one), Number::Unsigned(other)) => one == other,
        (Number::Integer(_) | Number::Unsigned(_) | Number::Float(_), _) => one.as_f64() == other.as_f64(),
    }
}
