//! What a text must look like, kind by kind, with Kong's words for what it does not (KONG.md B.5, B.6). The offending value is left
//! out of them (all-04). Knows no entity.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::path::{self, Regexes};
use super::schema::Text;

pub fn check(text: &str, kind: Text, regexes: Regexes) -> Result<(), &'static str> {
    if text.is_empty() && kind != Text::Whatever {
        return Err("length must be at least 1");
    }
    match kind {
        Text::NotEmpty | Text::Whatever => Ok(()),
        Text::Name => {
            when(text.bytes().all(is_name_byte), "invalid value: the only accepted ascii characters are alphanumerics or ., -, _, and ~")
        }
        Text::Tag => when(
            text.chars().all(|c| !c.is_ascii_control() && c != ',' && c != '/'),
            "invalid tag: expected printable ascii (except `,` and `/`) or valid utf-8 sequences",
        ),
        Text::Host => host_without_port(text),
        Text::HostWithOptionalPort => when(address(text).is_some(), "invalid value"),
        Text::UrlPath => path::check_url_path(text),
        Text::RoutePath => path::check_route_path(text, regexes),
        Text::RouteHost => route_host(text),
        Text::Sni => sni(text),
        Text::Method => when(text.bytes().all(|byte| byte.is_ascii_uppercase()), "invalid value"),
        Text::HeaderName => header_name(text),
        Text::CookieName => when(text.bytes().all(is_header_byte), "bad cookie name, allowed characters are A-Z, a-z, 0-9, '_', and '-'"),
        Text::RouteHeaderName => route_header(text),
        Text::IpOrCidr => when(is_ip_or_cidr(text), "invalid ip or cidr range"),
        Text::UpstreamName => upstream_name(text),
        Text::Target => when(address(text).is_some(), "Invalid target; not a valid hostname or ip address"),
        Text::VaultPrefix => vault_prefix(text),
        Text::Certificate => when(holds_pem(text, "CERTIFICATE"), "invalid certificate"),
        Text::PrivateKey => when(holds_pem(text, "PRIVATE KEY"), "invalid key"),
        Text::Url => when(text.split_once("://").is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty()), "cannot parse"),
    }
}

/// A value that is read from a vault when the gateway runs.
pub fn is_vault_reference(text: &str) -> bool {
    text.starts_with("{vault://") && text.ends_with('}')
}

fn when(holds: bool, message: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(message) }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-_~".contains(&byte) || byte >= 0x80
}

fn is_header_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Host {
    Name,
    V4,
    V6,
}

/// Host and whether it has a port, as Kong tells them apart: more than one colon is IPv6, only digits and dots must be IPv4.
fn address(text: &str) -> Option<(Host, bool)> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let (inside, after) = bracketed.split_once(']')?;
        inside.parse::<Ipv6Addr>().ok()?;
        return match after.strip_prefix(':') {
            Some(port) => is_port(port).then_some((Host::V6, true)),
            None => after.is_empty().then_some((Host::V6, false)),
        };
    }
    if text.matches(':').count() > 1 {
        return text.parse::<Ipv6Addr>().ok().map(|_| (Host::V6, false));
    }
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    if port.is_some_and(|port| !is_port(port)) {
        return None;
    }
    if !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return host.parse::<Ipv4Addr>().ok().map(|_| (Host::V4, port.is_some()));
    }
    is_host_name(host).then_some((Host::Name, port.is_some()))
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

fn is_host_name(name: &str) -> bool {
    let labels = name.strip_suffix('.').unwrap_or(name);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    labels.split('.').all(|label| !label.is_empty() && !label.ends_with('-') && label.bytes().all(allowed))
}

fn host_without_port(text: &str) -> Result<(), &'static str> {
    match address(text) {
        None => Err("invalid value"),
        Some((_, true)) => Err("must not have a port"),
        Some((_, false)) => Ok(()),
    }
}

const WILDCARD_MISPLACED: &str = "invalid wildcard: must be placed at leftmost or rightmost label";

/// The host with its wildcard label, if it has one, replaced by a plain one.
fn without_wildcard(text: &str) -> Result<String, &'static str> {
    match text.matches('*').count() {
        0 => Ok(text.to_owned()),
        1 if text.starts_with("*.") || text.ends_with(".*") || text.contains(".*:") => Ok(text.replace('*', "wildcard")),
        1 => Err(WILDCARD_MISPLACED),
        _ => Err("invalid wildcard: must have at most one wildcard"),
    }
}

fn route_host(text: &str) -> Result<(), &'static str> {
    let host = without_wildcard(text)?;
    when(address(&host).is_some(), "invalid hostname")
}

fn sni(text: &str) -> Result<(), &'static str> {
    let host = without_wildcard(text)?;
    match address(&host) {
        Some((Host::Name, false)) => Ok(()),
        Some((Host::Name, true)) => Err("must not have a port"),
        Some((Host::V4 | Host::V6, _)) => Err("must not be an IP"),
        None => Err("invalid value"),
    }
}

