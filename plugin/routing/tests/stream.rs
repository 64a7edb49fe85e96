//! Routes for connections (tcp, tls, tls_passthrough, udp), held against the vectors and Kong's own router (KONG.md G.2, G.3).
//!
//! What they match and when they are tried is told here alone: the built-in gateway and the filter take HTTP, and a table leaves such
//! routes out, as Kong's router for HTTP does.

use std::net::{IpAddr, Ipv4Addr};

use atc_router::ast::{Type, Value as Atc};
use atc_router::context::Context;
use atc_router::router::Router;
use atc_router::schema::Schema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{VECTORS, atc, get, name_of, service, table};

#[test]
fn routes_for_connections_become_the_expressions_and_priorities_that_kong_gives_them() {
    for (vector, route) in vectors() {
        assert_eq!(route.expression(), vector["expression"].as_str().unwrap(), "{}", vector["route"]);
        let wanted = vector["priority_effective_u64_hex"].as_str().unwrap().trim_start_matches("0x");
        assert_eq!(format!("{:x}", route.priority()), wanted, "{}", vector["route"]);
    }
}

#[test]
fn those_that_are_no_http_are_all_that_is_left_of_the_vectors() {
    let all: Value = serde_json::from_str(VECTORS).unwrap();
    // Twenty are counted where priorities and expressions of HTTP routes are compared.
    assert_eq!((vectors().len(), all["routes"].as_array().unwrap().len()), (4, 20 + 4));
}

/// Of the vectors' routes, by their place among those for connections, all of them in one router.
#[test]
fn connections_take_the_route_that_kongs_own_router_chooses() {
    let (network, address, nowhere) = (("10.200.0.1", 80), ("1.1.1.1", 5), ("10.200.0.1", 81));
    let cases = [
        ("tcp", network, ("9.9.9.9", 9000), None, Some(0)),
        ("tcp", address, ("9.9.9.9", 9000), None, Some(0)),
        // Routes with server names take whatever brings none; of equal ones the larger id is tried first.
        ("tcp", nowhere, ("9.9.9.9", 9000), None, Some(2)),
        ("tcp", network, ("9.9.9.9", 9001), None, Some(2)),
        ("udp", network, ("fd12::1", 53), None, Some(2)),
        ("tls", network, ("9.9.9.9", 9000), Some("x.com"), Some(0)),
        ("tls", nowhere, ("fd12::1", 9000), Some("x.com"), Some(2)),
        ("tls", nowhere, ("fd12::1", 9000), Some("y.com"), Some(3)),
        ("tls", nowhere, ("fe80::1", 9000), Some("y.com"), None),
    ];
    for (protocol, source, destination, sni, wanted) in cases {
        let found = chosen(protocol, source, destination, sni);
        assert_eq!(found, wanted, "{protocol} {source:?} {destination:?} {sni:?}");
    }
}

/// Conditions that the vectors do not combine.
#[test]
fn a_server_name_or_both_ends_come_before_any_number_of_one_end() {
    let route = |route: Value| serde_json::from_value::<Stream>(route).unwrap().priority();
    let everything_of_one_end = route(json!({ "protocols": ["tcp"], "sources": [{ "ip": "1.1.1.1", "port": 1 }, { "ip": "1.0.0.0/8" }] }));
    let both = route(json!({ "protocols": ["tcp"], "sources": [{ "ip": "1.0.0.0/8" }], "destinations": [{ "ip": "1.0.0.0/8" }] }));
    let named = route(json!({ "protocols": ["tls"], "snis": ["x.com"] }));
    assert_eq!((everything_of_one_end, both, named), (0xd0, (1 << 61) | 0x11, 1 << 61));
}

#[test]
fn a_table_leaves_them_out() {
    let stream = json!({ "id": "a", "name": "tcp", "protocols": ["tcp"], "destinations": [{ "port": 8000 }], "service": "s" });
    let http = json!({ "id": "b", "name": "http", "paths": ["/a"], "service": "s" });
    let table = table(&json!({ "routes": [stream, http], "services": [service()] }));
    assert_eq!(name_of(&table.decide(&get("a.com", "/a"))), "http");
    assert_eq!(name_of(&table.decide(&get("a.com", "/b"))), "none");
}

