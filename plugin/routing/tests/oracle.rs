//! The table against Kong's own router: the same route for every request, and the same part of the path cut off.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::*;
use super::atc::{self, Oracle};
use super::{Dice, VECTORS, get, service, table};

const HOSTS: [&str; 12] =
    ["a.com", "b.a.com", "*.a.com", "*.com", "a.*", "b.a.*", "a.com:8000", "*.a.com:81", "a.*:80", "A.com", "com", "*.b.a.com"];
const METHODS: [&str; 3] = ["GET", "PUT", "POST"];
const PREFIXES: [&str; 13] = ["/", "/a", "/ab", "/a/b", "/b", "/a b", "/é", "/a/bc", "/a/", "/bb", "/a\"#b\\c", "/A", "/a%2Fb"];
const EXPRESSIONS: [&str; 19] = [
    "~/a",
    "~/a/(b|c)$",
    "~/a|/b",
    "~/[ab]+",
    "~/x/(?<id>\\d+)$",
    "~/x?<b",
    "~(?i)/A",
    "~/.*",
    "~/a/?",
    "~a*",
    "~/(a|b)/(?<rest>.*)",
    "~/é+",
    "~/a\\/b",
    "~/a\\b",
    "~/a\\B.",
    "~/a^b",
    "~/a(^b)?",
    "~/a$",
    "~/x/(\\d+|\\b)",
];
const HEADER_VALUES: [&str; 9] = ["1", "V1", "~*^ab", "~*\\D", "É", "é", "~*É$", "~*v[12]", ""];
const SNIS: [&str; 6] = ["a.com", "b.a.com.", "*.a.com", "a.*", "*.com.", "c.org"];
const PRIORITIES: [i64; 9] = [0, 0, 1, 2, 100, -1, 4_095, 4_096, 8_191];

const ASKED_HOSTS: [&str; 12] = ["a.com", "b.a.com", "c.b.a.com", "a.org", "b.a.org", "com", "", "x.com", "A.com", "a.COM", ".com", "a."];
const ASKED_PATHS: [&str; 22] = [
    "/",
    "/a",
    "/ab",
    "/a/b",
    "/a/bc",
    "/a/c",
    "/b",
    "/bb",
    "/c",
    "/x/12",
    "/x/12/y",
    "/xP<b",
    "/x<b",
    "/A",
    "/a%20b",
    "/%C3%A9t",
    "/a%2fb",
    "/b/../a/./b",
    "//a//b/",
    "/a/",
    "/a%22%23b\\c",
    "/c/b",
];
const ASKED_VALUES: [&str; 9] = ["1", "v1", "V1", "abc", "é", "É", "caf\u{c9}", "12", ""];

/// Of the fixed seed's rounds; each has routes of its own.
const ROUNDS: usize = 250;
const ROUTES: usize = 14;
const REQUESTS: usize = 60;

#[test]
fn every_request_takes_the_route_that_kongs_own_router_chooses() {
    let schema = atc::schema();
    let mut dice = Dice(4242);
    let (mut matched, mut stripped) = (0, 0);
    for round in 0..ROUNDS {
        let routes: Vec<Value> = (0..ROUTES).map(|number| route(&mut dice, number)).collect();
        let entities: Vec<entity::Route> = routes.iter().map(|route| serde_json::from_value(route.clone()).unwrap()).collect();
        let oracle = Oracle::new(&schema, &entities);
        let table = table(&json!({ "routes": routes, "services": [service()] }));
        for _ in 0..REQUESTS {
            let headers = headers(&mut dice);
            let request = request(&mut dice, &headers);
            let wanted = oracle.choose(&request, &headers);
            let ours = chosen(&table.decide(&request));
            let context = || format!("round {round}: {} {headers:?} of {}", describe(&request), json!(routes));
            matched += usize::from(wanted.is_some());
            match (&wanted, &ours) {
                (None, None) => {}
                (Some((name, _)), Some((same, None))) => assert_eq!(name, same, "{}", context()),
                (Some((name, path)), Some((same, Some(cut)))) => {
                    assert_eq!(name, same, "{}", context());
                    let path = path.clone().unwrap_or_default();
                    assert_eq!(if path == "/" { "" } else { &path }, cut, "{}", context());
                    stripped += usize::from(!cut.is_empty());
                }
                (wanted, ours) => panic!("{wanted:?}, not {ours:?}, {}", context()),
            }
        }
    }
    assert!(matched > ROUNDS * REQUESTS / 4, "only {matched} requests had a route");
    assert!(stripped > ROUNDS * REQUESTS / 16, "only {stripped} requests had something cut off");
}

