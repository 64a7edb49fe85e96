//! A configuration as bytes: the list of its resources, each as the management server sent it.
//!
//! ```text
//! message Resources { repeated Resource resources = 1; }
//! message Resource  { string type_url = 1; string name = 2; string version = 3; bytes value = 4; }
//! ```
//!
//! The numbers are a format, docs/format.md has them. `value` is what stood in the answer's `google.protobuf.Any`, and nothing here looks
//! into it. Written in the order of type and name, so that one set gives the same bytes in whatever order it came.

use std::fmt;

use super::super::{ENTITIES_MAX, Invalid};
use super::wire::{Malformed, Message, Value, write_bytes};

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resource {
    pub type_url: String,
    pub name: String,
    /// The management server's own word for this state of the resource; empty if it gave none.
    pub version: String,
    pub value: Vec<u8>,
}

/// A resource where it stands in the bytes of its set.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    pub type_url: &'a str,
    pub name: &'a str,
    pub version: &'a str,
    pub value: &'a [u8],
}

const RESOURCES: u64 = 1;
const TYPE_URL: u64 = 1;
const NAME: u64 = 2;
const VERSION: u64 = 3;
const VALUE: u64 = 4;

pub fn encode(mut resources: Vec<Resource>) -> Vec<u8> {
    resources.sort_unstable();
    let mut bytes = Vec::with_capacity(resources.iter().map(|resource| resource.value.len()).sum());
    let mut written = Vec::new();
    for Resource { type_url, name, version, value } in resources {
        written.clear();
        let fields = [(TYPE_URL, type_url.as_bytes()), (NAME, name.as_bytes()), (VERSION, version.as_bytes()), (VALUE, &value)];
        for (number, bytes) in fields.into_iter().filter(|(_, bytes)| !bytes.is_empty()) {
            write_bytes(&mut written, number, bytes);
        }
        write_bytes(&mut bytes, RESOURCES, &written);
    }
    bytes
}

pub fn decode(bytes: &[u8]) -> Result<Vec<Resource>, Invalid> {
    records(bytes).map(|record| record.map(Resource::from)).collect()
}

/// One after the other, where they stand. They are counted as they come: an empty one takes two bytes, and a list of a hundred million
/// would be in memory before it could be refused.
pub fn records(bytes: &[u8]) -> impl Iterator<Item = Result<Record<'_>, Invalid>> {
    Message(bytes).fields().zip(0..).map(|(field, index)| {
        if index == ENTITIES_MAX {
            return Err(Invalid::whole(format!("has more than {ENTITIES_MAX} resources; that many is the most that is taken")));
        }
        record(field).map_err(|_| Invalid::whole(format!("is no list of xDS resources: what stands for resource {index} is none")))
    })
}

fn record(field: Result<(u64, Value<'_>), Malformed>) -> Result<Record<'_>, Malformed> {
    let (RESOURCES, Value::Bytes(bytes)) = field? else { return Err(Malformed) };
    let resource = Message(bytes);
    Ok(Record {
        type_url: resource.text(TYPE_URL)?,
        name: resource.text(NAME)?,
        version: resource.text(VERSION)?,
        value: resource.message(VALUE)?.0,
    })
}

impl From<Record<'_>> for Resource {
    fn from(record: Record<'_>) -> Self {
        let Record { type_url, name, version, value } = record;
        Self { type_url: type_url.to_owned(), name: name.to_owned(), version: version.to_owned(), value: value.to_owned() }
    }
}

/// A resource may hold a private key, so its bytes are only counted.
impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { type_url, name, version, value } = self;
        let bytes = value.len();
        write!(f, "Resource {{ type_url: {type_url:?}, name: {name:?}, version: {version:?}, value: {bytes} bytes }}")
    }
}
