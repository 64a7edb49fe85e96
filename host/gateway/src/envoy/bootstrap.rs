//! Envoy's bootstrap for a group that has Holdover beside it: which management servers there are, and when which of them is asked.
//!
//! Two ways. *Priorities*: one cluster with the control plane before the failover, and a health check that asks Holdover instead of the control
//! plane's port, so that a control plane that accepts and says nothing counts as what it is. *Failover*: Envoy's own second management server,
//! which is still experimental there. What each option does to a start was measured (docs/envoy.md). Opens no file: Envoy reads them.

use std::net::{IpAddr, SocketAddr};

use holdover_xds::Mode;
use serde_json::{Value, json};

/// What a bootstrap is made of.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    pub node_id: String,
    /// `node.cluster`: the group.
    pub node_group: String,
    /// The management server: its host name or address, and its port.
    pub control_plane: (String, u16),
    /// `holdover_ads_listen`.
    pub failover: SocketAddr,
    /// `holdover_status_listen`.
    pub health: SocketAddr,
    pub way: Way,
    pub mode: Mode,
    pub admin: Option<SocketAddr>,
    /// How the control plane is spoken to; `None`: in plain.
    pub control_plane_tls: Option<Tls>,
    /// The same for the failover, which on loopback needs none.
    pub failover_tls: Option<Tls>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Priorities,
    Failover,
}

/// Paths as Envoy finds them.
#[derive(Clone, Debug)]
pub struct Tls {
    pub ca: String,
    pub cert_and_key: Option<(String, String)>,
    /// The host name or address that the certificate must be for.
    pub name: String,
}

/// Clusters are initialised in the order of their names, and Envoy asks the failover first if that is ready first.
const CONTROL_PLANE: &str = "xds-a-control-plane";
const FAILOVER: &str = "xds-b-failover";
const BOTH: &str = "xds";
/// Which transport socket an address, or a health check, is for.
const SOCKET: &str = "holdover";

impl Bootstrap {
    pub fn render(&self) -> Value {
        let mut bootstrap = json!({
            "node": { "id": self.node_id, "cluster": self.node_group },
            "dynamic_resources": {
                "ads_config": self.ads_config(),
                // Without this Envoy calls itself ready after thirty seconds, with nothing to serve.
                "cds_config": { "ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s" },
                "lds_config": { "ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s" },
            },
            "static_resources": { "clusters": self.clusters() },
        });
        if let Some(members) = bootstrap.as_object_mut() {
            if self.way == Way::Failover {
                let layer = json!({ "name": "holdover", "static_layer": { "envoy.restart_features.xds_failover_support": true } });
                members.insert("layered_runtime".to_owned(), json!({ "layers": [layer] }));
            }
            if let Some(admin) = self.admin {
                members.insert("admin".to_owned(), json!({ "address": address(&admin.ip().to_string(), admin.port()) }));
            }
        }
        bootstrap
    }

    fn ads_config(&self) -> Value {
        let names: &[&str] = match self.way {
            Way::Priorities => &[BOTH],
            Way::Failover => &[CONTROL_PLANE, FAILOVER],
        };
        // A returned control plane is found within half a second, not thirty.
        let back_off = json!({ "retry_back_off": { "base_interval": "0.1s", "max_interval": "0.5s" } });
        let service = |name: &&str| json!({ "envoy_grpc": { "cluster_name": name, "retry_policy": back_off } });
        json!({
            "api_type": match self.mode {
                Mode::Delta => "DELTA_GRPC",
                Mode::StateOfTheWorld => "GRPC",
            },
            "transport_api_version": "V3",
            "grpc_services": names.iter().map(service).collect::<Vec<_>>(),
        })
    }

    fn clusters(&self) -> Value {
        match self.way {
            Way::Priorities => json!([self.cluster(BOTH, &[self.control_plane_endpoints(), self.failover_endpoints(1)])]),
            Way::Failover => {
                json!([
                    self.cluster(CONTROL_PLANE, &[self.control_plane_endpoints()]),
                    self.cluster(FAILOVER, &[self.failover_endpoints(0)])
                ])
            }
        }
    }

