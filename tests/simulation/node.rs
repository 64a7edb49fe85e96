//! A node: a machine with its files, its clock and its settings, and the process that lives on it, dies and begins again.
//!
//! What the real host does around the policy (host/node) is done here and in `importer.rs` and `exporter.rs`: one episode at a time
//! per role, each lost after five minutes, its state on disk before the next.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use holdover_plugin::config::Format;
use holdover_plugin::model::{Digest, UnixMs};
use holdover_plugin::policy::{ExportOutcome, Facts, Office, Origin, Serving, Settings, Standing};

use super::chance::Chance;
use super::coverage::Situation;
use super::disk::Disk;
use super::documents::Said;
use super::executor::Process;
use super::memory::Memory;
use super::plan::Plan;
use super::session::Session;
use super::trace::Actor;
use super::world::World;
use super::{CLUSTER, VERSIONS, exporter, importer, janitor};

pub struct Node {
    pub index: usize,
    pub exports: bool,
    pub disk: Disk,
    pub settings: RefCell<Settings>,
    /// Which of [`VERSIONS`] its gateway has.
    pub version: Cell<usize>,
    /// How wrong its clock is, in milliseconds.
    pub clock_off: Cell<i64>,
    pub life: RefCell<Option<Life>>,
    session: RefCell<Rc<Session>>,
    pub gateway: RefCell<Gateway>,
    random: RefCell<Chance>,
    /// What the invariants know of this process.
    pub memory: RefCell<Memory>,
    /// Requests under way: one that is cut never arrives.
    pub under_way: RefCell<Vec<Rc<Cell<bool>>>>,
    pub export: RefCell<Exports>,
    /// What an exporting episode is in the middle of.
    pub doing: Cell<Option<Situation>>,
}

/// One life of a process.
#[derive(Clone, Debug)]
pub struct Life {
    pub process: Process,
    /// The policy's name for it.
    pub number: u64,
    pub began: Duration,
    pub stopping: bool,
    pub serving: Option<Serving>,
    pub standing: Option<Standing>,
}

/// The gateway runs within the node, and ends with it.
#[derive(Clone, Debug, Default)]
pub struct Gateway {
    pub runs: Option<Digest>,
    /// Tells one application from the next.
    pub applied: u64,
    /// Applications asked for, and the last of them that was carried out: one whose caller stopped waiting overtakes none.
    pub asked: u64,
    pub carried_out: u64,
    pub seen: Seen,
}

/// What the host saw of the gateway's answers, as host/node/src/running.rs notes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seen {
    #[default]
    Nothing,
    This(Digest),
    /// Nobody waited for the answer.
    Perhaps(Digest),
}

/// What the exporter said last.
#[derive(Clone, Debug, Default)]
pub struct Exports {
    pub outcome: Option<ExportOutcome>,
    pub pending: Option<Said>,
}

impl Node {
    pub fn new(index: usize, plan: &Plan) -> Self {
        let exports = index < plan.exporters;
        let (cluster, version) = (CLUSTER.parse().expect("a name"), VERSIONS[0].parse().expect("a version"));
        let settings = Settings {
            node: format!("node-{index}"),
            storages: (0..plan.storages.len()).map(|storage| format!("storage-{storage}")).collect(),
            version_rule: plan.version_rule,
            on_refusal: plan.on_refusal,
            on_stale: plan.on_stale,
            head_age_max: plan.head_age_max,
            rejoin_guard: plan.rejoin_guard,
            settle: plan.settle,
            export_delay: plan.export_delay,
            lease_renew: plan.lease_renew,
            lease_expire: plan.lease_renew * 3,
            soak: plan.soak,
            soak_watch: (plan.exporters..plan.nodes()).filter(|_| plan.watched).map(|node| format!("node-{node}")).collect(),
            ..Settings::new(cluster, version, Format::Kong)
        };
        Self {
            index,
            exports,
            disk: Disk::default(),
            settings: RefCell::new(settings),
            version: Cell::new(0),
            clock_off: Cell::new(0),
            life: RefCell::default(),
            session: RefCell::default(),
            gateway: RefCell::default(),
            random: RefCell::new(Chance::of(plan.seed, 1000 + index as u64)),
            memory: RefCell::default(),
            under_way: RefCell::default(),
            export: RefCell::default(),
            doing: Cell::new(None),
        }
    }

    pub fn actor(&self) -> Actor {
        Actor::Node(self.index)
    }

    pub fn random(&self) -> u64 {
        self.random.borrow_mut().number()
    }

    pub fn session(&self) -> Rc<Session> {
        self.session.borrow().clone()
    }

    pub fn process(&self) -> Option<Process> {
        self.life.borrow().as_ref().map(|life| life.process)
    }

    pub fn clock(&self, world: &World) -> UnixMs {
        UnixMs(world.unix_ms().0.saturating_add_signed(self.clock_off.get()))
    }

    pub fn monotonic(&self, world: &World) -> Duration {
        let began = self.life.borrow().as_ref().map(|life| life.began).unwrap_or_default();
        world.now().saturating_sub(began)
    }

