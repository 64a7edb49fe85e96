//! What the management server is given to serve, as the JSON of Envoy's messages. Knows no process.
//!
//! Every generation says of itself which it is: `/who` reaches the upstream as `/generation-<n>`. All else is the same in each, but for a
//! cluster that only the first one has.

use std::net::SocketAddr;

use serde_json::{Value, json};

/// The cluster that whoever left the first generation behind should not have any more.
pub const RETIRED: &str = "retired";
pub const SERVICE: &str = "service";

/// Resources of one version, as the management server takes them.
#[derive(Clone, Debug)]
pub struct Resources {
    pub version: String,
    pub resources: Vec<Value>,
}

/// A listener, its routes, and clusters with their endpoints. The listener's port is any free one: all Envoys of a group are sent the same
/// listener, and here they share a machine.
pub fn of_envoy(generation: u32, upstream: SocketAddr) -> Resources {
    let all = json!({ "match": { "prefix": "/" }, "route": { "cluster": "upstream" } });
    let routes = route_configuration("routes", json!([who(generation), all]));
    let mut resources = vec![listener(), routes, cluster("upstream"), endpoints("upstream", upstream)];
    if generation == 1 {
        resources.extend([cluster(RETIRED), endpoints(RETIRED, upstream)]);
    }
    Resources { version: generation.to_string(), resources }
}

/// What a gRPC client needs that calls `xds:///service`: it asks for everything by name.
pub fn of_grpc(generation: u32, backend: SocketAddr) -> Resources {
    let api_listener = json!({ "api_listener": connection_manager("service-routes") });
    let listener = json!({ "@type": typed("config.listener.v3.Listener"), "name": SERVICE, "api_listener": api_listener });
    let route = json!({ "match": { "prefix": "" }, "route": { "cluster": "backend" } });
    let routes = route_configuration("service-routes", json!([route]));
    Resources { version: generation.to_string(), resources: vec![listener, routes, cluster("backend"), endpoints("backend", backend)] }
}

/// Of the routes named `routes`.
pub fn listener() -> Value {
    let filter = json!({ "name": "envoy.filters.network.http_connection_manager", "typed_config": connection_manager("routes") });
    let any_port = json!({ "socket_address": { "address": "127.0.0.1", "port_value": 0 } });
    let listener = typed("config.listener.v3.Listener");
    json!({ "@type": listener, "name": "main", "address": any_port, "filter_chains": [{ "filters": [filter] }] })
}

fn connection_manager(routes: &str) -> Value {
    let router =
        json!({ "name": "envoy.filters.http.router", "typed_config": { "@type": typed("extensions.filters.http.router.v3.Router") } });
    json!({
        "@type": typed("extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "main",
        "rds": { "route_config_name": routes, "config_source": over_ads() },
        "http_filters": [router],
    })
}

/// Says which generation it is, by way of the upstream.
pub fn who(generation: u32) -> Value {
    let says_who = json!({ "cluster": "upstream", "prefix_rewrite": format!("/generation-{generation}") });
    json!({ "match": { "path": "/who" }, "route": says_who })
}

pub fn route_configuration(name: &str, routes: Value) -> Value {
    let all = json!({ "name": "all", "domains": ["*"], "routes": routes });
    json!({ "@type": typed("config.route.v3.RouteConfiguration"), "name": name, "virtual_hosts": [all] })
}

pub fn cluster(name: &str) -> Value {
    let cluster = typed("config.cluster.v3.Cluster");
    json!({ "@type": cluster, "name": name, "type": "EDS", "connect_timeout": "2s", "eds_cluster_config": { "eds_config": over_ads() } })
}

/// With what gRPC insists on and Envoy does without: a locality, and weights.
pub fn endpoints(cluster: &str, address: SocketAddr) -> Value {
    let address = json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } });
    let endpoint = json!({ "endpoint": { "address": address }, "load_balancing_weight": 1 });
    let locality = json!({ "locality": { "region": "here" }, "load_balancing_weight": 1, "lb_endpoints": [endpoint] });
    json!({ "@type": typed("config.endpoint.v3.ClusterLoadAssignment"), "cluster_name": cluster, "endpoints": [locality] })
}

fn over_ads() -> Value {
    json!({ "resource_api_version": "V3", "ads": {} })
}

fn typed(name: &str) -> String {
    format!("type.googleapis.com/envoy.{name}")
}
