//! What settings must know of a URL: whether it leaves this machine unencrypted, and how it is shown without what it hides.

use std::net::IpAddr;

use http::Uri;

/// An `http` or `https` URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpUrl {
    pub encrypted: bool,
    pub loopback: bool,
    /// Whether a user or password stands in it.
    pub credentials: bool,
}

/// `None` when it is not one.
pub fn parse_http(text: &str) -> Option<HttpUrl> {
    let uri: Uri = text.parse().ok()?;
    let encrypted = match uri.scheme_str()? {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    let host = uri.host().filter(|host| !host.is_empty())?;
    let credentials = uri.authority()?.as_str().contains('@');
    Some(HttpUrl { encrypted, loopback: is_loopback(host), credentials })
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost"),
    }
}

/// For sentences: without user, password and query, which may be or hold a secret.
pub fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (rest, query) = match rest.split_once('?') {
        Some((rest, _)) => (rest, "?…"),
        None => (rest, ""),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let user = if host.len() == authority.len() { "" } else { "…@" };
    format!("{scheme}://{user}{host}{path}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_this_machine_under_any_of_its_names() {
        for (url, loopback) in [
            ("http://localhost:8001/config", true),
            ("http://a.localhost", true),
            ("http://127.9.9.9", true),
            ("http://[::1]:9000/x", true),
            ("http://[::ffff:127.0.0.1]", true),
            ("http://localhost.example.com", false),
            ("http://10.0.0.1", false),
            ("https://minio:9000/", false),
        ] {
            assert_eq!(parse_http(url).map(|url| url.loopback), Some(loopback), "{url}");
        }
    }

    #[test]
    fn what_is_no_http_url_is_none() {
        for text in ["", "kong:8001", "ftp://a/b", "http://", "http:///path", "https://a b", "/path"] {
            assert_eq!(parse_http(text), None, "{text}");
        }
    }

    #[test]
    fn a_url_is_shown_without_user_password_and_query() {
        assert_eq!(shown("https://me:pass@cp/config?token=abc"), "https://…@cp/config?…");
        assert_eq!(shown("https://me:p@ss@cp"), "https://…@cp");
        assert_eq!(shown("s3://bucket/prefix"), "s3://bucket/prefix");
        assert_eq!(shown("https://cp/a@b"), "https://cp/a@b");
    }
}
