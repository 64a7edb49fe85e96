//! The table as a whole: Kong's order, the index against a scan of everything, failing closed, and where requests are sent.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed unwrap is a failed test.

use serde_json::{Value, json};

use super::index::asked;
use super::unfit::Unfit;
use super::*;
use crate::config::kong;

mod atc;
mod oracle;
mod stream;

const VECTORS: &str = include_str!("../../tests/fixtures/kong-verdicts/atc-vectors.json");
/// What a Kong 3.9.1 control plane sent, inflated.
const CAPTURED: &[u8] = include_bytes!("../../tests/fixtures/kong-captures/small.reconfigure.json");

#[test]
fn priorities_are_those_that_kong_computes() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let mut reached = 0;
    for vector in vectors["routes"].as_array().unwrap() {
        let mut route = vector["route"].clone();
        if !["http", "https", "grpc", "grpcs"].contains(&route["protocols"][0].as_str().unwrap()) {
            continue;
        }
        route["id"] = json!("r");
        let route: entity::Route = serde_json::from_value(route).unwrap();
        let part: Vec<&str> = route.paths.iter().map(String::as_str).collect();
        let wanted = vector["priority_effective_u64_hex"].as_str().unwrap().trim_start_matches("0x");
        assert_eq!(format!("{:x}", matcher::weight(&route, &part).priority()), wanted, "{}", vector["route"]);
        reached += 1;
    }
    assert_eq!(reached, 20, "every route of the vectors that is for HTTP");
}

#[test]
fn requests_match_the_routes_that_they_match_in_kong() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let mut reached = 0;
    for vector in vectors["matches"].as_array().unwrap() {
        let routes = vector["routes"].as_array().unwrap().clone();
        let table = table(&json!({ "routes": with_ids(routes), "services": [service()] }));
        let asked = &vector["request"];
        let headers: Vec<(String, String)> =
            asked["headers"].as_object().into_iter().flatten().map(|(n, v)| (n.clone(), v[0].as_str().unwrap().to_owned())).collect();
        let request = Request { headers: &headers, ..get(asked["host"].as_str().unwrap(), asked["uri"].as_str().unwrap()) };
        let wanted = vector["matched"]["kong.router.compat"].as_str().unwrap();
        assert_eq!(name_of(&table.decide(&request)), wanted, "{}", vector["desc"]);
        reached += 1;
    }
    assert_eq!(reached, 9);
}

#[test]
fn the_index_finds_what_a_scan_of_all_routes_finds() {
    let hosts = ["a.com", "b.a.com", "*.a.com", "*.com", "a.*", "b.a.*", "a.com:8000", "*.a.com:81", "com"];
    let paths = ["/", "/a", "/ab", "/a/b", "/b", "~/a", "~/a/(b|c)$", "~/a|/b", "~/[ab]+", "/a/bc"];
    let asked_hosts = ["a.com", "b.a.com", "c.b.a.com", "a.org", "b.a.org", "com", "", "x.com"];
    let asked_paths = ["/", "/a", "/ab", "/a/b", "/a/bc", "/a/c", "/b", "/bb", "/c"];
    let mut dice = Dice(11);
    let mut matched = 0;
    for _ in 0..150 {
        let routes: Vec<Value> = (0..12)
            .map(|number| {
                json!({
                    "id": format!("{:08x}-0000-4000-8000-000000000000", dice.roll(u32::MAX as usize)),
                    "name": format!("r{number}"),
                    "hosts": dice.some(&hosts),
                    "paths": dice.some(&paths),
                    "methods": dice.some(&["GET", "PUT"]),
                    "regex_priority": dice.roll(3),
                    "service": "s",
                })
            })
            .collect();
        let table = table(&json!({ "routes": routes, "services": [service()] }));
        for host in asked_hosts {
            for path in asked_paths {
                let port = Some([80, 81, 8000][dice.roll(3)]);
                let request = Request { port, ..get(host, path) };
                let wanted = scan(&routes, &request);
                matched += usize::from(wanted != "none");
                assert_eq!(name_of(&table.decide(&request)), wanted, "{host} {port:?} {path} {}", json!(routes));
            }
        }
    }
    assert!(matched > 1_000, "{matched}");
}

