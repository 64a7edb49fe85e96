//! Waiting for something to become true, never for ever: every wait has a bound and a sentence for when it is reached.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Fine enough to measure with, coarse enough to leave the machine to the nodes.
pub const OFTEN: Duration = Duration::from_millis(5);
/// For what costs a request to a storage.
pub const SELDOM: Duration = Duration::from_millis(50);

/// Looks until there is something to see. `what` begins the sentence "… did not happen within 30 s".
pub async fn until<T>(
    bound: Duration,
    every: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + bound;
    loop {
        if let Some(seen) = look().await? {
            return Ok(seen);
        }
        anyhow::ensure!(Instant::now() < deadline, "{what} did not happen within {} s", bound.as_secs());
        sleep(every).await;
    }
}
