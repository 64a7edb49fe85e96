//! What the node tells the filters of its Envoy: a verdict, and the routing table that goes with it.
//!
//! The node alone writes. A filter may read between two writes, so each table has a number, and a verdict names the one it means: who
//! finds another looks again later.

use holdover_plugin::model::UnixMs;
use proxy_wasm::hostcalls;
use serde::{Deserialize, Serialize};

const TOLD: &str = "holdover/told";
const TABLE: &str = "holdover/table";
const NUMBER_BYTES: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is not known yet whether the control plane answers.
    Waits,
    /// The control plane answers: requests are none of ours.
    StepsAside,
    /// Requests are routed by this table.
    Serves { table: u64 },
    /// The control plane is away, and there is nothing to serve in its place.
    Stranded,
}

/// A verdict, and when the node was last heard of.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Told {
    pub verdict: Verdict,
    pub at_unix_ms: u64,
}

impl Told {
    pub fn at(&self) -> UnixMs {
        UnixMs(self.at_unix_ms)
    }

    pub fn tell(&self) {
        // Two words and two numbers can be written.
        set(TOLD, &serde_json::to_vec(self).unwrap_or_default());
    }

    /// `None`: no node has said anything yet.
    pub fn heard() -> Option<Self> {
        let (json, _) = hostcalls::get_shared_data(TOLD).ok()?;
        serde_json::from_slice(&json?).ok()
    }
}

/// Takes the place of the table before it.
pub fn share_table(number: u64, packed: &[u8]) {
    let mut bytes = Vec::with_capacity(NUMBER_BYTES + packed.len());
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(packed);
    set(TABLE, &bytes);
}

fn set(key: &str, value: &[u8]) {
    // The SDK ends the VM on every failure that Envoy could report here, so there is no error to look at.
    let _ = hostcalls::set_shared_data(key, Some(value), None);
}

/// The packed table of this number; `None` while it is not the one that is shared.
pub fn shared_table(number: u64) -> Option<Vec<u8>> {
    let (bytes, _) = hostcalls::get_shared_data(TABLE).ok()?;
    let mut bytes = bytes?;
    (*bytes.first_chunk()? == number.to_le_bytes()).then(|| bytes.split_off(NUMBER_BYTES))
}
