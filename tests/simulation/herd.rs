//! Must-show 7: very many nodes are born within one second while the control plane is away, and their storage allows so many requests
//! per second and answers SlowDown to the rest.

use std::rc::Rc;
use std::time::Duration;

use super::faults::{Allowed, Weather};
use super::plan::{Behaviour, Plan};
use super::run::settle_a_lineage;
use super::world::World;

#[derive(Clone, Copy, Debug)]
pub struct Herd {
    pub nodes: usize,
    /// Requests that the storage serves in any one second.
    pub budget_per_s: u32,
    /// `holdover_first_fetch_jitter`.
    pub jitter: Duration,
    pub seed: u64,
}

/// What the storage and the nodes saw.
#[derive(Clone, Debug)]
pub struct Stampede {
    pub peak_per_s: u32,
    /// In the second after the peak's, and so on: whether backing off works.
    pub per_s: Vec<u32>,
    pub requests: u64,
    pub refused: u64,
    pub serving: usize,
    pub p50: Duration,
    pub p99: Duration,
    pub all: Duration,
}

/// Of a cold node: the head, and the snapshot that it names.
pub const REQUESTS_PER_NODE: u32 = 2;
const PATIENCE: Duration = Duration::from_secs(3600);

impl Herd {
    /// What the formula of docs/reliability.md says: the least time in which the storage can serve them all.
    pub fn least(&self) -> Duration {
        Duration::from_secs_f64(self.nodes as f64 * f64::from(REQUESTS_PER_NODE) / f64::from(self.budget_per_s))
    }

    pub fn run(&self) -> Stampede {
        let weather = Weather::of(self.seed, Allowed { only: Some(Default::default()), ..Allowed::default() });
        let world = World::new(Plan::of_a_herd(self.seed, self.nodes), weather, false, &[]);
        world.control_plane.behaves(&world, Behaviour::Away, PATIENCE * 2);
        settle_a_lineage(&world);
        world.storages[0].allows(self.budget_per_s);
        for node in &world.nodes {
            node.settings.borrow_mut().first_fetch_jitter = self.jitter;
            let node = node.clone();
            let after = world.chance(|chance| chance.duration(Duration::ZERO, Duration::from_secs(1)));
            world.after(after, move |world| node.begin(world));
        }
        let nodes = self.nodes as u64;
        world.executor.run_until(PATIENCE, &|| world.model.borrow().applications >= nodes);
        let stampede = self.stampede(&world);
        world.executor.end();
        stampede
    }

    fn stampede(&self, world: &Rc<World>) -> Stampede {
        let mut times: Vec<Duration> = world.nodes.iter().filter_map(|node| node.memory.borrow().served_after).collect();
        times.sort();
        let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied().unwrap_or_default();
        let per_s = world.storages[0].requests_per_s();
        Stampede {
            peak_per_s: per_s.iter().copied().max().unwrap_or_default(),
            requests: per_s.iter().map(|count| u64::from(*count)).sum(),
            per_s,
            refused: world.storages[0].refused(),
            serving: times.len(),
            p50: at(50),
            p99: at(99),
            all: world.now(),
        }
    }
}
