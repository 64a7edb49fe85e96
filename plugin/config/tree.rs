//! One JSON value as a tree that borrows from the document, and the ways to walk a document piece by piece.
//!
//! A document is split into sections and a section into elements without being parsed; only the element at hand becomes a
//! [`Node`]. So the memory in use is the document and one element. Depth is counted here and bounded by
//! [`JSON_DEPTH_MAX`](super::JSON_DEPTH_MAX); serde_json's own limit is off. Of a key that occurs twice the last one counts.
//! Knows no gateway.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer as _, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::value::RawValue;

use super::{Invalid, JSON_DEPTH_MAX};

#[derive(Clone, Debug, PartialEq)]
pub enum Node<'a> {
    Null,
    Bool(bool),
    Number(Number),
    String(Cow<'a, str>),
    Array(Vec<Node<'a>>),
    /// In the order written, each key once.
    Object(Vec<Member<'a>>),
}

pub type Member<'a> = (Cow<'a, str>, Node<'a>);

/// A section of a document: its key and its text.
pub type Section<'a> = (Cow<'a, str>, &'a str);

/// Integers keep every digit; gateways and hashes see the double.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    Integer(i64),
    Unsigned(u64),
    Float(f64),
}

impl Number {
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Integer(value) => value as f64,
            Self::Unsigned(value) => value as f64,
            Self::Float(value) => value,
        }
    }
}

impl<'a> Node<'a> {
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The member of this name, when this is an object that has it.
    pub fn member(&self, name: &str) -> Option<&Node<'a>> {
        match self {
            Self::Object(members) => member(members, name),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) | Self::Array(_) => None,
        }
    }
}

pub fn member<'m, 'a>(members: &'m [Member<'a>], name: &str) -> Option<&'m Node<'a>> {
    members.iter().find(|(key, _)| same_key(key, name)).map(|(_, value)| value)
}

/// Keys are compared by the dozen for every entity, and most differ in length or last byte already: that is cheaper to see than to
/// call a comparison, above all for a guest.
pub fn same_key(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.as_bytes().last() == other.as_bytes().last() && one == other
}

/// The bytes as text. JSON is UTF-8, and nothing is believed of bytes that are not.
pub fn text(bytes: &[u8]) -> Result<&str, Invalid> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| Invalid::whole(format!("not UTF-8 from byte {} on", error.valid_up_to())))
}

/// Parses one value that stands `depth` levels below the document's root.
pub fn parse(text: &str, depth: usize) -> Result<Node<'_>, Invalid> {
    with_deserializer(text, |deserializer| Seed { depth }.deserialize(deserializer))
}

/// The members of an object, unparsed. `None`: it is not an object.
pub fn sections(text: &str) -> Result<Option<Vec<Section<'_>>>, Invalid> {
    if first_byte(text) != Some(b'{') {
        return Ok(None);
    }
    with_deserializer(text, |deserializer| deserializer.deserialize_map(Sections)).map(Some)
}

