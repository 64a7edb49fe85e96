//! A backup node of a story: its process, its disk and its control plane's session. What it decides, the policy decides.
//!
//! Whatever happens to it becomes due and is taken up by the player, one episode at a time, so that nothing happens between two looks.

use std::time::Duration;

use bytes::Bytes;
use holdover_plugin::policy::{Approvable, ExportOutcome, Facts, Office, Settings};
use holdover_ports::{Config, EpisodeLost, Random};
use holdover_tests::virtual_world::World;
use tokio::time::Instant;

use crate::runner::{Core, Exporting};

pub struct Backup {
    pub world: World,
    exporting: Exporting,
    settings: Settings,
    process: Option<u64>,
    /// A process first looks for its office; then its control plane delivers.
    begun: bool,
    pub paused: bool,
    connected: bool,
    session: u64,
    /// The last session of the process before this one.
    before: u64,
    /// What the control plane says to whoever asks.
    says: Option<Config>,
    /// Delivered, and not yet handed to the policy.
    inbox: Option<Config>,
    /// On its disk.
    state: Vec<u8>,
    pending: Option<Config>,
    pub held: Option<String>,
    pub approvable: Option<Approvable>,
    pub office: Office,
    wake_at: Option<Instant>,
}

impl Backup {
    pub fn new(core: Core, world: World, settings: Settings) -> Self {
        Self {
            exporting: Exporting::of(core, &world),
            world,
            settings,
            process: None,
            begun: false,
            paused: false,
            connected: false,
            session: 0,
            before: 0,
            says: None,
            inbox: None,
            state: Vec::new(),
            pending: None,
            held: None,
            approvable: None,
            office: Office::None,
            wake_at: None,
        }
    }

    /// A process begins with what is on the disk. A control plane that is there delivers to it.
    pub fn starts(&mut self) {
        self.process = Some(self.world.random.random());
        self.begun = false;
        // Counted on from the session that delivered what is pending.
        self.before = if self.pending.is_some() { self.session } else { 0 };
        self.session = self.before;
        self.wake_at = Some(Instant::now());
    }

    pub fn is_killed(&mut self) {
        self.process = None;
        self.paused = false;
        self.inbox = None;
        self.office = Office::None;
    }

    pub fn is_delivered(&mut self, document: &[u8]) {
        let config = Config::delivered(Bytes::copy_from_slice(document));
        self.session += u64::from(!self.connected);
        self.connected = true;
        self.says = Some(config.clone());
        self.inbox = self.process.map(|_| config).filter(|_| self.begun);
    }

    pub fn will_hear(&mut self, document: &[u8]) {
        self.says = Some(Config::delivered(Bytes::copy_from_slice(document)));
    }

    pub fn loses_its_control_plane(&mut self) {
        self.connected = false;
        self.inbox = None;
        self.wake_at = Some(Instant::now());
    }

    /// When the next episode is due.
    pub fn due(&self) -> Option<Instant> {
        let wake_at = if self.inbox.is_some() { Some(Instant::now()) } else { self.wake_at };
        wake_at.filter(|_| self.process.is_some() && !self.paused)
    }

    pub async fn step(&mut self) {
        match self.inbox.take() {
            Some(config) => {
                let ended = self.exporting.received(config.clone(), self.facts(), self.state.clone()).await;
                self.take(ended, Some(config));
            }
            None => {
                let pending = self.pending.clone();
                let ended = self.exporting.tick(pending.clone(), self.facts(), self.state.clone()).await;
                self.take(ended, pending);
            }
        }
        if !self.begun {
            self.begun = true;
            self.session = self.before + u64::from(self.connected);
            self.inbox = self.says.clone().filter(|_| self.connected);
        }
    }

    fn facts(&self) -> Facts {
        let settings = Settings { soak_watch: self.world.settings().soak_watch, ..self.settings.clone() };
        let (process, session) = (self.process.unwrap_or_default(), self.session);
        Facts { connected: self.connected && session > self.before, session, ..Facts::beginning(settings, process) }
    }

    fn take(&mut self, ended: Result<ExportOutcome, EpisodeLost>, newest: Option<Config>) {
        let outcome = ended.unwrap_or_else(|lost| panic!("{lost}"));
        self.pending = newest.filter(|_| outcome.pending);
        self.wake_at = outcome.wake_after.map(|after| Instant::now() + after.max(Duration::from_millis(1)));
        self.held = outcome.held;
        self.approvable = outcome.approvable;
        self.office = outcome.office;
        self.state = outcome.state;
        if outcome.refresh && self.connected {
            self.session += 1;
            self.inbox = self.says.clone();
        }
    }
}
