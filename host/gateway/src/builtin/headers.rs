//! What changes in the headers on the way through: connection-bound ones go, `X-Forwarded-*`, `Via` and Kong's `X-Kong-*` come.

use std::time::Duration;

use holdover_plugin::routing::{Headers, Protocol, Proxy};
use http::header::{
    CONNECTION, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SERVER, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{Response, Version};
use tokio::time::Instant;

use super::listen::Connection;
use super::telling::Telling;
use super::trusted::Asker;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
/// Would become an environment variable in CGI programs (httpoxy).
const PROXY: HeaderName = HeaderName::from_static("proxy");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const FORWARDED_PATH: HeaderName = HeaderName::from_static("x-forwarded-path");
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
pub(super) const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const UPSTREAM_STATUS: HeaderName = HeaderName::from_static("x-kong-upstream-status");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-kong-request-id");
const PROXY_LATENCY: HeaderName = HeaderName::from_static("x-kong-proxy-latency");
const UPSTREAM_LATENCY: HeaderName = HeaderName::from_static("x-kong-upstream-latency");
const RESPONSE_LATENCY: HeaderName = HeaderName::from_static("x-kong-response-latency");

/// Who we are, where servers and proxies name themselves.
const NAME: HeaderValue = HeaderValue::from_static("holdover");

/// When a request came, and what it is called.
pub(super) struct Arrival {
    pub at: Instant,
    pub id: String,
}

/// That an upstream was asked.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    /// The last time.
    pub at: Instant,
    /// The version of HTTP that it was spoken to in.
    pub spoken: Version,
}

/// The request's headers as the router asks for them.
pub(super) struct Received<'a>(pub &'a HeaderMap);

impl Headers for Received<'_> {
    fn any(&self, name: &str, accepts: &mut dyn FnMut(&str) -> bool) -> bool {
        self.0.get_all(name).iter().any(|value| std::str::from_utf8(value.as_bytes()).is_ok_and(&mut *accepts))
    }

    fn each(&self, visit: &mut dyn FnMut(&str, &str)) {
        for (name, value) in self.0 {
            if let Ok(value) = std::str::from_utf8(value.as_bytes()) {
                visit(name.as_str(), value);
            }
        }
    }
}

/// Makes the request's headers those of the request upstream, but for Host.
pub(super) fn toward_upstream(headers: &mut HeaderMap, upgrade: Option<&HeaderValue>) {
    let trailers = headers.get_all(TE).iter().any(|value| tokens(value).any(|token| token.eq_ignore_ascii_case("trailers")));
    remove_connection_bound(headers);
    headers.remove(PROXY_AUTHORIZATION);
    headers.remove(PROXY);
    // The body is asked for by the server on this side, and sent without waiting on the other.
    headers.remove(EXPECT);
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if let Some(protocol) = upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, protocol.clone());
    }
}

/// Tells the upstream who asked, and for what. A proxy that is not trusted is heard only in the list of addresses, which is continued; of a
/// trusted one everything stays that it said. The host is without a port: the port told is the one that was reached.
pub(super) fn forwarded(headers: &mut HeaderMap, asker: &Asker, connection: &Connection, host: &str, path: &str, proxy: &Proxy<'_>) {
    let addresses = match said(headers, &FORWARDED_FOR) {
        Some(earlier) => format!("{earlier}, {}", asker.peer),
        None => asker.client.to_string(),
    };
    set(headers, FORWARDED_FOR, Some(&addresses));
    set(headers, REAL_IP, Some(&asker.client.to_string()));
    let (host, port) = (host.to_ascii_lowercase(), connection.local.port().to_string());
    for (name, ours) in [
        (FORWARDED_PROTO, Some(connection.protocol().as_str())),
        (FORWARDED_HOST, Some(host.as_str())),
        (FORWARDED_PORT, Some(port.as_str())),
        (FORWARDED_PATH, Some(path)),
        (FORWARDED_PREFIX, proxy.stripped_prefix.as_deref()),
    ] {
        let theirs = said(headers, &name).filter(|_| asker.is_trusted);
        set(headers, name, theirs.as_deref().or(ours));
    }
}

