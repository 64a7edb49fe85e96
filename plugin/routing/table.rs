//! The routing table of one configuration: built once, then only read.

use std::borrow::Cow;
use std::collections::HashMap;
use std::mem::offset_of;

use super::enforce::{Plan, Plugins};
use super::index::{Found, Index};
use super::matcher::{self, Expressions};
use super::texts::{small, wide};
use super::unfit::Unfit;
use super::upstream_tls::{UpstreamTls, Ways};
use super::{Decision, Destination, HostHeader, Proxy, Request, Scheme, Service, Unenforced, Unroutable, Upstream};
use super::{Protocol, entity, path};
use crate::config::kong;

pub struct Table {
    index: Index,
    routes: Vec<Route>,
    services: Vec<Service>,
    upstreams: Vec<Upstream>,
    upstream_tls: Vec<UpstreamTls>,
    not_enforced: Vec<String>,
    asks_for_server_names: bool,
}

/// What every request reads comes first, in this order, and is one cache line; what few read lies behind it.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Route {
    takes: Takes,
    strip_path: bool,
    preserve_host: bool,
    redirect_status: Option<u16>,
    /// Its place in the table.
    service: Option<u32>,
    /// The kind of entity on its way that Kong would refuse.
    refused: Option<&'static str>,
    plan: Plan,
    pub id: String,
    pub name: Option<String>,
}

const _: () = assert!(offset_of!(Route, id) <= 64);

/// What a route's protocols take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    /// HTTP, with TLS or without.
    Both,
    /// HTTP with TLS.
    Https,
    /// gRPC with TLS, or without as well.
    Grpc { plaintext: bool },
}

impl Table {
    /// `config` is a configuration as Kong writes or sends it. Fails on what would route a request elsewhere than Kong would.
    pub fn build(config: &[u8], unenforced: &Unenforced) -> Result<Self, Unroutable> {
        let flat = kong::flatten(config).map_err(|invalid| Unroutable::new(invalid.to_string()))?;
        let entities = entities(&flat)?;
        let unfit = Unfit::of(&flat, &entities)?;
        Self::of(entities, unenforced, &unfit)
    }

    pub(super) fn of(config: entity::Config<'_>, unenforced: &Unenforced, unfit: &Unfit) -> Result<Self, Unroutable> {
        let plugins = Plugins::of(&config.plugins.0, unenforced);
        let upstreams = upstreams(config.upstreams, &config.targets)?;
        let Services { services, known: places, tls: upstream_tls } = Services::of(config.services, &upstreams);
        let mut expressions = Expressions::default();
        let mut ranked = Vec::with_capacity(config.routes.len());
        let mut routes = Vec::with_capacity(config.routes.len());
        let mut asks_for_server_names = false;
        for route in config.routes {
            let Some(takes) = Takes::of(&route.protocols) else { continue };
            let service = match &route.service {
                None => None,
                Some(id) => match places.get(id) {
                    Some(Known::Serving(place)) => Some(*place),
                    Some(Known::OtherProtocol) => None,
                    Some(Known::Disabled) => continue,
                    None => {
                        let name = route.label();
                        return Err(Unroutable::new(format!("route '{name}' names a service that is not in the configuration: add it")));
                    }
                },
            };
            if route.expression.is_some() {
                let name = route.label();
                return Err(Unroutable::new(format!(
                    "route '{name}' is written as an expression, which this gateway does not route by: give it paths, hosts and methods"
                )));
            }
            if !route.sources.is_empty() || !route.destinations.is_empty() {
                let name = route.label();
                return Err(Unroutable::new(format!(
                    "route '{name}' has sources or destinations, which only routes for connections can have: take them out, or its \
                     protocols http, https, grpc and grpcs"
                )));
            }
            asks_for_server_names |= !route.snis.is_empty();
            ranked.extend(matcher::of_route(&route, small(routes.len()), &mut expressions)?);
            let (plan, refused) = (plugins.plan(&route), unfit.route(&route));
            routes.push(Route { refused, ..Route::of(route, takes, service, plan) });
        }
        let (index, not_enforced) = (Index::build(ranked), plugins.not_enforced());
        Ok(Self { index, routes, services, upstreams, upstream_tls, not_enforced, asks_for_server_names })
    }

