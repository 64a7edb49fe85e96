//! The answers that the filter gives itself: JSON with a `message`, as Kong and our own gateway write them.

use holdover_plugin::routing::Answer;
use proxy_wasm::hostcalls;
use proxy_wasm::types::{Action, GrpcStatusCode};
use serde_json::json;

use super::correlation::Id;
use super::way::Unspoken;

const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");

/// The node has not decided for longer than a request is held, or there is none.
pub fn undecided() -> Action {
    unavailable("it is not known yet whether the control plane answers", "undecided")
}

/// Why there is nothing to serve stands in the node's log, for it says where the storage is.
pub fn stranded() -> Action {
    unavailable("the control plane is away, and there is no configuration to serve in its place", "stranded")
}

/// Clients and load balancers are told to come back soon.
fn unavailable(message: &str, reason: &str) -> Action {
    send(503, vec![JSON, ("retry-after", "1")], &json!({ "message": message, "reason": reason }).to_string())
}

pub fn no_route() -> Action {
    message(404, "no Route matched with those values")
}

pub fn no_service() -> Action {
    message(503, "no Service found with those values")
}

pub fn not_enforced(plugin: &str) -> Action {
    message(503, &format!("this route needs the plugin '{plugin}', which this gateway does not enforce"))
}

pub fn refused(entity: &str) -> Action {
    message(503, &format!("this route needs a {entity} that Kong would refuse, and is not served"))
}

pub fn upgrade_required() -> Action {
    message(426, "Please use HTTPS protocol")
}

pub fn redirect(status: u16, location: &str) -> Action {
    send(status, vec![("location", location)], "")
}

/// gRPC is spoken over HTTP/2 only.
pub fn http2_required() -> Action {
    message(426, "Please use HTTP2 protocol")
}

/// In gRPC's own words, for its clients read no others.
pub fn grpc_without_tls() -> Action {
    // As in `send`, there is no error to look at.
    let _ = hostcalls::send_grpc_response(GrpcStatusCode::Cancelled, Some("gRPC request matched gRPCs route"), Vec::new());
    Action::Pause
}

pub fn not_grpc() -> Action {
    message(415, "Non-gRPC request matched gRPC route")
}

pub fn bad_request(why: &str) -> Action {
    message(400, why)
}

pub fn not_allowed() -> Action {
    message(405, "the method CONNECT is not proxied")
}

pub fn no_target() -> Action {
    message(503, "failure to get a peer from the ring-balancer")
}

/// Sending it with less than the service wants would be worse than not sending it.
pub fn unspoken(wanted: Unspoken) -> Action {
    let wanted = match wanted {
        Unspoken::ClientCertificate => "that its upstream is shown a client certificate (client_certificate)",
        Unspoken::OwnAuthorities => "its upstream's certificate held against authorities of its own (tls_verify with ca_certificates)",
        Unspoken::VerifiedGrpc => "the certificate of a gRPC upstream checked (tls_verify)",
    };
    message(503, &format!("this route's service wants {wanted}, which this gateway does not do"))
}

pub fn unexpected() -> Action {
    message(500, "An unexpected error occurred")
}

/// What the plugin `request-termination` says.
pub fn answer(answer: &Answer<'_>, id: Option<&Id>) -> Action {
    let mut headers = vec![("content-type", answer.content_type)];
    headers.extend(id.filter(|id| id.echo_downstream).map(|id| (id.header_name.as_str(), id.value.as_str())));
    send(answer.status, headers, &answer.body)
}

fn message(status: u16, text: &str) -> Action {
    send(status, vec![JSON], &json!({ "message": text }).to_string())
}

fn send(status: u16, headers: Vec<(&str, &str)>, body: &str) -> Action {
    // The SDK ends the VM on every failure that Envoy could report here, so there is no error to look at.
    let _ = hostcalls::send_http_response(u32::from(status), headers, Some(body.as_bytes()));
    Action::Pause
}
