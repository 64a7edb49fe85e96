//! The answers that the gateway gives itself: JSON with a `message`, as Kong writes them.

use bytes::Bytes;
use holdover_plugin::routing::Answer;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER, UPGRADE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::json;

use super::upstream::Body;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// Before the first configuration. Clients and load balancers are told to come back soon.
pub(super) fn not_configured() -> Response<Body> {
    let body = json!({ "message": "no configuration has been applied yet", "reason": "not-configured" });
    let mut response = with_body(StatusCode::SERVICE_UNAVAILABLE, Bytes::from(body.to_string()));
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

pub(super) fn no_route() -> Response<Body> {
    message(StatusCode::NOT_FOUND, "no Route matched with those values")
}

pub(super) fn no_service() -> Response<Body> {
    message(StatusCode::SERVICE_UNAVAILABLE, "no Service found with those values")
}

pub(super) fn not_enforced(plugin: &str) -> Response<Body> {
    let text = format!("this route needs the plugin '{plugin}', which this gateway does not enforce");
    message(StatusCode::SERVICE_UNAVAILABLE, &text)
}

pub(super) fn refused(entity: &str) -> Response<Body> {
    let text = format!("this route needs a {entity} that Kong would refuse, and is not served: `holdover verify` says why");
    message(StatusCode::SERVICE_UNAVAILABLE, &text)
}

/// Why stands in the log.
pub(super) fn tls_not_possible() -> Response<Body> {
    let text = "this route's service asks for certificates of its upstream, or for one to show it, that this gateway does not have";
    message(StatusCode::SERVICE_UNAVAILABLE, text)
}

pub(super) fn upgrade_required() -> Response<Body> {
    let mut response = message(StatusCode::UPGRADE_REQUIRED, "Please use HTTPS protocol");
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("TLS/1.2, HTTP/1.1"));
    response
}

pub(super) fn redirect(status: u16, location: &str) -> Response<Body> {
    let Ok(location) = HeaderValue::try_from(location) else { return bad_request("the Host header is not one") };
    let mut response = with_body(StatusCode::from_u16(status).unwrap_or(StatusCode::FOUND), Bytes::new());
    response.headers_mut().remove(CONTENT_TYPE);
    response.headers_mut().insert(LOCATION, location);
    response
}

/// gRPC is spoken over HTTP/2 only.
pub(super) fn http2_required() -> Response<Body> {
    let mut response = message(StatusCode::UPGRADE_REQUIRED, "Please use HTTP2 protocol");
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("HTTP/2"));
    response
}

/// In gRPC's own words, for its clients read no others.
pub(super) fn grpc_without_tls() -> Response<Body> {
    let mut response = with_body(StatusCode::OK, Bytes::new());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(HeaderName::from_static("grpc-status"), HeaderValue::from_static("1"));
    headers.insert(HeaderName::from_static("grpc-message"), HeaderValue::from_static("gRPC request matched gRPCs route"));
    response
}

pub(super) fn not_grpc() -> Response<Body> {
    message(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Non-gRPC request matched gRPC route")
}

pub(super) fn bad_request(why: &str) -> Response<Body> {
    message(StatusCode::BAD_REQUEST, why)
}

pub(super) fn not_allowed() -> Response<Body> {
    message(StatusCode::METHOD_NOT_ALLOWED, "the method CONNECT is not proxied")
}

pub(super) fn no_target() -> Response<Body> {
    message(StatusCode::SERVICE_UNAVAILABLE, "failure to get a peer from the ring-balancer")
}

pub(super) fn client_too_slow() -> Response<Body> {
    message(StatusCode::REQUEST_TIMEOUT, "the request's body did not arrive in time")
}

pub(super) fn upstream_timed_out() -> Response<Body> {
    message(StatusCode::GATEWAY_TIMEOUT, "The upstream server is timing out")
}

pub(super) fn upstream_failed() -> Response<Body> {
    message(StatusCode::BAD_GATEWAY, "An invalid response was received from the upstream server")
}

pub(super) fn unexpected() -> Response<Body> {
    message(StatusCode::INTERNAL_SERVER_ERROR, "An unexpected error occurred")
}

/// What the plugin `request-termination` says.
pub(super) fn answer(answer: &Answer<'_>) -> Response<Body> {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let mut response = with_body(status, Bytes::copy_from_slice(answer.body.as_bytes()));
    if let Ok(content_type) = HeaderValue::try_from(answer.content_type) {
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    response
}

fn message(status: StatusCode, text: &str) -> Response<Body> {
    with_body(status, Bytes::from(json!({ "message": text }).to_string()))
}

fn with_body(status: StatusCode, body: Bytes) -> Response<Body> {
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(Full::new(body).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response.headers_mut().insert(CONTENT_LENGTH, length);
    response
}
