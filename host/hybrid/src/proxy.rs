//! An HTTP proxy on the way to the control plane: `proxy_server`, used with CONNECT before TLS.
//!
//! The password is sent and never shown.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Where the proxy is, and what it is asked with.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The value of `Proxy-Authorization`.
    pub(crate) authorization: Option<String>,
}

impl Proxy {
    /// `http://host:port` or `http://user:password@host:port`. `Err` is a sentence that names `proxy_server` and shows no password.
    pub fn parse(url: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("proxy_server {what}; write it as http://host:port or http://user:password@host:port");
        let rest = match url.split_once("://") {
            Some(("http", rest)) => rest,
            Some(_) => return Err(wrong("has another scheme than http, and only that is spoken to proxies")),
            None => return Err(wrong("is no URL")),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (userinfo, place) = match authority.rsplit_once('@') {
            Some((userinfo, place)) => (Some(userinfo), place),
            None => (None, authority),
        };
        let (host, port) = split(place, 80).ok_or_else(|| wrong("names no host, or an impossible port"))?;
        let authorization = match userinfo {
            None => None,
            Some(userinfo) => {
                let plain = decode(userinfo).ok_or_else(|| wrong("has a user or password with a broken % sequence"))?;
                Some(format!("Basic {}", STANDARD.encode(plain)))
            }
        };
        Ok(Self { host, port, authorization })
    }
}

/// `host:port`, `host`, `[::1]:port` or `[::1]`; the host without its brackets.
pub(crate) fn split(place: &str, default_port: u16) -> Option<(String, u16)> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => place.split_at(place.find(':').unwrap_or(place.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(digits) => digits.parse().ok().filter(|port| *port != 0)?,
        None if port.is_empty() => default_port,
        None => return None,
    };
    let is_name = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@\\\"<>[]".contains(&byte));
    is_name.then(|| (host.to_owned(), port))
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let (digits, after) = after.split_first_chunk::<2>()?;
            plain.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        } else {
            plain.push(*first);
            rest = after;
        }
    }
    Some(plain)
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = if self.authorization.is_some() { "***@" } else { "" };
        write!(f, "Proxy(http://{user}{}:{})", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_has_a_host_a_port_and_perhaps_a_user() {
        let plain = Proxy::parse("http://proxy.example:3128").unwrap();
        assert_eq!((plain.host.as_str(), plain.port, plain.authorization), ("proxy.example", 3128, None));
        let known = Proxy::parse("http://user:p%40ss@[::1]:8080/").unwrap();
        assert_eq!((known.host.as_str(), known.port), ("::1", 8080));
        assert_eq!(known.authorization.as_deref(), Some("Basic dXNlcjpwQHNz"));
        assert_eq!(format!("{known:?}"), "Proxy(http://***@::1:8080)");
        assert_eq!(Proxy::parse("http://proxy").unwrap().port, 80);
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for url in ["", "proxy:3128", "https://secret:secret@proxy", "http://u:secret@", "http://u:secret@proxy:0", "http://u:%zsecret@p"] {
            let error = Proxy::parse(url).unwrap_err();
            assert!(error.starts_with("proxy_server ") && !error.contains("secret"), "{error}");
        }
    }
}
