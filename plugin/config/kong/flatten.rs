//! The second reading of a document: its flat form, as a control plane exports it. Children stand in their own sections, references
//! are ids, every entity has its id, shorthands are expanded and remarks left out; defaults are not filled in.

use std::collections::BTreeMap;

use super::super::Invalid;
use super::super::tree::{self, Node};
use super::entities;
use super::envelope::Document;
use super::place::Place;
use super::references::{Index, Reference};
use super::schema::Entity;
use super::walk::{self, Parent, Prepared};

struct Flat<'s, 'a> {
    index: &'s Index<'a>,
    old_paths: bool,
    /// Per entity type the elements of its list, separated by commas.
    sections: BTreeMap<&'static str, Vec<u8>>,
}

/// `index` is the one that the survey of this document made.
pub fn write<'a>(document: &Document<'a>, index: &Index<'a>, old_paths: bool) -> Result<Vec<u8>, Invalid> {
    let mut flat = Flat { index, old_paths, sections: BTreeMap::new() };
    let mut others: Vec<(&str, &str)> = Vec::new();
    for (key, text) in &document.sections {
        match entities::find(key) {
            Some(entity) => flat.section(entity, text, document.depth)?,
            None if key.starts_with('_') => {}
            None => others.push((key, text)),
        }
    }
    let mut out = br#"{"_format_version":"3.0""#.to_vec();
    for (name, elements) in flat.sections {
        out.extend_from_slice(format!(",\"{name}\":[").as_bytes());
        out.extend_from_slice(&elements);
        out.push(b']');
    }
    for (key, text) in others {
        out.push(b',');
        json(&mut out, key)?;
        out.push(b':');
        out.extend_from_slice(text.as_bytes());
    }
    out.push(b'}');
    Ok(out)
}

impl<'a> Flat<'_, 'a> {
    fn section(&mut self, entity: &'static Entity, text: &'a str, depth: usize) -> Result<(), Invalid> {
        if tree::first_byte(text) != Some(b'[') {
            return Ok(());
        }
        let section = Place::Member(&Place::Root, entity.name);
        let mut index = 0;
        tree::nodes(text, depth, |node| {
            let place = Place::Element(&section, index);
            index += 1;
            self.entity(entity, node, None, &place)
        })
    }

    fn entity(&mut self, entity: &'static Entity, node: Node<'a>, parent: Option<&Parent<'_>>, place: &Place<'_>) -> Result<(), Invalid> {
        let Node::Object(members) = node else { return Ok(()) };
        let mut prepared = walk::prepare(entity, members, parent, place, self.old_paths);
        self.write(entity, &prepared, parent)?;
        let key = entity.endpoint_key.and_then(|name| tree::member(&prepared.members, name)).and_then(Node::as_str);
        let id = prepared.id.as_deref().unwrap_or_default();
        for children in std::mem::take(&mut prepared.children) {
            let parent = Parent { entity, link: children.link, id, key };
            let list = Place::Member(place, children.entity.name);
            let Node::Array(elements) = children.list else { continue };
            for (index, element) in elements.into_iter().enumerate() {
                self.entity(children.entity, element, Some(&parent), &Place::Element(&list, index))?;
            }
        }
        Ok(())
    }

    fn write(&mut self, entity: &'static Entity, prepared: &Prepared<'a>, parent: Option<&Parent<'_>>) -> Result<(), Invalid> {
        let out = self.sections.entry(entity.name).or_default();
        if !out.is_empty() {
            out.push(b',');
        }
        out.push(b'{');
        let mut first = true;
        if let Some(id) = prepared.id.as_deref().filter(|_| !prepared.id_given) {
            entry(out, &mut first, entity.primary_key, id)?;
        }
        if let Some(parent) = parent {
            entry(out, &mut first, parent.link, parent.id)?;
        }
        for (key, value) in &prepared.members {
            let written = walk::is_remark(key)
                || parent.is_some_and(|parent| parent.link == key)
                || (key == entity.primary_key && !prepared.id_given);
            if written {
                continue;
            }
            let target = entity.field(key).and_then(super::schema::Field::target);
            match target.zip(Reference::of(value)).and_then(|(target, reference)| self.index.resolve(target, &reference)) {
                Some(id) => entry(out, &mut first, key, id)?,
                None => entry(out, &mut first, key, value)?,
            }
        }
        out.push(b'}');
        Ok(())
    }
}

fn entry(out: &mut Vec<u8>, first: &mut bool, key: &str, value: impl serde::Serialize) -> Result<(), Invalid> {
    if !std::mem::take(first) {
        out.push(b',');
    }
    json(out, key)?;
    out.push(b':');
    json(out, value)
}

fn json(out: &mut Vec<u8>, value: impl serde::Serialize) -> Result<(), Invalid> {
    serde_json::to_writer(out, &value).map_err(|_| Invalid::whole("the flat form cannot be written"))
}
