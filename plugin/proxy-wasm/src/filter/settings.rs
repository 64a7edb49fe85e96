//! The filter's configuration among Envoy's HTTP filters: one JSON object, read as a whole (all-05).

use std::time::Duration;

use serde::Deserialize;

/// More than the ten seconds that a control plane has by default, and a storage's answer.
const HOLD_MS: u64 = 15_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSettings {
    #[serde(rename = "role")]
    _role: String,
    hold_ms: Option<u64>,
}

pub struct Settings {
    /// How long a request waits for the node to know what to do.
    pub hold: Duration,
}

impl Settings {
    pub fn read(json: &[u8]) -> Result<Self, Vec<String>> {
        let raw: RawSettings = serde_json::from_slice(json).map_err(|error| {
            vec![format!("the filter's configuration cannot be read: {error}; its settings are 'role' and 'hold_ms', in milliseconds")]
        })?;
        Ok(Self { hold: Duration::from_millis(raw.hold_ms.unwrap_or(HOLD_MS)) })
    }
}
