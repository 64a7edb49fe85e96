//! The first reading of a document: every entity is held against its table and rules, counted and indexed; then references are
//! settled. Collects findings and never stops at one, except where a bound is broken.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::super::tree::{self, Node};
use super::super::{AUTHENTICATION_PLUGINS, ENTITIES_MAX, Invalid};
use super::authentication;
use super::entities;
use super::envelope::Document;
use super::fields::{self, REMARKS};
use super::gateway::{Reading, Role};
use super::needs::Needs;
use super::place::{Place, Reports};
use super::references::{Index, Reference};
use super::rules::{self, Case};
use super::schema::Entity;
use super::walk::{self, Parent, Prepared};

pub struct Survey<'a> {
    reading: Reading<'a>,
    pub reports: Reports,
    pub counts: BTreeMap<String, u64>,
    pub needs: Needs,
    /// Told of every entity with findings that do not refuse the whole. By reference, as [`Reading::particular`]: few ask.
    pub rejected: Option<&'a mut Told<'a>>,
    pub index: Index<'a>,
    total: u64,
    /// Paths are in the words of format 1.1 or 2.1.
    pub old_paths: bool,
    /// The document is written as a control plane writes it: flat, with ids, references by id.
    pub flat: bool,
}

pub type Told<'a> = dyn FnMut(&'static str, &Prepared<'_>, Option<&Parent<'_>>) + 'a;

const ROOT: Place<'static> = Place::Root;

pub fn survey<'a>(document: &Document<'a>, reading: Reading<'a>) -> Result<Survey<'a>, Invalid> {
    Survey::new(reading).read(document)
}

impl<'a> Survey<'a> {
    pub fn new(reading: Reading<'a>) -> Self {
        Survey {
            reading,
            reports: Reports::default(),
            counts: BTreeMap::new(),
            needs: Needs::default(),
            rejected: None,
            index: Index::default(),
            total: 0,
            old_paths: false,
            flat: true,
        }
    }

    pub fn read(mut self, document: &Document<'a>) -> Result<Self, Invalid> {
        self.version(document)?;
        for (key, text) in &document.sections {
            self.section(key, text, document.depth)?;
        }
        self.flat &= self.index.settle(&mut self.reports.structural);
        Ok(self)
    }

    fn version(&mut self, document: &Document<'a>) -> Result<(), Invalid> {
        let place = Place::Member(&ROOT, "_format_version");
        let Some((_, text)) = document.sections.iter().find(|(key, _)| key == "_format_version") else {
            self.reports.structural(&place, "required field missing");
            return Ok(());
        };
        match tree::parse(text, document.depth)? {
            Node::Null => self.reports.structural(&place, "required field missing"),
            Node::String(version) => match version.as_ref() {
                "3.0" => {}
                "1.1" | "2.1" => {
                    self.old_paths = true;
                    self.flat = false;
                }
                _ => self.reports.structural(&place, "expected one of: 1.1, 2.1, 3.0"),
            },
            Node::Bool(_) | Node::Number(_) | Node::Array(_) | Node::Object(_) => self.reports.structural(&place, "expected a string"),
        }
        Ok(())
    }

    fn section(&mut self, key: &str, text: &'a str, depth: usize) -> Result<(), Invalid> {
        let place = Place::Member(&ROOT, key);
        if let Some(entity) = entities::find(key) {
            return self.entities(entity, text, &place, depth);
        }
        match key {
            "_format_version" => Ok(()),
            "_transform" => {
                if !matches!(tree::parse(text, depth)?, Node::Bool(_)) {
                    self.reports.schema(&place, "expected a boolean");
                }
                Ok(())
            }
            "_comment" | "_ignore" => {
                let members = [(Cow::Borrowed(key), tree::parse(text, depth)?)];
                fields::check_record(REMARKS, &members, &ROOT, &self.reading, &mut self.reports);
                self.flat &= document_null(&members);
                Ok(())
            }
            _ => self.unknown(key, text, &place, depth),
        }
    }

    /// What Enterprise sends besides is counted like an entity: a guard that counts must see it go.
    fn unknown(&mut self, key: &str, text: &'a str, place: &Place<'_>, depth: usize) -> Result<(), Invalid> {
        if tree::first_byte(text) == Some(b'[') {
            tree::nodes(text, depth, |node| {
                self.needs.unknown(&node);
                self.count(key)
            })?;
        } else if tree::parse(text, depth)?.is_null() && self.reading.role == Role::DataPlane {
            return Ok(());
        }
        self.reports.schema(place, "unknown field");
        Ok(())
    }

    fn entities(&mut self, entity: &'static Entity, text: &'a str, place: &Place<'_>, depth: usize) -> Result<(), Invalid> {
        if tree::first_byte(text) == Some(b'[') {
            let mut index = 0;
            return tree::nodes(text, depth, |node| {
                let at = Place::Element(place, index);
                index += 1;
                self.entity(entity, node, None, &at)
            });
        }
        match tree::parse(text, depth)? {
            Node::Null => {}
            Node::Object(members) if members.is_empty() => {}
            Node::Object(_) | Node::Bool(_) | Node::Number(_) | Node::String(_) | Node::Array(_) => {
                self.reports.structural(place, "expected an array");
            }
        }
        Ok(())
    }

