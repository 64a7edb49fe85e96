//! A node in a virtual world: takes one episode after the other, as `host/node` does, for as long as a test lets time pass.
//!
//! After every episode it checks what always holds: what the policy says is served is what the gateway runs (boot-10).

use std::time::Duration;

use holdover_plugin::policy::{Facts, Origin, Outcome, Serving, Settings, Standing};
use holdover_ports::{EpisodeLost, Random};
use holdover_tests::virtual_world::{News, Published, World, documents};
use tokio::time::Instant;

use crate::runner::{Core, Importing};

pub use holdover_tests::virtual_world::documents::VERSION;
/// More episodes in a test than this, and the policy spins.
const EPISODES_MAX: u32 = 20_000;

/// Who plays: which runner, and under which name. A name may break a rule.
#[derive(Clone, Debug)]
pub struct Stage {
    pub core: Core,
    pub node: String,
}

/// A world with one storage, in which these were published one after the other.
pub fn world_with(generations: &[&[u8]]) -> World {
    let world = World::new(1);
    let mut published = Published::nothing();
    for document in generations {
        published.generation(VERSION, document);
    }
    published.put_on(world.storage());
    world
}

/// A world in which a node got this from the storage, ran it until it settled, and stopped.
pub async fn settled_once(stage: &Stage, document: &[u8]) -> World {
    let world = world_with(&[document]);
    let mut node = stage.start(&world).await;
    node.run_for(Duration::from_secs(61)).await;
    node.stop().await;
    world.trace.forget();
    world
}

pub struct Node<'w> {
    world: &'w World,
    importing: Importing,
    pub settings: Settings,
    process: u64,
    state: Vec<u8>,
    serving: Option<Serving>,
    pub standing: Standing,
    wake_at: Option<Instant>,
    episodes: u32,
}

impl Stage {
    pub fn settings(&self, world: &World) -> Settings {
        Settings { node: self.node.clone(), ..world.settings() }
    }

    /// A process begins, and its first episode ends.
    pub async fn start<'w>(&self, world: &'w World) -> Node<'w> {
        self.start_with(world, self.settings(world)).await
    }

    pub async fn start_with<'w>(&self, world: &'w World, settings: Settings) -> Node<'w> {
        world.gateway.restarts();
        world.control_plane.forgets_the_node();
        let mut node = Node {
            world,
            importing: Importing::of(self.core, world),
            settings,
            process: world.random.random(),
            state: Vec::new(),
            serving: None,
            standing: Standing::Stranded("not yet begun".into()),
            wake_at: None,
            episodes: 0,
        };
        let ended = node.importing.boot(node.facts(false), Vec::new()).await;
        node.take(ended);
        node
    }
}

impl Node<'_> {
    /// Lets time pass, and does whatever becomes due meanwhile.
    pub async fn run_for(&mut self, duration: Duration) {
        let end = Instant::now() + duration;
        loop {
            let next = [self.wake_at, self.world.control_plane.news_due()].into_iter().flatten().min();
            match next.filter(|next| *next <= end) {
                Some(next) => tokio::time::sleep_until(next).await,
                None => return tokio::time::sleep_until(end).await,
            }
            self.step().await;
        }
    }

    /// Somebody is where the control plane was not.
    pub async fn somebody_appears(&mut self) {
        let facts = Facts { appeared: true, ..self.facts(false) };
        let ended = self.importing.tick(facts, self.state.clone()).await;
        self.take(ended);
    }

    /// An orderly end.
    pub async fn stop(mut self) {
        let ended = self.importing.tick(self.facts(true), self.state.clone()).await;
        self.take(ended);
    }

    /// No leave is taken: the process is killed, or the gateway takes it along.
    pub fn crash(self) {}

    pub fn serves(&self, document: &[u8], origin: Origin) -> bool {
        let same = |serving: &Serving| serving.sameness == documents::sameness(document) && serving.origin == origin;
        matches!(&self.standing, Standing::Serving(serving) if same(serving))
    }

    pub fn assert_serves(&self, document: &[u8], origin: Origin) {
        assert!(self.serves(document, origin), "it should serve from {origin:?}: {:?}", self.standing);
    }

    async fn step(&mut self) {
        let news = self.world.control_plane.news();
        let facts = self.facts(false);
        let state = self.state.clone();
        let ended = match news {
            Some(News::Delivered(config)) => self.importing.received(config, Facts { connected: true, ..facts }, state).await,
            Some(News::Lost) => self.importing.tick(facts, state).await,
            None if self.wake_at.is_some_and(|wake_at| wake_at <= Instant::now()) => self.importing.tick(facts, state).await,
            None => return,
        };
        self.take(ended);
    }

    fn facts(&self, stopping: bool) -> Facts {
        Facts {
            settings: self.settings.clone(),
            serving: self.serving.clone(),
            connected: self.world.control_plane.connected(),
            stopping,
            appeared: false,
            process: self.process,
            session: self.world.control_plane.session(),
        }
    }

    fn take(&mut self, ended: Result<Outcome, EpisodeLost>) {
        let outcome = ended.unwrap_or_else(|lost| panic!("{lost}"));
        self.episodes += 1;
        assert!(self.episodes < EPISODES_MAX, "the policy spins");
        if let Standing::Serving(serving) = &outcome.standing {
            let running = self.world.gateway.running();
            assert_eq!(running, Some(serving.digest), "what is served is what the gateway runs");
            self.serving = Some(serving.clone());
        }
        if outcome.refresh {
            self.world.control_plane.refreshes(self.settings.give_up);
        }
        self.standing = outcome.standing;
        self.wake_at = outcome.wake_after.map(|after| Instant::now() + after);
        self.state = outcome.state;
    }
}
