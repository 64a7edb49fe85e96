//! What Envoy's own statistics say of the filter, under `wasmcustom.`.

use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;

pub struct Metrics {
    answered: Option<u32>,
    held: Option<u32>,
    serving: Option<u32>,
}

impl Metrics {
    pub fn define() -> Self {
        let define = |kind, name| hostcalls::define_metric(kind, name).ok();
        Self {
            answered: define(MetricType::Counter, "holdover_answered_here_total"),
            held: define(MetricType::Counter, "holdover_held_total"),
            serving: define(MetricType::Gauge, "holdover_serving"),
        }
    }

    /// A request was answered without an upstream.
    pub fn answered_here(&self) {
        increment(self.answered);
    }

    /// A request waits for the node.
    pub fn held(&self) {
        increment(self.held);
    }

    /// Whether requests are routed by a table of ours.
    pub fn serving(&self, serves: bool) {
        if let Some(metric) = self.serving {
            // A number that is not recorded stops nothing.
            let _ = hostcalls::record_metric(metric, u64::from(serves));
        }
    }
}

fn increment(metric: Option<u32>) {
    if let Some(metric) = metric {
        let _ = hostcalls::increment_metric(metric, 1);
    }
}
