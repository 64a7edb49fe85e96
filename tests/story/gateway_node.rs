//! A node of a story, beside its own gateway, with its own disk and control plane. What it decides, the policy decides.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use holdover_plugin::policy::{Facts, Origin, Outcome, Serving, Settings, Standing};
use holdover_ports::{Answer, EpisodeLost, Random};
use holdover_tests::virtual_world::{Behaviour, News, World};
use tokio::time::Instant;

use crate::runner::{Core, Importing};

/// How a node that runs alone stands.
pub type Shown = Rc<RefCell<Option<Standing>>>;

pub struct GatewayNode {
    pub world: World,
    importing: Importing,
    settings: Settings,
    process: Option<u64>,
    pub paused: bool,
    state: Vec<u8>,
    serving: Option<Serving>,
    pub standing: Option<Standing>,
    wake_at: Option<Instant>,
    /// Since the story began, as is what follows.
    started_at: Duration,
    /// When it first asked the storage.
    pub asked_at: Option<Duration>,
}

impl GatewayNode {
    pub fn new(core: Core, world: World, settings: Settings) -> Self {
        let importing = Importing::of(core, &world);
        Self {
            world,
            importing,
            settings,
            process: None,
            paused: false,
            state: Vec::new(),
            serving: None,
            standing: None,
            wake_at: None,
            started_at: Duration::ZERO,
            asked_at: None,
        }
    }

    /// A process begins with what is on the disk, and its first episode ends.
    pub async fn starts(&mut self) {
        self.world.gateway.restarts();
        self.world.control_plane.forgets_the_node();
        self.process = Some(self.world.random.random());
        self.started_at = self.world.trace.elapsed();
        self.serving = None;
        self.standing = None;
        let ended = self.importing.boot(self.facts(false), Vec::new()).await;
        self.take(ended);
    }

    /// Starts and goes on for ever, with nobody who looks in between; `shown` has how it stands.
    pub async fn runs_alone(mut self, shown: Shown) {
        self.starts().await;
        loop {
            *shown.borrow_mut() = self.standing.clone();
            match self.due() {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
            self.step().await;
        }
    }

    pub fn is_killed(&mut self) {
        self.process = None;
        self.paused = false;
        self.standing = None;
        self.world.control_plane.forgets_the_node();
    }

    /// An orderly end.
    pub async fn stops(&mut self) {
        let ended = self.importing.tick(self.facts(true), self.state.clone()).await;
        self.take(ended);
        self.is_killed();
    }

    pub fn is_delivered(&mut self, document: &[u8]) {
        self.world.control_plane.behaves(Behaviour::delivers(document));
        if self.world.control_plane.connected() {
            self.world.control_plane.sends(document);
        }
    }

    pub fn will_hear(&mut self, document: &[u8]) {
        self.world.control_plane.behaves(Behaviour::delivers(document));
    }

    /// Whatever session is open ends, and every further attempt meets this.
    pub fn meets(&mut self, behaviour: Behaviour) {
        match self.world.control_plane.connected() {
            true => self.world.control_plane.loses_session(behaviour),
            false => self.world.control_plane.behaves(behaviour),
        }
    }

    pub fn loses_its_control_plane(&mut self) {
        self.meets(Behaviour::answers(Answer::ConnectionRefused));
    }

    /// When the next episode is due.
    pub fn due(&self) -> Option<Instant> {
        let due = [self.wake_at, self.world.control_plane.news_due()].into_iter().flatten().min();
        due.filter(|_| self.process.is_some() && !self.paused)
    }

    pub async fn step(&mut self) {
        let news = self.world.control_plane.news();
        let (facts, state) = (self.facts(false), self.state.clone());
        let ended = match news {
            Some(News::Delivered(config)) => self.importing.received(config, Facts { connected: true, ..facts }, state).await,
            Some(News::Lost) => self.importing.tick(facts, state).await,
            None if self.wake_at.is_some_and(|wake_at| wake_at <= Instant::now()) => self.importing.tick(facts, state).await,
            None => return,
        };
        self.take(ended);
    }

    /// What it says of itself: the sameness, and the rung that it came from.
    pub fn serves(&self) -> Option<(&str, Origin)> {
        served(self.standing.as_ref())
    }

    /// It says that it serves something, and the gateway runs something else.
    pub fn says_what_is_not_so(&self) -> bool {
        match &self.standing {
            Some(Standing::Serving(serving)) => self.world.gateway.running() != Some(serving.digest),
            Some(Standing::Stranded(_) | Standing::Refused(_)) | None => false,
        }
    }

    /// Its gateway ran something in this process, and it serves nothing any more.
    pub fn is_emptied(&self) -> bool {
        self.process.is_some() && self.serving.is_some() && self.world.gateway.running().is_none()
    }

    /// Whether the first question to the storage came so soon.
    pub fn asked_within(&self, time: Duration) -> bool {
        self.asked_at.is_some_and(|asked| asked < self.started_at + time)
    }

    fn facts(&self, stopping: bool) -> Facts {
        Facts {
            settings: self.settings.clone(),
            serving: self.serving.clone(),
            connected: self.world.control_plane.connected(),
            stopping,
            appeared: false,
            process: self.process.unwrap_or_default(),
            session: self.world.control_plane.session(),
        }
    }

    fn take(&mut self, ended: Result<Outcome, EpisodeLost>) {
        let outcome = ended.unwrap_or_else(|lost| panic!("{lost}"));
        if let Standing::Serving(serving) = &outcome.standing {
            self.serving = Some(serving.clone());
        }
        if outcome.refresh {
            self.world.control_plane.refreshes(self.settings.give_up);
        }
        self.standing = Some(outcome.standing);
        self.wake_at = outcome.wake_after.map(|after| Instant::now() + after.max(Duration::from_millis(1)));
        self.state = outcome.state;
    }
}

pub fn served(standing: Option<&Standing>) -> Option<(&str, Origin)> {
    match standing {
        Some(Standing::Serving(serving)) => Some((&serving.sameness, serving.origin)),
        Some(Standing::Stranded(_) | Standing::Refused(_)) | None => None,
    }
}
