//! Configurations that a control plane may have had, each in Kong's form.

use serde_json::{Value, json};

/// A route of each kind that the filter has to tell apart.
pub fn configuration(upstream_port: u16) -> String {
    let id = |number: u32| format!("00000000-0000-4000-8000-{number:012}");
    let route = |number: u32, path: &str| json!({ "id": id(number), "name": path.trim_start_matches('/'), "paths": [path] });
    let with = |mut entity: Value, name: &str, value: Value| {
        entity[name] = value;
        entity
    };
    let plugin = |number: u32, name: &str, config: Value| json!([{ "id": id(number), "name": name, "config": config }]);
    let tea = json!({ "status_code": 418, "message": "closed for tea" });
    let traced = json!({ "header_name": "x-trace", "echo_downstream": true });
    let plain = json!([
        route(11, "/orders"),
        with(route(12, "/guarded"), "plugins", plugin(21, "key-auth", json!({}))),
        with(route(13, "/closed"), "plugins", plugin(22, "request-termination", tea)),
        with(route(14, "/correlated"), "plugins", plugin(23, "correlation-id", traced)),
        with(route(15, "/kept"), "preserve_host", json!(true)),
        with(with(route(16, "/secure"), "protocols", json!(["https"])), "https_redirect_status_code", json!(302)),
    ]);
    let service = json!({ "id": id(1), "name": "plain", "host": "127.0.0.1", "port": upstream_port, "path": "/base", "routes": plain });
    json!({ "_format_version": "3.0", "services": [service] }).to_string()
}

/// These services and the entities beside them. Each has two routes of its name, `/name` and `/name-kept`, the second of which keeps the client's host.
pub fn of_services(services: &[(&str, Value)], mut others: Value) -> String {
    let id = |number: usize| format!("00000000-0000-4000-8001-{number:012}");
    let services = services.iter().enumerate().map(|(place, (name, service))| {
        let (mut service, kept) = (service.clone(), format!("{name}-kept"));
        service["id"] = json!(id(3 * place));
        service["name"] = json!(name);
        service["routes"] = json!([
            { "id": id(3 * place + 1), "name": name, "paths": [format!("/{name}")] },
            { "id": id(3 * place + 2), "name": kept, "paths": [format!("/{kept}")], "preserve_host": true },
        ]);
        service
    });
    others["services"] = services.collect();
    others["_format_version"] = json!("3.0");
    others.to_string()
}

/// So many routes, `/r0` and on, a service for every hundred. Their upstream stands nowhere else.
pub fn of_routes(count: usize, upstream_port: u16) -> String {
    let id = |kind: u8, number: usize| format!("00000000-0000-4000-8{kind:03}-{number:012}");
    let services = (0..count.div_ceil(ROUTES_PER_SERVICE)).map(|service| {
        let first = service * ROUTES_PER_SERVICE;
        let routes = (first..count.min(first + ROUTES_PER_SERVICE)).map(
            |route| json!({ "id": id(1, route), "name": format!("route-{route}"), "paths": [format!("/r{route}/")], "strip_path": true }),
        );
        let routes: Vec<Value> = routes.collect();
        json!({ "id": id(2, service), "name": format!("service-{service}"), "host": "127.0.0.1", "port": upstream_port,
            "path": format!("/of-{service}"), "routes": routes })
    });
    let services: Vec<Value> = services.collect();
    json!({ "_format_version": "3.0", "services": services }).to_string()
}

pub const ROUTES_PER_SERVICE: usize = 100;

/// One route, and so many bytes that nothing shortens.
pub fn of_bytes(bytes: usize, upstream_port: u16) -> String {
    let mut state = 1_u64;
    let mut letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'A' + (state >> 59) as u8 % 26)
    };
    const TAG_BYTES: usize = 1 << 10;
    let tags: Vec<String> = (0..bytes / TAG_BYTES).map(|_| (0..TAG_BYTES).map(|_| letter()).collect()).collect();
    json!({ "_format_version": "3.0", "services": [{
        "name": "large", "host": "127.0.0.1", "port": upstream_port, "tags": tags, "routes": [{ "name": "large", "paths": ["/"] }],
    }] })
    .to_string()
}