#[test]
fn fifty_thousand_routes_are_not_walked() {
    let routes: Vec<Value> = (0..50_000)
        .map(|n| json!({ "id": format!("{n:08x}"), "name": format!("r{n}"), "paths": [format!("/v/{n}/"), format!("~/x/{n}/\\d+$")], "service": "s" }))
        .take(20_000)
        .chain((20_000..50_000).map(|n| json!({ "id": format!("{n:08x}"), "name": format!("r{n}"), "hosts": [format!("h{n}.com")], "paths": ["/v"], "service": "s" })))
        .collect();
    let table = table(&json!({ "routes": routes, "services": [service()] }));
    asked::taken();
    for n in (0..20_000).step_by(10) {
        assert_eq!(name_of(&table.decide(&get("a.com", &format!("/v/{n}/w")))), format!("r{n}"));
        assert_eq!(name_of(&table.decide(&get("h30000.com", &format!("/x/{n}/7")))), format!("r{n}"));
        assert_eq!(name_of(&table.decide(&get(&format!("h{}.com", n + 20_000), "/v/1"))), format!("r{}", n + 20_000));
    }
    let asked = asked::taken();
    assert!(asked <= 2 * 6_000, "6,000 searches among 50,000 routes asked {asked} matchers");
}

#[test]
fn hosts_match_by_case_and_a_host_too_long_matches_nothing() {
    let table = table(
        &json!({ "routes": [{ "id": "r", "name": "r", "service": "s", "paths": ["/"] }, { "id": "h", "name": "h", "hosts": ["a.com"], "service": "s" }], "services": [service()] }),
    );
    assert_eq!(name_of(&table.decide(&get("a.com", "/"))), "h");
    assert_eq!(name_of(&table.decide(&get("A.Com", "/"))), "r");
    assert_eq!(name_of(&table.decide(&get(&"a.".repeat(200), "/"))), "none");
}

#[test]
fn a_plugin_that_is_not_enforced_stops_the_routes_it_applies_to() {
    let cases = [
        (json!({ "name": "key-auth" }), [true, true]),
        (json!({ "name": "key-auth", "consumer": "c" }), [true, true]),
        (json!({ "name": "key-auth", "route": "r1" }), [true, false]),
        (json!({ "name": "key-auth", "service": "s" }), [true, true]),
        (json!({ "name": "key-auth", "service": "other" }), [false, false]),
        (json!({ "name": "key-auth", "service": "s", "route": "r1" }), [true, false]),
        (json!({ "name": "key-auth", "service": "other", "route": "r1" }), [false, false]),
        (json!({ "name": "key-auth", "enabled": false }), [false, false]),
        (json!({ "name": "key-auth", "protocols": ["tcp"] }), [false, false]),
        (json!({ "name": "key-auth", "protocols": ["https"] }), [true, true]),
        (json!({ "name": "made-by-ourselves" }), [true, true]),
        (json!({ "name": "request-termination", "consumer": "c" }), [true, true]),
        (json!({ "name": "correlation-id", "config": { "generator": 7 } }), [true, true]),
        (json!({ "name": "correlation-id" }), [false, false]),
        (json!({ "name": "prometheus" }), [true, true]),
    ];
    for (plugin, stopped) in cases {
        let table = table(&two_routes(std::slice::from_ref(&plugin)));
        for (path, stopped) in ["/1", "/2"].into_iter().zip(stopped) {
            let request = get("a.com", path);
            let decision = table.decide(&request);
            match &decision {
                Decision::NotEnforced { plugin: named, .. } => assert!(stopped && *named == plugin["name"], "{plugin} {path}"),
                Decision::Proxy(_) => assert!(!stopped, "{plugin} {path}"),
                other => panic!("{plugin} {path}: {other:?}"),
            }
        }
    }
}

#[test]
fn what_the_operator_ignores_stops_nothing() {
    let config = two_routes(&[json!({ "name": "prometheus" }), json!({ "name": "key-auth", "route": "r1" })]);
    let refusing = table(&config);
    assert_eq!(refusing.unenforced_plugins(), ["key-auth", "prometheus"]);
    let ignoring = build(&config, "ignore:prometheus").unwrap();
    assert_eq!(ignoring.unenforced_plugins(), ["key-auth"]);
    assert!(matches!(ignoring.decide(&get("a.com", "/1")), Decision::NotEnforced { plugin: "key-auth", .. }));
    assert!(matches!(ignoring.decide(&get("a.com", "/2")), Decision::Proxy(_)));
}

