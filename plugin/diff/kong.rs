//! Two Kong configurations, nested or flat, bare or in their messages, entity by entity.
//!
//! Types are compared in the order in which they refer to each other: who is meant by a reference is known before it is compared.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::entities::{self, Kind, Paired, Renamed};
use super::names::legible;
use super::{Changed, Diff, EntityRef, Which, fields};
use crate::config::kong::{self, entities as tables};
use crate::config::{Invalid, tree};

/// Types that nobody knows are called as the document calls them.
const KIND_CHARS_MAX: usize = 64;

type Sections<'a> = BTreeMap<Cow<'a, str>, &'a str>;

pub fn diff(old: &[u8], new: &[u8]) -> Result<Diff, Invalid> {
    let old = kong::flatten(old).map_err(|invalid| Which::Old.blame(invalid))?;
    let new = kong::flatten(new).map_err(|invalid| Which::New.blame(invalid))?;
    let old = sections(&old).map_err(|invalid| Which::Old.blame(invalid))?;
    let new = sections(&new).map_err(|invalid| Which::New.blame(invalid))?;
    let mut comparison = Comparison::default();
    for kind in kinds(&old, &new) {
        comparison.kind(kind, old.get(kind.name).copied(), new.get(kind.name).copied())?;
    }
    Ok(comparison.diff)
}

fn sections(flat: &[u8]) -> Result<Sections<'_>, Invalid> {
    let sections = tree::sections(tree::text(flat)?)?.unwrap_or_default();
    Ok(sections.into_iter().filter(|(key, _)| !key.starts_with('_')).collect())
}

/// The tables are in such an order that no type refers to a later one.
fn kinds<'k>(old: &'k Sections<'_>, new: &'k Sections<'_>) -> Vec<Kind<'k>> {
    let names: BTreeSet<&str> = old.keys().chain(new.keys()).map(Cow::as_ref).collect();
    let known = tables::all().filter(|entity| names.contains(entity.name));
    let known = known.map(|entity| Kind { name: entity.name, entity: Some(entity) });
    let unknown = names.iter().filter(|name| tables::find(name).is_none()).map(|name| Kind { name, entity: None });
    known.chain(unknown).collect()
}

#[derive(Default)]
struct Comparison {
    diff: Diff,
    renamed: Renamed,
    /// Id to name, on either side.
    old_consumers: BTreeMap<String, String>,
    new_consumers: BTreeMap<String, String>,
}

impl Comparison {
    fn kind(&mut self, kind: Kind<'_>, old: Option<&str>, new: Option<&str>) -> Result<(), Invalid> {
        let nothing = Renamed::default();
        let old = entities::load(kind, old, &self.renamed, &self.old_consumers)?;
        let new = entities::load(kind, new, &nothing, &self.new_consumers)?;
        let Paired { pairs, removed, added } = entities::pair(kind, &old, &new, &self.renamed);
        let reference = |name: &str| EntityRef { kind: legible(kind.name, KIND_CHARS_MAX), name: name.to_owned() };
        self.diff.removed.extend(removed.into_iter().map(|item| reference(&item.name)));
        self.diff.added.extend(added.into_iter().map(|item| reference(&item.name)));
        let mut renamed = Renamed::default();
        for (old, new) in pairs {
            renamed.add(kind.name, old, new);
            if old.literal && old.text == new.text {
                continue;
            }
            let before = entities::read(kind, old.text, &self.renamed)?;
            let after = entities::read(kind, new.text, &nothing)?;
            let changes = fields::changes(kind.name, &before, &after);
            if !changes.is_empty() {
                self.diff.changed.push(Changed { entity: reference(&new.name), changes });
            }
        }
        self.renamed.extend(renamed);
        if kind.name == "consumers" {
            let names = |items: Vec<entities::Item<'_>>| items.into_iter().filter_map(|item| Some((item.id?, item.name))).collect();
            (self.old_consumers, self.new_consumers) = (names(old), names(new));
        }
        Ok(())
    }
}
