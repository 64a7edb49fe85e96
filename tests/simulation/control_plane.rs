//! The control plane: what it says, to whom, and how it behaves when it does not.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use holdover_plugin::policy::capabilities::{Answer as Word, Unanswered};

use super::documents::Said;
use super::executor::Answer;
use super::faults::Fault;
use super::node::Node;
use super::plan::Behaviour;
use super::session::{Attempted, Session};
use super::trace::Actor;
use super::world::World;

pub struct ControlPlane {
    truth: Cell<Said>,
    /// Everything it said, newest last.
    history: RefCell<Vec<Said>>,
    behaviour: Cell<Behaviour>,
    behaves_until: Cell<Duration>,
}

impl ControlPlane {
    pub fn new(first: Said) -> Self {
        Self {
            truth: Cell::new(first),
            history: RefCell::new(vec![first]),
            behaviour: Cell::new(Behaviour::Serves),
            behaves_until: Cell::new(Duration::ZERO),
        }
    }

    pub fn truth(&self) -> Said {
        self.truth.get()
    }

    /// What it said so many changes ago.
    pub fn earlier(&self, changes: usize) -> Said {
        let history = self.history.borrow();
        history.iter().rev().nth(changes).copied().unwrap_or_else(|| self.truth())
    }

    pub fn behaviour(&self, now: Duration) -> Behaviour {
        match self.behaviour.get() {
            _ if now >= self.behaves_until.get() => Behaviour::Serves,
            // By turns, eight seconds each.
            Behaviour::Flaps if (now.as_secs() / 8).is_multiple_of(2) => Behaviour::Serves,
            Behaviour::Flaps => Behaviour::Away,
            behaviour => behaviour,
        }
    }

    /// It says something else from here on, to whoever is connected.
    pub fn says(&self, world: &Rc<World>, said: Said) {
        self.truth.set(said);
        self.history.borrow_mut().push(said);
        world.note(Actor::ControlPlane, "says", said.0 as u64, || said.document().name.clone());
        for node in &world.nodes {
            push(world, node);
        }
    }

    pub fn behaves(&self, world: &Rc<World>, behaviour: Behaviour, until: Duration) {
        self.behaviour.set(behaviour);
        self.behaves_until.set(until);
        world.note(Actor::ControlPlane, "behaves", behaviour as u64, || format!("{behaviour:?} until {:.3}", until.as_secs_f64()));
        match behaviour {
            Behaviour::Away | Behaviour::Veto => world.nodes.iter().for_each(|node| node.lose_session(world, "the control plane ends it")),
            Behaviour::Flaps => {
                for turn in 0..(until.saturating_sub(world.now()).as_secs() / 16).min(20) {
                    world.after(Duration::from_secs(16 * turn + 8), |world| {
                        let flaps = world.control_plane.behaviour(world.now()) == Behaviour::Away;
                        world.nodes.iter().filter(|_| flaps).for_each(|node| node.lose_session(world, "the control plane flaps"));
                    });
                }
            }
            // Sessions stay open until the keepalive notices.
            Behaviour::BlackHole => world.after(Duration::from_secs(60), |world| {
                let silent = world.control_plane.behaviour(world.now()) == Behaviour::BlackHole;
                world.nodes.iter().filter(|_| silent).for_each(|node| node.lose_session(world, "the keepalive ended it"));
            }),
            Behaviour::Grey | Behaviour::Serves => {}
        }
        // What changed while it said nothing reaches open sessions when it speaks again.
        world.after(until.saturating_sub(world.now()), |world| world.nodes.iter().for_each(|node| push(world, node)));
    }

    /// It is there again, and says this.
    pub fn recovers(&self, world: &Rc<World>, said: Said) {
        self.serves(world);
        self.says(world, said);
    }

    pub fn serves(&self, world: &Rc<World>) {
        self.behaviour.set(Behaviour::Serves);
        self.behaves_until.set(Duration::ZERO);
        world.nodes.iter().for_each(|node| push(world, node));
    }
}

