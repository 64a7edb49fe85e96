//! Holds a record's members against a table of fields: unknown, missing, of another type, out of range. Reports in Kong's words.

use super::super::tree::{Member, Node, Number, member, same_key};
use super::gateway::{Reading, Role};
use super::place::{Place, Reports};
use super::schema::{Entity, Field, Kind, Need, Text};
use super::text;

/// May stand in every entity and means nothing.
pub const REMARKS: &[Field] =
    &[super::schema::text("_comment", Text::Whatever), super::schema::field("_ignore", Kind::List(&Kind::Anything))];

/// `link`: the field that an entity nested in another need not have.
pub fn check_entity(
    entity: &'static Entity,
    members: &[Member<'_>],
    link: Option<&str>,
    place: &Place<'_>,
    reading: &Reading<'_>,
    reports: &mut Reports,
) {
    check_members(entity.fields, REMARKS, members, link, place, reading, reports);
    check_missing(entity.fields, members, link, place, reports);
}

pub fn check_record(fields: &'static [Field], members: &[Member<'_>], place: &Place<'_>, reading: &Reading<'_>, reports: &mut Reports) {
    check_members(fields, &[], members, None, place, reading, reports);
    check_missing(fields, members, None, place, reports);
}

fn check_members(
    fields: &'static [Field],
    besides: &'static [Field],
    members: &[Member<'_>],
    link: Option<&str>,
    place: &Place<'_>,
    reading: &Reading<'_>,
    reports: &mut Reports,
) {
    for (key, value) in members {
        let at = Place::Member(place, key);
        match fields.iter().chain(besides).find(|field| same_key(field.name, key) && field.is_known(reading)) {
            Some(_) if value.is_null() && link == Some(key.as_ref()) => {}
            Some(field) => check_field(field, value, &at, reading, reports),
            // Data planes are sent fields by control planes that know more than they do.
            None if value.is_null() && reading.role == Role::DataPlane => {}
            None => reports.schema(&at, "unknown field"),
        }
    }
}

fn check_missing(fields: &'static [Field], members: &[Member<'_>], link: Option<&str>, place: &Place<'_>, reports: &mut Reports) {
    for field in fields.iter().filter(|field| field.need == Need::Required && link != Some(field.name)) {
        if member(members, field.name).is_none() {
            reports.schema(&Place::Member(place, field.name), "required field missing");
        }
    }
}

fn check_field(field: &Field, value: &Node<'_>, place: &Place<'_>, reading: &Reading<'_>, reports: &mut Reports) {
    match value {
        Node::Null if field.need == Need::Optional || matches!(field.kind, Kind::Anything) => {}
        Node::Null => reports.schema(place, "required field missing"),
        Node::String(text) if field.vault && text::is_vault_reference(text) => {}
        Node::String(_) | Node::Bool(_) | Node::Number(_) | Node::Array(_) | Node::Object(_) => {
            check_value(&field.kind, value, place, reading, reports);
        }
    }
}