/// The oracle itself, against the expressions that Kong wrote.
#[test]
fn routes_become_the_expressions_that_kong_writes() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let mut reached = 0;
    for vector in vectors["routes"].as_array().unwrap() {
        let mut route = vector["route"].clone();
        if !route["sources"].is_null() || !route["destinations"].is_null() || vector["expression"].as_str().unwrap().contains("\"tls\"") {
            continue;
        }
        route["id"] = json!("r");
        let route: entity::Route = serde_json::from_value(route).unwrap();
        let paths: Vec<&str> = route.paths.iter().map(String::as_str).collect();
        // Kong writes a route's headers in no order.
        let clauses = |expression: &str| expression.split(" && ").map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(clauses(&atc::expression(&route, &paths)), clauses(vector["expression"].as_str().unwrap()));
        reached += 1;
    }
    assert_eq!(reached, 20, "every route of the vectors that is for HTTP");
}

fn route(dice: &mut Dice, number: usize) -> Value {
    let mut paths = Vec::new();
    for _ in 0..dice.roll(4) {
        let path = if dice.roll(3) == 0 { EXPRESSIONS[dice.roll(EXPRESSIONS.len())] } else { PREFIXES[dice.roll(PREFIXES.len())] };
        paths.push(path);
    }
    let headers = match dice.roll(3) {
        0 => json!({ "X-A": [HEADER_VALUES[dice.roll(8)], HEADER_VALUES[dice.roll(8)]], "x_b": [HEADER_VALUES[dice.roll(8)]] }),
        1 => json!({ "X_a": [HEADER_VALUES[dice.roll(8)]] }),
        _ => Value::Null,
    };
    let headers = if dice.roll(2) == 0 { headers } else { Value::Null };
    let protocols = [["http", "https"], ["https", "https"], ["http", "http"]][dice.roll(3)];
    let hosts = if dice.roll(12) == 0 { json!([]) } else { dice.some(&HOSTS) };
    // Kong takes no route without a condition.
    if paths.is_empty() && hosts.as_array().is_none_or(Vec::is_empty) {
        paths.push(PREFIXES[dice.roll(PREFIXES.len())]);
    }
    json!({
        "id": format!("{:08x}-0000-4000-8000-{number:012x}", dice.roll(u32::MAX as usize)),
        "name": format!("r{number}"),
        "protocols": protocols,
        "hosts": hosts,
        "methods": if dice.roll(2) == 0 { dice.some(&METHODS) } else { Value::Null },
        "paths": paths,
        "headers": headers,
        "snis": if dice.roll(3) == 0 { dice.some(&SNIS) } else { Value::Null },
        "regex_priority": PRIORITIES[dice.roll(PRIORITIES.len())],
        "service": "s",
    })
}

fn headers(dice: &mut Dice) -> Vec<(&'static str, &'static str)> {
    (0..dice.roll(4)).map(|_| (["x-a", "x-a", "x-b"][dice.roll(3)], ASKED_VALUES[dice.roll(ASKED_VALUES.len())])).collect()
}

fn request<'a>(dice: &mut Dice, headers: &'a Vec<(&'static str, &'static str)>) -> Request<'a> {
    let protocol = if dice.roll(2) == 0 { Protocol::Http } else { Protocol::Https };
    let sni = ["a.com", "b.a.com", "a.org", "d.org"][dice.roll(4)];
    Request {
        protocol,
        port: Some([80, 81, 8000][dice.roll(3)]),
        method: METHODS[dice.roll(METHODS.len())],
        headers,
        sni: Some(sni).filter(|_| protocol == Protocol::Https && dice.roll(4) > 0),
        ..get(ASKED_HOSTS[dice.roll(ASKED_HOSTS.len())], ASKED_PATHS[dice.roll(ASKED_PATHS.len())])
    }
}

/// The route, and what it cut off if the request goes on.
fn chosen(decision: &Decision<'_>) -> Option<(String, Option<String>)> {
    let (route, cut) = match decision {
        Decision::Proxy(proxy) => (proxy.route, Some(proxy.stripped_prefix.as_deref().unwrap_or_default().to_owned())),
        Decision::UpgradeRequired { route } => (*route, None),
        Decision::NoRoute => return None,
        other => panic!("{other:?}"),
    };
    Some((route.name.clone().unwrap(), cut))
}

fn describe(request: &Request<'_>) -> String {
    let Request { protocol, host, port, method, path, sni, .. } = request;
    format!("{protocol:?} {method} {host} {port:?} {path} {sni:?}")
}
