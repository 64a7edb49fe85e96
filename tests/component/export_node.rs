//! A backup node in a virtual world: hands deliveries to the exporting policy and wakes it when it asks to be.

use std::time::Duration;

use bytes::Bytes;
use holdover_plugin::model::Position;
use holdover_plugin::policy::{Approvable, ExportOutcome, Facts, Office, Settings};
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
    session: u64,
    /// Whether a session of this process has delivered.
    opened: bool,
    /// What the control plane says, once it said something: a session that is dialled anew delivers it again.
    truth: Option<Config>,
    /// What a session that is dialled anew says instead.
    anew: Option<Config>,
    begun: bool,
    pub state: Vec<u8>,
    pub held: Option<String>,
    pub approvable: Option<Approvable>,
    pub office: Office,
    pub published: Option<Position>,
    pub pending: Option<Config>,
    pub refreshes: u32,
    wake_at: Option<Instant>,
    episodes: u32,
}

impl<'w> ExportNode<'w> {
    /// A process begins, the only exporter by the operator's word; `state` is what an earlier one left behind.
    pub fn start(stage: &Stage, world: &'w World, state: Vec<u8>) -> Self {
        Self { state, ..Self::start_with(stage, world, single) }
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
            session: 0,
            opened: false,
            truth: None,
            anew: None,
            begun: false,
            state: Vec::new(),
            held: None,
            approvable: None,
            office: Office::None,
            published: None,
            pending: None,
            refreshes: 0,
            wake_at: None,
            episodes: 0,
        }
    }

    /// The process dies and another begins, with what is on the disk: the state, and what is pending.
    pub fn restarts(self) -> Self {
        let Self { state, pending, connected, session, truth, .. } = self;
        let fresh = Self::start_with(&self.stage, self.world, self.told);
        // Counted on from the session that delivered what is pending.
        let session = if pending.is_some() { session } else { 0 };
        Self { state, pending, connected, session, truth, ..fresh }
    }

    pub async fn begins(&mut self) {
        if !self.begun {
            self.tick().await;
            // At once, as an exporter that has just taken office asks to be.
            self.tick().await;
        }
    }

    /// A process first looks for its office, then it is delivered to.
    pub async fn delivered(&mut self, document: &[u8]) {
        self.begins().await;
        if !self.opened {
            self.opened = true;
            self.session += 1;
        }
        self.truth = Some(Config::delivered(Bytes::copy_from_slice(document)));
        self.receive().await;
    }

    /// The open session is stale: asked anew, the control plane says this.
    pub fn will_say(&mut self, document: &[u8]) {
        self.anew = Some(Config::delivered(Bytes::copy_from_slice(document)));
    }

    async fn receive(&mut self) {
        let Some(config) = self.truth.clone() else { return };
        let ended = self.exporting.received(config.clone(), self.facts(), self.state.clone()).await;
        self.take(ended, Some(config)).await;
    }

    /// Whether it asked for it or not.
    pub async fn tick(&mut self) {
        self.begun = true;
        let pending = self.pending.clone();
        let ended = self.exporting.tick(pending.clone(), self.facts(), self.state.clone()).await;
        self.take(ended, pending).await;
    }

    /// An orderly end is near.
    pub async fn stop(&mut self) {
        let facts = Facts { stopping: true, ..self.facts() };
        let pending = self.pending.clone();
        let ended = self.exporting.tick(pending.clone(), facts, self.state.clone()).await;
        self.take(ended, pending).await;
    }

    pub async fn run_for(&mut self, duration: Duration) {
        let end = Instant::now() + duration;
        while let Some(wake_at) = self.wake_at.filter(|wake_at| *wake_at <= end) {
            tokio::time::sleep_until(wake_at).await;
            self.tick().await;
        }
        tokio::time::sleep_until(end).await;
    }

    /// The lease in this node's first storage.
    pub fn lease(&self) -> Option<Bytes> {
        self.world.storage().object(keys::LEASE)
    }

    pub fn facts(&self) -> Facts {
        let settings = (self.told)(self.stage.settings(self.world));
        let (process, session) = (self.process, self.session);
        Facts { connected: self.connected && self.opened, session, ..Facts::beginning(settings, process) }
    }

    async fn take(&mut self, ended: Result<ExportOutcome, EpisodeLost>, newest: Option<Config>) {
        let outcome = ended.unwrap_or_else(|lost| panic!("{lost}"));
        self.episodes += 1;
        assert!(self.episodes < EPISODES_MAX, "the policy spins");
        self.pending = newest.filter(|_| outcome.pending);
        self.wake_at = outcome.wake_after.map(|after| Instant::now() + after.max(Duration::from_millis(1)));
        self.held = outcome.held;
        self.approvable = outcome.approvable;
        self.office = outcome.office;
        self.published = outcome.published;
        self.state = outcome.state;
        if outcome.refresh {
            self.refreshes += 1;
            self.session += 1;
            self.truth = self.anew.take().or(self.truth.take());
            Box::pin(self.receive()).await;
        }
    }
}

/// Lets time pass for several nodes of one world.
pub async fn together(nodes: &mut [ExportNode<'_>], duration: Duration) {
    let end = Instant::now() + duration;
    loop {
        let next = nodes.iter().filter_map(|node| node.wake_at).min().filter(|at| *at <= end);
        let Some(at) = next else { break };
        tokio::time::sleep_until(at).await;
        for node in nodes.iter_mut().filter(|node| node.wake_at.is_some_and(|wake_at| wake_at <= at)) {
            node.tick().await;
        }
    }
    tokio::time::sleep_until(end).await;
}

pub fn single(settings: Settings) -> Settings {
    Settings { single_exporter: true, ..settings }
}

pub fn head(world: &World) -> Option<Head> {
    world.storage().object(keys::HEAD).map(|bytes| Head::read(&bytes, &world.keys.trusted()).unwrap())
}

/// What the head lists, newest first.
pub fn history(world: &World) -> Vec<Entry> {
    let version = VERSION.parse().unwrap();
    head(world).and_then(|head| head.views.get(&version).map(|view| view.history.clone())).unwrap_or_default()
}
