//! One episode: a store made for it, run within its bounds, and dropped (all-02).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use holdover_ports::EpisodeLost;
use wasmtime::component::ResourceTable;
use wasmtime::{ResourceLimiter, Store, StoreLimits, StoreLimitsBuilder, UpdateDeadline, WasmBacktrace};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::engine::{COMPUTE_BASE, COMPUTE_NANOS_PER_BYTE, EPISODE_WALL_MAX, EPOCH, MEMORY_BYTES_MAX, TickingEngine};

/// What one episode has in its hands: its ports, the things it holds, and what is left of its bounds.
pub(crate) struct Hands<P> {
    pub ports: P,
    pub table: ResourceTable,
    wasi: WasiCtx,
    memory: Memory,
    compute: Compute,
}

/// Keeps the episode's memory within its limit, and notes the most that it took.
struct Memory {
    limits: StoreLimits,
    bytes: usize,
    peak_bytes: Arc<AtomicU64>,
}

/// How long the episode has computed since the host last answered it.
struct Compute {
    spent: Duration,
    granted: Duration,
}

impl<P> Hands<P> {
    fn new(ports: P, peak_bytes: Arc<AtomicU64>) -> Self {
        let limits = StoreLimitsBuilder::new().memory_size(MEMORY_BYTES_MAX).build();
        Self {
            ports,
            table: ResourceTable::new(),
            // Deny-all: no file, no socket, no environment; std's clocks and chance are harmless and unused.
            wasi: WasiCtx::builder().build(),
            memory: Memory { limits, bytes: 0, peak_bytes },
            compute: Compute { spent: Duration::ZERO, granted: COMPUTE_BASE },
        }
    }

    /// The host answered, so the time for computing begins again.
    pub fn answered(&mut self) {
        self.compute.spent = Duration::ZERO;
    }

    /// The episode was given these many bytes to work on.
    pub fn gave(&mut self, bytes: usize) {
        self.answered();
        self.compute.granted += Duration::from_nanos((bytes as u64).saturating_mul(COMPUTE_NANOS_PER_BYTE));
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let granted = self.limits.memory_growing(current, desired, maximum)?;
        if granted {
            self.bytes += desired.saturating_sub(current);
            self.peak_bytes.fetch_max(self.bytes as u64, Ordering::Relaxed);
        }
        Ok(granted)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.limits.table_growing(current, desired, maximum)
    }
}

impl<P: Send + 'static> WasiView for Hands<P> {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// A store for one episode.
pub(crate) fn store<P: Send + 'static>(engine: &TickingEngine, ports: P) -> Store<Hands<P>> {
    let mut store = Store::new(engine.engine(), Hands::new(ports, engine.peak_bytes().clone()));
    store.limiter(|hands| &mut hands.memory);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|mut context| {
        let compute = &mut context.data_mut().compute;
        compute.spent += EPOCH;
        if compute.spent > compute.granted {
            let seconds = compute.granted.as_secs_f32();
            return Err(wasmtime::Error::msg(format!("it computed for more than {seconds:.1} s between two answers")));
        }
        Ok(UpdateDeadline::Yield(1))
    });
    store
}

/// Runs to the end or to the limit; either way what ran is dropped by the caller with its store.
pub(crate) async fn within_bounds<T>(episode: &'static str, run: impl Future<Output = wasmtime::Result<T>>) -> Result<T, EpisodeLost> {
    let lost = |reason: String| EpisodeLost { episode, reason };
    match tokio::time::timeout(EPISODE_WALL_MAX, run).await {
        Ok(Ok(outcome)) => Ok(outcome),
        Ok(Err(trap)) => Err(lost(reason(&trap))),
        Err(_elapsed) => Err(lost(format!("it took longer than {} s", EPISODE_WALL_MAX.as_secs()))),
    }
}

/// In one line. Where in the component it happened is of use to those who build it, and many lines long.
fn reason(trap: &wasmtime::Error) -> String {
    if trap.downcast_ref::<WasmBacktrace>().is_none() {
        return format!("{trap:#}");
    }
    tracing::debug!(target: "holdover", "An episode was lost: {trap:?}");
    trap.root_cause().to_string()
}