    /// Plugins that the configuration asks for and that are not enforced here, in order.
    pub fn unenforced_plugins(&self) -> Vec<String> {
        self.not_enforced.clone()
    }

    /// How TLS is spoken to upstreams: each way that a service has, once.
    pub fn upstream_tls(&self) -> &[UpstreamTls] {
        &self.upstream_tls
    }

    /// Whether a route's conditions are met by server names of the TLS handshake. If none are, a request needs none.
    pub fn asks_for_server_names(&self) -> bool {
        self.asks_for_server_names
    }

    pub fn decide<'a>(&'a self, request: &Request<'_>) -> Decision<'a> {
        let Some(path) = path::normalise(request.path) else { return Decision::NoRoute };
        let Some(found) = self.index.find(request, &path) else { return Decision::NoRoute };
        let Some(route) = self.routes.get(wide(found.route)) else { return Decision::NoRoute };
        if let Some(turned_away) = route.turns_away(request) {
            return turned_away;
        }
        if let Some(entity) = route.refused {
            return Decision::Refused { route, entity };
        }
        if let Some(plugin) = &route.plan.not_enforced {
            return Decision::NotEnforced { route, plugin };
        }
        let service = route.service.and_then(|place| self.services.get(wide(place)));
        let correlation = route.plan.correlation.as_deref();
        if let Some(termination) = &route.plan.termination {
            let known = service.map(|service| (service.id.as_str(), service.name.as_deref()));
            if let Some(answer) = termination.answer(request, &path, route, known, correlation) {
                return Decision::Respond(answer);
            }
        }
        match service {
            Some(service) => Decision::Proxy(self.proxy(route, service, &path, &found)),
            None => Decision::NoService { route },
        }
    }

    fn proxy<'a>(&'a self, route: &'a Route, service: &'a Service, path: &str, found: &Found<'_>) -> Proxy<'a> {
        let stripped = found.matched.filter(|_| route.strip_path);
        let upstream = service.upstream.and_then(|place| self.upstreams.get(place));
        let fixed = upstream.and_then(|upstream| upstream.host_header.as_deref());
        Proxy {
            route,
            service,
            destination: upstream.map_or(Destination::Service, Destination::Upstream),
            upstream_path: path::upstream(&service.path, path, route.strip_path, stripped),
            host_header: match (route.preserve_host, fixed) {
                (true, _) => HostHeader::AsReceived,
                (false, Some(host)) => HostHeader::Fixed(host),
                (false, None) => HostHeader::AsDialled,
            },
            stripped_prefix: stripped.filter(|prefix| !matches!(*prefix, "" | "/")).map(|prefix| Cow::Owned(prefix.to_owned())),
            correlation: route.plan.correlation.as_deref(),
        }
    }
}

/// What a flat configuration holds for a router.
pub(super) fn entities(flat: &[u8]) -> Result<entity::Config<'_>, Unroutable> {
    // The error's place is of no use in flattened bytes, and its text may hold a value.
    serde_json::from_slice(flat).map_err(|error| {
        let place = (error.line(), error.column());
        Unroutable::new(format!("the configuration's entities are not of Kong's shape at {place:?}: validate it to see where"))
    })
}

impl Route {
    /// Such a route speaks HTTP/2 only.
    pub fn takes_grpc(&self) -> bool {
        match self.takes {
            Takes::Both | Takes::Https => false,
            Takes::Grpc { .. } => true,
        }
    }

    fn of(route: entity::Route, takes: Takes, service: Option<u32>, plan: Plan) -> Self {
        let redirect_status = route.https_redirect_status_code.map(|status| status as u16);
        Self {
            takes,
            strip_path: route.strip_path.unwrap_or(true),
            preserve_host: route.preserve_host.unwrap_or(false),
            redirect_status: redirect_status.filter(|status| matches!(status, 301 | 302 | 307 | 308)),
            service,
            refused: None,
            plan,
            id: route.id,
            name: route.name,
        }
    }

