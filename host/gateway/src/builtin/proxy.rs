//! One request, from the table's decision to the answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use holdover_plugin::routing::{self, Circumstances, Correlation, Decision, Destination, HostHeader, Protocol, Proxy, Table, Target};
use http::header::{HOST, HeaderName};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use rustls::crypto::SecureRandom;

use super::headers::{self, Received};
use super::listen::Connection;
use super::upstream::{Body, Failure, Lent, Paced};
use super::{Served, respond, upgrade};

pub(super) async fn serve(served: &Served, connection: &Connection, request: Request<Incoming>) -> Response<Body> {
    let requests = connection.requests.fetch_add(1, Ordering::Relaxed) + 1;
    let Some(table) = served.table.load_full() else { return respond::not_configured() };
    if request.method() == Method::CONNECT {
        return respond::not_allowed();
    }
    let Some(named) = Named::of(&request) else { return respond::bad_request("the request names more than one host") };
    match decide(&table, connection, &request, &named) {
        Decision::Proxy(proxy) => {
            let id = proxy.correlation.map(|correlation| served.ids.of(correlation, request.headers(), connection, requests));
            forward(served, connection, request, &named, &proxy, id).await
        }
        Decision::Respond(answer) => {
            let id = answer.correlation.map(|correlation| served.ids.of(correlation, request.headers(), connection, requests));
            let mut response = respond::answer(&answer);
            echo(id.as_ref(), response.headers_mut());
            response
        }
        Decision::NotEnforced { plugin, .. } => respond::not_enforced(plugin),
        Decision::UpgradeRequired { .. } => respond::upgrade_required(),
        Decision::Redirect { status, location, .. } => respond::redirect(status, &location),
        Decision::NotGrpc { .. } => respond::not_grpc(),
        Decision::NoRoute => respond::no_route(),
        Decision::NoService { .. } => respond::no_service(),
    }
}

fn decide<'t>(table: &'t Table, connection: &Connection, request: &Request<Incoming>, named: &Named) -> Decision<'t> {
    table.decide(&routing::Request {
        protocol: Protocol::Http,
        host: &named.host,
        port: Some(named.port.unwrap_or(connection.local.port())),
        method: request.method().as_str(),
        path: request.uri().path(),
        query: request.uri().query(),
        headers: &Received(request.headers()),
        sni: None,
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
        Some(Self { received, host: host.to_ascii_lowercase(), port })
    }
}

async fn forward(
    served: &Served,
    connection: &Connection,
    mut request: Request<Incoming>,
    named: &Named,
    proxy: &Proxy<'_>,
    id: Option<CorrelationId<'_>>,
) -> Response<Body> {
    let wanted = upgrade::wanted(&mut request);
    let (mut parts, body) = request.into_parts();
    headers::toward_upstream(&mut parts.headers, wanted.as_ref().map(|wanted| &wanted.protocol));
    headers::forwarded(&mut parts.headers, connection, &named.host, named.port, parts.uri.path(), proxy);
    if let Some(id) = &id {
        headers::set(&mut parts.headers, id.name.clone(), Some(&id.value));
    }
    let Some(path) = path_and_query(proxy, parts.uri.query()) else { return respond::bad_request("the path cannot be sent on") };
    let outgoing = Outgoing { method: parts.method, path, headers: parts.headers, body: Lent::new(body) };
    let mut response = match send(served, outgoing, named, proxy).await {
        Ok(response) => response,
        Err(response) => {
            let mut response = *response;
            echo(id.as_ref(), response.headers_mut());
            return response;
        }
    };
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
    echo(id.as_ref(), response.headers_mut());
    response
}

/// What every attempt sends.
struct Outgoing {
    method: Method,
    path: PathAndQuery,
    headers: HeaderMap,
    body: Arc<Lent>,
}

