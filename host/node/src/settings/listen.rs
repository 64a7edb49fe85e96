//! Kong's `proxy_listen`: a comma-separated list of `address:port [flags]`, or `off`.
//!
//! TCP is served, with `ssl` under the certificates of the configuration. Unix sockets are passed over and named.

use std::net::{Ipv4Addr, SocketAddr};

/// What can be served of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    Off,
    /// At least one of both.
    On {
        plain: Vec<SocketAddr>,
        tls: Vec<SocketAddr>,
        /// Entries that are not served, as written.
        passed_over: Vec<String>,
    },
}

/// `Err` says how to write one.
pub fn parse(text: &str) -> Result<Listen, String> {
    if text == "off" {
        return Ok(Listen::Off);
    }
    let (mut plain, mut tls) = (Vec::new(), Vec::new());
    let mut passed_over = Vec::new();
    for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let mut words = entry.split_whitespace();
        let address = words.next().unwrap_or_default();
        let flags: Vec<&str> = words.collect();
        if flags.contains(&"proxy_protocol") {
            return Err(format!("'{entry}' asks for the PROXY protocol, which the built-in gateway does not speak; leave the flag out"));
        }
        if address.starts_with("unix:") {
            passed_over.push(entry.to_owned());
            continue;
        }
        let addresses = if flags.contains(&"ssl") { &mut tls } else { &mut plain };
        addresses.push(parse_address(address)?);
    }
    if plain.is_empty() && tls.is_empty() {
        return Err("the built-in gateway serves TCP; name an address, for example 0.0.0.0:8000 or 0.0.0.0:8443 ssl, or write off".into());
    }
    Ok(Listen::On { plain, tls, passed_over })
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
    fn entries_are_served_with_and_without_tls_and_the_others_are_named() {
        let kong_default = "0.0.0.0:8000 reuseport backlog=16384, 0.0.0.0:8443 http2 ssl reuseport backlog=16384";
        let any = |port| vec![SocketAddr::from(([0, 0, 0, 0], port))];
        assert_eq!(parse(kong_default), Ok(Listen::On { plain: any(8000), tls: any(8443), passed_over: Vec::new() }));
        let two = parse("0.0.0.0:8443 ssl, unix:/run/kong.sock, [::1]:1, 10.0.0.1:2");
        assert!(matches!(two, Ok(Listen::On { plain, tls, passed_over }) if plain.len() == 2 && tls.len() == 1 && passed_over.len() == 1));
    }

    #[test]
    fn off_and_localhost_are_understood() {
        assert_eq!(parse("off"), Ok(Listen::Off));
        assert_eq!(parse_address("localhost:0"), Ok(SocketAddr::from(([127, 0, 0, 1], 0))));
    }

    #[test]
    fn what_cannot_be_served_is_refused() {
        for text in
            ["", "8000", "0.0.0.0", "0.0.0.0:99999", "8443 ssl", "unix:/run/kong.sock", "example.com:80", "0.0.0.0:80 proxy_protocol"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