/// Calls `each` with the text of every element of an array, and stops at its first error.
pub fn elements<'a>(text: &'a str, mut each: impl FnMut(&'a str) -> Result<(), Invalid>) -> Result<(), Invalid> {
    let mut refusal = None;
    let walked = with_deserializer(text, |deserializer| {
        deserializer
            .deserialize_seq(Elements { each: |element: &'a RawValue| each(element.get()).map_err(|invalid| refusal = Some(invalid)) })
    });
    refusal.map_or(walked, Err)
}

/// Calls `each` with every element of an array that stands `depth` levels below the document's root, parsed.
pub fn nodes<'a>(text: &'a str, depth: usize, each: impl FnMut(Node<'a>) -> Result<(), Invalid>) -> Result<(), Invalid> {
    let (mut each, mut refusal) = (each, None);
    let walked = with_deserializer(text, |deserializer| {
        deserializer.deserialize_seq(Nodes { depth: depth + 1, each: |node| each(node).map_err(|invalid| refusal = Some(invalid)) })
    });
    refusal.map_or(walked, Err)
}

pub fn first_byte(text: &str) -> Option<u8> {
    text.bytes().find(|byte| !byte.is_ascii_whitespace())
}

type TextDeserializer<'a> = serde_json::Deserializer<serde_json::de::StrRead<'a>>;

fn with_deserializer<'a, T>(
    text: &'a str,
    read: impl FnOnce(&mut TextDeserializer<'a>) -> Result<T, serde_json::Error>,
) -> Result<T, Invalid> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.disable_recursion_limit();
    let value = read(&mut deserializer).map_err(|error| refusal(&error))?;
    deserializer.end().map_err(|error| refusal(&error))?;
    Ok(value)
}

/// Our own sentence: serde_json's may quote the document.
fn refusal(error: &serde_json::Error) -> Invalid {
    use serde_json::error::Category;
    let (line, column) = (error.line(), error.column());
    Invalid::whole(match error.classify() {
        Category::Eof => format!("the JSON ends too early, at line {line}"),
        Category::Syntax | Category::Io => format!("not JSON from line {line}, column {column} on"),
        Category::Data => format!("nested more than {JSON_DEPTH_MAX} levels deep"),
    })
}

struct Seed {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Node<'de>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Node<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Seed {
    fn deeper<E: serde::de::Error>(&self) -> Result<usize, E> {
        if self.depth >= JSON_DEPTH_MAX { Err(E::custom("too deep")) } else { Ok(self.depth + 1) }
    }
}

impl<'de> Visitor<'de> for Seed {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node<'de>, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node<'de>, E> {
        Ok(Node::Number(Number::Integer(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node<'de>, E> {
        Ok(Node::Number(i64::try_from(value).map_or(Number::Unsigned(value), Number::Integer)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node<'de>, E> {
        Ok(Node::Number(Number::Float(value)))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Node<'de>, E> {
        Ok(Node::String(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node<'de>, E> {
        Ok(Node::String(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Node<'de>, A::Error> {
        let depth = self.deeper()?;
        let mut elements = Vec::new();
        while let Some(element) = array.next_element_seed(Seed { depth })? {
            elements.push(element);
        }
        Ok(Node::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Node<'de>, A::Error> {
        let depth = self.deeper()?;
        let mut members = Members::default();
        while let Some(key) = object.next_key_seed(Key)? {
            members.push(key, object.next_value_seed(Seed { depth })?);
        }
        Ok(Node::Object(members.finish()))
    }
}

struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(value.to_owned()))
    }
}

/// Gathers members and lets the last of equal keys win. A 64-bit mask of what was seen spares comparing keys that cannot be equal.
///
/// Short objects are searched at once, long ones sorted at their end: both stay far from quadratic.
struct Members<'a, T> {
    members: Vec<(Cow<'a, str>, T)>,
    seen: u64,
    suspicious: bool,
}

const SEARCHED_MAX: usize = 64;

impl<T> Default for Members<'_, T> {
    fn default() -> Self {
        Self { members: Vec::with_capacity(8), seen: 0, suspicious: false }
    }
}

impl<'a, T> Members<'a, T> {
    fn push(&mut self, key: Cow<'a, str>, value: T) {
        let bytes = key.as_bytes();
        let ends = bytes.first().zip(bytes.last()).map_or(0, |(first, last)| u64::from(*first) * 31 + u64::from(*last) * 7);
        let bit = 1 << ((ends + bytes.len() as u64 * 13) % 64);
        if self.seen & bit != 0 {
            if self.members.len() > SEARCHED_MAX {
                self.suspicious = true;
            } else if let Some(twin) = self.members.iter().position(|(other, _)| *other == key) {
                self.members.remove(twin);
            }
        }
        self.seen |= bit;
        self.members.push((key, value));
    }

    fn finish(mut self) -> Vec<(Cow<'a, str>, T)> {
        if self.suspicious && self.has_twins() {
            let last: BTreeMap<Cow<'a, str>, usize> =
                self.members.iter().enumerate().map(|(index, (key, _))| (key.clone(), index)).collect();
            let mut index = 0;
            self.members.retain(|(key, _)| {
                index += 1;
                last.get(key) == Some(&(index - 1))
            });
        }
        self.members
    }

    fn has_twins(&self) -> bool {
        let mut keys: Vec<&str> = self.members.iter().map(|(key, _)| key.as_ref()).collect();
        keys.sort_unstable();
        keys.windows(2).any(|pair| matches!(pair, [one, other] if one == other))
    }
}

struct Sections;

impl<'de> Visitor<'de> for Sections {
    type Value = Vec<Section<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut members = Members::default();
        while let Some(key) = object.next_key_seed(Key)? {
            members.push(key, object.next_value::<&'de RawValue>()?.get());
        }
        Ok(members.finish())
    }
}

struct Elements<F> {
    each: F,
}

impl<'de, F: FnMut(&'de RawValue) -> Result<(), ()>> Visitor<'de> for Elements<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut array: A) -> Result<(), A::Error> {
        while let Some(element) = array.next_element::<&'de RawValue>()? {
            (self.each)(element).map_err(|()| A::Error::custom("stopped"))?;
        }
        Ok(())
    }
}

struct Nodes<F> {
    depth: usize,
    each: F,
}

impl<'de, F: FnMut(Node<'de>) -> Result<(), ()>> Visitor<'de> for Nodes<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut array: A) -> Result<(), A::Error> {
        while let Some(node) = array.next_element_seed(Seed { depth: self.depth })? {
            (self.each)(node).map_err(|()| A::Error::custom("stopped"))?;
        }
        Ok(())
    }
}