/// Attempts until one connects, each at another target while there is one. The answer to give instead is boxed, for it is rare.
async fn send(served: &Served, outgoing: Outgoing, named: &Named, proxy: &Proxy<'_>) -> Result<Response<Incoming>, Box<Response<Body>>> {
    let service = proxy.service;
    let number = served.balanced.fetch_add(1, Ordering::Relaxed);
    let mut tried: Vec<&Target> = Vec::new();
    let mut attempts = 0_u32;
    loop {
        let (host, port) = match proxy.destination {
            Destination::Service => (service.host.as_str(), service.port),
            Destination::Upstream(upstream) => {
                let Some(target) = upstream.pick(number, &tried) else { return Err(Box::new(respond::no_target())) };
                tried.push(target);
                (target.host.as_str(), target.port)
            }
        };
        let Some(request) = request_to(&outgoing, host, port, named, proxy) else { return Err(Box::new(respond::upstream_failed())) };
        let failure = match served.clients.attempt(request, service.scheme, service.timeouts).await {
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

fn request_to(outgoing: &Outgoing, host: &str, port: u16, named: &Named, proxy: &Proxy<'_>) -> Option<Request<super::upstream::LentBody>> {
    let scheme = proxy.service.scheme;
    let bracketed = if matches!(host.parse(), Ok(IpAddr::V6(_))) { format!("[{host}]") } else { host.to_owned() };
    let authority = Authority::try_from(format!("{bracketed}:{port}")).ok()?;
    let uri = Uri::builder().scheme(scheme.as_str()).authority(authority).path_and_query(outgoing.path.clone()).build().ok()?;
    let mut request = Request::new(outgoing.body.lend());
    *request.method_mut() = outgoing.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = outgoing.headers.clone();
    if scheme.is_grpc() {
        // HTTP/2 has the authority in its place.
        request.headers_mut().remove(HOST);
        *request.version_mut() = Version::HTTP_2;
        return Some(request);
    }
    match proxy.host_header {
        HostHeader::AsReceived => headers::set_host(request.headers_mut(), &named.received),
        HostHeader::Fixed(fixed) => headers::set_host(request.headers_mut(), fixed),
        HostHeader::AsDialled if port == scheme.own_port() => headers::set_host(request.headers_mut(), &bracketed),
        HostHeader::AsDialled => headers::set_host(request.headers_mut(), &format!("{bracketed}:{port}")),
    }
    Some(request)
}

fn path_and_query(proxy: &Proxy<'_>, query: Option<&str>) -> Option<PathAndQuery> {
    match query {
        None => PathAndQuery::try_from(proxy.upstream_path.as_str()).ok(),
        Some(query) => PathAndQuery::try_from(format!("{}?{query}", proxy.upstream_path)).ok(),
    }
}

/// Makes correlation ids.
pub(super) struct Ids {
    random: &'static dyn SecureRandom,
    process_random: u128,
    made: AtomicU64,
}

struct CorrelationId<'a> {
    correlation: &'a Correlation,
    name: HeaderName,
    value: String,
}

impl Ids {
    pub(super) fn new() -> Result<Self, String> {
        let random = rustls::crypto::ring::default_provider().secure_random;
        let mut process = [0; 16];
        random.fill(&mut process).map_err(|_| "the system gives no random numbers".to_owned())?;
        Ok(Self { random, process_random: u128::from_ne_bytes(process), made: AtomicU64::new(0) })
    }

    /// What the client sent, else one of our own.
    fn of<'a>(&self, correlation: &'a Correlation, headers: &HeaderMap, connection: &Connection, requests: u64) -> CorrelationId<'a> {
        let name = HeaderName::try_from(correlation.header_name.as_str()).unwrap_or(HeaderName::from_static("kong-request-id"));
        let sent = headers.get(&name).and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty());
        let value = sent.map_or_else(|| correlation.id(&self.circumstances(connection, requests)), str::to_owned);
        CorrelationId { correlation, name, value }
    }

    fn circumstances(&self, connection: &Connection, requests: u64) -> Circumstances {
        let mut random = [0; 16];
        // It filled once at start; if it ever fails, the id is only less unique.
        let _ = self.random.fill(&mut random);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Circumstances {
            random: u128::from_ne_bytes(random),
            process_random: self.process_random,
            process_id: std::process::id(),
            ids_before: self.made.fetch_add(1, Ordering::Relaxed),
            server: connection.local,
            connection: connection.number,
            connection_requests: requests,
            now_unix_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

fn echo(id: Option<&CorrelationId<'_>>, headers: &mut HeaderMap) {
    if let Some(id) = id.filter(|id| id.correlation.echo_downstream) {
        headers::set(headers, id.name.clone(), Some(&id.value));
    }
}
