//! The same resources as a bootstrap in which all of them stand: whoever starts with it asks nobody.
//!
//! Nothing of them is changed but where the one is told of the other: a cluster has its endpoints in itself, and a listener its routes.

use std::net::SocketAddr;

use serde_json::{Map, Value, json};

use crate::ground::GROUP;
use crate::resources::Resources;

pub fn bootstrap(resources: &Resources, admin: SocketAddr) -> Value {
    let endpoints = of_type(resources, "ClusterLoadAssignment");
    let endpoints: Map<String, Value> = endpoints.map(|endpoints| (named(&endpoints, "cluster_name"), endpoints)).collect();
    let clusters: Vec<Value> = of_type(resources, "Cluster").map(|cluster| whole_cluster(cluster, &endpoints)).collect();
    let routes = of_type(resources, "RouteConfiguration").next().expect("there are routes");
    let listeners: Vec<Value> = of_type(resources, "Listener").map(|listener| whole_listener(listener, &routes)).collect();
    json!({
        "node": { "id": "from-a-file", "cluster": GROUP },
        "admin": { "address": { "socket_address": { "address": admin.ip().to_string(), "port_value": admin.port() } } },
        "static_resources": { "clusters": clusters, "listeners": listeners },
    })
}

/// Where their type is known, it does not stand in them.
fn of_type(resources: &Resources, name: &str) -> impl Iterator<Item = Value> {
    let end = format!(".{name}");
    let resources =
        resources.resources.iter().filter(move |resource| resource["@type"].as_str().is_some_and(|named| named.ends_with(&end)));
    resources.map(|resource| without(resource.clone(), "@type"))
}

fn whole_cluster(cluster: Value, endpoints: &Map<String, Value>) -> Value {
    let mut cluster = without(cluster, "eds_cluster_config");
    cluster["type"] = json!("STATIC");
    cluster["load_assignment"] = endpoints[&named(&cluster, "name")].clone();
    cluster
}

fn whole_listener(mut listener: Value, routes: &Value) -> Value {
    let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
    *manager = without(manager.take(), "rds");
    manager["route_config"] = routes.clone();
    listener
}

fn without(mut value: Value, member: &str) -> Value {
    value.as_object_mut().expect("an object").remove(member).expect("it has that member");
    value
}

fn named(value: &Value, member: &str) -> String {
    value[member].as_str().expect("a name").to_owned()
}
