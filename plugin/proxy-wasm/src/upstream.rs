//! Names the upstream of one request to Envoy's dynamic forward proxy.
//!
//! By filter state and not by header: a client cannot forge it, and the Host header stays what the route says.

use proxy_wasm::hostcalls;
use proxy_wasm::types::Status;

const HOST: &str = "envoy.upstream.dynamic_host";
const PORT: &str = "envoy.upstream.dynamic_port";

pub fn choose(host: &str, port: u16) -> Result<(), Status> {
    set_filter_state(HOST, host)?;
    set_filter_state(PORT, &port.to_string())
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
