//! One request: held until the node knows, left to Envoy's own routes, or decided by the table; and the filter does as it says.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

use holdover_plugin::routing::{Decision, Destination, HostHeader, Proxy, Table};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, LogLevel, MapType};

use super::correlation::Id;
use super::received::Received;
use super::way::Way;
use super::worker::{Now, Worker};
use super::{respond, upstream};
use crate::log::log;

/// Credentials for us and what CGI programs would take for a setting (httpoxy) go no further.
const NOT_PASSED_ON: [&str; 2] = ["proxy-authorization", "proxy"];

/// One request and its answer.
pub struct Exchange {
    worker: Rc<Worker>,
    context: u32,
    echo: Echo,
}

/// What the answer is to carry, shared with whoever decides on a request that was held.
pub type Echo = Rc<RefCell<Option<Id>>>;

impl Exchange {
    pub fn new(worker: Rc<Worker>, context: u32) -> Self {
        Self { worker, context, echo: Echo::default() }
    }
}

impl Context for Exchange {}

impl HttpContext for Exchange {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        match self.worker.now() {
            Now::Undecided if self.worker.held.hold(self.context, Rc::clone(&self.echo)) => {
                self.worker.metrics.held();
                Action::Pause
            }
            now => decide(&self.worker, &now, &self.echo),
        }
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        if let Some(id) = self.echo.take().filter(|id| id.echo_downstream) {
            // The upstream may have said it too; one is enough.
            let _ = hostcalls::set_map_value(MapType::HttpResponseHeaders, &id.header_name, Some(&id.value));
        }
        Action::Continue
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.worker.held.forget(self.context);
    }
}

/// About the request whose context Envoy is in.
pub fn decide(worker: &Worker, now: &Now, echo: &Echo) -> Action {
    let action = match now {
        Now::Aside => {
            upstream::leave();
            return Action::Continue;
        }
        Now::Serving(table) => by_table(worker, table, echo),
        Now::Undecided => respond::undecided(),
        Now::Stranded => respond::stranded(),
    };
    if action == Action::Pause {
        worker.metrics.answered_here();
    }
    action
}

fn by_table(worker: &Worker, table: &Table, echo: &Echo) -> Action {
    let Some(received) = Received::read(table) else { return respond::bad_request("the request's path or host is no text") };
    #[cfg(feature = "crash")]
    crate::crash::on(received.path.as_bytes());
    if received.method == "CONNECT" {
        return respond::not_allowed();
    }
    match table.decide(&received.as_request()).over(|| received.is_http2()) {
        Decision::Proxy(proxy) => forward(worker, table, &received, &proxy, echo),
        Decision::Respond(answer) => {
            let id = answer.correlation.map(|correlation| worker.ids.of(correlation, &received));
            respond::answer(&answer, id.as_ref())
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
    }
}

fn forward(worker: &Worker, table: &Table, received: &Received, proxy: &Proxy<'_>, echo: &Echo) -> Action {
    let tls = proxy.service.tls.and_then(|place| table.upstream_tls().get(place));
    let way = match Way::of(proxy.service.scheme, tls) {
        Ok(way) => way,
        Err(wanted) => return respond::unspoken(wanted),
    };
    let (host, port) = match proxy.destination {
        Destination::Service => (proxy.service.host.as_str(), proxy.service.port),
        Destination::Upstream(upstream) => match upstream.pick(worker.next_balanced(), &[]) {
            Some(target) => (target.host.as_str(), target.port),
            None => return respond::no_target(),
        },
    };
    // Without brackets Envoy would take the address's end for a port.
    let host = if matches!(host.parse(), Ok(IpAddr::V6(_))) { format!("[{host}]") } else { host.to_owned() };
    if let Err(status) = upstream::choose(&host, port, way) {
        log(LogLevel::Error, &format!("Envoy does not let the upstream be chosen ({status:?}): see that it has set_envoy_filter_state"));
        return respond::unexpected();
    }
    rewrite(received, proxy, &host, port);
    let id = proxy.correlation.map(|correlation| worker.ids.of(correlation, received));
    if let Some(id) = &id {
        set(&id.header_name, Some(&id.value));
    }
    *echo.borrow_mut() = id;
    Action::Continue
}

/// Makes the request the one that goes upstream.
fn rewrite(received: &Received, proxy: &Proxy<'_>, host: &str, port: u16) {
    if proxy.upstream_path != received.path {
        match &received.query {
            None => set(":path", Some(&proxy.upstream_path)),
            Some(query) => set(":path", Some(&format!("{}?{query}", proxy.upstream_path))),
        }
    }
    if proxy.service.scheme.is_grpc() {
        // HTTP/2 tells it the upstream, and Envoy would pass on the client's.
        set(":scheme", Some(proxy.service.scheme.as_str()));
    }
    match proxy.host_header {
        HostHeader::AsReceived => {}
        HostHeader::Fixed(fixed) => set(":authority", Some(fixed)),
        HostHeader::AsDialled if port == proxy.service.scheme.own_port() => set(":authority", Some(host)),
        HostHeader::AsDialled => set(":authority", Some(&format!("{host}:{port}"))),
    }
    // Envoy itself tells the upstream who asked (X-Forwarded-For and -Proto); for what, it does not know.
    set("x-forwarded-host", Some(&received.host));
    set_or_remove(received, "x-forwarded-port", received.port.map(|port| port.to_string()).as_deref());
    set("x-forwarded-path", Some(&received.path));
    set_or_remove(received, "x-forwarded-prefix", proxy.stripped_prefix.as_deref());
    NOT_PASSED_ON.iter().for_each(|name| set_or_remove(received, name, None));
}

/// Removes nothing that the request does not have.
fn set_or_remove(received: &Received, name: &str, value: Option<&str>) {
    if value.is_some() || received.headers.has(name) {
        set(name, value);
    }
}

fn set(name: &str, value: Option<&str>) {
    // The SDK ends the VM on every failure that Envoy could report here, so there is no error to look at.
    let _ = hostcalls::set_map_value(MapType::HttpRequestHeaders, name, value);
}