/// To an open session, if it does not know already.
fn push(world: &Rc<World>, node: &Rc<Node>) {
    let session = node.session();
    if session.latest().is_none_or(|latest| latest == world.control_plane.truth()) {
        return;
    }
    let token = session.token();
    let node = node.clone();
    world.after(world.latency(), move |world| {
        let serves = matches!(world.control_plane.behaviour(world.now()), Behaviour::Serves);
        let truth = world.control_plane.truth();
        if serves && session.token() == token && session.latest().is_some_and(|latest| latest != truth) {
            deliver(world, &node, &session, truth);
        }
    });
}

/// A dial begins, for whoever waits for its answer.
pub fn dial(world: &Rc<World>, node: &Rc<Node>, patience: Duration, waiting: Vec<Answer<Attempted>>, refreshes: bool) {
    let session = node.session();
    let token = session.begin(world.now(), waiting, refreshes);
    let (after, unanswered) = answer(world, node, patience);
    let node = node.clone();
    world.after(after, move |world| {
        if session.token() != token || !session.is_dialling() {
            return;
        }
        match unanswered {
            Some(answer) => {
                world.note(Actor::Node(node.index), "unanswered", answer as u64, || format!("{answer:?}"));
                session.fail(&Unanswered { answer, detail: format!("the control plane of the simulation: {answer:?}") });
            }
            None => deliver(world, &node, &session, world.control_plane.truth()),
        }
    });
}

fn deliver(world: &Rc<World>, node: &Rc<Node>, session: &Rc<Session>, said: Said) {
    // Of a process that is gone.
    if !Rc::ptr_eq(session, &node.session()) {
        return;
    }
    session.deliver(said);
    let began = session.began().unwrap_or_default();
    world.note(Actor::Node(node.index), "delivered", said.0 as u64, || {
        format!("{} in session {}", said.document().name, session.number.get())
    });
    world.model.borrow_mut().delivered(node.index, said, began, world.now());
    node.memory.borrow_mut().delivered(said, world.now());
    if world.strikes(Fault::SessionDropped, node, || node.situation()).is_some() {
        node.lose_session(world, "it broke off");
    }
}

/// How long it takes, and what is answered; `None`: the configuration.
fn answer(world: &World, node: &Node, patience: Duration) -> (Duration, Option<Word>) {
    let quick = world.latency() * 3;
    let soon = |answer| (quick.min(patience), Some(answer));
    let late = |answer| (patience, Some(answer));
    if let Some(mut chance) = world.strikes(Fault::Unanswered, node, || node.situation()) {
        return match chance.below(10) {
            0 => soon(Word::NameNotResolved),
            1 => soon(Word::ConnectionRefused),
            2 => soon(Word::ConnectionReset),
            3 => soon(Word::TheirCertificate),
            4 => soon(Word::ClosedAfterTls),
            5 => soon(Word::ServerError),
            6 => soon(Word::Unauthorised),
            7 => soon(Word::ClosedAfterIntroduction),
            8 => soon(Word::OurCertificate),
            _ => late(Word::TimedOut),
        };
    }
    match world.control_plane.behaviour(world.now()) {
        Behaviour::Serves => (quick, None),
        Behaviour::Away | Behaviour::Flaps => soon(Word::ConnectionRefused),
        Behaviour::Veto => soon(Word::Forbidden),
        Behaviour::BlackHole => late(Word::TimedOut),
        Behaviour::Grey => late(Word::NotConfigured),
    }
}

/// The host ends the open session and dials anew at once, because the policy asked for that.
pub fn refresh(world: &Rc<World>, node: &Rc<Node>) {
    if node.session().is_open() {
        world.note(Actor::Node(node.index), "asks anew", node.session().number.get(), String::new);
        let patience = node.settings.borrow().give_up;
        dial(world, node, patience, Vec::new(), true);
    }
}
