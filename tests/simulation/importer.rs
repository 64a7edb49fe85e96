//! The importing side of a process, as host/node's loop drives it: boot, then what the control plane delivers and what is due.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{Either, select};
use holdover_plugin::policy::state::State;
use holdover_plugin::policy::{Outcome, Standing, boot};

use super::capabilities::{Caps, Config, ImporterRole};
use super::disk::IMPORTER;
use super::documents::Said;
use super::node::{Node, Seen};
use super::session::News;
use super::world::World;
use super::{control_plane, invariants};

const WALL_MAX: Duration = Duration::from_secs(5 * 60);
pub const NEVER: Duration = Duration::from_secs(u32::MAX as u64);
const WAKE_AFTER_MIN: Duration = Duration::from_millis(100);

/// An episode is over without an outcome: it trapped, or took too long.
pub struct Lost(pub &'static str);

enum Step {
    Boot,
    Received(Said),
    Tick,
}

struct Loop {
    world: Rc<World>,
    node: Rc<Node>,
    state: Vec<u8>,
    booted: bool,
    owed: Option<Said>,
    wake_at: Option<Duration>,
    losses: u32,
}

/// Until the process ends.
pub async fn run(world: Rc<World>, node: Rc<Node>) {
    let state = node.disk.file(IMPORTER).map(|bytes| bytes.to_vec()).unwrap_or_default();
    let mut importing = Loop { world, node, state, booted: false, owed: None, wake_at: None, losses: 0 };
    let mut step = Step::Boot;
    loop {
        importing.take(step).await;
        step = importing.next().await;
        if importing.is_stopping() {
            break;
        }
    }
    if importing.booted {
        importing.take(Step::Tick).await;
    }
    // Its process is ended from outside.
    std::future::pending::<()>().await;
}

/// Runs an episode within its wall time; a panic of the policy is caught as the real host's component boundary catches a trap.
pub async fn bounded<T>(world: &World, episode: impl Future<Output = T>) -> Result<T, Lost> {
    let caught = std::pin::pin!(AssertUnwindSafe(episode).catch_unwind());
    match select(caught, std::pin::pin!(world.executor.sleep(WALL_MAX))).await {
        Either::Left((Ok(outcome), _)) => Ok(outcome),
        Either::Left((Err(panic), _)) => {
            if !panic.is::<super::capabilities::Trapped>() {
                invariants::all_02_the_policy_never_panics_by_itself(world, panic.as_ref());
            }
            Err(Lost("it trapped"))
        }
        Either::Right(_) => Err(Lost("it took more than five minutes")),
    }
}

/// 1 s, doubling to 30 s; each between half of it and all of it.
pub fn pause_after(losses: u32, node: &Node) -> Duration {
    let full = Duration::from_secs(1 << losses.min(5)).min(Duration::from_secs(30));
    full.mul_f64(0.5 + 0.5 * (node.random() as f64 / u64::MAX as f64))
}

pub fn wake_after(asked: Option<Duration>) -> Option<Duration> {
    asked.map(|asked| asked.max(WAKE_AFTER_MIN))
}

impl Loop {
    fn is_stopping(&self) -> bool {
        self.node.life.borrow().as_ref().is_none_or(|life| life.stopping)
    }

    async fn next(&mut self) -> Step {
        loop {
            match self.node.session().news() {
                Some(News::Delivered(said)) => return Step::Received(said),
                Some(News::Lost) => return self.due(),
                None if self.is_stopping() => return Step::Tick,
                None => {}
            }
            let session = self.node.session();
            let after = self.wake_at.map_or(NEVER, |wake_at| wake_at.saturating_sub(self.world.now()));
            let due = self.world.executor.sleep(after);
            let is_due = matches!(select(std::pin::pin!(session.inbox_bell.heard()), std::pin::pin!(due)).await, Either::Right(_));
            if is_due {
                return self.due();
            }
        }
    }

    fn due(&mut self) -> Step {
        match self.owed.take() {
            Some(said) => Step::Received(said),
            None if self.booted => Step::Tick,
            None => Step::Boot,
        }
    }

    async fn take(&mut self, step: Step) {
        let caps = Caps::<ImporterRole>::new(self.world.clone(), self.node.clone());
        let facts = self.node.facts(&self.world);
        self.node.memory.borrow_mut().begin_episode();
        if self.losses > 0 {
            // What an episode tried and lost may be quarantined by now.
            let usable = invariants::usable_cache(&self.world, &self.node);
            self.node.memory.borrow_mut().still_cached(usable);
        }
        let delivered = match &step {
            Step::Received(said) => Some(*said),
            Step::Boot | Step::Tick => None,
        };
        let state = State::read(&self.state, facts.process);
        let seen = self.node.gateway.borrow().seen;
        let ended = match step {
            Step::Boot => bounded(&self.world, boot::boot(&caps, &facts)).await,
            Step::Received(said) => bounded(&self.world, boot::received(&caps, &facts, state, Config::delivered(said))).await,
            Step::Tick => bounded(&self.world, boot::tick(&caps, &facts, state)).await,
        };
        match ended {
            Ok(outcome) => self.settle(outcome).await,
            Err(Lost(why)) => {
                if self.node.gateway.borrow().seen != seen {
                    self.doubt();
                }
                self.owed = delivered.or_else(|| self.node.session().latest());
                let pause = pause_after(self.losses, &self.node);
                self.losses += 1;
                self.node.memory.borrow_mut().lose_episode();
                self.world.note(self.node.actor(), "episode lost", 0, || why.to_owned());
                self.wake_at = Some(self.world.now() + pause);
            }
        }
    }

    /// The gateway may run another configuration than the lost episode began with.
    fn doubt(&mut self) {
        let seen = self.node.gateway.borrow().seen;
        let mut life = self.node.life.borrow_mut();
        let Some(serving) = life.as_mut().and_then(|life| life.serving.as_mut()) else { return };
        serving.sameness.clear();
        if let Seen::This(digest) = seen {
            serving.digest = digest;
        }
    }

    async fn settle(&mut self, outcome: Outcome) {
        self.booted = true;
        self.owed = None;
        self.losses = 0;
        invariants::episode_ended(&self.world, &self.node, &outcome);
        if let Some(life) = self.node.life.borrow_mut().as_mut() {
            if let Standing::Serving(serving) = &outcome.standing {
                life.serving = Some(serving.clone());
            }
            life.standing = Some(outcome.standing);
        }
        self.wake_at = wake_after(outcome.wake_after).map(|after| self.world.now() + after);
        self.state = outcome.state;
        let caps = Caps::<ImporterRole>::new(self.world.clone(), self.node.clone());
        caps.keep(IMPORTER, self.state.clone().into()).await.unwrap_or_default();
        if outcome.refresh {
            control_plane::refresh(&self.world, &self.node);
        }
    }
}
