//! The entities of one type on one side, and who on the other side is the same: by id, else by what Kong knows it by, and one that has
//! neither name nor key by its content.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::names::{Naming, is_derived};
use super::same::{Reader, sorted};
use crate::config::Invalid;
use crate::config::kong::schema::{Entity, Field};
use crate::config::tree::{self, Node};

/// A type of entity; `None`: only Enterprise knows it.
#[derive(Clone, Copy)]
pub struct Kind<'k> {
    pub name: &'k str,
    pub entity: Option<&'static Entity>,
}

pub struct Item<'a> {
    pub text: &'a str,
    pub name: String,
    pub id: Option<String>,
    /// Never shown: it may be a credential.
    identity: Option<String>,
    /// Its text has all there is to compare: what it refers to has the same id on both sides.
    pub literal: bool,
}

/// Ids that an entity has on the new side and had not on the old, by type: so references to it are no change.
#[derive(Default)]
pub struct Renamed {
    ids: BTreeMap<String, BTreeMap<String, String>>,
}

pub struct Paired<'i, 'a> {
    pub pairs: Vec<(&'i Item<'a>, &'i Item<'a>)>,
    pub removed: Vec<&'i Item<'a>>,
    pub added: Vec<&'i Item<'a>>,
}

/// Levels above an entity in the flat form.
const DEPTH: usize = 2;

pub fn load<'a>(
    kind: Kind<'_>,
    section: Option<&'a str>,
    renamed: &Renamed,
    consumers: &BTreeMap<String, String>,
) -> Result<Vec<Item<'a>>, Invalid> {
    let mut items = Vec::new();
    let mut naming = Naming::new(kind.name, consumers);
    let mut each = |text: &'a str| {
        let mut node = tree::parse(text, DEPTH)?;
        let name = naming.name(&node);
        let literal = !renamed.apply(kind, &mut node);
        let primary_key = kind.entity.map_or("id", |entity| entity.primary_key);
        let id = node.member(primary_key).and_then(Node::as_str).map(str::to_owned);
        items.push(Item { text, name, id, identity: identity(kind, &node), literal });
        Ok(())
    };
    match section.map(|text| (text, tree::first_byte(text))) {
        Some((text, Some(b'['))) => tree::elements(text, each)?,
        Some((text, Some(b'{'))) if tree::sections(text)?.is_some_and(|members| !members.is_empty()) => each(text)?,
        Some(_) | None => {}
    }
    Ok(items)
}

/// The entity as the new side would refer to others.
pub fn read<'a>(kind: Kind<'_>, text: &'a str, renamed: &Renamed) -> Result<Node<'a>, Invalid> {
    let mut node = tree::parse(text, DEPTH)?;
    renamed.apply(kind, &mut node);
    Ok(node)
}

fn identity(kind: Kind<'_>, node: &Node<'_>) -> Option<String> {
    let text = |field: &str| node.member(field).and_then(Node::as_str).filter(|text| !text.is_empty());
    let Some(entity) = kind.entity else { return text("name").map(str::to_owned) };
    let by_field = |field: &str| text(field).map(|value| format!("{field}={value}"));
    if let Some(by_endpoint_key) = entity.endpoint_key.and_then(by_field) {
        return Some(by_endpoint_key);
    }
    let parts: Vec<&str> = entity.cache_key.iter().map(|field| text(field).unwrap_or_default()).collect();
    if parts.iter().any(|part| !part.is_empty()) {
        return Some(parts.join("\0"));
    }
    entity.fields.iter().filter(|field| field.unique).find_map(|field| by_field(field.name))
}

impl Item<'_> {
    /// Nobody named it or gave it an id: what it has for one was made from its place in the document, which others may take.
    fn has_but_a_place(&self) -> bool {
        self.identity.is_none() && self.id.as_deref().is_none_or(is_derived)
    }
}

/// All but the id and the times, in one order.
fn content(kind: Kind<'_>, item: &Item<'_>, renamed: &Renamed) -> Option<String> {
    let Ok(Node::Object(members)) = read(kind, item.text, renamed) else { return None };
    let mut members = sorted(&members, Reader::Kong);
    for aside in super::fields::ASIDE {
        members.remove(aside);
    }
    serde_json::to_string(&members).ok()
}

pub fn pair<'i, 'a>(kind: Kind<'_>, old: &'i [Item<'a>], new: &'i [Item<'a>], renamed: &Renamed) -> Paired<'i, 'a> {
    let (mut removed, mut added): (Vec<&Item<'_>>, Vec<&Item<'_>>) = (old.iter().collect(), new.iter().collect());
    // Nearly all are untouched.
    let mut pairs = pair_by(&mut removed, &mut added, |item, _| Some((item.id.as_deref().filter(|_| item.literal)?, item.text)));
    let nothing = Renamed::default();
    pairs.extend(pair_by(&mut removed, &mut added, |item, side| {
        let renamed = match side {
            Side::Old => renamed,
            Side::New => &nothing,
        };
        item.has_but_a_place().then(|| content(kind, item, renamed)).flatten()
    }));
    pairs.extend(pair_by(&mut removed, &mut added, |item, _| item.id.as_deref()));
    pairs.extend(pair_by(&mut removed, &mut added, |item, _| item.identity.as_deref()));
    // What is left and has neither, one after the other.
    pairs.extend(pair_by(&mut removed, &mut added, |item, _| (item.id.is_none() && item.identity.is_none()).then_some(())));
    Paired { pairs, removed, added }
}

#[derive(Clone, Copy)]
enum Side {
    Old,
    New,
}

/// Takes those out of both lists that have the same key.
fn pair_by<'i, 'a, K: Ord>(
    old: &mut Vec<&'i Item<'a>>,
    new: &mut Vec<&'i Item<'a>>,
    key: impl Fn(&'i Item<'a>, Side) -> Option<K>,
) -> Vec<(&'i Item<'a>, &'i Item<'a>)> {
    let mut waiting: BTreeMap<K, Vec<&'i Item<'a>>> = BTreeMap::new();
    let mut alone = Vec::new();
    for item in old.drain(..).rev() {
        match key(item, Side::Old) {
            Some(key) => waiting.entry(key).or_default().push(item),
            None => alone.push(item),
        }
    }
    let mut pairs = Vec::new();
    new.retain(|item| match key(item, Side::New).and_then(|key| waiting.get_mut(&key)?.pop()) {
        Some(twin) => {
            pairs.push((twin, *item));
            false
        }
        None => true,
    });
    alone.extend(waiting.into_values().flatten());
    *old = alone;
    pairs
}

impl Renamed {
    pub fn add(&mut self, kind: &str, old: &Item<'_>, new: &Item<'_>) {
        if let (Some(old), Some(new)) = (&old.id, &new.id)
            && old != new
        {
            self.ids.entry(kind.to_owned()).or_default().insert(old.clone(), new.clone());
        }
    }

    pub fn extend(&mut self, other: Self) {
        self.ids.extend(other.ids);
    }

    /// Says whether it changed anything.
    fn apply(&self, kind: Kind<'_>, node: &mut Node<'_>) -> bool {
        let (Some(entity), Node::Object(members), false) = (kind.entity, node, self.ids.is_empty()) else { return false };
        let mut changed = false;
        for (key, value) in members {
            let target = entity.field(key).and_then(Field::target).and_then(|target| self.ids.get(target));
            if let Some(id) = target.and_then(|ids| ids.get(value.as_str()?)) {
                *value = Node::String(Cow::Owned(id.clone()));
                changed = true;
            }
        }
        changed
    }
}
