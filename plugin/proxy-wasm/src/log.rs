//! Envoy's own log.

use proxy_wasm::hostcalls;
use proxy_wasm::types::LogLevel;

pub fn log(level: LogLevel, sentence: &str) {
    // What cannot be logged cannot be reported either.
    let _ = hostcalls::log(level, &format!("holdover: {sentence}"));
}
