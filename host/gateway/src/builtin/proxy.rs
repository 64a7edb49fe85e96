//! One request, from the table's decision to the answer.

use std::sync::atomic::Ordering;

use holdover_plugin::routing::{self, Decision, Destination, Proxy, Table, Target};
use http::header::HOST;
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::Instant;

use super::headers::{self, Arrival, Asked, Received};
use super::ids::CorrelationId;
use super::listen::Connection;
use super::outgoing::{self, Address, Outgoing};
use super::trusted::Asker;
use super::upstream::{self, Body, Failure, Lent, Paced};
use super::upstream_tls::Way;
use super::{Served, respond, upgrade};

pub(super) async fn serve(served: &Served, connection: &Connection, request: Request<Incoming>) -> Response<Body> {
    let arrival = Arrival { at: Instant::now(), id: served.ids.of_request() };
    let Answered { mut response, asked } = answer(served, connection, request, &arrival).await;
    headers::told(&mut response, served.telling, &arrival, asked);
    response
}

/// An answer, and how the upstream that it came from, or did not come from, was asked.
struct Answered {
    response: Response<Body>,
    asked: Option<Asked>,
}

impl Answered {
    fn by_us(response: Response<Body>) -> Self {
        Self { response, asked: None }
    }
}

async fn answer(served: &Served, connection: &Connection, request: Request<Incoming>, arrival: &Arrival) -> Answered {
    let requests = connection.requests.fetch_add(1, Ordering::Relaxed) + 1;
    let Some(configuration) = served.configuration.load_full() else { return Answered::by_us(respond::not_configured()) };
    if request.method() == Method::CONNECT {
        return Answered::by_us(respond::not_allowed());
    }
    let Some(named) = Named::of(&request) else {
        return Answered::by_us(respond::bad_request("the request names more than one host"));
    };
    let asker = served.trusted.asker(connection.peer.ip(), request.headers());
    let http2 = request.version() == Version::HTTP_2;
    let id_of = |correlation| served.ids.of_correlation(correlation, request.headers(), connection, requests);
    Answered::by_us(match decide(&configuration.table, connection, &request, &named, &asker).over(|| http2) {
        Decision::Proxy(proxy) => {
            let tls = match proxy.service.tls.map(|place| configuration.upstream_tls.get(place)) {
                Some(None) => return Answered::by_us(respond::tls_not_possible()),
                Some(Some(way)) => Some(way),
                None => None,
            };
            let id = proxy.correlation.map(id_of);
            return forward(served, connection, request, &named, Going { proxy: &proxy, tls, asker, arrival, id }).await;
        }
        Decision::Respond(answer) => {
            let mut response = respond::answer(&answer);
            if let Some(id) = answer.correlation.map(id_of) {
                id.toward_client(response.headers_mut());
            }
            response
        }
        Decision::Refused { entity, .. } => respond::refused(entity),
        Decision::NotEnforced { plugin, .. } => respond::not_enforced(plugin),
        Decision::UpgradeRequired { .. } => respond::upgrade_required(),
        Decision::Redirect { status, location, .. } => respond::redirect(status, &location),
        Decision::Http2Required { .. } => respond::http2_required(),
        Decision::NotGrpc { lacks_tls: true, .. } => respond::grpc_without_tls(),
        Decision::NotGrpc { lacks_tls: false, .. } => respond::not_grpc(),
        Decision::NoRoute => respond::no_route(),
        Decision::NoService { .. } => respond::no_service(),
    })
}

fn decide<'t>(table: &'t Table, connection: &Connection, request: &Request<Incoming>, named: &Named, asker: &Asker) -> Decision<'t> {
    let (forwarded_protocol, forwarded_host) = if asker.is_trusted { headers::asked_for(request.headers()) } else { (None, None) };
    table.decide(&routing::Request {
        protocol: connection.protocol(),
        host: &named.host,
        port: Some(named.port.unwrap_or(connection.local.port())),
        method: request.method().as_str(),
        path: request.uri().path(),
        query: request.uri().query(),
        headers: &Received(request.headers()),
        sni: connection.tls.as_ref().and_then(|tls| tls.server_name.as_deref()),
        forwarded_protocol,
        forwarded_host: forwarded_host.as_deref(),
    })
}

/// Whom the client believes it talks to.
struct Named {
    /// With the port, as received.
    received: String,
    host: String,
    port: Option<u16>,
}

