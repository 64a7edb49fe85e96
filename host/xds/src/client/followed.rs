//! What a control plane has said so far, and what is still to be said: the set, without any wire.
//!
//! ```text
//! clusters *  ─ wants ─► endpoints by name          the set is complete when every type that is asked for was answered, the latest
//! listeners * ─ wants ─► routes, secrets … by name  answer of each could be read, and everything that is named has come
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::dialect::{Answer, Came};
use crate::message::Any;
use crate::wanted::Wanted;
use crate::{CLUSTER, LISTENER, RESOURCES_MAX, Reads, Resource, bounded, is_root};

/// How many missing names are told.
const MISSING_MAX: usize = 8;

pub(super) struct Followed {
    reads: Arc<dyn Reads>,
    bytes_max: usize,
    resources_max: usize,
    types: BTreeMap<String, Type>,
}

struct Type {
    wanted: Wanted,
    held: BTreeMap<String, Held>,
    is_answered: bool,
    /// The latest answer was turned down, and does not say by name what it was of: what is held is not what the control plane means.
    is_rejected: bool,
    /// Names that an answer had which was turned down, until they come again.
    doubtful: BTreeSet<String>,
}

struct Held {
    resource: Resource,
    wants: Vec<(String, String)>,
}

/// Why an answer is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It is told so, and the stream goes on.
    Rejected(String),
    /// It is of a type that nobody asked for.
    Unasked,
    Empty,
    TooMany,
    TooLarge,
}

/// Names of one type that came to be asked for, or are no longer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub type_url: String,
    pub added: Vec<String>,
    pub dropped: Vec<String>,
}

impl Type {
    fn of(wanted: Wanted) -> Self {
        Self { wanted, held: BTreeMap::new(), is_answered: false, is_rejected: false, doubtful: BTreeSet::new() }
    }

    fn is_complete(&self) -> bool {
        let is_here = match &self.wanted {
            Wanted::All => self.is_answered,
            Wanted::Named(names) => names.iter().all(|name| self.held.contains_key(name)),
        };
        is_here && !self.is_rejected && self.doubtful.is_empty()
    }

    fn judged(&mut self, names: BTreeSet<String>, is_taken: bool) {
        if is_taken {
            self.is_rejected = false;
            self.doubtful.retain(|name| !names.contains(name));
        } else {
            self.is_rejected |= names.is_empty();
            self.doubtful.extend(names);
        }
    }
}

impl Followed {
    pub fn new(reads: Arc<dyn Reads>, bytes_max: usize) -> Self {
        let types = [CLUSTER, LISTENER].map(|type_url| (type_url.to_owned(), Type::of(Wanted::All)));
        Self { reads, bytes_max, resources_max: RESOURCES_MAX, types: types.into() }
    }

    pub fn wanted(&self, type_url: &str) -> Option<&Wanted> {
        self.types.get(type_url).map(|followed| &followed.wanted)
    }

    /// All of it or nothing.
    pub fn take(&mut self, answer: Answer) -> Result<(), Unfit> {
        let Answer { type_url, is_whole, came, removed, .. } = answer;
        let Some(mut followed) = self.types.remove(&type_url) else { return Err(Unfit::Unasked) };
        let names = came.iter().filter_map(|one| one.name.clone()).chain(removed.iter().cloned()).collect();
        let read = self.read(&type_url, &followed, came);
        followed.judged(names, read.is_ok());
        let taken = read.map_err(Unfit::Rejected).map(|came| {
            if is_whole {
                followed.held.clear();
            }
            for name in &removed {
                followed.held.remove(name);
            }
            followed.held.extend(came.into_iter().map(|held| (held.resource.name.clone(), held)));
            followed.is_answered = true;
        });
        let is_empty = taken.is_ok() && is_root(&type_url) && followed.held.is_empty();
        self.types.insert(type_url, followed);
        // What is turned down leaves its names.
        if self.count() > self.resources_max {
            return Err(Unfit::TooMany);
        }
        if self.bytes() > self.bytes_max {
            return Err(Unfit::TooLarge);
        }
        taken?;
        if is_empty { Err(Unfit::Empty) } else { Ok(()) }
    }

