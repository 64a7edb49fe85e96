//! A request as it is sent upstream: the same for every attempt, but for where that one goes.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use holdover_plugin::routing::{HostHeader, Proxy};
use http::header::HOST;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, Method, Request, Uri, Version};

use super::clients::Upstream;
use super::headers;
use super::upstream::{Lent, LentBody};
use super::upstream_tls::Way;

/// What every attempt sends.
pub(super) struct Outgoing<'a> {
    pub method: Method,
    pub path: PathAndQuery,
    pub headers: HeaderMap,
    pub body: Arc<Lent>,
    pub proxy: &'a Proxy<'a>,
    /// The Host that the client sent.
    pub received_host: &'a str,
    /// How TLS is spoken, if it is.
    pub tls: Option<&'a Way>,
}

/// One attempt's address, as a URI has it.
pub(super) struct Address {
    /// IPv6 in brackets.
    host: String,
    port: u16,
}

impl Address {
    pub fn of(host: &str, port: u16) -> Self {
        let is_ipv6 = matches!(host.parse(), Ok(IpAddr::V6(_)));
        Self { host: if is_ipv6 { format!("[{host}]") } else { host.to_owned() }, port }
    }

    fn authority(&self) -> Option<Authority> {
        Authority::try_from(format!("{}:{}", self.host, self.port)).ok()
    }
}

impl Outgoing<'_> {
    /// The request to this address, and what its connection has to be. `None` for what no request can say.
    pub fn to(&self, address: &Address) -> Option<(Upstream<'_>, Request<LentBody>)> {
        let scheme = self.proxy.service.scheme;
        let upstream = Upstream { address: address.authority()?, tls: self.tls, http2: scheme.is_grpc() };
        let name = self.name(address);
        // A connection that is not told the name goes by its address alone.
        let authority = if upstream.is_named() { Authority::try_from(name.as_ref()).ok()? } else { upstream.address.clone() };
        let mut request = Request::new(self.body.lend());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = Uri::builder().scheme(scheme.as_str()).authority(authority).path_and_query(self.path.clone()).build().ok()?;
        *request.headers_mut() = self.headers.clone();
        if upstream.http2 {
            // The authority is in its place.
            request.headers_mut().remove(HOST);
            *request.version_mut() = Version::HTTP_2;
        } else {
            headers::set_host(request.headers_mut(), &name);
        }
        Some((upstream, request))
    }

    /// What the upstream is called: by Host or `:authority`, and in TLS.
    fn name(&self, address: &Address) -> Cow<'_, str> {
        match self.proxy.host_header {
            HostHeader::AsReceived if !self.received_host.is_empty() => self.received_host.into(),
            HostHeader::Fixed(fixed) => fixed.into(),
            HostHeader::AsReceived | HostHeader::AsDialled if address.port == self.proxy.service.scheme.own_port() => {
                address.host.clone().into()
            }
            HostHeader::AsReceived | HostHeader::AsDialled => format!("{}:{}", address.host, address.port).into(),
        }
    }
}

pub(super) fn path_and_query(proxy: &Proxy<'_>, query: Option<&str>) -> Option<PathAndQuery> {
    match query {
        None => PathAndQuery::try_from(proxy.upstream_path.as_str()).ok(),
        Some(query) => PathAndQuery::try_from(format!("{}?{query}", proxy.upstream_path)).ok(),
    }
}
