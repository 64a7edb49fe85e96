//! The machine's clocks. The only place in this crate that reads them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use holdover_plugin::model::UnixMs;
use holdover_ports::{Clock, Why};
use tokio::time::Instant;

/// Monotonic time is tokio's, so that a test's paused time pauses it too.
pub struct SystemClock {
    began_at: Instant,
}

impl SystemClock {
    pub fn starting_here() -> Self {
        Self { began_at: Instant::now() }
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> UnixMs {
        // A machine that believes in a time before 1970 gets 1970: ages are then too large, never negative.
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMs(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.began_at.elapsed()
    }

    async fn sleep(&self, duration: Duration, why: Why) {
        tracing::trace!(why = why.as_str(), ms = duration.as_millis(), "waiting");
        tokio::time::sleep(duration).await;
    }
}
