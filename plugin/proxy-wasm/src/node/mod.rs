//! The node of this Envoy: asks the control plane, reads the storage, and tells the filters what to route by. One for the whole Envoy.
//!
//! ```text
//! tick ──► executor ──► life: boot, then received and tick ──► world: HTTP calls, clock, log
//!    │                                                            └─ apply ──► a table to share
//!    └──► telling: the verdict on what is known ──► shared data
//! ```

mod calls;
mod control_plane;
mod executor;
mod life;
mod ranges;
mod settings;
mod storage;
mod telling;
mod world;

use std::rc::Rc;
use std::time::Duration;

use calls::Calls;
use executor::Task;
use settings::Settings;
use telling::Known;
use world::World;

pub struct Node {
    calls: Rc<Calls>,
    known: Rc<Known>,
    life: Task,
}

impl Node {
    /// How late an answer or a time that has come may be noticed.
    pub const TICK: Duration = Duration::from_millis(20);

    /// By the plugin's configuration. Every mistake in it is a sentence.
    pub fn configured(json: &[u8]) -> Result<Self, Vec<String>> {
        let settings = Settings::read(json)?;
        let calls = Rc::new(Calls::default());
        let known = Rc::new(Known::new(&settings));
        let policy = settings.policy.clone();
        let world = World::new(settings, Rc::clone(&calls), Rc::clone(&known));
        let life = Task::new(life::live(world, policy, Rc::clone(&known)));
        Ok(Self { calls, known, life })
    }

    pub fn tick(&mut self) {
        self.life.advance();
        self.known.tell();
    }

    pub fn answered(&self, token: u32, headers: usize, body_bytes: usize) {
        self.calls.answered(token, headers, body_bytes);
    }
}
