//! Resources of any size: a listener, its routes, and a cluster with an endpoint for every ten of them. Knows no process.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::resources::{Resources, cluster, endpoints, listener, route_configuration, who};

const ROUTES_PER_CLUSTER: usize = 10;

/// What is asked for in the end stands behind all others.
pub fn of_many(routes: usize, upstream: SocketAddr) -> Resources {
    let all: Vec<Value> = (0..routes).map(route).chain([who(1)]).collect();
    let mut resources = vec![listener(), route_configuration("routes", json!(all))];
    resources.extend(clusters(routes).iter().flat_map(|name| [cluster(name), endpoints(name, upstream)]));
    Resources { version: "1".to_owned(), resources }
}

/// The names of those that so many routes go to.
pub fn clusters(routes: usize) -> BTreeSet<String> {
    (0..routes.div_ceil(ROUTES_PER_CLUSTER)).map(service).chain(["upstream".to_owned()]).collect()
}

fn route(n: usize) -> Value {
    json!({ "match": { "prefix": format!("/route-{n}/") }, "route": { "cluster": service(n / ROUTES_PER_CLUSTER) } })
}

fn service(n: usize) -> String {
    format!("service-{n}")
}
