//! What a VM has of its own: a clock, randomness, and an environment that Envoy gives it. Everything else comes by the gateway's calls.

use std::time::{Duration, Instant, UNIX_EPOCH};

use holdover_plugin::model::UnixMs;
use proxy_wasm::hostcalls;

/// A point of this VM's time, which never falls.
#[derive(Clone, Copy)]
pub struct Moment(Instant);

impl Moment {
    pub fn now() -> Self {
        Self(Instant::now())
    }

    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Envoy's wall clock.
pub fn now() -> UnixMs {
    let since = hostcalls::get_current_time().ok().and_then(|now| now.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    UnixMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Without randomness a VM could not tell its numbers from another's, so it ends.
pub fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|_| std::process::abort())
}

/// What the environment has by this name. Envoy passes on what the `vm_config` names, and nothing else.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
