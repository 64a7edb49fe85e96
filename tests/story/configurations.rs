//! The configurations that a story names: Kong documents with as many services as it says, none equal to another.

use serde_json::{Value, json};

/// `services` services with a route each; the first `authenticated` of them ask who is there.
pub fn services(name: &str, services: u64, authenticated: u64) -> Vec<u8> {
    document((1..=services).map(|nth| service(name, nth, nth <= authenticated, "upstream.internal")).collect())
}

/// The last service's host was left blank.
pub fn blank(name: &str, services: u64) -> Vec<u8> {
    document((1..=services).map(|nth| service(name, nth, false, if nth == services { "" } else { "upstream.internal" })).collect())
}

pub fn empty() -> Vec<u8> {
    serde_json::to_vec(&json!({ "_format_version": "3.0" })).unwrap()
}

fn document(services: Vec<Value>) -> Vec<u8> {
    serde_json::to_vec(&json!({ "_format_version": "3.0", "services": services })).unwrap()
}

fn service(config: &str, nth: u64, authenticated: bool, host: &str) -> Value {
    let plugins = if authenticated { json!([{ "name": "key-auth" }]) } else { json!([]) };
    json!({
        "name": format!("{config}-{nth}"),
        "protocol": "http",
        "host": host,
        "port": 80,
        "routes": [{ "name": format!("{config}-route-{nth}"), "paths": [format!("/{config}/{nth}")] }],
        "plugins": plugins,
    })
}
