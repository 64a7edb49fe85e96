//! What to do with a request.

use std::borrow::Cow;

use super::{Correlation, Route, Service, Upstream};

#[derive(Debug)]
pub enum Decision<'a> {
    Proxy(Proxy<'a>),
    /// The plugin `request-termination` answers.
    Respond(Answer<'a>),
    /// 503: the configuration wants this plugin on the route, and it is not enforced here.
    NotEnforced {
        route: &'a Route,
        plugin: &'a str,
    },
    /// 503: Kong would refuse this kind of entity on the route's way, the route itself or what is behind it.
    Refused {
        route: &'a Route,
        entity: &'static str,
    },
    /// 426: the route takes https only.
    UpgradeRequired {
        route: &'a Route,
    },
    /// The route takes https only and wants the client sent there.
    Redirect {
        route: &'a Route,
        status: u16,
        location: String,
    },
    /// 415: the route takes gRPC only.
    NotGrpc {
        route: &'a Route,
        /// It is gRPC, and comes without TLS to a route that wants it. gRPC says so with status 1 in an answer of 200.
        lacks_tls: bool,
    },
    /// 426: the route takes gRPC, which is spoken over HTTP/2 only. Told by [`Decision::over`].
    Http2Required {
        route: &'a Route,
    },
    /// 404.
    NoRoute,
    /// 503: the route has no service, or one that does not speak HTTP.
    NoService {
        route: &'a Route,
    },
}

impl<'a> Decision<'a> {
    /// The same for a client that speaks HTTP/2 or does not, which is asked only where it matters.
    pub fn over(self, is_http2: impl FnOnce() -> bool) -> Self {
        let route = match &self {
            Self::Proxy(proxy) if proxy.route.takes_grpc() => proxy.route,
            Self::NotGrpc { route, lacks_tls: true } => route,
            _ => return self,
        };
        if is_http2() { self } else { Self::Http2Required { route } }
    }
}

#[derive(Debug)]
pub struct Proxy<'a> {
    pub route: &'a Route,
    pub service: &'a Service,
    pub destination: Destination<'a>,
    /// Escaped, without a query: the request's own query is to be appended.
    pub upstream_path: String,
    pub host_header: HostHeader<'a>,
    /// What was cut from the front of the path, for `X-Forwarded-Prefix`.
    pub stripped_prefix: Option<Cow<'a, str>>,
    pub correlation: Option<&'a Correlation>,
}

#[derive(Clone, Copy, Debug)]
pub enum Destination<'a> {
    /// The service's own host and port.
    Service,
    /// One of these targets.
    Upstream(&'a Upstream),
}

/// What the upstream sees as Host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostHeader<'a> {
    /// What the client sent.
    AsReceived,
    /// The host that is dialled, with its port unless that is the scheme's own.
    AsDialled,
    /// The upstream's `host_header`.
    Fixed(&'a str),
}

#[derive(Debug)]
pub struct Answer<'a> {
    pub status: u16,
    pub content_type: &'a str,
    pub body: Cow<'a, str>,
    pub correlation: Option<&'a Correlation>,
}
