//! Who asked, where proxies in front are believed: Kong's `trusted_ips`, `real_ip_header` and `real_ip_recursive`.
//!
//! Only the address at the other end of the connection is known for sure. If it is trusted, what it says in headers is taken: whom it was
//! asked by, over which protocol and for which host. Knows no connection and no route.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};

/// Which proxies are believed, and in what. By default none is.
#[derive(Clone, Debug)]
pub struct Trusted {
    networks: Vec<Network>,
    /// Where they say who asked them.
    header: HeaderName,
    /// Whether to go on behind the proxies that are trusted themselves.
    recursive: bool,
}

/// Whose word a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asker {
    /// At the other end of the connection.
    pub peer: IpAddr,
    /// Who asked first, as far as that can be believed.
    pub client: IpAddr,
    /// Whether what the request says of its way to us is believed.
    pub is_trusted: bool,
}

/// All addresses with the same first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u32,
}

impl Default for Trusted {
    fn default() -> Self {
        Self { networks: Vec::new(), header: super::headers::REAL_IP, recursive: false }
    }
}

impl Trusted {
    /// `Err` is a sentence that begins with the setting at fault.
    pub fn read(trusted_ips: &[String], real_ip_header: &str, recursive: bool) -> Result<Self, String> {
        if real_ip_header == "proxy_protocol" {
            return Err("real_ip_header: the built-in gateway does not speak the PROXY protocol; name a header, for example \
                        X-Real-IP"
                .to_owned());
        }
        let header = HeaderName::try_from(real_ip_header)
            .map_err(|_| format!("real_ip_header: '{real_ip_header}' is no header's name; write for example X-Forwarded-For"))?;
        // Nobody comes by a Unix socket here, so nobody is trusted for it.
        let networks = trusted_ips.iter().filter(|text| *text != "unix:").map(|text| {
            Network::parse(text)
                .ok_or_else(|| format!("trusted_ips: '{text}' is no address and no network; write for example 10.0.0.0/8 or ::1"))
        });
        Ok(Self { networks: networks.collect::<Result<_, _>>()?, header, recursive })
    }

    pub(super) fn asker(&self, peer: IpAddr, headers: &HeaderMap) -> Asker {
        let peer = peer.to_canonical();
        let is_trusted = self.trusts(peer);
        Asker { peer, client: if is_trusted { self.client(peer, headers) } else { peer }, is_trusted }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.holds(address))
    }

    /// The last address that is told is the one that the proxy itself saw; each one before it is another proxy's word.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lines: Vec<&str> = headers.get_all(&self.header).iter().filter_map(|value| value.to_str().ok()).collect();
        let told = lines.iter().rev().flat_map(|line| line.rsplit(',')).map(address);
        let mut client = peer;
        for address in told {
            // Behind what cannot be read nothing is known.
            let Some(address) = address else { break };
            client = address;
            if !self.recursive || !self.trusts(client) {
                break;
            }
        }
        client
    }
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            None => (text.parse::<IpAddr>().ok()?, None),
            Some((address, bits)) => (address.parse::<IpAddr>().ok()?, Some(bits.parse::<u32>().ok()?)),
        };
        // As peers are seen: an IPv4 network that is written as IPv6 is one of IPv4.
        let (address, bits) = match (address.to_canonical(), bits) {
            (IpAddr::V4(canonical), Some(bits)) if address.is_ipv6() => (IpAddr::V4(canonical), Some(bits.checked_sub(96)?)),
            (canonical, bits) => (canonical, bits),
        };
        let width = width(address);
        let bits = bits.unwrap_or(width);
        (bits <= width).then_some(Self { address, bits })
    }

    fn holds(&self, address: IpAddr) -> bool {
        let width = width(address);
        let differing = number(self.address) ^ number(address);
        // Where no bit counts, none differs.
        width == self::width(self.address) && differing.checked_shr(width - self.bits).unwrap_or(0) == 0
    }
}

fn width(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// With or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.parse().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    bare.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use super::*;

    #[test]
    fn the_last_address_told_is_the_clients_or_behind_trusted_ones_the_first_that_is_not() {
        let lines: [&[&str]; 5] =
            [&["1.1.1.1, 10.0.0.2, 10.0.0.3"], &["1.1.1.1", "10.0.0.2:80, 10.0.0.3"], &["10.0.0.9"], &["x, 10.0.0.3"], &[]];
        let once = ["10.0.0.3", "10.0.0.3", "10.0.0.9", "10.0.0.3", "10.0.0.1"];
        let through = ["1.1.1.1", "1.1.1.1", "10.0.0.9", "10.0.0.3", "10.0.0.1"];
        for ((lines, once), through) in lines.into_iter().zip(once).zip(through) {
            for (recursive, wanted) in [(false, once), (true, through)] {
                assert_eq!(client("10.0.0.1", lines, recursive), ip(wanted), "{lines:?} {recursive}");
            }
        }
    }

    #[test]
    fn nobody_is_believed_who_is_not_trusted() {
        assert_eq!(client("11.0.0.1", &["1.1.1.1"], true), ip("11.0.0.1"));
        let nobody = Trusted::default().asker(ip("10.0.0.1"), &HeaderMap::new());
        assert_eq!(nobody, Asker { peer: ip("10.0.0.1"), client: ip("10.0.0.1"), is_trusted: false });
        let mapped = trusted(&["10.0.0.0/8"], false).asker(ip("::ffff:10.0.0.1"), &HeaderMap::new());
        assert_eq!((mapped.peer, mapped.is_trusted), (ip("10.0.0.1"), true));
    }

    #[test]
    fn a_network_holds_what_has_its_first_bits() {
        let cases = [
            ("10.1.0.0/16", "10.1.255.255", true),
            ("10.1.0.0/16", "10.2.0.0", false),
            ("10.1.2.3/8", "10.0.0.1", true),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false),
            ("0.0.0.0/0", "9.9.9.9", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "::1", true),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe12::1", false),
        ];
        for (network, address, wanted) in cases {
            assert_eq!(Network::parse(network).unwrap().holds(ip(address)), wanted, "{network} {address}");
        }
    }

    #[test]
    fn what_is_no_network_and_no_header_is_said_with_its_setting() {
        for (ips, header, setting) in [
            ("10.0.0.0/33", "X-Real-IP", "trusted_ips: '10.0.0.0/33' "),
            ("example.com", "X-Real-IP", "trusted_ips: 'example.com' "),
            ("10.0.0.0/", "X-Real-IP", "trusted_ips: '10.0.0.0/' "),
            ("::1", "a b", "real_ip_header: 'a b' "),
            ("::1", "proxy_protocol", "real_ip_header: the built-in gateway"),
        ] {
            let sentence = Trusted::read(&[ips.to_owned()], header, false).unwrap_err();
            assert!(sentence.starts_with(setting), "{sentence}");
        }
        assert_eq!(Trusted::read(&["unix:".to_owned()], "X-Real-IP", false).unwrap().networks, []);
    }

    fn client(peer: &str, lines: &[&str], recursive: bool) -> IpAddr {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        trusted(&["10.0.0.0/28", "127.0.0.1"], recursive).asker(ip(peer), &headers).client
    }

    fn trusted(networks: &[&str], recursive: bool) -> Trusted {
        let networks: Vec<String> = networks.iter().map(|network| (*network).to_owned()).collect();
        Trusted::read(&networks, "X-Forwarded-For", recursive).unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }
}