    pub fn facts(&self, world: &World) -> Facts {
        let mut settings = self.settings.borrow().clone();
        settings.trusted = world.keys.trusted();
        settings.operators = world.keys.operators();
        settings.sealed_as = world.keys.sealed_as();
        let life = self.life.borrow();
        let session = self.session();
        Facts {
            settings,
            serving: life.as_ref().and_then(|life| life.serving.clone()),
            connected: session.is_open(),
            stopping: life.as_ref().is_some_and(|life| life.stopping),
            appeared: false,
            process: life.as_ref().map(|life| life.number).unwrap_or_default(),
            session: session.number.get(),
        }
    }

    pub fn is_serving(&self) -> bool {
        self.life.borrow().as_ref().is_some_and(|life| life.serving.is_some())
    }

    /// Whether it runs what did not come from its control plane.
    pub fn is_serving_from_elsewhere(&self) -> bool {
        let life = self.life.borrow();
        life.as_ref().and_then(|life| life.serving.as_ref()).is_some_and(|serving| serving.origin != Origin::ControlPlane)
    }

    pub fn leads(&self) -> bool {
        matches!(self.export.borrow().outcome.as_ref().map(|outcome| &outcome.office), Some(Office::Leader(_)))
    }

    /// Begins a process, unless one lives.
    pub fn begin(self: &Rc<Self>, world: &Rc<World>) {
        if self.life.borrow().is_some() {
            return;
        }
        let process = world.process();
        let life = Life { process, number: self.random(), began: world.now(), stopping: false, serving: None, standing: None };
        *self.life.borrow_mut() = Some(life);
        *self.session.borrow_mut() = Rc::default();
        let applied = self.gateway.borrow().applied + 1;
        *self.gateway.borrow_mut() = Gateway { applied, ..Gateway::default() };
        let memory = Memory::beginning(self, world);
        *self.memory.borrow_mut() = memory;
        *self.export.borrow_mut() = Exports::default();
        world.note(self.actor(), "begins", u64::from(process), String::new);
        world.executor.spawn(process, importer::run(world.clone(), self.clone()));
        if self.exports {
            world.executor.spawn(process, exporter::run(world.clone(), self.clone()));
            if world.plan.janitor {
                world.executor.spawn(process, janitor::run(world.clone(), self.clone()));
            }
        }
    }

    /// kill -9. Of its requests under way some still arrive.
    pub fn kill(self: &Rc<Self>, world: &Rc<World>, why: &str, down: Duration) {
        let Some(life) = self.life.borrow_mut().take() else { return };
        world.note(self.actor(), "dies", u64::from(life.process), || format!("{why}; back in {:.3} s", down.as_secs_f64()));
        for request in self.under_way.take() {
            request.set(world.chance(|chance| chance.percent(50)));
        }
        self.gateway.borrow_mut().runs = None;
        // What the session was in the middle of ends with the process.
        *self.session.borrow_mut() = Rc::default();
        world.executor.kill(life.process);
        let node = self.clone();
        world.after(down, move |world| node.begin(world));
    }

    /// An orderly end: both sides take leave, and the process is gone a moment later.
    pub fn stop(self: &Rc<Self>, world: &Rc<World>, down: Duration) {
        let process = match self.life.borrow_mut().as_mut() {
            Some(life) => {
                life.stopping = true;
                life.process
            }
            None => return,
        };
        world.note(self.actor(), "is to stop", u64::from(process), String::new);
        self.session().inbox_bell.ring();
        self.session().leave_bell.ring();
        let node = self.clone();
        world.after(Duration::from_secs(5), move |world| {
            if node.process() == Some(process) {
                node.kill(world, "it stopped", down);
            }
        });
    }

    pub fn lose_session(&self, world: &World, why: &str) {
        let session = self.session();
        if session.is_open() {
            world.note(self.actor(), "loses its CP", session.number.get(), || why.to_owned());
            session.lose();
        }
    }

    pub fn situation(&self) -> Situation {
        let life = self.life.borrow();
        let Some(life) = life.as_ref() else { return Situation::Down };
        match &life.standing {
            None => Situation::Boot,
            Some(Standing::Serving(serving)) if serving.origin == Origin::ControlPlane => Situation::ServingControlPlane,
            Some(Standing::Serving(_)) => Situation::Fallback,
            Some(Standing::Stranded(_)) => Situation::Stranded,
            Some(Standing::Refused(_)) => Situation::Refused,
        }
    }

    /// Of its exporting side.
    pub fn office(&self) -> Situation {
        let export = self.export.borrow();
        let Some(outcome) = &export.outcome else { return Situation::Boot };
        match (&outcome.office, &outcome.approvable) {
            (Office::Leader(_), Some(_)) => Situation::Held,
            (Office::Leader(_), None) => Situation::Leader,
            (Office::Standby(_), _) => Situation::Standby,
            (Office::None, _) => Situation::NoOffice,
            (Office::Declined(_), _) => Situation::Declined,
        }
    }
}
