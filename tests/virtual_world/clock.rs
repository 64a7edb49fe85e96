//! Time and chance that a test owns: tokio's clock, paused or not, and numbers that a seed repeats.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use holdover_plugin::model::UnixMs;
use holdover_ports::{Clock, Random, Why};

use super::{Act, Trace};

pub struct VirtualClock {
    base_unix_ms: AtomicU64,
    trace: Arc<Trace>,
}

impl VirtualClock {
    pub(super) fn new(base_unix_ms: u64, trace: Arc<Trace>) -> Self {
        Self { base_unix_ms: AtomicU64::new(base_unix_ms), trace }
    }

    /// The time of day jumps; what was monotonic stays so.
    pub fn set_beginning(&self, base_unix_ms: u64) {
        self.base_unix_ms.store(base_unix_ms, Ordering::Relaxed);
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> UnixMs {
        UnixMs(self.base_unix_ms.load(Ordering::Relaxed)).plus(self.trace.elapsed())
    }

    fn monotonic(&self) -> Duration {
        self.trace.elapsed()
    }

    async fn sleep(&self, duration: Duration, why: Why) {
        self.trace.note(Act::Slept(why, duration));
        tokio::time::sleep(duration).await;
    }
}

/// SplitMix64.
pub struct SeededRandom {
    state: AtomicU64,
}

impl SeededRandom {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: AtomicU64::new(seed) }
    }
}

impl Random for SeededRandom {
    fn random(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut mixed = self.state.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
