//! Names the upstream of one request to Envoy's dynamic forward proxy, and tells Envoy's routes that it is one for that, and which way.
//!
//! The upstream goes by filter state and not by header: a client cannot forge it, and the Host header stays what the route says. The
//! mark is a header, for that is what Envoy's routes can match; what a client sends by its name is taken away.

use proxy_wasm::hostcalls;
use proxy_wasm::types::{MapType, Status};

use super::way::Way;

const HOST: &str = "envoy.upstream.dynamic_host";
const PORT: &str = "envoy.upstream.dynamic_port";

/// On requests that Envoy's routes are to send to the forward proxy.
const MARK: &str = "x-holdover-upstream";

pub fn choose(host: &str, port: u16, way: Way) -> Result<(), Status> {
    set_filter_state(HOST, host)?;
    set_filter_state(PORT, &port.to_string())?;
    hostcalls::set_map_value(MapType::HttpRequestHeaders, MARK, Some(way.mark()))
}

/// The request is left to Envoy's own routes.
pub fn leave() {
    // Looked for first: a change, even of nothing, makes Envoy look for the route anew.
    if let Ok(Some(_)) = hostcalls::get_map_value_bytes(MapType::HttpRequestHeaders, MARK) {
        let _ = hostcalls::set_map_value(MapType::HttpRequestHeaders, MARK, None);
    }
}

fn set_filter_state(name: &str, value: &str) -> Result<(), Status> {
    // Envoy's `SetEnvoyFilterStateArguments` as protobuf: 1 = path, 2 = value.
    let mut arguments = Vec::with_capacity(name.len() + value.len() + 8);
    for (field, text) in [(1, name), (2, value)] {
        arguments.push(field << 3 | 2);
        push_varint(&mut arguments, text.len());
        arguments.extend_from_slice(text.as_bytes());
    }
    hostcalls::call_foreign_function("set_envoy_filter_state", Some(&arguments)).map(|_| ())
}

fn push_varint(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}