/// What a proxy in front says that it was asked over, and for which host.
pub(super) fn asked_for(headers: &HeaderMap) -> (Option<Protocol>, Option<String>) {
    let protocol = said(headers, &FORWARDED_PROTO).map(|name| if name == "https" { Protocol::Https } else { Protocol::Http });
    (protocol, said(headers, &FORWARDED_HOST))
}

/// Names us as one the request came through, and what it is called.
pub(super) fn introduce(headers: &mut HeaderMap, version: Version, arrival: &Arrival) {
    via(headers, version);
    set(headers, REQUEST_ID, Some(&arrival.id));
}

/// Names us in the list of those in between, with the version of HTTP in which we received it.
fn via(headers: &mut HeaderMap, version: Version) {
    let us = match version {
        Version::HTTP_10 => "1.0 holdover",
        Version::HTTP_2 => "2 holdover",
        _ => "1.1 holdover",
    };
    let continued = said(headers, &VIA).map_or_else(|| us.to_owned(), |earlier| format!("{earlier}, {us}"));
    set(headers, VIA, Some(&continued));
}

/// What stands in this header, all in one line; `None` if that is nothing.
fn said(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let lines: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    let line = lines.join(", ");
    (!line.is_empty()).then_some(line)
}

/// What the client is told of a request, as far as it is to be told anything: who answers, what the request is called and where its time went.
/// `asked` is when an upstream was last asked, if one was.
pub(super) fn told<B>(response: &mut Response<B>, telling: Telling, arrival: &Arrival, asked: Option<Asked>) {
    let milliseconds = |time: Duration| time.as_millis().to_string();
    let status = response.status().as_u16().to_string();
    let headers = response.headers_mut();
    let mut tell = |is_told: bool, name, value: &str| {
        if is_told {
            set(headers, name, Some(value));
        }
    };
    tell(telling.request_id, REQUEST_ID, &arrival.id);
    match asked {
        Some(Asked { at, spoken }) => {
            tell(telling.upstream_latency, UPSTREAM_LATENCY, &milliseconds(at.elapsed()));
            tell(telling.proxy_latency, PROXY_LATENCY, &milliseconds(at.duration_since(arrival.at)));
            tell(telling.upstream_status, UPSTREAM_STATUS, &status);
            if telling.via {
                via(headers, spoken);
            }
        }
        None => tell(telling.response_latency, RESPONSE_LATENCY, &milliseconds(arrival.at.elapsed())),
    }
    if telling.server {
        headers.entry(SERVER).or_insert(NAME);
    }
}

/// Makes the upstream's headers those of the answer.
pub(super) fn toward_client(headers: &mut HeaderMap, upgraded: bool) {
    let protocol = headers.get(UPGRADE).cloned().filter(|_| upgraded);
    remove_connection_bound(headers);
    headers.remove(PROXY_AUTHENTICATE);
    if let Some(protocol) = protocol {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, protocol);
    }
}

pub(super) fn set_host(headers: &mut HeaderMap, host: &str) {
    set(headers, HOST, Some(host));
}

/// Sets or removes; a value that no header can hold is none.
pub(super) fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<&str>) {
    match value.and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok()) {
        Some(value) => {
            headers.insert(name, value);
        }
        None => {
            headers.remove(name);
        }
    }
}

fn remove_connection_bound(headers: &mut HeaderMap) {
    let named: Vec<String> = headers.get_all(CONNECTION).iter().flat_map(tokens).map(str::to_owned).collect();
    for name in named {
        headers.remove(name);
    }
    for name in [CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
}

pub(super) fn tokens(value: &HeaderValue) -> impl Iterator<Item = &str> {
    value.to_str().unwrap_or_default().split(',').map(str::trim).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_bound_to_the_connection_is_not_passed_on() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Mine"),
            ("x-mine", "1"),
            ("keep-alive", "5"),
            ("te", "gzip, trailers"),
            ("proxy", "http://evil"),
            ("proxy-authorization", "Basic x"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("x-other", "2"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        toward_upstream(&mut headers, None);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["te", "x-other"]);
    }
}
