//! What changes in the headers on the way through: connection-bound ones go, `X-Forwarded-*`, `Via` and Kong's `X-Kong-*` come.

use std::time::Duration;

use holdover_plugin::routing::{Headers, Proxy};
use http::Version;
use http::header::{
    CONNECTION, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SERVER, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, VIA,
};
use tokio::time::Instant;

use super::listen::Connection;

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
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-kong-request-id");
const PROXY_LATENCY: HeaderName = HeaderName::from_static("x-kong-proxy-latency");
const UPSTREAM_LATENCY: HeaderName = HeaderName::from_static("x-kong-upstream-latency");
const RESPONSE_LATENCY: HeaderName = HeaderName::from_static("x-kong-response-latency");

/// Who we are, where servers and proxies name themselves.
pub(super) const NAME: HeaderValue = HeaderValue::from_static("holdover");

/// When a request came, and what it is called.
pub(super) struct Arrival {
    pub at: Instant,
    pub id: String,
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

/// Tells the upstream who asked, and for what. No proxy in front of us is trusted, so only the list of addresses is continued.
/// The host is without a port: the port told is the one that was reached.
pub(super) fn forwarded(headers: &mut HeaderMap, connection: &Connection, host: &str, path: &str, proxy: &Proxy<'_>) {
    let peer = connection.peer.ip().to_canonical().to_string();
    let addresses = continued(headers, &FORWARDED_FOR, &peer);
    set(headers, FORWARDED_FOR, Some(&addresses));
    set(headers, REAL_IP, Some(&peer));
    set(headers, FORWARDED_PROTO, Some(connection.protocol().as_str()));
    set(headers, FORWARDED_HOST, Some(&host.to_ascii_lowercase()));
    set(headers, FORWARDED_PORT, Some(&connection.local.port().to_string()));
    set(headers, FORWARDED_PATH, Some(path));
    set(headers, FORWARDED_PREFIX, proxy.stripped_prefix.as_deref());
}

/// Names us as one the request came through, and what it is called.
pub(super) fn introduce(headers: &mut HeaderMap, version: Version, arrival: &Arrival) {
    via(headers, version);
    set(headers, REQUEST_ID, Some(&arrival.id));
}

/// Names us in the list of those in between, with the version of HTTP in which we received it.
pub(super) fn via(headers: &mut HeaderMap, version: Version) {
    let us = match version {
        Version::HTTP_10 => "1.0 holdover",
        Version::HTTP_2 => "2 holdover",
        _ => "1.1 holdover",
    };
    let continued = continued(headers, &VIA, us);
    set(headers, VIA, Some(&continued));
}

/// What earlier ones said in this header, all in one line, and then `ours`.
fn continued(headers: &HeaderMap, name: &HeaderName, ours: &str) -> String {
    let earlier = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    earlier.chain(std::iter::once(ours)).collect::<Vec<_>>().join(", ")
}

/// What Kong tells the client of a request: its id and where its time went. `asked` is when an upstream was last asked, if one was.
pub(super) fn told(headers: &mut HeaderMap, arrival: &Arrival, asked: Option<Instant>) {
    let milliseconds = |time: Duration| Some(time.as_millis().to_string());
    let since = |earlier: Instant| milliseconds(earlier.elapsed());
    match asked {
        Some(asked) => {
            set(headers, UPSTREAM_LATENCY, since(asked).as_deref());
            set(headers, PROXY_LATENCY, milliseconds(asked.duration_since(arrival.at)).as_deref());
        }
        None => set(headers, RESPONSE_LATENCY, since(arrival.at).as_deref()),
    }
    set(headers, REQUEST_ID, Some(&arrival.id));
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
    headers.entry(SERVER).or_insert(NAME);
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