fn header_name(text: &str) -> Result<(), &'static str> {
    when(text.bytes().all(is_header_byte), "bad header name, allowed characters are A-Z, a-z, 0-9, '_', and '-'")
}

fn route_header(text: &str) -> Result<(), &'static str> {
    if text.eq_ignore_ascii_case("host") {
        return Err("cannot contain 'host' header, which must be specified in the 'hosts' attribute");
    }
    header_name(text)
}

fn is_ip_or_cidr(text: &str) -> bool {
    let (ip, bits) = text.split_once('/').map_or((text, None), |(ip, bits)| (ip, Some(bits)));
    let bits_max = if ip.parse::<Ipv4Addr>().is_ok() {
        32
    } else if ip.parse::<Ipv6Addr>().is_ok() {
        128
    } else {
        return false;
    };
    bits.is_none_or(|bits| bits.bytes().all(|byte| byte.is_ascii_digit()) && bits.parse::<u8>().is_ok_and(|bits| bits <= bits_max))
}

fn upstream_name(text: &str) -> Result<(), &'static str> {
    match address(text) {
        Some((Host::Name, false)) => Ok(()),
        Some((Host::Name, true)) => Err("Invalid name; no port allowed"),
        Some((Host::V4 | Host::V6, _)) => Err("Invalid name; no ip addresses allowed"),
        None => Err("Invalid name; must be a valid hostname"),
    }
}

/// A prefix may not be the name of a vault; a gateway without Enterprise has one.
fn vault_prefix(text: &str) -> Result<(), &'static str> {
    if text == "env" {
        return Err("must not be one of: env");
    }
    let small = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let shaped = bytes.len() >= 2
        && bytes.first().is_some_and(u8::is_ascii_lowercase)
        && bytes.last().is_some_and(|last| small(*last))
        && bytes.iter().all(|byte| small(*byte) || *byte == b'-');
    when(shaped, "invalid value")
}

/// Looks for the frame only: what is inside is read by those who use it.
fn holds_pem(text: &str, label: &str) -> bool {
    let Some((_, after)) = text.split_once("-----BEGIN ") else { return false };
    let Some((begin, after)) = after.split_once("-----") else { return false };
    begin.ends_with(label) && after.split_once("-----END ").is_some_and(|(body, end)| !body.trim().is_empty() && end.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_apart_as_kong_does() {
        for host in ["x", "x_y.z", "a.b.", "1.2.3.4", "::1", "[::1]", "A-b.c"] {
            assert_eq!(check(host, Text::Host), Ok(()), "{host}");
        }
        for host in ["123", "1.2.3", "x-.z", "a..b", "a b", "é", ".", "[::1", "a/b"] {
            assert_eq!(check(host, Text::Host), Err("invalid value"), "{host}");
        }
        assert_eq!(check("a:80", Text::Host), Err("must not have a port"));
        assert_eq!(check("", Text::Host), Err("length must be at least 1"));
    }

    #[test]
    fn a_wildcard_is_a_whole_label_at_an_edge() {
        for host in ["*.a.com", "a.*", "b.com:8080", "1.2.3.4", "*.a.com:80", "a.*:80"] {
            assert_eq!(check(host, Text::RouteHost), Ok(()), "{host}");
        }
        for host in ["*", "a.*.com", "*a.com", "*.a.*", "a_b/c"] {
            assert!(check(host, Text::RouteHost).is_err(), "{host}");
        }
        assert_eq!(check("*.a.com", Text::Sni), Ok(()));
        assert_eq!(check("1.2.3.4", Text::Sni), Err("must not be an IP"));
    }

    #[test]
    fn targets_may_be_anything_with_or_without_a_port() {
        for target in ["x:80", "1.2.3.4:80", "[::1]:80", "::1", "h.com"] {
            assert_eq!(check(target, Text::Target), Ok(()), "{target}");
        }
        for target in ["x:99999", "x:", "x:a", ":80", "1.2.3.300:80"] {
            assert!(check(target, Text::Target).is_err(), "{target}");
        }
    }

    #[test]
    fn ranges_prefixes_and_frames() {
        assert!(is_ip_or_cidr("10.0.0.0/8") && is_ip_or_cidr("::/0") && is_ip_or_cidr("1.1.1.1"));
        assert!(!is_ip_or_cidr("1.1.1.300") && !is_ip_or_cidr("1.1.1.1/33") && !is_ip_or_cidr("1.1.1.1/") && !is_ip_or_cidr("1.1.1.1/+8"));
        assert!(vault_prefix("my-env").is_ok() && vault_prefix("My").is_err() && vault_prefix("a").is_err() && vault_prefix("a-").is_err());
        assert!(holds_pem("-----BEGIN EC PRIVATE KEY-----\nAA\n-----END EC PRIVATE KEY-----\n", "PRIVATE KEY"));
        assert!(!holds_pem("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----", "CERTIFICATE") && !holds_pem("a", "CERTIFICATE"));
    }

    fn check(text: &str, kind: Text) -> Result<(), &'static str> {
        super::check(text, kind, Regexes::Rust)
    }
}
