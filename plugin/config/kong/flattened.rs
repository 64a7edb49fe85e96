//! Findings in the shape of Kong's error reports: by entity, each error with its field; what concerns no entity apart.
//!
//! Reads the way to each finding and nothing else, so neither names nor ids of entities are in it: `entity` says where one stands.

use std::collections::BTreeMap;

use super::super::Invalid;
use super::entities;
use super::schema::Entity;

/// As `POST /config` of Kong answers it, under the same names.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Flattened {
    /// What is wrong outside of all entities. The document as a whole is `@entity`.
    pub fields: BTreeMap<String, String>,
    pub flattened_errors: Vec<EntityErrors>,
}

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct EntityErrors {
    /// In the singular, as Kong says it.
    pub entity_type: String,
    /// The way to it from the document's root; Kong does not say this.
    pub entity: String,
    pub errors: Vec<FlatError>,
}

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FlatError {
    #[serde(rename = "type")]
    pub kind: ErrorKind,
    /// Elements of lists count from 1, as in Lua: `paths.1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrorKind {
    Field,
    /// Of several fields together.
    Entity,
}

const WHOLE: &str = "@entity";

pub fn flattened(invalid: &Invalid) -> Flattened {
    let mut flattened = Flattened::default();
    for finding in &invalid.findings {
        let steps = steps(&finding.path);
        let (entity, place) = innermost(&steps);
        let field = dotted(steps.get(place..).unwrap_or_default());
        let Some(entity) = entity else {
            flattened.outside(if field.is_empty() { WHOLE.to_owned() } else { field }, &finding.message);
            continue;
        };
        let (kind, field) = if field.is_empty() { (ErrorKind::Entity, None) } else { (ErrorKind::Field, Some(field)) };
        let place = written(steps.get(..place).unwrap_or_default());
        flattened.inside(entity, place, FlatError { kind, field, message: finding.message.clone() });
    }
    flattened
}

impl Flattened {
    fn outside(&mut self, field: String, message: &str) {
        let said = self.fields.entry(field).or_default();
        if !said.is_empty() {
            said.push_str("; ");
        }
        said.push_str(message);
    }

    fn inside(&mut self, entity: &Entity, place: String, error: FlatError) {
        match self.flattened_errors.iter_mut().find(|errors| errors.entity == place) {
            Some(errors) => errors.errors.push(error),
            None => {
                let entity_type = entity.name.strip_suffix('s').unwrap_or(entity.name).to_owned();
                self.flattened_errors.push(EntityErrors { entity_type, entity: place, errors: vec![error] });
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Key(&'p str),
    Element(usize),
}

fn steps(path: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let mut pieces = part.split('[');
        steps.extend(pieces.next().filter(|key| !key.is_empty()).map(Step::Key));
        for piece in pieces {
            let index = piece.strip_suffix(']').and_then(|index| index.parse().ok());
            steps.push(index.map_or(Step::Key(piece), Step::Element));
        }
    }
    steps
}

/// The innermost entity on the way, and how many steps lead to it.
fn innermost(steps: &[Step<'_>]) -> (Option<&'static Entity>, usize) {
    let (mut innermost, mut taken): (Option<&'static Entity>, usize) = (None, 0);
    while let [Step::Key(key), Step::Element(_), ..] = steps.get(taken..).unwrap_or_default() {
        let stands_here = |child: &&Entity| match innermost {
            None => true,
            Some(parent) => parent.field(key).is_none() && child.link_to(parent.name).is_some(),
        };
        let Some(child) = entities::find(key).filter(stands_here) else { break };
        innermost = Some(child);
        taken += 2;
    }
    (innermost, taken)
}

fn dotted(steps: &[Step<'_>]) -> String {
    let words: Vec<String> = steps
        .iter()
        .map(|step| match step {
            Step::Key(key) => (*key).to_owned(),
            Step::Element(index) => (index + 1).to_string(),
        })
        .collect();
    words.join(".")
}

fn written(steps: &[Step<'_>]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Key(key) if path.is_empty() => path.push_str(key),
            Step::Key(key) => path.extend([".", key]),
            Step::Element(index) => path.push_str(&format!("[{index}]")),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::super::super::Finding;
    use super::*;

    #[test]
    fn errors_stand_at_the_innermost_entity_and_count_from_one() {
        let flattened = of(&[
            ("services[0].port", "a"),
            ("services[0].routes[1].paths[2]", "b"),
            ("services[0].routes[1]", "c"),
            ("services[0].routes", "d"),
            ("upstreams[3].healthchecks.active.healthy.http_statuses[0]", "e"),
            ("certificates[0].snis[0].name", "f"),
            ("routes[0].snis[0]", "g"),
        ]);
        let said: Vec<String> = flattened
            .flattened_errors
            .iter()
            .flat_map(|entity| {
                entity.errors.iter().map(move |error| {
                    format!("{} {} {:?} {} {}", entity.entity_type, entity.entity, error.kind, field(error), error.message)
                })
            })
            .collect();
        let expected = [
            "service services[0] Field port a",
            "service services[0] Field routes d",
            "route services[0].routes[1] Field paths.3 b",
            "route services[0].routes[1] Entity - c",
            "upstream upstreams[3] Field healthchecks.active.healthy.http_statuses.1 e",
            "sni certificates[0].snis[0] Field name f",
            "route routes[0] Field snis.1 g",
        ];
        assert_eq!(said, expected);
        assert!(flattened.fields.is_empty());
    }

    #[test]
    fn what_concerns_no_entity_stands_apart() {
        let flattened = of(&[("", "expected an object"), ("foo", "unknown field"), ("services", "expected an array"), ("foo", "again")]);
        assert_eq!(flattened.flattened_errors, []);
        let said: Vec<(&str, &str)> = flattened.fields.iter().map(|(field, message)| (field.as_str(), message.as_str())).collect();
        assert_eq!(said, [("@entity", "expected an object"), ("foo", "unknown field; again"), ("services", "expected an array")]);
    }

    #[test]
    fn no_path_makes_it_panic() {
        for path in [".", "[", "]", "services[", "services[x]", "services[0", "services[0]..", "[0].a", "services[99999999999999999999].a"]
        {
            of(&[(path, "m")]);
        }
    }

    fn field(error: &FlatError) -> &str {
        error.field.as_deref().unwrap_or("-")
    }

    fn of(findings: &[(&str, &str)]) -> Flattened {
        let findings = findings.iter().map(|(path, message)| Finding { path: (*path).to_owned(), message: (*message).to_owned() });
        flattened(&Invalid { findings: findings.collect(), more: 0 })
    }
}
