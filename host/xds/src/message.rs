//! The messages of ADS and of gRPC's health service, written by hand. Fields that neither end uses are passed over.
//!
//! Numbers are those of `envoy/service/discovery/v3/discovery.proto`, `envoy/config/core/v3/base.proto`, `envoy/type/v3/semantic_version.proto`,
//! `google/protobuf/any.proto`, `google/protobuf/struct.proto`, `google/rpc/status.proto` and `grpc/health/v1/health.proto`.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{Described, bounded};

/// A resource in the state-of-the-world variant may come wrapped, with its name.
const WRAPPED: &str = "type.googleapis.com/envoy.service.discovery.v3.Resource";

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Any {
    #[prost(string, tag = "1")]
    pub type_url: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub value: Bytes,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ErrorDetail {
    #[prost(int32, tag = "1")]
    pub code: i32,
    #[prost(string, tag = "2")]
    pub message: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Node {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(string, tag = "2")]
    pub cluster: String,
    #[prost(message, optional, tag = "3")]
    pub metadata: Option<Struct>,
    #[prost(message, optional, tag = "4")]
    pub locality: Option<Locality>,
    #[prost(string, tag = "6")]
    pub user_agent_name: String,
    #[prost(string, tag = "7")]
    pub user_agent_version: String,
    /// Instead of the text above: Envoy sends this one.
    #[prost(message, optional, tag = "8")]
    pub user_agent_build_version: Option<BuildVersion>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Locality {
    #[prost(string, tag = "1")]
    pub region: String,
    #[prost(string, tag = "2")]
    pub zone: String,
    #[prost(string, tag = "3")]
    pub sub_zone: String,
}

/// `google.protobuf.Struct`, and what is in it.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Struct {
    #[prost(btree_map = "string, message", tag = "1")]
    pub fields: BTreeMap<String, Value>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Value {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6")]
    pub kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Kind {
    /// Always 0.
    #[prost(int32, tag = "1")]
    Null(i32),
    #[prost(double, tag = "2")]
    Number(f64),
    #[prost(string, tag = "3")]
    Text(String),
    #[prost(bool, tag = "4")]
    Bool(bool),
    #[prost(message, tag = "5")]
    Struct(Struct),
    #[prost(message, tag = "6")]
    List(ListValue),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ListValue {
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<Value>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct BuildVersion {
    #[prost(message, optional, tag = "1")]
    pub version: Option<SemanticVersion>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SemanticVersion {
    #[prost(uint32, tag = "1")]
    pub major: u32,
    #[prost(uint32, tag = "2")]
    pub minor: u32,
    #[prost(uint32, tag = "3")]
    pub patch: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DiscoveryRequest {
    #[prost(string, tag = "1")]
    pub version_info: String,
    #[prost(message, optional, tag = "2")]
    pub node: Option<Node>,
    #[prost(string, repeated, tag = "3")]
    pub resource_names: Vec<String>,
    #[prost(string, tag = "4")]
    pub type_url: String,
    #[prost(string, tag = "5")]
    pub response_nonce: String,
    #[prost(message, optional, tag = "6")]
    pub error_detail: Option<ErrorDetail>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DiscoveryResponse {
    #[prost(string, tag = "1")]
    pub version_info: String,
    #[prost(message, repeated, tag = "2")]
    pub resources: Vec<Any>,
    #[prost(string, tag = "4")]
    pub type_url: String,
    #[prost(string, tag = "5")]
    pub nonce: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DeltaDiscoveryRequest {
    #[prost(message, optional, tag = "1")]
    pub node: Option<Node>,
    #[prost(string, tag = "2")]
    pub type_url: String,
    #[prost(string, repeated, tag = "3")]
    pub resource_names_subscribe: Vec<String>,
    #[prost(string, repeated, tag = "4")]
    pub resource_names_unsubscribe: Vec<String>,
    #[prost(btree_map = "string, string", tag = "5")]
    pub initial_resource_versions: BTreeMap<String, String>,
    #[prost(string, tag = "6")]
    pub response_nonce: String,
    #[prost(message, optional, tag = "7")]
    pub error_detail: Option<ErrorDetail>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DeltaDiscoveryResponse {
    #[prost(string, tag = "1")]
    pub system_version_info: String,
    #[prost(message, repeated, tag = "2")]
    pub resources: Vec<DeltaResource>,
    #[prost(string, tag = "4")]
    pub type_url: String,
    #[prost(string, tag = "5")]
    pub nonce: String,
    #[prost(string, repeated, tag = "6")]
    pub removed_resources: Vec<String>,
    #[prost(message, repeated, tag = "8")]
    pub removed_resource_names: Vec<ResourceName>,
}

/// `envoy.service.discovery.v3.Resource`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DeltaResource {
    #[prost(string, tag = "1")]
    pub version: String,
    /// Absent in a heartbeat, which only prolongs a life.
    #[prost(message, optional, tag = "2")]
    pub resource: Option<Any>,
    #[prost(string, tag = "3")]
    pub name: String,
    #[prost(message, optional, tag = "8")]
    pub resource_name: Option<ResourceName>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ResourceName {
    #[prost(string, tag = "1")]
    pub name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    pub service: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct HealthCheckResponse {
    #[prost(enumeration = "ServingStatus", tag = "1")]
    pub status: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum ServingStatus {
    Unknown = 0,
    Serving = 1,
    NotServing = 2,
    ServiceUnknown = 3,
}

impl Any {
    /// What it holds, with the name if it says one.
    pub fn unwrapped(self) -> Result<(Option<String>, Self), String> {
        if self.type_url != WRAPPED {
            return Ok((None, self));
        }
        let inner: DeltaResource =
            prost::Message::decode(self.value).map_err(|error| format!("a wrapped resource is unreadable: {error}"))?;
        let name = inner.named();
        let any = inner.resource.ok_or_else(|| "a wrapped resource is empty".to_owned())?;
        Ok((name, any))
    }
}

impl DeltaResource {
    pub fn named(&self) -> Option<String> {
        let long = self.resource_name.as_ref().map(|long| long.name.clone());
        Some(self.name.clone()).filter(|name| !name.is_empty()).or(long).filter(|name| !name.is_empty())
    }
}

impl ErrorDetail {
    /// Why an answer is not taken: `INVALID_ARGUMENT`, as Envoy says it.
    pub fn rejecting(why: &str) -> Self {
        Self { code: 3, message: bounded(why) }
    }

    /// As gRPC spells it.
    pub fn code_name(&self) -> &'static str {
        match tonic::Code::from_i32(self.code) {
            tonic::Code::Ok => "OK",
            tonic::Code::Cancelled => "CANCELLED",
            tonic::Code::Unknown => "UNKNOWN",
            tonic::Code::InvalidArgument => "INVALID_ARGUMENT",
            tonic::Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
            tonic::Code::NotFound => "NOT_FOUND",
            tonic::Code::AlreadyExists => "ALREADY_EXISTS",
            tonic::Code::PermissionDenied => "PERMISSION_DENIED",
            tonic::Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
            tonic::Code::FailedPrecondition => "FAILED_PRECONDITION",
            tonic::Code::Aborted => "ABORTED",
            tonic::Code::OutOfRange => "OUT_OF_RANGE",
            tonic::Code::Unimplemented => "UNIMPLEMENTED",
            tonic::Code::Internal => "INTERNAL",
            tonic::Code::Unavailable => "UNAVAILABLE",
            tonic::Code::DataLoss => "DATA_LOSS",
            tonic::Code::Unauthenticated => "UNAUTHENTICATED",
        }
    }
}

impl Node {
    pub(crate) fn of(node: &crate::Node, described: &Described) -> Self {
        Self {
            id: described.id().unwrap_or(&node.id).to_owned(),
            cluster: node.cluster.clone(),
            metadata: described.metadata.clone(),
            locality: described.locality.clone(),
            user_agent_name: node.user_agent_name.clone(),
            user_agent_version: node.version.clone(),
            user_agent_build_version: None,
        }
    }
}

impl From<Node> for crate::Node {
    fn from(node: Node) -> Self {
        let built = node.user_agent_build_version.and_then(|build| build.version);
        let version = match built {
            Some(SemanticVersion { major, minor, patch }) => format!("{major}.{minor}.{patch}"),
            None => bounded(&node.user_agent_version),
        };
        Self { id: node.id, cluster: node.cluster, user_agent_name: bounded(&node.user_agent_name), version }
    }
}
