//! A backup node in a virtual world: hands deliveries to the exporting policy and wakes it when it asks to be.

use std::time::Duration;

use bytes::Bytes;
use holdover_plugin::model::Position;
use holdover_plugin::policy::{ExportOutcome, Facts, Settings};
use holdover_plugin::snapshot::head::{Entry, Head};
use holdover_plugin::snapshot::keys;
use holdover_ports::{Config, EpisodeLost, Random};
use holdover_tests::virtual_world::World;
use tokio::time::Instant;

use crate::node::{Stage, VERSION};
use crate::runner::Exporting;

/// More episodes in a test than this, and the policy spins.
const EPISODES_MAX: u32 = 5_000;

pub struct ExportNode<'w> {
    world: &'w World,
    exporting: Exporting,
    stage: Stage,
    told: fn(Settings) -> Settings,
    process: u64,
    pub connected: bool,
    pub state: Vec<u8>,
    pub held: Option<String>,
    pub published: Option<Position>,
    pub pending: Option<Config>,
    wake_at: Option<Instant>,
    episodes: u32,
}

impl<'w> ExportNode<'w> {
    /// A process begins; `state` is what an earlier one left behind.
    pub fn start(stage: &Stage, world: &'w World, state: Vec<u8>) -> Self {
        Self { state, ..Self::start_with(stage, world, |settings| settings) }
    }

    /// A process begins, with other settings than the world's.
    pub fn start_with(stage: &Stage, world: &'w World, told: fn(Settings) -> Settings) -> Self {
        Self {
            world,
            exporting: Exporting::of(stage.core, world),
            stage: stage.clone(),
            told,
            process: world.random.random(),
            connected: true,
            state: Vec::new(),
            held: None,
            published: None,
            pending: None,
            wake_at: None,
            episodes: 0,
        }
    }

    pub async fn delivered(&mut self, document: &[u8]) {
        let config = Config::delivered(Bytes::copy_from_slice(document));
        let ended = self.exporting.received(config.clone(), self.facts(), self.state.clone()).await;
        self.take(ended, Some(config));
    }

    /// Whether it asked for it or not.
    pub async fn tick(&mut self) {
        let pending = self.pending.clone();
        let ended = self.exporting.tick(pending.clone(), self.facts(), self.state.clone()).await;
        self.take(ended, pending);
    }

    pub async fn run_for(&mut self, duration: Duration) {
        let end = Instant::now() + duration;
        while let Some(wake_at) = self.wake_at.filter(|wake_at| *wake_at <= end) {
            tokio::time::sleep_until(wake_at).await;
            self.tick().await;
        }
        tokio::time::sleep_until(end).await;
    }

    fn facts(&self) -> Facts {
        let settings = (self.told)(self.stage.settings(self.world));
        Facts { settings, serving: None, connected: self.connected, stopping: false, process: self.process }
    }

    fn take(&mut self, ended: Result<ExportOutcome, EpisodeLost>, newest: Option<Config>) {
        let outcome = ended.unwrap_or_else(|lost| panic!("{lost}"));
        self.episodes += 1;
        assert!(self.episodes < EPISODES_MAX, "the policy spins");
        self.pending = newest.filter(|_| outcome.pending);
        self.wake_at = outcome.wake_after.map(|after| Instant::now() + after);
        self.held = outcome.held;
        self.published = outcome.published;
        self.state = outcome.state;
    }
}

pub fn head(world: &World) -> Option<Head> {
    world.storage().object(keys::HEAD).map(|bytes| Head::read(&bytes, &world.keys.trusted()).unwrap())
}

/// What the head lists, newest first.
pub fn history(world: &World) -> Vec<Entry> {
    let version = VERSION.parse().unwrap();
    head(world).and_then(|head| head.views.get(&version).map(|view| view.history.clone())).unwrap_or_default()
}
