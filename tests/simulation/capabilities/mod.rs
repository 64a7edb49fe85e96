//! What the policy may ask of the world, with every fault in the way. An importer, an exporter and a janitor each have what the real
//! host gives them: only the exporter writes to a storage (boot-12), only the janitor deletes.

mod hazard;
mod held;
mod importing;
mod judging;
mod reading;
mod sweeping;
mod writing;

use std::marker::PhantomData;
use std::rc::Rc;
use std::time::Duration;

use holdover_plugin::model::UnixMs;
use holdover_plugin::policy::capabilities as asked;
use holdover_plugin::policy::events::{Event, Why};

pub use hazard::Trapped;
pub use held::{Config, Object, Provenance, Source};

use super::chance::fold_bytes;
use super::coverage::Situation;
use super::disk::Pending;
use super::faults::Fault;
use super::node::Node;
use super::situation;
use super::storage::Bytes;
use super::world::World;
use super::{disk, invariants};

/// Whose capabilities they are.
pub trait Role: 'static {
    const NAME: &'static str;

    fn situation(node: &Node) -> Situation;

    /// While it asks for this object.
    fn reading(node: &Node, _storage: u32, _key: &str) -> Situation {
        Self::situation(node)
    }
}

pub struct ImporterRole;
pub struct ExporterRole;
pub struct JanitorRole;

impl Role for ImporterRole {
    const NAME: &'static str = "importer";

    fn situation(node: &Node) -> Situation {
        node.situation()
    }
}

impl Role for ExporterRole {
    const NAME: &'static str = "exporter";

    fn situation(node: &Node) -> Situation {
        node.office()
    }

    fn reading(node: &Node, storage: u32, key: &str) -> Situation {
        situation::of_read(node, storage, key)
    }
}

impl Role for JanitorRole {
    const NAME: &'static str = "janitor";

    fn situation(_node: &Node) -> Situation {
        Situation::Sweeping
    }
}

pub struct Caps<R> {
    pub world: Rc<World>,
    pub node: Rc<Node>,
    role: PhantomData<R>,
}

impl<R: Role> Caps<R> {
    pub fn new(world: Rc<World>, node: Rc<Node>) -> Self {
        Self { world, node, role: PhantomData }
    }

    /// A file of this node's own is replaced, whole or not at all.
    pub async fn keep(&self, name: &'static str, bytes: Bytes) -> Result<(), String> {
        let hazard = self.befall(|| R::situation(&self.node)).await;
        if let Some(mut chance) = self.world.strikes(Fault::DiskFull, &self.node, || R::situation(&self.node)) {
            let full_for = chance.duration(Duration::from_secs(10), Duration::from_secs(600));
            self.node.disk.is_full_until(self.world.now() + full_for);
        }
        if self.node.disk.is_full(self.world.now()) {
            self.world.note(self.node.actor(), "keeps not", 0, || format!("{name}: the disk is full"));
            return Err("holdover_cache_dir = simulated: the disk is full".into());
        }
        let nth = self.node.disk.issue();
        let node = self.node.clone();
        self.ask(hazard, self.world.latency(), Duration::from_micros(100), move |world| {
            if node.disk.write(name, nth, bytes.clone()) {
                world.note(node.actor(), "keeps", fold_bytes(0, name.as_bytes()), || format!("{name}, {} bytes", bytes.len()));
                if name == disk::name(asked::Slot::Marks) {
                    invariants::marks_are_on_disk(world, &node, &bytes);
                }
            }
        })
        .await;
        Ok(())
    }

    /// What is still to be published is on disk before the next episode.
    pub async fn keep_pending(&self, pending: Option<Pending>) {
        let hazard = self.befall(|| R::situation(&self.node)).await;
        let node = self.node.clone();
        let full = self.node.disk.is_full(self.world.now());
        self.ask(hazard, self.world.latency(), Duration::from_micros(100), move |_| {
            if !full {
                node.disk.keep_pending(pending);
            }
        })
        .await;
    }
}

impl<R: Role> asked::Held for Caps<R> {
    type Config = Config;
    type Object = Object;
}

impl<R: Role> asked::Clock for Caps<R> {
    fn now(&self) -> UnixMs {
        self.node.clock(&self.world)
    }

    fn monotonic(&self) -> Duration {
        self.node.monotonic(&self.world)
    }

    async fn sleep(&self, duration: Duration, _why: Why) {
        self.world.executor.sleep(duration).await;
    }
}

impl<R: Role> asked::Random for Caps<R> {
    fn random(&self) -> u64 {
        self.node.random()
    }
}

impl<R: Role> asked::Events for Caps<R> {
    fn emit(&self, event: Event) {
        self.node.memory.borrow_mut().said(&event);
        let number = event.name as u64;
        self.world.note(self.node.actor(), "says", number, || format!("[{}] {}: {}", R::NAME, event.name, event.sentence));
    }
}
