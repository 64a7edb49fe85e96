//! The two variants of ADS, as far as a client speaks them: what an answer says, and how a request is worded.
//!
//! In the state-of-the-world variant each request repeats all names, the version that was accepted last and the nonce that it answers; in
//! delta each says only what changes.

use std::collections::BTreeMap;

use crate::message::{Any, DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, ErrorDetail, Node};
use crate::wanted::Wanted;
use crate::{ADS_DELTA, ADS_SOTW};

/// An answer, whichever variant it came in.
pub(super) struct Answer {
    pub type_url: String,
    pub nonce: String,
    /// Of the answer as a whole.
    pub version: String,
    /// Whether what it does not have is gone.
    pub is_whole: bool,
    pub came: Vec<Came>,
    pub removed: Vec<String>,
}

pub(super) struct Came {
    /// Outside of the bytes; within them is another.
    pub name: Option<String>,
    pub version: String,
    /// `None` is a heartbeat.
    pub any: Option<Any>,
}

/// What is asked for of one type, after a change.
pub(super) struct Subscription<'a> {
    pub type_url: &'a str,
    pub wanted: &'a Wanted,
    pub added: Vec<String>,
    pub dropped: Vec<String>,
}

pub(super) trait Dialect: Default + Send + 'static {
    type Request: prost::Message + Default + 'static;
    type Response: prost::Message + Default + 'static;
    const METHOD: &'static str;

    fn read(response: Self::Response) -> Answer;
    fn subscribe(&mut self, node: Node, subscription: &Subscription<'_>) -> Self::Request;
    fn accept(&mut self, node: Node, answer: &Receipt, wanted: &Wanted) -> Self::Request;
    fn reject(&mut self, node: Node, answer: &Receipt, wanted: &Wanted, why: &str) -> Self::Request;
}

/// What of an answer its acknowledgement needs.
pub(super) struct Receipt {
    pub type_url: String,
    pub nonce: String,
    pub version: String,
}

/// State of the world.
#[derive(Default)]
pub(super) struct Sotw {
    repeated: BTreeMap<String, Repeated>,
}

/// What the next request of a type repeats.
#[derive(Clone, Default)]
struct Repeated {
    accepted: String,
    nonce: String,
}

#[derive(Default)]
pub(super) struct Delta;

impl Answer {
    pub fn receipt(&self) -> Receipt {
        Receipt { type_url: self.type_url.clone(), nonce: self.nonce.clone(), version: self.version.clone() }
    }
}

impl Sotw {
    fn request(&self, node: Node, type_url: &str, wanted: &Wanted) -> DiscoveryRequest {
        let Repeated { accepted, nonce } = self.repeated.get(type_url).cloned().unwrap_or_default();
        DiscoveryRequest {
            version_info: accepted,
            node: Some(node),
            resource_names: wanted.names(),
            type_url: type_url.to_owned(),
            response_nonce: nonce,
            error_detail: None,
        }
    }
}

impl Dialect for Sotw {
    type Request = DiscoveryRequest;
    type Response = DiscoveryResponse;
    const METHOD: &'static str = ADS_SOTW;

    fn read(response: DiscoveryResponse) -> Answer {
        let DiscoveryResponse { version_info: version, resources, type_url, nonce } = response;
        let came = resources.into_iter().map(|any| Came { name: None, version: version.clone(), any: Some(any) }).collect();
        // Of other types a control plane may send the changed ones alone.
        let is_whole = crate::is_root(&type_url);
        Answer { type_url, nonce, version, is_whole, came, removed: Vec::new() }
    }

    fn subscribe(&mut self, node: Node, subscription: &Subscription<'_>) -> DiscoveryRequest {
        self.request(node, subscription.type_url, subscription.wanted)
    }

    fn accept(&mut self, node: Node, answer: &Receipt, wanted: &Wanted) -> DiscoveryRequest {
        let repeated = Repeated { accepted: answer.version.clone(), nonce: answer.nonce.clone() };
        self.repeated.insert(answer.type_url.clone(), repeated);
        self.request(node, &answer.type_url, wanted)
    }

    fn reject(&mut self, node: Node, answer: &Receipt, wanted: &Wanted, why: &str) -> DiscoveryRequest {
        self.repeated.entry(answer.type_url.clone()).or_default().nonce.clone_from(&answer.nonce);
        DiscoveryRequest { error_detail: Some(ErrorDetail::rejecting(why)), ..self.request(node, &answer.type_url, wanted) }
    }
}

impl Dialect for Delta {
    type Request = DeltaDiscoveryRequest;
    type Response = DeltaDiscoveryResponse;
    const METHOD: &'static str = ADS_DELTA;

    fn read(response: DeltaDiscoveryResponse) -> Answer {
        let DeltaDiscoveryResponse { system_version_info: version, resources, type_url, nonce, .. } = response;
        let came = resources.into_iter().map(|one| Came { name: one.named(), version: one.version, any: one.resource }).collect();
        let mut removed = response.removed_resources;
        removed.extend(response.removed_resource_names.into_iter().map(|long| long.name));
        Answer { type_url, nonce, version, is_whole: false, came, removed }
    }

    fn subscribe(&mut self, node: Node, subscription: &Subscription<'_>) -> DeltaDiscoveryRequest {
        DeltaDiscoveryRequest {
            node: Some(node),
            type_url: subscription.type_url.to_owned(),
            resource_names_subscribe: subscription.added.clone(),
            resource_names_unsubscribe: subscription.dropped.clone(),
            ..DeltaDiscoveryRequest::default()
        }
    }

    fn accept(&mut self, node: Node, answer: &Receipt, _wanted: &Wanted) -> DeltaDiscoveryRequest {
        DeltaDiscoveryRequest {
            node: Some(node),
            type_url: answer.type_url.clone(),
            response_nonce: answer.nonce.clone(),
            ..DeltaDiscoveryRequest::default()
        }
    }

    fn reject(&mut self, node: Node, answer: &Receipt, wanted: &Wanted, why: &str) -> DeltaDiscoveryRequest {
        DeltaDiscoveryRequest { error_detail: Some(ErrorDetail::rejecting(why)), ..self.accept(node, answer, wanted) }
    }
}
