//! Two sets of xDS resources, by type and name. A changed one has another version, other bytes or both, so that two sets without a
//! difference are those with one sameness; what stands in the bytes is not shown.

use std::collections::BTreeMap;

use super::{Change, Changed, Diff, EntityRef, Which};
use crate::config::Invalid;
use crate::config::xds::{self, Resource, shown, types};

type Set = BTreeMap<(String, String), (String, Vec<u8>)>;

pub fn diff(old: &[u8], new: &[u8]) -> Result<Diff, Invalid> {
    let old = set(old).map_err(|invalid| Which::Old.blame(invalid))?;
    let mut new = set(new).map_err(|invalid| Which::New.blame(invalid))?;
    let mut diff = Diff::default();
    for (key, (version, value)) in old {
        let entity = reference(&key);
        let Some((new_version, new_value)) = new.remove(&key) else {
            diff.removed.push(entity);
            continue;
        };
        let changes = [("bytes", value != new_value), ("version", version != new_version)];
        let changes = changes.into_iter().filter(|(_, changed)| *changed);
        let changes: Vec<Change> = changes.map(|(field, _)| Change { field: field.to_owned(), from: None, to: None }).collect();
        if !changes.is_empty() {
            diff.changed.push(Changed { entity, changes });
        }
    }
    diff.added.extend(new.keys().map(reference));
    Ok(diff)
}

/// Of two of one name the last stands; a valid set has none.
fn set(bytes: &[u8]) -> Result<Set, Invalid> {
    let resources = xds::decode(bytes)?;
    Ok(resources.into_iter().map(|Resource { type_url, name, version, value }| ((type_url, name), (version, value))).collect())
}

fn reference((type_url, name): &(String, String)) -> EntityRef {
    EntityRef { kind: shown(types::short(type_url)), name: shown(name) }
}