    fn count(&mut self, key: &str) -> Result<(), Invalid> {
        self.total += 1;
        if self.total > ENTITIES_MAX {
            return Err(Invalid::whole(format!("has more than {ENTITIES_MAX} entities; that many is the most that is taken")));
        }
        match self.counts.get_mut(key) {
            Some(count) => *count += 1,
            None => drop(self.counts.insert(key.to_owned(), 1)),
        }
        Ok(())
    }

    fn entity(&mut self, entity: &'static Entity, node: Node<'a>, parent: Option<&Parent<'_>>, place: &Place<'_>) -> Result<(), Invalid> {
        let members = match node {
            Node::Object(members) => members,
            Node::Array(elements) if elements.is_empty() => Vec::new(),
            Node::Null | Node::Bool(_) | Node::Number(_) | Node::String(_) | Node::Array(_) => {
                self.reports.structural(place, "expected a record");
                return Ok(());
            }
        };
        self.count(entity.name)?;
        let mut prepared = walk::prepare(entity, members, parent, place, self.old_paths);
        if entity.name == "plugins" && authentication::is_enforced(&prepared.members) {
            *self.counts.entry(AUTHENTICATION_PLUGINS.to_owned()).or_default() += 1;
        }
        let found = self.reports.schema.count();
        self.check(entity, &prepared, parent, place);
        self.register(entity, &prepared, parent, place);
        if self.reports.schema.count() > found
            && let Some(told) = &mut self.rejected
        {
            told(entity.name, &prepared, parent);
        }
        self.needs.entity(entity.name, &prepared.members);
        self.flat &= prepared.plain;
        let key = entity.endpoint_key.and_then(|name| tree::member(&prepared.members, name)).and_then(Node::as_str);
        let id = prepared.id.as_deref().unwrap_or_default();
        for children in std::mem::take(&mut prepared.children) {
            let parent = Parent { entity, link: children.link, id, key };
            let list = Place::Member(place, children.entity.name);
            match children.list {
                Node::Array(elements) => {
                    for (index, element) in elements.into_iter().enumerate() {
                        self.entity(children.entity, element, Some(&parent), &Place::Element(&list, index))?;
                    }
                }
                Node::Object(members) if members.is_empty() => {}
                Node::Object(_) | Node::Null | Node::Bool(_) | Node::Number(_) | Node::String(_) => {
                    self.reports.structural(&list, "expected an array");
                }
            }
        }
        Ok(())
    }

    fn check(&mut self, entity: &'static Entity, prepared: &Prepared<'a>, parent: Option<&Parent<'_>>, place: &Place<'_>) {
        let reports = &mut self.reports;
        if entity.open {
            return;
        }
        fields::check_entity(entity, &prepared.members, parent.map(|parent| parent.link), place, &self.reading, reports);
        rules::check(entity.name, &mut Case { members: &prepared.members, place, reading: &self.reading, reports });
    }

    fn register(&mut self, entity: &'static Entity, prepared: &Prepared<'a>, parent: Option<&Parent<'_>>, place: &Place<'_>) {
        let name = entity.name;
        let mut taken = false;
        for field in entity.fields.iter().filter(|field| field.unique) {
            let Some(Node::String(value)) = tree::member(&prepared.members, field.name) else { continue };
            let free = match &prepared.id {
                Some(id) if entity.endpoint_key == Some(field.name) => self.index.add_key(name, value.clone(), id.clone()),
                Some(_) | None => self.index.add_unique(name, field.name, value.clone()),
            };
            if !free {
                taken = true;
                let message = format!("uniqueness violation: '{name}' entity with this {} already declared", field.name);
                self.reports.schema(place, message);
            }
        }
        if let Some(id) = &prepared.id
            && !self.index.add_id(name, id.clone())
            && (prepared.id_given || !taken)
        {
            self.reports.structural(place, format!("uniqueness violation: '{name}' entity with this primary key already declared"));
        }
        for field in entity.fields {
            let Some(target) = field.target() else { continue };
            let Some(reference) = tree::member(&prepared.members, field.name).and_then(Reference::of) else { continue };
            match parent.filter(|parent| parent.link == field.name) {
                None => self.index.expect(target, reference, place, name, field.name),
                Some(parent) if reference.names(parent.id, parent.key) => {}
                Some(_) => self.reports.schema(&Place::Member(place, field.name), "value must be null"),
            }
        }
        self.flat &= !has_object_reference(entity, prepared);
    }
}

fn document_null(members: &[tree::Member<'_>]) -> bool {
    members.iter().all(|(_, value)| value.is_null())
}

fn has_object_reference(entity: &Entity, prepared: &Prepared<'_>) -> bool {
    let is_object = |name: &str| matches!(tree::member(&prepared.members, name), Some(Node::Object(_)));
    entity.fields.iter().any(|field| field.target().is_some() && is_object(field.name))
}
