//! One call of the policy, bounded: whatever happens within it, the node goes on (all-02).

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use holdover_ports::{EpisodeLost, Random};

const WALL_MAX: Duration = Duration::from_secs(5 * 60);
/// How long a policy may take for its leave.
pub(crate) const STOP_MAX: Duration = Duration::from_secs(5);
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A policy that asks to be woken at once, for ever, gets a tenth of a second at a time.
const WAKE_AFTER_MIN: Duration = Duration::from_millis(100);

/// Runs an episode within its wall time. What it leaves half-done is dropped with it.
pub(crate) async fn bounded<T>(episode: &'static str, future: impl Future<Output = Result<T, EpisodeLost>>) -> Result<T, EpisodeLost> {
    // Unwind safe: the future is dropped after a panic, and what it shares guards its own locks.
    match tokio::time::timeout(WALL_MAX, AssertUnwindSafe(future).catch_unwind()).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(EpisodeLost { episode, reason: "the host panicked within it; the log has the place".into() }),
        Err(_) => Err(EpisodeLost { episode, reason: format!("it took more than {} s", WALL_MAX.as_secs()) }),
    }
}

/// When to call the policy next, as an outcome asked for it.
pub(crate) fn wake_after(asked: Option<Duration>) -> Option<Duration> {
    asked.map(|asked| asked.max(WAKE_AFTER_MIN))
}

/// Episodes lost in a row.
#[derive(Default)]
pub(crate) struct Losses {
    in_a_row: u32,
}

impl Losses {
    pub fn forget(&mut self) {
        self.in_a_row = 0;
    }

    /// 1 s, doubling to 30 s; each between half of it and all of it.
    pub fn pause(&mut self, random: &dyn Random) -> Duration {
        let full = PAUSE_MIN.saturating_mul(1 << self.in_a_row.min(5)).min(PAUSE_MAX);
        self.in_a_row = self.in_a_row.saturating_add(1);
        let fraction = random.random() as f64 / u64::MAX as f64;
        full.mul_f64(0.5 + 0.5 * fraction)
    }
}