    fn cluster(&self, name: &str, endpoints: &[Value]) -> Value {
        json!({
            "name": name,
            "type": "STRICT_DNS",
            "connect_timeout": "1s",
            "typed_extension_protocol_options": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                    "explicit_http_config": { "http2_protocol_options": {} },
                },
            },
            // Not by HTTP/2 pings: a gRPC server with its defaults takes those amiss, and closes a stream that is only quiet.
            "upstream_connection_options": { "tcp_keepalive": { "keepalive_probes": 3, "keepalive_time": 10, "keepalive_interval": 5 } },
            // In a panic Envoy would ask the control plane although it is known to be away.
            "common_lb_config": { "healthy_panic_threshold": { "value": 0 } },
            // A control plane that goes silent with a stream open is left for the failover.
            "close_connections_on_host_health_failure": true,
            "health_checks": [{
                "timeout": "0.5s",
                "interval": "0.5s",
                "no_traffic_interval": "0.5s",
                // An answer other than 200 counts at once; only a check that is not answered, for Holdover restarts, is tried again.
                "unhealthy_threshold": 6,
                "healthy_threshold": 1,
                "http_health_check": { "path": "/cp/healthy", "codec_client_type": "HTTP1" },
                "transport_socket_match_criteria": { SOCKET: "health" },
            }],
            "transport_socket_matches": self.transport_sockets(),
            "load_assignment": { "cluster_name": name, "endpoints": endpoints },
        })
    }

    /// The health check of the control plane asks Holdover's status page.
    fn control_plane_endpoints(&self) -> Value {
        let (host, port) = &self.control_plane;
        let health = address(&self.health.ip().to_string(), self.health.port());
        endpoints(0, "control-plane", &address(host, *port), &json!({ "address": health }))
    }

    /// Nothing checks the failover, or nothing would start when both are down.
    fn failover_endpoints(&self, priority: u32) -> Value {
        let failover = address(&self.failover.ip().to_string(), self.failover.port());
        endpoints(priority, "failover", &failover, &json!({ "disable_active_health_check": true }))
    }

    fn transport_sockets(&self) -> Value {
        let plain = json!({
            "name": "envoy.transport_sockets.raw_buffer",
            "typed_config": { "@type": "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer" },
        });
        let socket = |tls: &Option<Tls>| tls.as_ref().map_or(plain.clone(), |tls| tls.socket());
        let of = |name: &str, socket: Value| json!({ "name": name, "match": { SOCKET: name }, "transport_socket": socket });
        json!([
            of("control-plane", socket(&self.control_plane_tls)),
            of("failover", socket(&self.failover_tls)),
            of("health", plain.clone()),
        ])
    }
}

impl Tls {
    fn socket(&self) -> Value {
        let is_address = self.name.parse::<IpAddr>().is_ok();
        let kind = if is_address { "IP_ADDRESS" } else { "DNS" };
        let mut common = json!({
            "validation_context": {
                "trusted_ca": { "filename": self.ca },
                "match_typed_subject_alt_names": [{ "san_type": kind, "matcher": { "exact": self.name } }],
            },
        });
        if let (Some(common), Some((cert, key))) = (common.as_object_mut(), &self.cert_and_key) {
            let pair = json!({ "certificate_chain": { "filename": cert }, "private_key": { "filename": key } });
            common.insert("tls_certificates".to_owned(), json!([pair]));
        }
        let mut context = json!({
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "common_tls_context": common,
        });
        // An address is no server name.
        if let (Some(context), false) = (context.as_object_mut(), is_address) {
            context.insert("sni".to_owned(), json!(self.name));
        }
        json!({ "name": "envoy.transport_sockets.tls", "typed_config": context })
    }
}

fn endpoints(priority: u32, role: &str, address: &Value, health_check: &Value) -> Value {
    json!({
        "priority": priority,
        "lb_endpoints": [{
            "endpoint": { "address": address, "health_check_config": health_check },
            "metadata": { "filter_metadata": { "envoy.transport_socket_match": { SOCKET: role } } },
        }],
    })
}