    /// Follows what is referred to from here. What nobody refers to any more is let go.
    pub fn follow(&mut self) -> Vec<Change> {
        let before: BTreeMap<String, BTreeSet<String>> = self.named().map(|(type_url, names)| (type_url.clone(), names.clone())).collect();
        loop {
            let mut wants = self.wants();
            let mut is_settled = true;
            for (type_url, followed) in self.types.iter_mut().filter(|(type_url, _)| !is_root(type_url)) {
                let names = wants.remove(type_url).unwrap_or_default();
                let held = followed.held.len();
                followed.held.retain(|name, _| names.contains(name));
                followed.doubtful.retain(|name| names.contains(name));
                // What is let go may have referred to something itself.
                is_settled &= held == followed.held.len();
                followed.wanted = Wanted::Named(names);
            }
            self.types.extend(wants.into_iter().map(|(type_url, names)| (type_url, Type::of(Wanted::Named(names)))));
            if is_settled {
                break;
            }
        }
        let none = BTreeSet::new();
        let changes = self.named().map(|(type_url, names)| {
            let known = before.get(type_url).unwrap_or(&none);
            let added = names.difference(known).cloned().collect();
            let dropped = known.difference(names).cloned().collect();
            Change { type_url: type_url.clone(), added, dropped }
        });
        changes.filter(|change| !change.added.is_empty() || !change.dropped.is_empty()).collect()
    }

    /// Everything, by type and name, if nothing is missing.
    pub fn complete(&self) -> Option<Vec<Resource>> {
        let is_complete = self.types.values().all(Type::is_complete);
        is_complete.then(|| self.types.values().flat_map(|followed| followed.held.values()).map(|held| held.resource.clone()).collect())
    }

    /// The first few, by type and name, of which long ones are cut; a type without a name was not answered, or not in a form that can be
    /// read.
    pub fn missing(&self) -> Vec<(String, Option<String>)> {
        let missing = self.types.iter().flat_map(|(type_url, followed)| {
            let absent: BTreeSet<&String> = match &followed.wanted {
                Wanted::All => BTreeSet::new(),
                Wanted::Named(names) => names.iter().filter(|name| !followed.held.contains_key(*name)).collect(),
            };
            let is_unanswered = followed.wanted == Wanted::All && !followed.is_answered;
            let whole = (is_unanswered || followed.is_rejected).then_some(None);
            let names = absent.into_iter().chain(&followed.doubtful).map(|name| Some(bounded(name)));
            whole.into_iter().chain(names).map(|name| (type_url.clone(), name)).collect::<Vec<_>>()
        });
        missing.take(MISSING_MAX).collect()
    }

    /// What of an answer is kept, each with what it refers to.
    fn read(&self, type_url: &str, followed: &Type, came: Vec<Came>) -> Result<Vec<Held>, String> {
        let mut kept = Vec::with_capacity(came.len());
        let mut names = BTreeSet::new();
        for Came { name, version, any } in came {
            let Some(any) = any else { continue };
            let (wrapped_as, Any { type_url: of, value }) = any.unwrapped()?;
            if of != type_url {
                return Err(format!("an answer of {type_url} has a resource of {of}"));
            }
            let name = match name.or(wrapped_as) {
                Some(name) => name,
                None => self.reads.name_of(type_url, &value)?,
            };
            if !names.insert(name.clone()) {
                return Err(format!("an answer of {type_url} has {name} twice"));
            }
            if !followed.wanted.includes(&name) {
                continue;
            }
            let resource = Resource { type_url: type_url.to_owned(), name, version, value };
            let wants = match followed.held.get(&resource.name) {
                Some(held) if held.resource.value == resource.value => held.wants.clone(),
                Some(_) | None => self.reads.wants(&resource)?,
            };
            kept.push(Held { resource, wants });
        }
        Ok(kept)
    }

    /// By type. Clusters and listeners are all asked for already.
    fn wants(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut wants: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let wanted = self.types.values().flat_map(|followed| followed.held.values()).flat_map(|held| &held.wants);
        for (type_url, name) in wanted.filter(|(type_url, _)| !is_root(type_url)) {
            wants.entry(type_url.clone()).or_default().insert(name.clone());
        }
        wants
    }

    fn named(&self) -> impl Iterator<Item = (&String, &BTreeSet<String>)> {
        self.types.iter().filter_map(|(type_url, followed)| match &followed.wanted {
            Wanted::All => None,
            Wanted::Named(names) => Some((type_url, names)),
        })
    }

    fn count(&self) -> usize {
        self.types.values().map(|followed| followed.held.len() + followed.doubtful.len()).sum()
    }

    /// Of contents, names and versions.
    fn bytes(&self) -> usize {
        let of_one = |held: &Held| held.resource.value.len() + held.resource.name.len() + held.resource.version.len();
        let held: usize = self.types.values().flat_map(|followed| followed.held.values()).map(of_one).sum();
        held + self.types.values().flat_map(|followed| &followed.doubtful).map(String::len).sum::<usize>()
    }
}