#[derive(Deserialize)]
struct Stream {
    #[serde(default)]
    sources: Vec<End>,
    #[serde(default)]
    destinations: Vec<End>,
    #[serde(default)]
    snis: Vec<String>,
}

#[derive(Deserialize)]
struct End {
    ip: Option<String>,
    port: Option<u16>,
}

impl Stream {
    fn priority(&self) -> u64 {
        let bits = |ends: &[End]| ends.iter().fold(0, |bits, end| bits | end.bits());
        let is_exact = !self.snis.is_empty() || (!self.sources.is_empty() && !self.destinations.is_empty());
        (u64::from(is_exact) << 61) | (bits(&self.sources) << 4) | bits(&self.destinations)
    }

    fn expression(&self) -> String {
        let alternatives = [
            atc::sni_alternatives(&self.snis, "tls"),
            self.sources.iter().map(|end| end.expression("src")).collect(),
            self.destinations.iter().map(|end| end.expression("dst")).collect(),
        ];
        let clauses = alternatives.iter().filter(|clause| !clause.is_empty()).map(|clause| format!("({})", clause.join(" || ")));
        clauses.collect::<Vec<_>>().join(" && ")
    }
}

impl End {
    fn bits(&self) -> u64 {
        let of_ip = self.ip.as_ref().map_or(0, |ip| if ip.contains('/') { 1 } else { 8 });
        of_ip | self.port.map_or(0, |_| 4)
    }

    fn expression(&self, side: &str) -> String {
        let ip = self.ip.as_ref().map(|ip| match ip.split_once('/') {
            Some((address, bits)) => format!("net.{side}.ip in {}/{bits}", network(address, bits.parse().unwrap())),
            None => format!("net.{side}.ip == {ip}"),
        });
        let port = self.port.map(|port| format!("net.{side}.port == {port}"));
        match (ip, port) {
            (Some(ip), Some(port)) => format!("({ip} && {port})"),
            (ip, port) => ip.or(port).unwrap(),
        }
    }
}

/// A network's address without bits of a host, which Kong cuts off of IPv4 alone.
fn network(address: &str, bits: u32) -> String {
    match address.parse().unwrap() {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).to_string()
        }
        IpAddr::V6(_) => address.to_owned(),
    }
}

fn vectors() -> Vec<(Value, Stream)> {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let of_http = |vector: &Value| ["http", "https", "grpc", "grpcs"].contains(&vector["route"]["protocols"][0].as_str().unwrap());
    let stream = vectors["routes"].as_array().unwrap().iter().filter(|vector| !of_http(vector));
    stream.map(|vector| (vector.clone(), serde_json::from_value(vector["route"].clone()).unwrap())).collect()
}

fn chosen(protocol: &str, source: (&str, i64), destination: (&str, i64), sni: Option<&str>) -> Option<usize> {
    let mut schema = Schema::default();
    for (field, kind) in [
        ("net.protocol", Type::String),
        ("tls.sni", Type::String),
        ("net.src.ip", Type::IpAddr),
        ("net.dst.ip", Type::IpAddr),
        ("net.src.port", Type::Int),
        ("net.dst.port", Type::Int),
    ] {
        schema.add_field(field, kind);
    }
    let mut router = Router::new(&schema);
    let id = |place: usize| format!("00000000-0000-4000-8000-{place:012x}");
    let routes = vectors();
    for (place, (_, route)) in routes.iter().enumerate() {
        router.add_matcher(usize::try_from(route.priority()).unwrap(), id(place).parse().unwrap(), &route.expression()).unwrap();
    }
    let mut context = Context::new(&schema);
    context.add_value("net.protocol", Atc::String(protocol.to_owned()));
    context.add_value("net.src.ip", Atc::IpAddr(source.0.parse().unwrap()));
    context.add_value("net.src.port", Atc::Int(source.1));
    context.add_value("net.dst.ip", Atc::IpAddr(destination.0.parse().unwrap()));
    context.add_value("net.dst.port", Atc::Int(destination.1));
    sni.into_iter().for_each(|sni| context.add_value("tls.sni", Atc::String(sni.to_owned())));
    router.execute(&mut context);
    let found = context.result?.uuid.to_string();
    (0..routes.len()).find(|place| id(*place) == found)
}
