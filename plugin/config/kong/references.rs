//! Who exists, and who refers to whom. An index of the whole document, built while it is read element by element; texts are
//! borrowed from the document where they can be.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::super::Findings;
use super::super::tree::Node;
use super::place::Place;

#[derive(Default)]
pub struct Index<'a> {
    types: BTreeMap<&'static str, Known<'a>>,
    pending: Vec<Pending<'a>>,
}

#[derive(Default)]
struct Known<'a> {
    ids: BTreeSet<Cow<'a, str>>,
    /// Endpoint key to id.
    keys: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    /// Other unique fields.
    unique: BTreeMap<&'static str, BTreeSet<Cow<'a, str>>>,
}

/// How an entity is named by another.
#[derive(Clone)]
pub enum Reference<'a> {
    /// By id or endpoint key.
    Named(Cow<'a, str>),
    ById(Cow<'a, str>),
}

struct Pending<'a> {
    target: &'static str,
    reference: Reference<'a>,
    entity: Spot,
    field: &'static str,
}

/// Where an entity stands, kept small: nearly all stand directly in a section.
enum Spot {
    Section(&'static str, usize),
    Nested(Box<str>),
}

impl<'a> Reference<'a> {
    /// `None`: no reference, or one whose form was already reported.
    pub fn of(value: &Node<'a>) -> Option<Self> {
        match value {
            Node::String(text) => Some(Self::Named(text.clone())),
            Node::Object(_) => match value.member("id") {
                Some(Node::String(id)) => Some(Self::ById(id.clone())),
                Some(Node::Null | Node::Bool(_) | Node::Number(_) | Node::Array(_) | Node::Object(_)) | None => None,
            },
            Node::Null | Node::Bool(_) | Node::Number(_) | Node::Array(_) => None,
        }
    }

    pub fn names(&self, id: &str, key: Option<&str>) -> bool {
        match self {
            Self::Named(text) => text == id || Some(text.as_ref()) == key,
            Self::ById(text) => text == id,
        }
    }
}

impl<'a> Index<'a> {
    /// `false`: there is one with this id already.
    pub fn add_id(&mut self, entity: &'static str, id: Cow<'a, str>) -> bool {
        self.types.entry(entity).or_default().ids.insert(id)
    }

    /// `false`: the endpoint key is taken already.
    pub fn add_key(&mut self, entity: &'static str, key: Cow<'a, str>, id: Cow<'a, str>) -> bool {
        let keys = &mut self.types.entry(entity).or_default().keys;
        let free = !keys.contains_key(&key);
        if free {
            keys.insert(key, id);
        }
        free
    }

    /// `false`: the value is taken already.
    pub fn add_unique(&mut self, entity: &'static str, field: &'static str, value: Cow<'a, str>) -> bool {
        self.types.entry(entity).or_default().unique.entry(field).or_default().insert(value)
    }

    pub fn expect(
        &mut self,
        target: &'static str,
        reference: Reference<'a>,
        entity: &Place<'_>,
        section: &'static str,
        field: &'static str,
    ) {
        let spot = match entity {
            Place::Element(Place::Member(Place::Root, _), index) => Spot::Section(section, *index),
            Place::Root | Place::Member(..) | Place::Element(..) => Spot::Nested(entity.path().into_boxed_str()),
        };
        self.pending.push(Pending { target, reference, entity: spot, field });
    }

    /// The id of the entity that is meant.
    pub fn resolve(&self, target: &str, reference: &Reference<'a>) -> Option<&str> {
        let known = self.types.get(target)?;
        match reference {
            Reference::ById(id) => known.ids.get(id.as_ref()).map(Cow::as_ref),
            Reference::Named(name) => known.ids.get(name.as_ref()).or_else(|| known.keys.get(name.as_ref())).map(Cow::as_ref),
        }
    }

    /// Reports every reference to nobody. Says whether all others are ids written as such.
    pub fn settle(&mut self, findings: &mut Findings) -> bool {
        let mut by_id = true;
        for pending in std::mem::take(&mut self.pending) {
            let resolved = self.resolve(pending.target, &pending.reference);
            by_id &= matches!((&pending.reference, resolved), (Reference::Named(name), Some(id)) if name == id);
            if resolved.is_none() {
                let entity = match pending.entity {
                    Spot::Section(section, index) => format!("{section}[{index}]"),
                    Spot::Nested(path) => path.into_string(),
                };
                let message = format!("invalid reference (no such entry in '{}')", pending.target);
                findings.push(format!("{entity}.{}", pending.field), message);
            }
        }
        by_id
    }
}
