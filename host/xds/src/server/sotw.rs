//! The state-of-the-world variant: each answer has everything of its type that was asked for.
//!
//! Answered are the first request of a type on a stream, whatever version it names, and one that asks for more than before. A request with
//! another nonce than the latest crossed an answer on its way and says nothing: the node repeats its names with the right one.

use std::collections::BTreeMap;

use tonic::Status;

use super::session::{Heard, Reply, TYPES_MAX, Variant, too_many};
use super::{Limits, Snapshot};
use crate::message::{Any, DiscoveryRequest, DiscoveryResponse, Node};
use crate::wanted::Wanted;
use crate::{Mode, is_root};

#[derive(Default)]
pub(super) struct Sotw {
    types: BTreeMap<String, Asked>,
    answers: u64,
}

struct Asked {
    wanted: Wanted,
    /// Of the latest answer; empty before it.
    nonce: String,
    /// The version of that.
    sent: Option<String>,
    /// It asks for something that no answer was for.
    is_due: bool,
}

impl Variant for Sotw {
    type Request = DiscoveryRequest;
    type Response = DiscoveryResponse;
    const MODE: Mode = Mode::StateOfTheWorld;

    fn node(request: &mut DiscoveryRequest) -> Option<Node> {
        request.node.take()
    }

    fn type_url(request: &DiscoveryRequest) -> &str {
        &request.type_url
    }

    fn longest(request: &DiscoveryRequest) -> usize {
        request.resource_names.iter().map(String::len).max().unwrap_or_default()
    }

    fn knows(&self, type_url: &str) -> bool {
        self.types.contains_key(type_url)
    }

    fn is_configured(request: &DiscoveryRequest) -> bool {
        !request.version_info.is_empty()
    }

    fn holds_only(request: &DiscoveryRequest, snapshot: &Snapshot) -> bool {
        let wanted = Wanted::first(&request.type_url, request.resource_names.clone());
        request.version_info == snapshot.version(&request.type_url, &wanted)
    }

    fn heard(
        &mut self,
        request: DiscoveryRequest,
        snapshot: Option<&Snapshot>,
        limits: &Limits,
    ) -> Result<Heard<DiscoveryResponse>, Status> {
        let DiscoveryRequest { version_info, resource_names, type_url, response_nonce, error_detail, .. } = request;
        if resource_names.len() > limits.names_max {
            return Err(too_many("names", limits.names_max));
        }
        let Some(asked) = self.types.get_mut(&type_url) else {
            if self.types.len() >= TYPES_MAX {
                return Err(too_many("types", TYPES_MAX));
            }
            let wanted = Wanted::first(&type_url, resource_names);
            self.types.insert(type_url.clone(), Asked { wanted, nonce: String::new(), sent: None, is_due: true });
            return Ok(Heard { answer: self.answer(&type_url, snapshot), about: None });
        };
        if response_nonce != asked.nonce {
            return Ok(Heard { answer: None, about: None });
        }
        let wanted = asked.wanted.then(resource_names);
        let asks_for_more = wanted.exceeds(&asked.wanted);
        asked.is_due |= asks_for_more;
        asked.wanted = wanted;
        let about = match error_detail {
            Some(detail) => Some(Reply::Rejected(detail)),
            None => asked.sent.as_ref().filter(|sent| **sent == version_info).map(|_| Reply::Acknowledged),
        };
        let answer = if asks_for_more { self.answer(&type_url, snapshot) } else { None };
        Ok(Heard { answer, about })
    }

    fn offered(&mut self, before: Option<&Snapshot>, snapshot: &Snapshot) -> Vec<(String, DiscoveryResponse)> {
        // By content: a control plane may say one version of two contents, of which the first was turned down.
        let due = self.types.iter().filter(|(type_url, asked)| {
            let is_same = |before: &Snapshot| before.wanted(type_url, &asked.wanted).eq(snapshot.wanted(type_url, &asked.wanted));
            asked.is_due || !before.is_some_and(is_same)
        });
        let due: Vec<String> = due.map(|(type_url, _)| type_url.clone()).collect();
        due.into_iter().filter_map(|type_url| self.answer(&type_url, Some(snapshot)).map(|answer| (type_url, answer))).collect()
    }
}

impl Sotw {
    /// Never of no clusters or no listeners: for a node that asks for others by name, there are none yet. Of another type nothing is an
    /// answer, for who asks must not wait for what is not there.
    fn answer(&mut self, type_url: &str, snapshot: Option<&Snapshot>) -> Option<DiscoveryResponse> {
        let (snapshot, asked) = (snapshot?, self.types.get_mut(type_url)?);
        let any = |value| Any { type_url: type_url.to_owned(), value };
        let resources: Vec<Any> = snapshot.wanted(type_url, &asked.wanted).map(|resource| any(resource.value.clone())).collect();
        if resources.is_empty() && (is_root(type_url) || asked.wanted == Wanted::Named([].into())) {
            return None;
        }
        self.answers += 1;
        let version = snapshot.version(type_url, &asked.wanted);
        asked.nonce = self.answers.to_string();
        asked.sent = Some(version.clone());
        asked.is_due = false;
        Some(DiscoveryResponse { version_info: version, resources, type_url: type_url.to_owned(), nonce: asked.nonce.clone() })
    }
}
