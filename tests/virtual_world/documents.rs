//! Small Kong documents that configure different things, and the same thing in other bytes.

use holdover_plugin::config::{self, Format, Strictness};
use serde_json::{Value, json};

/// Of the gateways that they are for.
pub const VERSION: &str = "3.9.1";

/// One service and one route, both named after `name`.
pub fn kong(name: &str) -> Vec<u8> {
    bytes(&json!({
        "_format_version": "3.0",
        "services": [{
            "name": name,
            "protocol": "http",
            "host": "upstream.internal",
            "port": 80,
            "routes": [{ "name": format!("{name}-route"), "paths": [format!("/{name}")] }],
        }],
    }))
}

/// So many services and one plugin, which asks who is there or does not.
pub fn services(count: usize, authentication: bool) -> Vec<u8> {
    let service =
        |number: usize| json!({ "name": format!("service-{number}"), "protocol": "http", "host": "upstream.internal", "port": 80 });
    let plugin = if authentication { "key-auth" } else { "cors" };
    bytes(&json!({
        "_format_version": "3.0",
        "services": (0..count).map(service).collect::<Vec<_>>(),
        "plugins": [{ "name": plugin, "config": {} }],
    }))
}

/// The same configuration, written otherwise.
pub fn written_otherwise(document: &[u8]) -> Vec<u8> {
    let value: Value = serde_json::from_slice(document).unwrap();
    serde_json::to_vec_pretty(&value).unwrap()
}

/// Well-formed, with a route whose service is not there.
pub fn kong_dangling() -> Vec<u8> {
    bytes(&json!({
        "_format_version": "3.0",
        "routes": [{ "name": "lost", "paths": ["/lost"], "service": "nowhere" }],
    }))
}

/// Well-formed, with nothing in it.
pub fn kong_empty() -> Vec<u8> {
    bytes(&json!({ "_format_version": "3.0" }))
}

/// As of any document that a node may come to serve: an empty one, too.
pub fn sameness(document: &[u8]) -> String {
    let valid = config::validate(document.to_vec(), Format::Kong, Strictness::Live);
    valid.unwrap_or_else(|invalid| panic!("the document is invalid: {invalid}")).proof().sameness().to_owned()
}

fn bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}
