//! Everything there is in one seed, and how time passes in it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use holdover_plugin::model::UnixMs;

use super::BEGINNING;
use super::chance::Chance;
use super::control_plane::ControlPlane;
use super::coverage::{Coverage, Situation};
use super::executor::Executor;
use super::faults::{Fault, Weather};
use super::invariants::Violation;
use super::keys::Keys;
use super::model::Model;
use super::node::Node;
use super::plan::Plan;
use super::storage::{Conditions, Storage};
use super::trace::{Actor, Trace};

pub struct World {
    pub executor: Rc<Executor>,
    pub plan: Plan,
    pub weather: Weather,
    pub keys: Keys,
    pub control_plane: ControlPlane,
    pub storages: Vec<Storage>,
    pub nodes: Vec<Rc<Node>>,
    pub model: RefCell<Model>,
    pub coverage: RefCell<Coverage>,
    trace: RefCell<Trace>,
    violation: RefCell<Option<Violation>>,
    /// Latencies, and who is next.
    chance: RefCell<Chance>,
    processes: Cell<u32>,
    passing_over: Vec<String>,
}

const LATENCY_STREAM: u64 = 0x1A7;

impl World {
    pub fn new(plan: Plan, weather: Weather, readable: bool, passing_over: &[String]) -> Rc<Self> {
        let seed = plan.seed;
        let executor = Rc::new(Executor::new(Chance::of(seed, 0x5C4E)));
        let storage = |(nth, conditions): (usize, &Conditions)| Storage::new(*conditions, plan.storage_clock_rate, nth % 2 == 0);
        let storages = plan.storages.iter().enumerate().map(storage).collect();
        let nodes = (0..plan.nodes()).map(|index| Rc::new(Node::new(index, &plan))).collect();
        Rc::new(Self {
            executor,
            keys: Keys::new(plan.signing),
            control_plane: ControlPlane::new(plan.first),
            storages,
            nodes,
            model: RefCell::new(Model::new(&plan)),
            coverage: RefCell::default(),
            trace: RefCell::new(Trace::new(readable)),
            violation: RefCell::default(),
            chance: RefCell::new(Chance::of(seed, LATENCY_STREAM)),
            processes: Cell::new(0),
            passing_over: passing_over.to_vec(),
            plan,
            weather,
        })
    }

    pub fn now(&self) -> Duration {
        self.executor.now()
    }

    /// By a clock that is right.
    pub fn unix_ms(&self) -> UnixMs {
        BEGINNING.plus(self.now())
    }

    pub fn chance<T>(&self, draw: impl FnOnce(&mut Chance) -> T) -> T {
        draw(&mut self.chance.borrow_mut())
    }

    /// One way over the network, or one write to a disk.
    pub fn latency(&self) -> Duration {
        self.chance(|chance| chance.duration(Duration::from_micros(300), Duration::from_millis(20)))
    }

    /// A number for a life of a process.
    pub fn process(&self) -> u32 {
        self.processes.set(self.processes.get() + 1);
        self.processes.get()
    }

    pub fn note(&self, actor: Actor, act: &str, number: u64, text: impl FnOnce() -> String) {
        self.trace.borrow_mut().note(self.now(), actor, act, number, text);
    }

    /// Carries something out later, with the world in hand.
    pub fn after(self: &Rc<Self>, delay: Duration, act: impl FnOnce(&Rc<Self>) + 'static) {
        let world = Rc::downgrade(self);
        self.executor.after(delay, move || {
            if let Some(world) = world.upgrade() {
                act(&world);
            }
        });
    }

    /// Whether a fault strikes this node in this situation, and chance for its particulars.
    pub fn strikes(&self, fault: Fault, node: &Node, situation: impl FnOnce() -> Situation) -> Option<Chance> {
        let chance = self.weather.strikes(fault)?;
        let situation = situation();
        self.coverage.borrow_mut().count(fault, situation);
        self.note(Actor::Node(node.index), "FAULT", fault as u64, || format!("{} while {}", fault.name(), situation.name()));
        Some(chance)
    }

    /// The first one counts: what follows from it is no further news.
    pub fn violate(&self, violation: Violation) {
        if self.passing_over.iter().any(|known| violation.invariant.starts_with(known)) {
            return;
        }
        let mut first = self.violation.borrow_mut();
        if first.is_none() {
            self.note(Actor::Fate, "VIOLATION", 0, || violation.to_string());
            *first = Some(violation);
        }
    }

    pub fn is_violated(&self) -> bool {
        self.violation.borrow().is_some()
    }

    pub fn take_violation(&self) -> Option<Violation> {
        self.violation.borrow_mut().take()
    }

    pub fn take_trace(&self) -> Trace {
        std::mem::take(&mut *self.trace.borrow_mut())
    }
}