impl Named {
    /// `None` if there are several Host headers: two who read one each would disagree.
    fn of(request: &Request<Incoming>) -> Option<Self> {
        let mut hosts = request.headers().get_all(HOST).iter();
        let header = hosts.next().map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
        if hosts.next().is_some() {
            return None;
        }
        let received = request.uri().authority().map(|authority| authority.as_str().to_owned()).or(header).unwrap_or_default();
        // The last colon, unless it stands inside of an IPv6 address.
        let split = received.rsplit_once(':').filter(|(_, port)| !port.contains(']'));
        let (host, port) = match split.map(|(host, port)| (host, port.parse().ok())) {
            Some((host, Some(port))) => (host.to_owned(), Some(port)),
            Some((_, None)) | None => (received.clone(), None),
        };
        Some(Self { received, host, port })
    }
}

/// What goes on with a request that is proxied.
struct Going<'a> {
    proxy: &'a Proxy<'a>,
    /// How TLS is spoken upstream, if it is.
    tls: Option<&'a Way>,
    asker: Asker,
    arrival: &'a Arrival,
    id: Option<CorrelationId<'a>>,
}

async fn forward(
    served: &Served,
    connection: &Connection,
    mut request: Request<Incoming>,
    named: &Named,
    Going { proxy, tls, asker, arrival, id }: Going<'_>,
) -> Answered {
    let wanted = upgrade::wanted(&mut request);
    let (mut parts, body) = request.into_parts();
    headers::toward_upstream(&mut parts.headers, wanted.as_ref().map(|wanted| &wanted.protocol));
    headers::forwarded(&mut parts.headers, &asker, connection, &named.host, parts.uri.path(), proxy);
    headers::introduce(&mut parts.headers, parts.version, arrival);
    if let Some(id) = &id {
        id.toward_upstream(&mut parts.headers);
    }
    let Some(path) = outgoing::path_and_query(proxy, parts.uri.query()) else {
        return Answered::by_us(respond::bad_request("the path cannot be sent on"));
    };
    let (method, headers, received_host) = (parts.method, parts.headers, named.received.as_str());
    let outgoing = Outgoing { method, path, headers, body: Lent::new(body), proxy, received_host, tls };
    let mut asked_at = None;
    let sent = send(served, &outgoing, &mut asked_at).await;
    let mut response = match sent {
        Ok(response) => received(response, wanted, proxy),
        Err(response) => *response,
    };
    if let Some(id) = &id {
        id.toward_client(response.headers_mut());
    }
    let spoken = if proxy.service.scheme.is_grpc() { Version::HTTP_2 } else { Version::HTTP_11 };
    Answered { response, asked: asked_at.map(|at| Asked { at, spoken }) }
}

/// The upstream's answer as the client gets it.
fn received(mut response: Response<Incoming>, wanted: Option<upgrade::Wanted>, proxy: &Proxy<'_>) -> Response<Body> {
    let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    match wanted {
        Some(wanted) if upgraded => wanted.join(&mut response),
        // An upstream that switches protocols without being asked to is not one we can speak to.
        None if upgraded => return respond::upstream_failed(),
        Some(_) | None => {}
    }
    let mut response = response.map(|body| Paced::new(body, proxy.service.timeouts).boxed_unsync());
    *response.version_mut() = Version::HTTP_11;
    headers::toward_client(response.headers_mut(), upgraded);
    response
}

/// Attempts until one connects, each at another target while there is one, and says when the last began. The answer to give
/// instead is boxed, for it is rare.
async fn send(served: &Served, outgoing: &Outgoing<'_>, asked: &mut Option<Instant>) -> Result<Response<Incoming>, Box<Response<Body>>> {
    let Proxy { service, destination, .. } = outgoing.proxy;
    let number = served.balanced.fetch_add(1, Ordering::Relaxed);
    let mut tried: Vec<&Target> = Vec::new();
    let mut attempts = 0_u32;
    loop {
        let (host, port) = match destination {
            Destination::Service => (service.host.as_str(), service.port),
            Destination::Upstream(upstream) => {
                let Some(target) = upstream.pick(number, &tried) else { return Err(Box::new(respond::no_target())) };
                tried.push(target);
                (target.host.as_str(), target.port)
            }
        };
        let Some((upstream, request)) = outgoing.to(&Address::of(host, port)) else { return Err(Box::new(respond::upstream_failed())) };
        *asked = Some(Instant::now());
        let failure = match upstream::attempt(&served.clients.to(&upstream), request, service.timeouts).await {
            Ok(response) => return Ok(response),
            Err(failure) => failure,
        };
        attempts = attempts.saturating_add(1);
        if !failure.nothing_was_sent() || attempts > service.retries {
            return Err(Box::new(match failure {
                Failure::NotConnected | Failure::Broken => respond::upstream_failed(),
                Failure::ConnectTimedOut | Failure::TimedOut => respond::upstream_timed_out(),
                Failure::ClientTooSlow => respond::client_too_slow(),
            }));
        }
    }
}
