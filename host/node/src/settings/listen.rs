//! Kong's `proxy_listen`: a comma-separated list of `address:port [flags]`, or `off`.
//!
//! Only plain http over TCP is served: entries with `ssl` and Unix sockets are passed over and named.

use std::net::{Ipv4Addr, SocketAddr};

/// What can be served of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    Off,
    Plain {
        /// At least one.
        addresses: Vec<SocketAddr>,
        /// Entries that are not served, as written.
        passed_over: Vec<String>,
    },
}

/// `Err` says how to write one.
pub fn parse(text: &str) -> Result<Listen, String> {
    if text == "off" {
        return Ok(Listen::Off);
    }
    let mut addresses = Vec::new();
    let mut passed_over = Vec::new();
    for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let mut words = entry.split_whitespace();
        let address = words.next().unwrap_or_default();
        let flags: Vec<&str> = words.collect();
        if flags.contains(&"proxy_protocol") {
            return Err(format!("'{entry}' asks for the PROXY protocol, which the built-in gateway does not speak; leave the flag out"));
        }
        if flags.contains(&"ssl") || address.starts_with("unix:") {
            passed_over.push(entry.to_owned());
            continue;
        }
        addresses.push(parse_address(address)?);
    }
    if addresses.is_empty() {
        return Err("the built-in gateway serves plain http; name an address without 'ssl', for example 0.0.0.0:8000, or write off".into());
    }
    Ok(Listen::Plain { addresses, passed_over })
}

pub fn parse_address(text: &str) -> Result<SocketAddr, String> {
    if let Some(port) = text.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    text.parse().map_err(|_| format!("'{text}' is no address; write ip:port, for example 127.0.0.1:8000 or [::1]:8000"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_entries_are_served_and_the_others_are_named() {
        let kong_default = "0.0.0.0:8000 reuseport backlog=16384, 0.0.0.0:8443 http2 ssl reuseport backlog=16384";
        let passed_over = vec!["0.0.0.0:8443 http2 ssl reuseport backlog=16384".to_owned()];
        assert_eq!(parse(kong_default), Ok(Listen::Plain { addresses: vec![SocketAddr::from(([0, 0, 0, 0], 8000))], passed_over }));
        let two = parse("0.0.0.0:8443 ssl, [::1]:1, 10.0.0.1:2");
        assert!(matches!(two, Ok(Listen::Plain { addresses, passed_over }) if addresses.len() == 2 && passed_over.len() == 1));
    }

    #[test]
    fn off_and_localhost_are_understood() {
        assert_eq!(parse("off"), Ok(Listen::Off));
        assert_eq!(parse_address("localhost:0"), Ok(SocketAddr::from(([127, 0, 0, 1], 0))));
    }

    #[test]
    fn what_cannot_be_served_is_refused() {
        for text in [
            "",
            "8000",
            "0.0.0.0",
            "0.0.0.0:99999",
            "0.0.0.0:8443 ssl",
            "unix:/run/kong.sock",
            "example.com:80",
            "0.0.0.0:80 proxy_protocol",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