#[test]
fn the_more_specific_termination_answers() {
    let plugins = [
        json!({ "name": "request-termination", "config": { "message": "all" } }),
        json!({ "name": "request-termination", "route": "r1", "config": { "status_code": 403, "body": "<p>", "content_type": "text/html" } }),
    ];
    let table = table(&two_routes(&plugins));
    let answer = |path: &str| match table.decide(&get("a.com", path)) {
        Decision::Respond(answer) => (answer.status, answer.content_type.to_owned(), answer.body.into_owned()),
        other => panic!("{other:?}"),
    };
    assert_eq!(answer("/1"), (403, "text/html".into(), "<p>".into()));
    assert_eq!(answer("/2"), (503, "application/json; charset=utf-8".into(), r#"{"message":"all"}"#.into()));
}

#[test]
fn a_termination_with_a_trigger_waits_for_it_and_an_echo_shows_the_request() {
    let plugin = json!({ "name": "request-termination", "config": { "status_code": 200, "trigger": "X-Stop", "echo": true } });
    let table = table(&two_routes(&[plugin]));
    assert!(matches!(table.decide(&get("a.com", "/1")), Decision::Proxy(_)));
    let headers = vec![("x-stop", "1"), ("a", "b"), ("a", "c")];
    assert!(matches!(table.decide(&Request { query: Some("X-Stop"), ..get("a.com", "/1") }), Decision::Respond(_)));
    let Decision::Respond(answer) = table.decide(&Request { headers: &headers, query: Some("q=1%202"), ..get("a.com", "/1") }) else {
        panic!("not answered")
    };
    let echoed: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(echoed["request"]["headers"], json!({ "x-stop": "1", "a": ["b", "c"] }));
    assert_eq!(echoed["request"]["query"], json!({ "q": "1 2" }));
    assert_eq!(echoed["matched_route"]["id"], "r1");
}

#[test]
fn a_route_for_https_turns_plain_http_away_as_it_says() {
    let routes = json!([
        { "id": "u", "paths": ["/u"], "protocols": ["https"], "service": "s" },
        { "id": "r", "paths": ["/r"], "protocols": ["https"], "https_redirect_status_code": 308, "service": "s" },
        { "id": "g", "paths": ["/g"], "protocols": ["grpc", "grpcs"], "service": "s" },
        { "id": "s", "paths": ["/s"], "protocols": ["grpcs"], "service": "s" },
        { "id": "t", "protocols": ["tcp"], "service": "s" },
    ]);
    let table = table(&json!({ "routes": routes, "services": [service()] }));
    assert!(matches!(table.decide(&get("a.com", "/u")), Decision::UpgradeRequired { .. }));
    assert!(matches!(table.decide(&Request { protocol: Protocol::Https, ..get("a.com", "/u") }), Decision::Proxy(_)));
    let Decision::Redirect { status: 308, location, .. } = table.decide(&Request { query: Some("x=1"), ..get("A.com", "/r/%41") }) else {
        panic!("not redirected")
    };
    assert_eq!(location, "https://a.com/r/%41?x=1");
    let forwarded = Request { forwarded_protocol: Some(Protocol::Https), forwarded_host: Some("b.com"), ..get("a.com", "/u") };
    assert!(matches!(table.decide(&forwarded), Decision::Proxy(_)), "a proxy in front was asked over https");
    let stripped = Request { forwarded_protocol: Some(Protocol::Http), path: "/r", ..forwarded };
    let over_tls = Request { protocol: Protocol::Https, ..stripped };
    assert!(matches!(table.decide(&over_tls), Decision::Redirect { location, .. } if location == "https://b.com/r"));
    assert!(matches!(table.decide(&get("a.com", "/g")), Decision::NotGrpc { lacks_tls: false, .. }));
    let grpc = vec![("content-type", "application/grpc+proto")];
    assert!(matches!(table.decide(&Request { headers: &grpc, ..get("a.com", "/g") }), Decision::Proxy(_)));
    let sealed = Request { headers: &grpc, ..get("a.com", "/s") };
    assert!(matches!(table.decide(&sealed), Decision::NotGrpc { lacks_tls: true, .. }));
    assert!(matches!(table.decide(&Request { protocol: Protocol::Https, ..sealed }), Decision::Proxy(proxy) if proxy.route.takes_grpc()));
    assert!(matches!(table.decide(&get("a.com", "/t")), Decision::NoRoute));

    for request in [sealed, Request { protocol: Protocol::Https, ..sealed }] {
        assert!(matches!(table.decide(&request).over(|| false), Decision::Http2Required { .. }));
    }
    assert!(matches!(table.decide(&sealed).over(|| true), Decision::NotGrpc { lacks_tls: true, .. }));
    let unasked = || panic!("what is no gRPC may come by any HTTP");
    assert!(matches!(table.decide(&get("a.com", "/g")).over(unasked), Decision::NotGrpc { lacks_tls: false, .. }));
}

#[test]
fn a_table_asks_for_server_names_if_a_route_of_it_does() {
    let route = |protocols: Value, snis: Value| json!({ "id": "r", "paths": ["/r"], "protocols": protocols, "snis": snis, "service": "s" });
    let cases =
        [(json!(["https"]), json!(["a.com"]), true), (json!(["https"]), json!([]), false), (json!(["tls"]), json!(["a.com"]), false)];
    for (protocols, snis, asks) in cases {
        let config = json!({ "routes": [route(protocols.clone(), snis.clone())], "services": [service()] });
        assert_eq!(table(&config).asks_for_server_names(), asks, "{protocols} {snis}");
    }
}

#[test]
fn an_sni_route_needs_the_name_only_with_tls() {
    let table =
        table(&json!({ "routes": [{ "id": "r", "name": "r", "snis": ["*.a.com", "b.com."], "service": "s" }], "services": [service()] }));
    let with = |sni| Request { protocol: Protocol::Https, sni, ..get("x", "/") };
    assert_eq!(name_of(&table.decide(&with(Some("w.a.com")))), "r");
    assert_eq!(name_of(&table.decide(&with(Some("b.com")))), "r");
    assert_eq!(name_of(&table.decide(&with(Some("c.com")))), "none");
    assert_eq!(name_of(&table.decide(&with(None))), "none");
    assert_eq!(name_of(&table.decide(&get("x", "/"))), "r");
}

#[test]
fn services_say_where_a_request_goes() {
    let config = json!({
        "services": [
            { "id": "direct", "name": null, "host": "h", "port": 8080.0, "path": "/p", "retries": null, "read_timeout": 7 },
            { "id": "balanced", "host": "up", "protocol": "https", "port": 443 },
            { "id": "off", "host": "h", "enabled": false },
            { "id": "tcp", "host": "h", "protocol": "tcp" },
        ],
        "routes": [
            { "id": "1", "paths": ["/1"], "service": "direct", "preserve_host": true, "path_handling": "v1" },
            { "id": "2", "paths": ["/2"], "service": "balanced", "strip_path": false },
            { "id": "3", "paths": ["/3"], "service": "off" },
            { "id": "4", "paths": ["/4"], "service": "tcp" },
            { "id": "5", "paths": ["/5"] , "service": null, "hosts": {}, "headers": [] },
        ],
        "upstreams": [{ "id": "u", "name": "up", "host_header": "fixed.com" }],
        "targets": [{ "target": "t:1", "weight": 10, "upstream": "u" }, { "target": "z:1", "weight": 0, "upstream": "u" }],
    });
    let table = table(&config);
    let Decision::Proxy(direct) = table.decide(&get("a.com", "/1/x%20y")) else { panic!("not proxied") };
    assert_eq!((direct.upstream_path.as_str(), direct.host_header), ("/p/x%20y", HostHeader::AsReceived));
    assert_eq!(direct.stripped_prefix.as_deref(), Some("/1"));
    // Kong's path_handling = v1 would join them as /px, and is for the router flavour `traditional` alone.
    assert!(matches!(table.decide(&get("a.com", "/1x")), Decision::Proxy(proxy) if proxy.upstream_path == "/p/x"));
    assert_eq!((direct.service.port, direct.service.retries, direct.service.timeouts.read_ms), (8080, 5, 7));
    let Decision::Proxy(balanced) = table.decide(&get("a.com", "/2/x")) else { panic!("not proxied") };
    assert_eq!((balanced.upstream_path.as_str(), balanced.host_header), ("/2/x", HostHeader::Fixed("fixed.com")));
    let Destination::Upstream(upstream) = balanced.destination else { panic!("not balanced") };
    assert!((0..50).all(|number| upstream.pick(number, &[]).is_some_and(|target| target.host == "t")));
    assert!(matches!(table.decide(&get("a.com", "/3")), Decision::NoRoute));
    assert!(matches!(table.decide(&get("a.com", "/4")), Decision::NoService { .. }));
    assert!(matches!(table.decide(&get("a.com", "/5")), Decision::NoService { .. }));
}

#[test]
fn a_configuration_that_would_route_otherwise_than_kong_is_refused_by_name() {
    let cases = [
        (json!({ "name": "mine", "paths": ["~/a(?=b)"] }), "route 'mine' has a regular expression"),
        (json!({ "name": "mine", "expression": "true" }), "route 'mine' is written as an expression"),
        (json!({ "name": "mine", "service": "x" }), "routes[0].service"),
        (json!({ "name": "mine", "sources": [{ "port": 1 }] }), "route 'mine' has sources or destinations"),
        (json!({ "name": "mine", "regex_priority": "high" }), "the configuration's entities are not of Kong's shape"),
    ];
    for (mut route, beginning) in cases {
        route["id"] = json!("r");
        let refused = build(&json!({ "routes": [route] }), "refuse").map(|_| ()).unwrap_err().to_string();
        assert!(refused.starts_with(beginning), "{refused}");
    }
}

#[test]
fn what_kong_would_refuse_takes_its_requests_and_is_not_served() {
    let yaml = "_format_version: '3.0'\nservices:\n- name: a\n  host: a.test\n  novel: true\n  routes:\n  - name: r\n    paths: [/a]\n";
    let table = Table::build(yaml.as_bytes(), &Unenforced::default()).unwrap();
    assert!(matches!(table.decide(&get("h", "/a")), Decision::Refused { entity: "service", .. }));
    assert!(matches!(table.decide(&get("h", "/b")), Decision::NoRoute));
}

#[test]
fn what_a_real_control_plane_sent_is_routed_by() {
    let table = Table::build(CAPTURED, &Unenforced::default()).unwrap();
    assert_eq!(table.unenforced_plugins(), ["key-auth", "rate-limiting", "response-transformer"]);
    let version_2 = vec![("x-ver", "2")];
    let cases = [
        (get("h", "/a/12"), "r-a-regex", "proxy"),
        (get("h", "/late/x"), "r-late", "proxy"),
        (get("h", "/a/x"), "r-a-path", "response-transformer"),
        (get("h", "/c"), "none", "none"),
        (Request { headers: &version_2, ..get("h", "/c") }, "r-c-hdr", "rate-limiting"),
        (get("x.b.example.test", "/x"), "r-b-host", "key-auth"),
        (get("h", "/noservice"), "r-noservice", "no service"),
        (Request { method: "PUT", ..get("h", "/a/x") }, "none", "none"),
    ];
    for (request, route, outcome) in cases {
        let decision = table.decide(&request);
        let seen = match &decision {
            Decision::Proxy(proxy) => {
                assert_eq!(proxy.correlation.map(|correlation| correlation.header_name.as_str()), Some("X-Corr"));
                "proxy"
            }
            Decision::NotEnforced { plugin, .. } => plugin,
            Decision::NoService { .. } => "no service",
            _ => "none",
        };
        assert_eq!((name_of(&decision).as_str(), seen), (route, outcome), "{}", request.path);
    }
}

fn table(config: &Value) -> Table {
    build(config, "refuse").unwrap()
}

fn build(config: &Value, unenforced: &str) -> Result<Table, Unroutable> {
    let mut config = config.clone();
    config["_format_version"] = json!("3.0");
    // The ids of these tests are short, which Kong would refuse.
    let flat = kong::flatten(config.to_string().as_bytes()).map_err(|invalid| Unroutable::new(invalid.to_string()))?.into_owned();
    Table::of(super::table::entities(&flat)?, &Unenforced::parse(unenforced).unwrap(), &Unfit::default())
}

fn service() -> Value {
    json!({ "id": "s", "name": "s", "host": "127.0.0.1", "port": 80 })
}

fn two_routes(plugins: &[Value]) -> Value {
    let other = json!({ "id": "other", "host": "h" });
    let routes = json!([{ "id": "r1", "paths": ["/1"], "service": "s" }, { "id": "r2", "paths": ["/2"], "service": "s" }]);
    json!({ "routes": routes, "services": [service(), other], "plugins": plugins, "consumers": [{ "id": "c", "username": "c" }] })
}

fn with_ids(routes: Vec<Value>) -> Vec<Value> {
    let mut routes = routes;
    for (number, route) in routes.iter_mut().enumerate() {
        if route["id"].is_null() {
            route["id"] = json!(format!("00000000-0000-4000-8000-{number:012x}"));
        }
        route["service"] = json!("s");
    }
    routes
}

fn get<'a>(host: &'a str, path: &'a str) -> Request<'a> {
    static NONE: Vec<(&str, &str)> = Vec::new();
    Request {
        protocol: Protocol::Http,
        host,
        port: Some(8000),
        method: "GET",
        path,
        query: None,
        headers: &NONE,
        sni: None,
        forwarded_protocol: None,
        forwarded_host: None,
    }
}

fn name_of(decision: &Decision<'_>) -> String {
    let route = match decision {
        Decision::Proxy(proxy) => proxy.route,
        Decision::NotEnforced { route, .. }
        | Decision::Refused { route, .. }
        | Decision::UpgradeRequired { route }
        | Decision::Http2Required { route }
        | Decision::Redirect { route, .. }
        | Decision::NotGrpc { route, .. }
        | Decision::NoService { route } => route,
        Decision::NoRoute | Decision::Respond(_) => return "none".into(),
    };
    route.name.clone().unwrap_or_default()
}

/// Every part of every route in order, the plain way.
fn scan(routes: &[Value], request: &Request<'_>) -> String {
    let mut tried: Vec<(u64, String, &Value, Vec<String>)> = Vec::new();
    for value in routes {
        let route: entity::Route = serde_json::from_value(value.clone()).unwrap();
        let ranked = matcher::of_route(&route, 0, &mut matcher::Expressions::default()).unwrap();
        let mut parts: Vec<Vec<String>> = Vec::new();
        for path in &route.paths {
            let key = |path: &str| if path.starts_with('~') { 0 } else { path.len() };
            match parts.iter_mut().find(|part| key(&part[0]) == key(path)) {
                Some(part) => part.push(path.clone()),
                None => parts.push(vec![path.clone()]),
            }
        }
        if parts.is_empty() {
            parts.push(Vec::new());
        }
        assert_eq!(parts.len(), ranked.len());
        tried.extend(ranked.into_iter().zip(parts).map(|(ranked, part)| (ranked.priority, ranked.id, value, part)));
    }
    tried.sort_by(|a, b| (b.0, &b.1).cmp(&(a.0, &a.1)));
    let texts = |value: &Value| value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let empty_or = |texts: Vec<String>, accepts: &dyn Fn(&str) -> bool| texts.is_empty() || texts.iter().any(|text| accepts(text));
    let host_fits = |pattern: &str| {
        let (name, port) = pattern.split_once(':').map_or((pattern, None), |(name, port)| (name, port.parse().ok()));
        (port.is_none() || port == request.port)
            && match (name.strip_prefix('*'), name.strip_suffix('*')) {
                (Some(end), _) => request.host.ends_with(end),
                (_, Some(start)) => request.host.starts_with(start),
                _ => name == request.host,
            }
    };
    let path_fits = |pattern: &str| match pattern.strip_prefix('~') {
        Some(expression) => regex::Regex::new(&format!("^{expression}")).unwrap().is_match(request.path),
        None => request.path.starts_with(pattern),
    };
    let found = tried.iter().find(|(_, _, route, part)| {
        empty_or(texts(&route["hosts"]), &host_fits)
            && empty_or(part.clone(), &path_fits)
            && empty_or(texts(&route["methods"]), &|method| method == request.method)
    });
    found.map_or("none".into(), |(_, _, route, _)| route["name"].as_str().unwrap().to_owned())
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % sides
    }

    /// Up to three of them, or null.
    fn some(&mut self, from: &[&str]) -> Value {
        match self.roll(4) {
            0 => Value::Null,
            number => {
                let mut some: Vec<&str> = (0..number).map(|_| from[self.roll(from.len())]).collect();
                some.dedup();
                json!(some)
            }
        }
    }
}