impl Serialize for Node<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(Number::Integer(value)) => serializer.serialize_i64(*value),
            Self::Number(Number::Unsigned(value)) => serializer.serialize_u64(*value),
            Self::Number(Number::Float(value)) => serializer.serialize_f64(*value),
            Self::String(value) => serializer.serialize_str(value),
            Self::Array(elements) => {
                let mut array = serializer.serialize_seq(Some(elements.len()))?;
                elements.iter().try_for_each(|element| array.serialize_element(element))?;
                array.end()
            }
            Self::Object(members) => {
                let mut object = serializer.serialize_map(Some(members.len()))?;
                members.iter().try_for_each(|(key, value)| object.serialize_entry(key, value))?;
                object.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn strings_without_escapes_are_borrowed_from_the_document() {
        let Node::Array(elements) = parse(r#"["plain", "esc\n"]"#, 0).unwrap() else { unreachable!("it is an array") };
        assert!(matches!(&elements[0], Node::String(Cow::Borrowed("plain"))));
        assert!(matches!(&elements[1], Node::String(Cow::Owned(text)) if text == "esc\n"));
    }

    #[test]
    fn of_equal_keys_the_last_one_counts() {
        let node = parse(r#"{"a": 1, "b": 2, "a": 3, "\u0061": 4}"#, 0).unwrap();
        assert_eq!(node, Node::Object(vec![("b".into(), integer(2)), ("a".into(), integer(4))]));
        let many: String = (0..100).map(|key| format!("\"k{key}\": 1, ")).collect();
        let long = format!("{{{many}\"k7\": 2, \"k99\": 3}}");
        let Node::Object(members) = parse(&long, 0).unwrap() else { unreachable!("it is an object") };
        assert_eq!((members.len(), member(&members, "k7"), member(&members, "k99")), (100, Some(&integer(2)), Some(&integer(3))));
        assert_eq!(sections(r#"{"x": 1, "x": [2]}"#).unwrap().unwrap(), vec![("x".into(), "[2]")]);
    }

    #[test]
    fn what_is_nested_too_deep_is_refused_wherever_it_stands() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(&nested(JSON_DEPTH_MAX), 0).is_ok());
        assert!(parse(&nested(JSON_DEPTH_MAX + 1), 0).is_err());
        assert!(parse(&nested(JSON_DEPTH_MAX), 1).is_err());
        let bomb = format!("[{}]", nested(1_000_000));
        assert!(elements(&bomb, |element| parse(element, 1).map(drop)).is_err(), "a bomb must not overflow the stack");
    }

    #[test]
    fn a_syntax_error_is_reported_by_place_and_never_quoted() {
        let invalid = parse("{\"password\": \"hunter2\" oops}", 0).unwrap_err();
        assert_eq!(invalid.to_string(), "not JSON from line 1, column 24 on");
    }

    #[test]
    fn an_elements_own_refusal_reaches_the_caller() {
        let refused = elements("[1, 2, 3]", |element| if element == "2" { Err(Invalid::whole("two")) } else { Ok(()) });
        assert_eq!(refused, Err(Invalid::whole("two")));
    }

    fn integer(value: i64) -> Node<'static> {
        Node::Number(Number::Integer(value))
    }
}
