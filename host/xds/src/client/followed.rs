//! What a control plane has said so far, and what is still to be said: the set, without any wire.
//! Counts names, contents and what is in doubt against the bounds; knows no clock.
//!
//! ```text
//! clusters *  ─ wants ─► endpoints by name          the set is complete when every type that is asked for was answered, the latest
//! listeners * ─ wants ─► routes, secrets … by name  answer of each could be read, and everything that is named has come
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

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
    /// An answer was turned down of which some resource says no name, and everything was asked for: what is held is not what the control
    /// plane means, until it has said everything.
    is_rejected: bool,
    /// Names of what was turned down, until they come again or everything does. Where some resource says no name, any that was asked for may
    /// be its.
    doubtful: BTreeSet<String>,
}

/// What came, by name if that can be known.
struct Arrival {
    name: Option<String>,
    /// Version and content.
    found: Result<(String, Bytes), String>,
}

/// What an answer is about.
struct About {
    names: BTreeSet<String>,
    has_nameless: bool,
    is_whole: bool,
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

    fn judged(&mut self, about: About, is_taken: bool) {
        let About { names, has_nameless, is_whole } = about;
        if is_taken {
            self.is_rejected &= !is_whole;
            self.doubtful.retain(|name| !is_whole && !names.contains(name));
            return;
        }
        let wanted = &self.wanted;
        self.doubtful.extend(names.into_iter().filter(|name| wanted.includes(name)));
        match wanted {
            Wanted::All => self.is_rejected |= has_nameless,
            Wanted::Named(names) if has_nameless => self.doubtful.extend(names.iter().cloned()),
            Wanted::Named(_) => {}
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
        let came: Vec<Arrival> = came.into_iter().filter_map(|one| self.arrived(&type_url, one)).collect();
        let names = came.iter().filter_map(|one| one.name.clone()).chain(removed.iter().cloned()).collect();
        let about = About { names, has_nameless: came.iter().any(|one| one.name.is_none()), is_whole };
        let read = self.read(&type_url, &followed, came);
        followed.judged(about, read.is_ok());
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

    /// `None` is a heartbeat, which brings nothing.
    fn arrived(&self, type_url: &str, came: Came) -> Option<Arrival> {
        let Came { name, version, any } = came;
        let (wrapped_as, Any { type_url: of, value }) = match any?.unwrapped() {
            Ok(unwrapped) => unwrapped,
            Err(why) => return Some(Arrival { name, found: Err(why) }),
        };
        let name = name.or(wrapped_as);
        if of != type_url {
            let why = format!("an answer of {type_url} has a resource of {}", bounded(&of));
            return Some(Arrival { name, found: Err(why) });
        }
        Some(match name.map_or_else(|| self.reads.name_of(type_url, &value), Ok) {
            Ok(name) => Arrival { name: Some(name), found: Ok((version, value)) },
            Err(why) => Arrival { name: None, found: Err(why) },
        })
    }

    /// What of an answer is kept, each with what it refers to.
    fn read(&self, type_url: &str, followed: &Type, came: Vec<Arrival>) -> Result<Vec<Held>, String> {
        let mut kept = Vec::with_capacity(came.len());
        let mut names = BTreeSet::new();
        for Arrival { name, found } in came {
            let (version, value) = found?;
            let Some(name) = name else { continue };
            if !names.insert(name.clone()) {
                return Err(format!("an answer of {type_url} has {name} twice"));
            }
            if !followed.wanted.includes(&name) {
                continue;
            }
            let held = followed.held.get(&name).filter(|held| held.resource.value == value);
            // What came is a slice of its whole frame, which would stay as long as the last of what is kept of it.
            let value = held.map_or_else(|| Bytes::copy_from_slice(&value), |held| held.resource.value.clone());
            let resource = Resource { type_url: type_url.to_owned(), name, version, value };
            let wants = match held {
                Some(held) => held.wants.clone(),
                None => self.reads.wants(&resource)?,
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

#[cfg(test)]
mod tests;