    /// The answer to a request that matches and comes by a protocol the route does not take.
    fn turns_away<'a>(&'a self, request: &Request<'_>) -> Option<Decision<'a>> {
        match (self.takes, request.forwarded_protocol.unwrap_or(request.protocol)) {
            (Takes::Both, _) | (Takes::Https, Protocol::Https) => None,
            (Takes::Https, Protocol::Http) => Some(match self.redirect_status {
                None => Decision::UpgradeRequired { route: self },
                Some(status) => {
                    let (host, path) = (request.forwarded_host.unwrap_or(request.host).to_ascii_lowercase(), request.path);
                    let query = request.query.map(|query| format!("?{query}")).unwrap_or_default();
                    Decision::Redirect { route: self, status, location: format!("https://{host}{path}{query}") }
                }
            }),
            (Takes::Grpc { plaintext }, protocol) => {
                let grpc = request.headers.any("content-type", &mut |value| value.starts_with("application/grpc"));
                let lacks_tls = grpc && !plaintext && protocol == Protocol::Http;
                (!grpc || lacks_tls).then_some(Decision::NotGrpc { route: self, lacks_tls })
            }
        }
    }
}

impl Takes {
    /// `None` if the route is for connections, not for HTTP.
    fn of(protocols: &[String]) -> Option<Self> {
        let has = |name: &str| protocols.iter().any(|protocol| protocol == name);
        match (has("http"), has("https")) {
            (true, _) => Some(Self::Both),
            (false, true) => Some(Self::Https),
            (false, false) if protocols.is_empty() => Some(Self::Both),
            (false, false) => (has("grpc") || has("grpcs")).then_some(Self::Grpc { plaintext: has("grpc") }),
        }
    }
}

/// What became of a service.
enum Known {
    Serving(u32),
    /// Its routes match, and have nobody to go to.
    OtherProtocol,
    /// Its routes are as if they were not there.
    Disabled,
}

fn upstreams(upstreams: Vec<entity::Upstream>, targets: &[entity::Target]) -> Result<Vec<Upstream>, Unroutable> {
    let places: HashMap<String, usize> = upstreams.iter().enumerate().map(|(place, upstream)| (upstream.id.clone(), place)).collect();
    let mut built: Vec<Upstream> = upstreams.into_iter().map(Upstream::of).collect();
    for target in targets {
        if let Some(upstream) = places.get(&target.upstream).and_then(|place| built.get_mut(*place)) {
            upstream.add(target)?;
        }
    }
    Ok(built)
}

/// The services that speak HTTP, and what became of each by its id.
struct Services {
    services: Vec<Service>,
    known: HashMap<String, Known>,
    tls: Vec<UpstreamTls>,
}

impl Services {
    fn of(entities: Vec<entity::Service>, upstreams: &[Upstream]) -> Self {
        let names: HashMap<&str, usize> = upstreams.iter().enumerate().map(|(place, upstream)| (upstream.name.as_str(), place)).collect();
        let mut services = Vec::with_capacity(entities.len());
        let mut known = HashMap::with_capacity(entities.len());
        let mut tls = Ways::default();
        for service in entities {
            let id = service.id.clone();
            let became = match Scheme::of(&service) {
                _ if service.enabled == Some(false) => Known::Disabled,
                None => Known::OtherProtocol,
                Some(scheme) => {
                    let upstream = names.get(service.host.as_str()).copied();
                    let way = UpstreamTls::of(&service, scheme, upstream.and_then(|place| upstreams.get(place)));
                    let tls = way.map(|way| tls.place(way));
                    services.push(Service::of(service, scheme, tls, upstream));
                    Known::Serving(small(services.len() - 1))
                }
            };
            known.insert(id, became);
        }
        Self { services, known, tls: tls.in_order() }
    }
}
