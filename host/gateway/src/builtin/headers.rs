//! What changes in the headers on the way through: connection-bound ones go, `X-Forwarded-*` come.

use holdover_plugin::routing::{Headers, Proxy};
use http::header::{
    CONNECTION, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE, VIA,
};

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
pub(super) fn forwarded(headers: &mut HeaderMap, connection: &Connection, host: &str, port: Option<u16>, path: &str, proxy: &Proxy<'_>) {
    let peer = connection.peer.ip().to_canonical().to_string();
    let earlier: Vec<&str> = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()).collect();
    let addresses = if earlier.is_empty() { peer.clone() } else { format!("{}, {peer}", earlier.join(", ")) };
    set(headers, FORWARDED_FOR, Some(&addresses));
    set(headers, REAL_IP, Some(&peer));
    set(headers, FORWARDED_PROTO, Some("http"));
    set(headers, FORWARDED_HOST, Some(host));
    set(headers, FORWARDED_PORT, Some(&port.unwrap_or(connection.local.port()).to_string()));
    set(headers, FORWARDED_PATH, Some(path));
    set(headers, FORWARDED_PREFIX, proxy.stripped_prefix.as_deref());
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
    headers.append(VIA, HeaderValue::from_static("1.1 holdover"));
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
