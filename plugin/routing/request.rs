//! A request as the router sees it: borrowed from whoever received it.

/// How the client reached us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http,
    Https,
}

#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub protocol: Protocol,
    /// From the Host header or `:authority`, without a port; empty if there is none. As received: Kong matches it by case.
    pub host: &'a str,
    /// From the Host header, else the port that the client reached.
    pub port: Option<u16>,
    pub method: &'a str,
    /// As received: not decoded, not normalised, without the query.
    pub path: &'a str,
    /// What follows the first `?`, without it.
    pub query: Option<&'a str>,
    pub headers: &'a dyn Headers,
    /// The server name of the TLS handshake, in lower case.
    pub sni: Option<&'a str>,
    /// What a proxy in front, if there is one and it is trusted, was asked over. Routes are found by how we were reached all the same.
    pub forwarded_protocol: Option<Protocol>,
    /// The host that it was asked for.
    pub forwarded_host: Option<&'a str>,
}

/// The request's headers, wherever they are kept. Values that are not UTF-8 are left out.
pub trait Headers {
    /// Whether `accepts` says yes to any value of the header with this lower-case name.
    fn any(&self, name: &str, accepts: &mut dyn FnMut(&str) -> bool) -> bool;

    /// Visits every header, name first.
    fn each(&self, visit: &mut dyn FnMut(&str, &str));
}

impl<N: AsRef<str>, V: AsRef<str>> Headers for Vec<(N, V)> {
    fn any(&self, name: &str, accepts: &mut dyn FnMut(&str) -> bool) -> bool {
        self.iter().any(|(other, value)| other.as_ref().eq_ignore_ascii_case(name) && accepts(value.as_ref()))
    }

    fn each(&self, visit: &mut dyn FnMut(&str, &str)) {
        self.iter().for_each(|(name, value)| visit(name.as_ref(), value.as_ref()));
    }
}

impl Protocol {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl Request<'_> {
    pub(super) fn has_header(&self, name: &str) -> bool {
        self.headers.any(&name.to_ascii_lowercase(), &mut |_| true)
    }

    /// Whether the query has an argument of this name, with or without a value.
    pub(super) fn has_argument(&self, name: &str) -> bool {
        self.arguments().any(|(argument, _)| argument == name)
    }

    /// The query's arguments, decoded, in order.
    pub(super) fn arguments(&self) -> impl Iterator<Item = (String, String)> {
        let pairs = self.query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (super::encoding::decode_argument(name), super::encoding::decode_argument(value))
        })
    }
}