fn address(host: &str, port: u16) -> Value {
    json!({ "socket_address": { "address": host, "port_value": port } })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "JSON answers null for what is not there")]

    use super::*;

    fn bootstrap(way: Way, mode: Mode) -> Bootstrap {
        Bootstrap {
            node_id: "envoy-1".into(),
            node_group: "edge".into(),
            control_plane: ("xds.example.com".into(), 18000),
            failover: ([127, 0, 0, 1], 18001).into(),
            health: ([127, 0, 0, 1], 8108).into(),
            way,
            mode,
            admin: None,
            control_plane_tls: None,
            failover_tls: None,
        }
    }

    #[test]
    fn the_control_planes_health_is_holdovers_verdict_and_nobody_checks_the_failover() {
        let rendered = bootstrap(Way::Priorities, Mode::Delta).render();
        let cluster = &rendered["static_resources"]["clusters"][0];
        let endpoint = |priority: usize| &cluster["load_assignment"]["endpoints"][priority]["lb_endpoints"][0]["endpoint"];
        assert_eq!(endpoint(0)["address"]["socket_address"], json!({ "address": "xds.example.com", "port_value": 18000 }));
        assert_eq!(endpoint(0)["health_check_config"]["address"]["socket_address"], json!({ "address": "127.0.0.1", "port_value": 8108 }));
        assert_eq!(endpoint(1)["health_check_config"], json!({ "disable_active_health_check": true }));
        assert_eq!(rendered["dynamic_resources"]["ads_config"]["api_type"], "DELTA_GRPC");
    }

    #[test]
    fn envoys_own_failover_is_switched_on_and_the_control_planes_cluster_comes_first_by_name() {
        let rendered = bootstrap(Way::Failover, Mode::StateOfTheWorld).render();
        let flag = &rendered["layered_runtime"]["layers"][0]["static_layer"]["envoy.restart_features.xds_failover_support"];
        assert_eq!(*flag, true);
        let services = &rendered["dynamic_resources"]["ads_config"]["grpc_services"];
        assert_eq!(services[0]["envoy_grpc"]["cluster_name"], CONTROL_PLANE);
        assert_eq!(services[1]["envoy_grpc"]["cluster_name"], FAILOVER);
        assert!(CONTROL_PLANE < FAILOVER);
        assert_eq!(rendered["dynamic_resources"]["ads_config"]["api_type"], "GRPC");
    }

    #[test]
    fn tls_is_spoken_to_the_control_plane_and_not_to_the_health_check() {
        let tls = Tls { ca: "/ca.pem".into(), cert_and_key: Some(("/c.pem".into(), "/k.pem".into())), name: "xds".into() };
        let rendered = Bootstrap { control_plane_tls: Some(tls), ..bootstrap(Way::Priorities, Mode::Delta) }.render();
        let sockets = &rendered["static_resources"]["clusters"][0]["transport_socket_matches"];
        let context = &sockets[0]["transport_socket"]["typed_config"];
        assert_eq!(context["sni"], "xds");
        assert_eq!(context["common_tls_context"]["tls_certificates"][0]["private_key"]["filename"], "/k.pem");
        assert_eq!(context["common_tls_context"]["validation_context"]["match_typed_subject_alt_names"][0]["matcher"]["exact"], "xds");
        for plain in [1, 2] {
            assert_eq!(sockets[plain]["transport_socket"]["name"], "envoy.transport_sockets.raw_buffer");
        }
    }

    #[test]
    fn an_address_is_expected_as_an_address_and_is_no_server_name() {
        let socket = Tls { ca: "/ca.pem".into(), cert_and_key: None, name: "10.0.0.1".into() }.socket();
        let context = &socket["typed_config"];
        let expected = &context["common_tls_context"]["validation_context"]["match_typed_subject_alt_names"][0];
        assert_eq!(*expected, json!({ "san_type": "IP_ADDRESS", "matcher": { "exact": "10.0.0.1" } }));
        assert!(context["sni"].is_null());
    }
}