fn check_value(kind: &Kind, value: &Node<'_>, place: &Place<'_>, reading: &Reading<'_>, reports: &mut Reports) {
    match kind {
        Kind::Anything => {}
        Kind::Boolean => {
            if !matches!(value, Node::Bool(_)) {
                reports.schema(place, "expected a boolean");
            }
        }
        Kind::Integer(least, most) => check_number(value, (*least, *most), true, place, reports),
        Kind::Number(least, most) => check_number(value, (*least, *most), false, place, reports),
        Kind::OneOfNumbers(choices) => check_choice_of_numbers(value, choices, place, reports),
        Kind::Text(kind) => match value.as_str() {
            Some(text) => text::check(text, *kind, reading.regexes()).unwrap_or_else(|message| reports.schema(place, message)),
            None => reports.schema(place, "expected a string"),
        },
        Kind::OneOf(choices) => match value.as_str() {
            Some(text) if choices.contains(&text) => {}
            Some(_) => reports.schema(place, format!("expected one of: {}", choices.join(", "))),
            None => reports.schema(place, "expected a string"),
        },
        Kind::Uuid => match value.as_str() {
            Some(text) if is_uuid(text) => {}
            Some(_) => reports.schema(place, "expected a valid UUID"),
            None => reports.schema(place, "expected a string"),
        },
        Kind::List(kind) => match value {
            Node::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    check_value(kind, element, &Place::Element(place, index), reading, reports);
                }
            }
            Node::Object(members) if members.is_empty() => {}
            Node::Object(_) | Node::Null | Node::Bool(_) | Node::Number(_) | Node::String(_) => reports.schema(place, "expected an array"),
        },
        Kind::Map(name, kind) => check_map(*name, kind, value, place, reading, reports),
        Kind::Record(fields) => match value {
            Node::Object(members) => check_record(fields, members, place, reading, reports),
            _ if is_empty_table(value) => check_record(fields, &[], place, reading, reports),
            _ => reports.schema(place, "expected a record"),
        },
        Kind::RecordOfSome(fields) => {
            check_value(&Kind::Record(fields), value, place, reading, reports);
            let given = |field: &Field| value.member(field.name).is_some_and(|member| !member.is_null());
            if matches!(value, Node::Object(_)) && !fields.iter().any(given) {
                let names: Vec<String> = fields.iter().map(|field| format!("'{}'", field.name)).collect();
                reports.schema(place, format!("at least one of these fields must be non-empty: {}", names.join(", ")));
            }
        }
        Kind::Object => {
            if !matches!(value, Node::Object(_)) && !is_empty_table(value) {
                reports.schema(place, "expected a record");
            }
        }
        Kind::Foreign(_) => check_reference(value, place, reading, reports),
    }
}

/// Lua cannot tell an empty list from an empty object.
fn is_empty_table(value: &Node<'_>) -> bool {
    match value {
        Node::Array(elements) => elements.is_empty(),
        Node::Object(members) => members.is_empty(),
        Node::Null | Node::Bool(_) | Node::Number(_) | Node::String(_) => false,
    }
}

fn check_number(value: &Node<'_>, (least, most): (i64, i64), whole: bool, place: &Place<'_>, reports: &mut Reports) {
    let Node::Number(number) = value else {
        return reports.schema(place, if whole { "expected an integer" } else { "expected a number" });
    };
    let double = number.as_f64();
    if whole && double.fract() != 0.0 {
        return reports.schema(place, "expected an integer");
    }
    if double >= least as f64 && double <= most as f64 {
        return;
    }
    reports.schema(
        place,
        match (least, most) {
            (0, i64::MAX) | (1, i64::MAX) => format!("value must be greater than {}", least - 1),
            _ => format!("value should be between {least} and {most}"),
        },
    );
}

fn check_choice_of_numbers(value: &Node<'_>, choices: &[i64], place: &Place<'_>, reports: &mut Reports) {
    let chosen = match value {
        Node::Number(Number::Integer(number)) => choices.contains(number),
        Node::Number(number @ (Number::Float(_) | Number::Unsigned(_))) => choices.iter().any(|choice| (*choice as f64) == number.as_f64()),
        Node::Null | Node::Bool(_) | Node::String(_) | Node::Array(_) | Node::Object(_) => {
            return reports.schema(place, "expected an integer");
        }
    };
    if !chosen {
        let choices: Vec<String> = choices.iter().map(i64::to_string).collect();
        reports.schema(place, format!("expected one of: {}", choices.join(", ")));
    }
}

/// Errors of the values are reported on the map: its keys are the document's own.
fn check_map(name: Text, kind: &Kind, value: &Node<'_>, place: &Place<'_>, reading: &Reading<'_>, reports: &mut Reports) {
    let Node::Object(members) = value else {
        if !is_empty_table(value) {
            reports.schema(place, "expected a map");
        }
        return;
    };
    for (key, value) in members {
        if let Err(message) = text::check(key, name, reading.regexes()) {
            reports.schema(place, message);
        }
        check_value(kind, value, place, reading, reports);
    }
}

fn check_reference(value: &Node<'_>, place: &Place<'_>, reading: &Reading<'_>, reports: &mut Reports) {
    match value {
        Node::String(_) => {}
        Node::Object(members) => match member(members, "id") {
            Some(id) => check_value(&Kind::Uuid, id, &Place::Member(place, "id"), reading, reports),
            None => reports.schema(&Place::Member(place, "id"), "missing primary key"),
        },
        Node::Null | Node::Bool(_) | Node::Number(_) | Node::Array(_) => reports.schema(place, "expected a string"),
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
