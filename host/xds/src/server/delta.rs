//! The delta variant: each answer says what was added, changed and removed since the one before it.
//!
//! A name that is subscribed to is answered every time, though the node may hold it: it may have let it go before it asked again. A name
//! that there is not, or that a node brought along and that is no longer there, is answered as removed.

use std::collections::{BTreeMap, BTreeSet};

use tonic::Status;

use super::session::{Heard, Reply, TYPES_MAX, Variant, too_many};
use super::{Limits, Snapshot};
use crate::message::{Any, DeltaDiscoveryRequest, DeltaDiscoveryResponse, DeltaResource, Node};
use crate::wanted::ALL;
use crate::{Mode, Resource, is_root};

#[derive(Default)]
pub(super) struct Delta {
    types: BTreeMap<String, Asked>,
    answers: u64,
}

#[derive(Default)]
struct Asked {
    is_all: bool,
    names: BTreeSet<String>,
    /// What the node holds, by name: the version. `None`: it was told that there is no such resource.
    held: BTreeMap<String, Option<String>>,
    /// Names that are to be answered whatever is held.
    due: BTreeSet<String>,
    nonce: String,
    is_answered: bool,
}

impl Variant for Delta {
    type Request = DeltaDiscoveryRequest;
    type Response = DeltaDiscoveryResponse;
    const MODE: Mode = Mode::Delta;

    fn node(request: &mut DeltaDiscoveryRequest) -> Option<Node> {
        request.node.take()
    }

    fn type_url(request: &DeltaDiscoveryRequest) -> &str {
        &request.type_url
    }

    fn longest(request: &DeltaDiscoveryRequest) -> usize {
        let names = request.resource_names_subscribe.iter().chain(&request.resource_names_unsubscribe);
        let brought = request.initial_resource_versions.iter().flat_map(|(name, version)| [name, version]);
        names.chain(brought).map(String::len).max().unwrap_or_default()
    }

    fn knows(&self, type_url: &str) -> bool {
        self.types.contains_key(type_url)
    }

    fn is_configured(request: &DeltaDiscoveryRequest) -> bool {
        !request.initial_resource_versions.is_empty()
    }

    fn holds_only(request: &DeltaDiscoveryRequest, snapshot: &Snapshot) -> bool {
        let is_ours = |name: &str, version: &str| snapshot.one(&request.type_url, name).is_some_and(|resource| resource.version == version);
        request.initial_resource_versions.iter().all(|(name, version)| is_ours(name, version))
    }

    fn heard(
        &mut self,
        request: DeltaDiscoveryRequest,
        snapshot: Option<&Snapshot>,
        limits: &Limits,
    ) -> Result<Heard<DeltaDiscoveryResponse>, Status> {
        let DeltaDiscoveryRequest { type_url, resource_names_subscribe: subscribe, resource_names_unsubscribe: unsubscribe, .. } = request;
        let is_first = !self.types.contains_key(&type_url);
        if is_first && self.types.len() >= TYPES_MAX {
            return Err(too_many("types", TYPES_MAX));
        }
        let asked = self.types.entry(type_url.clone()).or_default();
        if is_first {
            asked.is_all = subscribe.is_empty() && is_root(&type_url);
            asked.held = request.initial_resource_versions.into_iter().map(|(name, version)| (name, Some(version))).collect();
        }
        let asks = is_first || !subscribe.is_empty();
        asked.unsubscribe(unsubscribe);
        asked.subscribe(subscribe);
        if asked.names.len() > limits.names_max {
            return Err(too_many("names", limits.names_max));
        }
        let is_latest = !request.response_nonce.is_empty() && request.response_nonce == asked.nonce;
        let about = match request.error_detail {
            _ if !is_latest => None,
            Some(detail) => Some(Reply::Rejected(detail)),
            None => Some(Reply::Acknowledged),
        };
        let answer = if asks { snapshot.and_then(|snapshot| self.answer(&type_url, None, snapshot)) } else { None };
        Ok(Heard { answer, about })
    }

    fn offered(&mut self, before: Option<&Snapshot>, snapshot: &Snapshot) -> Vec<(String, DeltaDiscoveryResponse)> {
        let types: Vec<String> = self.types.keys().cloned().collect();
        types.into_iter().filter_map(|type_url| self.answer(&type_url, before, snapshot).map(|answer| (type_url, answer))).collect()
    }
}

impl Delta {
    /// Nothing, if nothing is due and the type was answered on this stream.
    fn answer(&mut self, type_url: &str, before: Option<&Snapshot>, snapshot: &Snapshot) -> Option<DeltaDiscoveryResponse> {
        let asked = self.types.get_mut(type_url)?;
        let changed: Vec<&Resource> = snapshot.all(type_url).filter(|resource| asked.is_due(resource, before)).collect();
        let gone = asked.held.iter().filter(|(_, version)| version.is_some()).map(|(name, _)| name).chain(&asked.due);
        let gone: BTreeSet<String> = gone.chain(&asked.names).filter(|name| snapshot.one(type_url, name).is_none()).cloned().collect();
        let told = |name: &String| asked.held.get(name) == Some(&None) && !asked.due.contains(name);
        let removed: Vec<String> = gone.into_iter().filter(|name| !told(name)).collect();
        let is_nothing = changed.is_empty() && removed.is_empty();
        if is_nothing && asked.is_answered {
            return None;
        }
        asked.held.extend(changed.iter().map(|resource| (resource.name.clone(), Some(resource.version.clone()))));
        for name in &removed {
            // A name that is asked for is told once that it is not there; of others nothing is kept.
            if asked.names.contains(name) {
                asked.held.insert(name.clone(), None);
            } else {
                asked.held.remove(name);
            }
        }
        asked.due.clear();
        asked.is_answered = true;
        self.answers += 1;
        asked.nonce = self.answers.to_string();
        Some(DeltaDiscoveryResponse {
            system_version_info: String::new(),
            resources: changed.into_iter().map(whole).collect(),
            type_url: type_url.to_owned(),
            nonce: asked.nonce.clone(),
            removed_resources: removed,
            removed_resource_names: Vec::new(),
        })
    }
}

impl Asked {
    fn subscribe(&mut self, names: Vec<String>) {
        for name in names {
            if name == ALL {
                self.is_all = true;
            } else {
                self.due.insert(name.clone());
                self.names.insert(name);
            }
        }
    }

    /// What is let go by name stays held while everything is asked for.
    fn unsubscribe(&mut self, names: Vec<String>) {
        for name in names {
            if name == ALL {
                self.is_all = false;
                let names = &self.names;
                self.held.retain(|name, _| names.contains(name));
            } else {
                self.names.remove(&name);
                self.due.remove(&name);
                if !self.is_all {
                    self.held.remove(&name);
                }
            }
        }
    }

    /// A version that stayed may hide a change of content where a control plane reuses versions, so the snapshot before is asked too.
    fn is_due(&self, resource: &Resource, before: Option<&Snapshot>) -> bool {
        let Resource { type_url, name, version, .. } = resource;
        let is_wanted = self.is_all || self.names.contains(name);
        let is_held = self.held.get(name).is_some_and(|held| held.as_ref() == Some(version));
        let has_changed = before.is_some_and(|before| before.one(type_url, name).is_some_and(|former| former != resource));
        is_wanted && (!is_held || has_changed || self.due.contains(name))
    }
}

fn whole(resource: &Resource) -> DeltaResource {
    let Resource { type_url, name, version, value } = resource.clone();
    DeltaResource { version, resource: Some(Any { type_url, value }), name, resource_name: None }
}
