//! What a node says of itself beside its name and group, as operators write it for Envoy: `id`, `locality` and `metadata` of its bootstrap's `node`.
//!
//! Many control planes go by these to tell what a node gets. Their meaning is between them and the operator.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::message::{self, Kind};

/// Nothing, unless it is read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Described {
    id: Option<String>,
    pub(crate) locality: Option<message::Locality>,
    pub(crate) metadata: Option<message::Struct>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: Option<String>,
    locality: Option<WrittenLocality>,
    metadata: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLocality {
    #[serde(default)]
    region: String,
    #[serde(default)]
    zone: String,
    #[serde(default)]
    sub_zone: String,
}

impl Described {
    /// A JSON object, in the form of Envoy's bootstrap. `Err` is the rest of a sentence.
    pub fn parse(json: &str) -> Result<Self, String> {
        let Written { id, locality, metadata } = serde_json::from_str(json).map_err(|error| {
            format!("it cannot be read ({error}); write it as JSON, with id, locality and metadata as in Envoy's bootstrap, or without some of them")
        })?;
        if id.as_ref().is_some_and(String::is_empty) {
            return Err("its id is empty; leave it out, and holdover_node is the id".to_owned());
        }
        let locality = locality.map(|WrittenLocality { region, zone, sub_zone }| message::Locality { region, zone, sub_zone });
        Ok(Self { id, locality, metadata: metadata.map(of_object) })
    }

    /// In place of the node's own name.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

fn of_object(object: Map<String, Value>) -> message::Struct {
    message::Struct { fields: object.into_iter().map(|(name, value)| (name, of_value(value))).collect() }
}

fn of_value(value: Value) -> message::Value {
    let kind = match value {
        Value::Null => Kind::Null(0),
        Value::Bool(bool) => Kind::Bool(bool),
        // As protobuf's JSON has it, a number is a double. Without arbitrary precision every number is one.
        Value::Number(number) => Kind::Number(number.as_f64().unwrap_or_default()),
        Value::String(text) => Kind::Text(text),
        Value::Array(values) => Kind::List(message::ListValue { values: values.into_iter().map(of_value).collect() }),
        Value::Object(object) => Kind::Struct(of_object(object)),
    };
    message::Value { kind: Some(kind) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use prost::Message;

    use super::*;

    #[test]
    fn metadata_goes_as_protobufs_struct() {
        let described = Described::parse(r#"{"metadata": {"A": "b", "N": 3, "L": [true, null], "O": {"x": 1.5}}}"#).unwrap();
        let encoded = described.metadata.unwrap().fields.into_iter().map(|(name, value)| {
            let one = message::Struct { fields: [(name, value)].into() };
            one.encode_to_vec()
        });
        // As Google's protobuf for Python encodes each by itself.
        let expected: [&[u8]; 4] = [
            b"\x0a\x08\x0a\x01A\x12\x03\x1a\x01b",
            b"\x0a\x0f\x0a\x01L\x12\x0a2\x08\x0a\x02\x20\x01\x0a\x02\x08\x00",
            b"\x0a\x0e\x0a\x01N\x12\x09\x11\x00\x00\x00\x00\x00\x00\x08@",
            b"\x0a\x17\x0a\x01O\x12\x12*\x10\x0a\x0e\x0a\x01x\x12\x09\x11\x00\x00\x00\x00\x00\x00\xf8?",
        ];
        assert_eq!(encoded.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_envoys_bootstrap_has_is_read_and_nothing_else() {
        let described = Described::parse(r#"{"id": "sidecar~10.0.0.1~a.b~b.svc", "locality": {"region": "eu", "sub_zone": "s"}}"#).unwrap();
        assert_eq!(described.id(), Some("sidecar~10.0.0.1~a.b~b.svc"));
        let locality = described.locality.unwrap();
        assert_eq!((locality.region.as_str(), locality.zone.as_str(), locality.sub_zone.as_str()), ("eu", "", "s"));
        assert_eq!(Described::parse("{}"), Ok(Described::default()));
        for (wrong, sentence) in [("[]", "cannot be read"), (r#"{"cluster": "x"}"#, "unknown field"), (r#"{"id": ""}"#, "leave it out")] {
            assert!(Described::parse(wrong).unwrap_err().contains(sentence), "{wrong}");
        }
    }
}
