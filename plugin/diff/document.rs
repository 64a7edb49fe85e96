//! Two documents of a format that nobody knows here, member by member, by their JSON pointers (RFC 6901). No value is shown.

use std::collections::BTreeMap;

use super::names::legible;
use super::same::{Reader, same};
use super::{Changed, Diff, EntityRef, Which};
use crate::config::tree::{self, Section};
use crate::config::{Invalid, yaml};

/// What lies deeper is reported as a change of what it lies in.
const DEPTH_MAX: usize = 3;
const KEY_CHARS_MAX: usize = 64;

pub fn diff(old: &[u8], new: &[u8]) -> Result<Diff, Invalid> {
    let old = yaml::as_json(old).map_err(|invalid| Which::Old.blame(invalid))?;
    let new = yaml::as_json(new).map_err(|invalid| Which::New.blame(invalid))?;
    for (which, text) in [(Which::Old, &old), (Which::New, &new)] {
        // Parsed once as a whole, because a syntax error should say whose it is.
        if tree::sections(text).map_err(|invalid| which.blame(invalid))?.is_none() {
            return Err(which.blame(Invalid::whole("expected an object")));
        }
    }
    let mut walk = Walk::default();
    walk.compare(&old, &new)?;
    Ok(walk.diff)
}

#[derive(Default)]
struct Walk {
    diff: Diff,
    /// The way to where the walk stands.
    tokens: Vec<String>,
}

impl Walk {
    fn compare(&mut self, old: &str, new: &str) -> Result<(), Invalid> {
        if old == new {
            return Ok(());
        }
        if self.tokens.len() < DEPTH_MAX {
            match (tree::first_byte(old), tree::first_byte(new)) {
                (Some(b'{'), Some(b'{')) => return self.members(tree::sections(old)?, tree::sections(new)?),
                (Some(b'['), Some(b'[')) => return self.elements(&elements(old)?, &elements(new)?),
                _ => {}
            }
        }
        if !self.is_same(old, new)? {
            let entity = self.here();
            self.diff.changed.push(Changed { entity, changes: Vec::new() });
        }
        Ok(())
    }

    fn members(&mut self, old: Option<Vec<Section<'_>>>, new: Option<Vec<Section<'_>>>) -> Result<(), Invalid> {
        let (old, mut new) = (sorted(old), sorted(new));
        for (key, text) in old {
            self.tokens.push(token(&key));
            match new.remove(&key) {
                Some(other) => self.compare(text, other)?,
                None => {
                    let entity = self.here();
                    self.diff.removed.push(entity);
                }
            }
            self.tokens.pop();
        }
        for key in new.keys() {
            let entity = self.at(token(key));
            self.diff.added.push(entity);
        }
        Ok(())
    }

    /// What both begin and end with is set aside, so that one element more does not change all behind it.
    fn elements(&mut self, old: &[&str], new: &[&str]) -> Result<(), Invalid> {
        let (mut start, mut old_end, mut new_end) = (0, old.len(), new.len());
        while let (Some(one), Some(other)) = (old.get(start), new.get(start)) {
            if !self.is_same(one, other)? {
                break;
            }
            start += 1;
        }
        while old_end > start && new_end > start {
            let (Some(one), Some(other)) = (old.get(old_end - 1), new.get(new_end - 1)) else { break };
            if !self.is_same(one, other)? {
                break;
            }
            (old_end, new_end) = (old_end - 1, new_end - 1);
        }
        for index in start..old_end.max(new_end) {
            let before = old.get(index).filter(|_| index < old_end);
            let after = new.get(index).filter(|_| index < new_end);
            match (before, after) {
                (Some(before), Some(after)) => {
                    self.tokens.push(index.to_string());
                    self.compare(before, after)?;
                    self.tokens.pop();
                }
                (Some(_), None) => {
                    let entity = self.at(index.to_string());
                    self.diff.removed.push(entity);
                }
                (None, Some(_)) => {
                    let entity = self.at(index.to_string());
                    self.diff.added.push(entity);
                }
                (None, None) => {}
            }
        }
        Ok(())
    }

    fn is_same(&self, old: &str, new: &str) -> Result<bool, Invalid> {
        let depth = self.tokens.len();
        Ok(old == new || same(&tree::parse(old, depth)?, &tree::parse(new, depth)?, Reader::Anyone))
    }

    fn here(&self) -> EntityRef {
        EntityRef { kind: String::new(), name: self.tokens.iter().map(|token| format!("/{token}")).collect() }
    }

    fn at(&self, token: String) -> EntityRef {
        let EntityRef { kind, name } = self.here();
        EntityRef { kind, name: format!("{name}/{token}") }
    }
}

fn sorted(sections: Option<Vec<Section<'_>>>) -> BTreeMap<String, &str> {
    sections.unwrap_or_default().into_iter().map(|(key, text)| (key.into_owned(), text)).collect()
}

fn elements(text: &str) -> Result<Vec<&str>, Invalid> {
    let mut elements = Vec::new();
    tree::elements(text, |element| {
        elements.push(element);
        Ok(())
    })?;
    Ok(elements)
}

fn token(key: &str) -> String {
    legible(key, KEY_CHARS_MAX).replace('~', "~0").replace('/', "~1")
}
