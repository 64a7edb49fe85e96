//! One entity made ready: shorthands expanded, nested children taken out, its id known. Both readings of a document, the one that
//! checks and the one that writes the flat form, go through here, so they agree on what an entity is.

use std::borrow::Cow;

use super::super::tree::{Member, Node, member};
use super::entities;
use super::ids;
use super::place::Place;
use super::schema::Entity;
use super::shorthand;

/// The entity inside which another one stands.
pub struct Parent<'p> {
    pub entity: &'static Entity,
    /// The child's field that refers to it.
    pub link: &'static str,
    pub id: &'p str,
    /// Its endpoint key.
    pub key: Option<&'p str>,
}

pub struct Prepared<'a> {
    /// Without children; with `_comment` and `_ignore`.
    pub members: Vec<Member<'a>>,
    pub children: Vec<Children<'a>>,
    /// `None`: entities of this type have none.
    pub id: Option<Cow<'a, str>>,
    pub id_given: bool,
    /// Written as a control plane writes it, as far as can be seen here: nothing short, nested or left out.
    pub plain: bool,
}

pub struct Children<'a> {
    pub entity: &'static Entity,
    /// The child's field that refers to its parent.
    pub link: &'static str,
    pub list: Node<'a>,
}

pub fn prepare<'a>(
    entity: &'static Entity,
    mut members: Vec<Member<'a>>,
    parent: Option<&Parent<'_>>,
    place: &Place<'_>,
    old_paths: bool,
) -> Prepared<'a> {
    let mut plain = parent.is_none();
    if entity.name == "services" {
        plain &= !shorthand::expand_url(&mut members);
    }
    if entity.name == "routes" && old_paths && is_shallow(parent, place) {
        plain &= !shorthand::migrate_paths(&mut members);
    }
    let children = take_children(entity, &mut members);
    plain &= children.is_empty() && !members.iter().any(|(key, _)| is_remark(key));
    let given = match member(&members, entity.primary_key) {
        Some(Node::String(id)) => Some(id.clone()),
        Some(Node::Null | Node::Bool(_) | Node::Number(_) | Node::Array(_) | Node::Object(_)) | None => None,
    };
    let id_given = given.is_some();
    let id = match given {
        Some(id) => Some(id),
        None if entity.primary_key == "id" => Some(Cow::Owned(ids::generate(entity, &members, parent, place))),
        None => None,
    };
    plain &= id_given || entity.primary_key.is_empty();
    Prepared { members, children, id, id_given, plain }
}

/// Paths of older formats are migrated in top-level routes and in those directly inside top-level services, no deeper.
fn is_shallow(parent: Option<&Parent<'_>>, place: &Place<'_>) -> bool {
    match parent {
        None => true,
        Some(parent) if parent.entity.name != "services" => false,
        Some(_) => depth(place) <= 4,
    }
}

fn depth(place: &Place<'_>) -> usize {
    match place {
        Place::Root => 0,
        Place::Member(above, _) | Place::Element(above, _) => depth(above) + 1,
    }
}

/// A field of the entity goes before a child's name: routes have `snis` of their own.
fn take_children<'a>(entity: &'static Entity, members: &mut Vec<Member<'a>>) -> Vec<Children<'a>> {
    let mut children = Vec::new();
    for index in (0..members.len()).rev() {
        let Some((key, value)) = members.get(index) else { continue };
        if matches!(value, Node::Bool(_) | Node::Number(_)) || entity.field(key).is_some() {
            continue;
        }
        let Some(child) = entities::find(key) else { continue };
        let Some(link) = child.link_to(entity.name) else { continue };
        let nothing = value.is_null();
        let (_, list) = members.remove(index);
        if !nothing {
            children.push(Children { entity: child, link: link.name, list: by_name(child, list) });
        }
    }
    children.reverse();
    children
}

/// A certificate's `snis` may be a list of names.
fn by_name<'a>(child: &'static Entity, list: Node<'a>) -> Node<'a> {
    match list {
        Node::Array(elements) if child.name == "snis" => Node::Array(
            elements
                .into_iter()
                .map(|element| if element.as_str().is_some() { Node::Object(vec![(Cow::Borrowed("name"), element)]) } else { element })
                .collect(),
        ),
        other => other,
    }
}

pub fn is_remark(key: &str) -> bool {
    key == "_comment" || key == "_ignore"
}
