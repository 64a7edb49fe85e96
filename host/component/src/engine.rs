//! The engine that all episodes share, the bounds of one episode, and the clock that enforces them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use wasmtime::{Config, Engine, OptLevel};

use crate::error::LoadError;

/// What a component's memory may grow to: the largest configuration, its sealed form and the index of its entities.
pub const MEMORY_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// How long an episode may take in all.
pub const EPISODE_WALL_MAX: Duration = Duration::from_secs(300);
/// How long an episode may compute between two answers to the host, with nothing to read.
pub const COMPUTE_BASE: Duration = Duration::from_secs(2);
/// What is granted on top per byte that the episode was given to read: the slowest machine validates some 20 MB a second.
pub(crate) const COMPUTE_NANOS_PER_BYTE: u64 = 50;
/// How often a computing episode is looked at.
pub(crate) const EPOCH: Duration = Duration::from_millis(10);

/// An engine whose epochs advance while it lives.
#[derive(Clone)]
pub(crate) struct TickingEngine {
    engine: Engine,
    /// The most memory that one episode took so far.
    peak_bytes: Arc<AtomicU64>,
    _ticker: Arc<Ticker>,
}

struct Ticker {
    stop: Arc<AtomicBool>,
}

impl TickingEngine {
    pub fn start() -> Result<Self, LoadError> {
        let engine = Engine::new(&config()).map_err(|error| LoadError::new(format!("this machine cannot run the policy: {error}")))?;
        let stop = Arc::new(AtomicBool::new(false));
        let (ticking, stopped) = (engine.clone(), stop.clone());
        let tick = move || {
            while !stopped.load(Ordering::Relaxed) {
                thread::sleep(EPOCH);
                ticking.increment_epoch();
            }
        };
        let spawned = thread::Builder::new().name("policy-epoch".into()).spawn(tick);
        spawned.map_err(|error| LoadError::new(format!("no thread can be started for the policy's time limit: {error}")))?;
        Ok(Self { engine, peak_bytes: Arc::default(), _ticker: Arc::new(Ticker { stop }) })
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub fn peak_bytes(&self) -> &Arc<AtomicU64> {
        &self.peak_bytes
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.cranelift_opt_level(OptLevel::Speed);
    config.wasm_component_model(true);
    config.wasm_component_model_async(true);
    config
}
