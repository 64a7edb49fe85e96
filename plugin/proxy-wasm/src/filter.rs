//! One request: the table decides, and the filter does as it says.

use std::net::IpAddr;
use std::rc::Rc;

use holdover_plugin::routing::{Decision, Destination, HostHeader, Proxy, Scheme};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, LogLevel, MapType};

use crate::correlation::Id;
use crate::received::Received;
use crate::vm::Vm;
use crate::world::log;
use crate::{respond, upstream};

/// Credentials for us and what CGI programs would take for a setting (httpoxy) go no further.
const NOT_PASSED_ON: [&str; 2] = ["proxy-authorization", "proxy"];

pub struct Filter {
    vm: Rc<Vm>,
    /// What the answer is to carry.
    echo: Option<Id>,
}

impl Filter {
    pub fn new(vm: Rc<Vm>) -> Self {
        Self { vm, echo: None }
    }

    fn decide(&mut self) -> Action {
        let Some(table) = self.vm.table() else { return respond::not_configured() };
        let Some(received) = Received::read() else { return respond::bad_request("the request's path or host is no text") };
        if received.method == "CONNECT" {
            return respond::not_allowed();
        }
        match table.decide(&received.as_request()) {
            Decision::Proxy(proxy) => self.forward(&received, &proxy),
            Decision::Respond(answer) => {
                let id = answer.correlation.map(|correlation| self.vm.ids.of(correlation, &received));
                respond::answer(&answer, id.as_ref())
            }
            Decision::Refused { entity, .. } => respond::refused(entity),
            Decision::NotEnforced { plugin, .. } => respond::not_enforced(plugin),
            Decision::UpgradeRequired { .. } => respond::upgrade_required(),
            Decision::Redirect { status, location, .. } => respond::redirect(status, &location),
            Decision::NotGrpc { .. } => respond::not_grpc(),
            Decision::NoRoute => respond::no_route(),
            Decision::NoService { .. } => respond::no_service(),
        }
    }

    fn forward(&mut self, received: &Received, proxy: &Proxy<'_>) -> Action {
        match proxy.service.scheme {
            Scheme::Http => {}
            Scheme::Https | Scheme::Grpc | Scheme::Grpcs => return respond::scheme_not_spoken(),
        }
        let (host, port) = match proxy.destination {
            Destination::Service => (proxy.service.host.as_str(), proxy.service.port),
            Destination::Upstream(upstream) => match upstream.pick(self.vm.next_balanced(), &[]) {
                Some(target) => (target.host.as_str(), target.port),
                None => return respond::no_target(),
            },
        };
        if let Err(status) = upstream::choose(host, port) {
            log(
                LogLevel::Error,
                &format!("Envoy does not let the upstream be chosen ({status:?}): see that it has set_envoy_filter_state"),
            );
            return respond::unexpected();
        }
        rewrite(received, proxy, host, port);
        self.echo = proxy.correlation.map(|correlation| self.vm.ids.of(correlation, received));
        if let Some(id) = &self.echo {
            set(&id.header_name, Some(&id.value));
        }
        Action::Continue
    }
}

impl Context for Filter {}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        self.decide()
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        if let Some(id) = self.echo.take().filter(|id| id.echo_downstream) {
            // The upstream may have said it too; one is enough.
            let _ = hostcalls::set_map_value(MapType::HttpResponseHeaders, &id.header_name, Some(&id.value));
        }
        Action::Continue
    }
}

/// Makes the request the one that goes upstream.
fn rewrite(received: &Received, proxy: &Proxy<'_>, host: &str, port: u16) {
    let path = match &received.query {
        None => proxy.upstream_path.clone(),
        Some(query) => format!("{}?{query}", proxy.upstream_path),
    };
    set(":path", Some(&path));
    let bracketed = if matches!(host.parse(), Ok(IpAddr::V6(_))) { format!("[{host}]") } else { host.to_owned() };
    match proxy.host_header {
        HostHeader::AsReceived => {}
        HostHeader::Fixed(fixed) => set(":authority", Some(fixed)),
        HostHeader::AsDialled if port == proxy.service.scheme.own_port() => set(":authority", Some(&bracketed)),
        HostHeader::AsDialled => set(":authority", Some(&format!("{bracketed}:{port}"))),
    }
    // Envoy itself tells the upstream who asked (X-Forwarded-For and -Proto); for what, it does not know.
    set("x-forwarded-host", Some(&received.host));
    set("x-forwarded-port", received.port.map(|port| port.to_string()).as_deref());
    set("x-forwarded-path", Some(&received.path));
    set("x-forwarded-prefix", proxy.stripped_prefix.as_deref());
    NOT_PASSED_ON.iter().for_each(|name| set(name, None));
}

/// Sets or removes.
fn set(name: &str, value: Option<&str>) {
    // The SDK ends the VM on every failure that Envoy could report here, so there is no error to look at.
    let _ = hostcalls::set_map_value(MapType::HttpRequestHeaders, name, value);
}
