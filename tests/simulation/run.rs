//! One seed from its beginning to the end of its calm.

use std::rc::Rc;
use std::time::Duration;

use holdover_plugin::config::{self, Format, Strictness};
use holdover_plugin::model::{Epoch, Generation, Lineage, Position};
use holdover_plugin::snapshot::head::{Entry, Head};
use holdover_plugin::snapshot::{About, Publication, Purpose, keys, seal};

use super::coverage::{Coverage, Situation};
use super::documents::{Kind, Said, VARIANTS};
use super::faults::{Allowed, Struck, Weather};
use super::invariants::{self, Violation};
use super::node::Node;
use super::plan::{Act, Cut, Plan, is_whole};
use super::trace::Actor;
use super::world::World;
use super::{BEGINNING, CLUSTER, VERSIONS};

/// What to run, and how much of it.
#[derive(Clone, Debug, Default)]
pub struct Recipe {
    pub seed: u64,
    pub allowed: Allowed,
    pub cut: Cut,
    /// Whether somebody wants to read the trace.
    pub readable: bool,
    /// Invariants that are known to be broken, so that what lies behind them can be seen.
    pub passing_over: Vec<String>,
}

/// What came of it.
pub struct Run {
    pub violation: Option<Violation>,
    /// Equal for two runs exactly when the same happened.
    pub sum: u64,
    pub entries: u64,
    pub lines: Vec<String>,
    pub struck: Vec<Struck>,
    /// The planned acts by their numbers.
    pub acts: Vec<usize>,
    pub importers: usize,
    pub exporters: usize,
    pub storages: usize,
    pub janitor: bool,
    /// How long it took, by the virtual clock.
    pub lasted: Duration,
    /// Over all nodes.
    pub node_time: Duration,
    pub coverage: Coverage,
    pub publications: u64,
    pub applications: u64,
}

/// What is under way when the calm begins has this long to arrive.
const DRAIN: Duration = Duration::from_secs(5 * 60);
const CALM: Duration = Duration::from_secs(10 * 60);
const LOOK_EVERY: Duration = Duration::from_secs(20);
/// Far more than any seed takes: one that does not come to an end is a finding, too.
const STEPS_MAX: u64 = 20_000_000;

pub fn run(recipe: &Recipe) -> Run {
    let weather = Weather::of(recipe.seed, recipe.allowed.clone());
    let plan = Plan::of(recipe.seed, &weather, &recipe.cut);
    let acts = plan.acts.iter().map(|planned| planned.nth).collect();
    let world = World::new(plan, weather, recipe.readable, &recipe.passing_over);
    begin(&world);
    let stop = || world.is_violated() || world.executor.steps() > STEPS_MAX;
    if world.executor.run_until(world.plan.length, &stop) {
        calm(&world, &stop);
    }
    if world.executor.steps() > STEPS_MAX {
        world.violate(Violation { invariant: "all_02_a_seed_comes_to_its_end", detail: format!("more than {STEPS_MAX} steps") });
    }
    let (lasted, nodes) = (world.now(), world.nodes.len() as u32);
    world.executor.end();
    let trace = world.take_trace();
    let model = world.model.borrow();
    Run {
        violation: world.take_violation(),
        sum: trace.sum(),
        entries: trace.entries(),
        lines: trace.into_lines(),
        struck: world.weather.struck(),
        acts,
        importers: world.plan.importers,
        exporters: world.plan.exporters,
        storages: world.plan.storages.len(),
        janitor: world.plan.janitor,
        lasted,
        node_time: lasted * nodes,
        coverage: world.coverage.borrow().clone(),
        publications: model.publications,
        applications: model.applications,
    }
}

fn begin(world: &Rc<World>) {
    let plan = &world.plan;
    world.note(Actor::Fate, "the plan", plan.seed, || {
        format!(
            "{} importers, {} exporters, {} storages ({:?}), {:.0} s{}{}",
            plan.importers,
            plan.exporters,
            plan.storages.len(),
            plan.storages,
            plan.length.as_secs_f64(),
            if plan.signing { ", signed" } else { "" },
            if plan.soak.is_zero() { "" } else { ", soaking" }
        )
    });
    if plan.planted {
        plant(world);
    }
    if plan.foreign && world.storages.len() > 1 {
        settle_a_foreign_lineage(world);
    }
    for node in &world.nodes {
        let node = node.clone();
        let after = world.chance(|chance| chance.magnitude(Duration::from_millis(1), Duration::from_secs(60)));
        world.after(after, move |world| node.begin(world));
    }
    for planned in &plan.acts {
        let (act, fault) = (planned.act, planned.fault);
        world.after(planned.at, move |world| {
            if let Some(fault) = fault {
                world.note(Actor::Fate, "FAULT", fault as u64, || format!("{}: {act:?}", fault.name()));
                count(world, fault, act);
            }
            carry_out(world, act);
        });
    }
}

/// A planned fault meets whoever it meets in the situation that they are in.
fn count(world: &World, fault: super::faults::Fault, act: Act) {
    let mut coverage = world.coverage.borrow_mut();
    let mut of = |node: &Node| {
        coverage.count(fault, node.situation());
        if node.exports && node.situation() != Situation::Down {
            coverage.count(fault, node.doing.get().unwrap_or_else(|| node.office()));
        }
    };
    match act {
        Act::Upgrades(node, _) | Act::Killed(node, _) | Act::Stopped(node, _) | Act::DiskLost(node, _) | Act::CacheLost(node, _) => {
            of(&world.nodes[node])
        }
        _ => world.nodes.iter().for_each(|node| of(node)),
    }
}

fn carry_out(world: &Rc<World>, act: Act) {
    match act {
        Act::Says(said) => world.control_plane.says(world, said),
        Act::SaysOld(changes) => {
            let said = world.control_plane.earlier(changes);
            world.control_plane.says(world, said);
        }
        Act::Behaves(behaviour, lasts) => world.control_plane.behaves(world, behaviour, world.now() + lasts),
        Act::StorageAway(storage, lasts) => world.storages[storage].goes_away_until(world.now() + lasts),
        Act::CopyRolledBack(storage) => roll_back(world, storage),
        Act::RotatesKeys => world.keys.rotate(),
        Act::Upgrades(node, down) => upgrade(world, node, down),
        Act::Killed(node, down) => world.nodes[node].kill(world, "it is killed", down),
        Act::Stopped(node, down) => world.nodes[node].stop(world, down),
        Act::DiskLost(node, down) => {
            world.nodes[node].kill(world, "its machine is gone", down);
            world.nodes[node].disk.lose();
            world.model.borrow_mut().unmarked(node);
            world.model.borrow_mut().nodes[node].broken.clear();
        }
        Act::CacheLost(node, down) => {
            world.nodes[node].kill(world, "its cache is lost", down);
            world.nodes[node].disk.set_aside("applied");
            world.nodes[node].disk.set_aside("settled");
        }
        Act::BodyDamaged(storage) => damage(world, storage),
        Act::Orders(order) => super::operator::orders(world, order),
    }
}

/// Only a copy: the first storage keeps what it acknowledged.
fn roll_back(world: &Rc<World>, storage: usize) {
    if storage == 0 || !world.storages[storage].roll_back(world.now(), keys::HEAD) {
        return;
    }
    let head = world.storages[storage].object(keys::HEAD).and_then(|object| Head::read(&object.bytes, &world.keys.trusted()).ok());
    let mut model = world.model.borrow_mut();
    model.heads[storage] = head;
    model.rolled_back.insert(storage);
}

/// A bit of the newest body changes where it is stored.
fn damage(world: &Rc<World>, storage: usize) {
    let Some(head) = world.model.borrow().heads[storage].clone() else { return };
    let Some(entry) = head.views.values().filter_map(|view| view.history.first()).max_by_key(|entry| entry.position()) else { return };
    let Some(object) = world.storages[storage].object(&entry.key) else { return };
    let mut bytes = object.bytes.to_vec();
    let at = world.chance(|chance| chance.index(bytes.len()));
    bytes[at] ^= 4;
    world.storages[storage].write(world.now(), &entry.key, bytes.into());
    world.model.borrow_mut().bodies_damaged = true;
}

/// The gateway of a node gets the next version, and begins anew.
fn upgrade(world: &Rc<World>, node: usize, down: Duration) {
    let node = &world.nodes[node];
    node.kill(world, "its gateway is upgraded", down);
    let next = (node.version.get() + 1).min(VERSIONS.len() - 1);
    node.version.set(next);
    if let Ok(version) = VERSIONS[next].parse() {
        node.settings.borrow_mut().gateway_version = version;
    }
}

/// A plain file where Kong would look, which nobody of ours wrote.
fn plant(world: &Rc<World>) {
    let document = Said::new(1 - world.plan.family, Kind::Whole, VARIANTS - 1).document();
    for version in VERSIONS {
        let Ok(version) = version.parse() else { continue };
        world.storages[0].write(world.now(), &keys::kong_place(&version), document.bytes.as_slice().into());
    }
    world.model.borrow_mut().planted = Some(document.digest);
}

/// The last storage tells another story, of the same cluster and with higher numbers.
fn settle_a_foreign_lineage(world: &Rc<World>) {
    let document = Said::new(1 - world.plan.family, Kind::Whole, VARIANTS - 2);
    let lineage = settle(world, world.storages.len() - 1, document, Position { epoch: Epoch(90), generation: Generation(900) });
    let mut model = world.model.borrow_mut();
    model.foreign = lineage;
    model.foreign_digests.insert(document.document().digest);
}

/// The only storage holds one generation of what the control plane said.
pub fn settle_a_lineage(world: &Rc<World>) {
    settle(world, 0, world.plan.first, Position { epoch: Epoch(1), generation: Generation(1) });
    world.model.borrow_mut().foreign_digests.insert(world.plan.first.document().digest);
}

/// A storage as an exporter of another time left it.
fn settle(world: &Rc<World>, storage: usize, said: Said, position: Position) -> Option<Lineage> {
    let valid = config::validate(said.document().bytes.clone(), Format::Kong, Strictness::Delivered).ok()?;
    let lineage = Lineage::from_random(1, 1);
    let publication = Publication { lineage, epoch: position.epoch, generation: position.generation };
    let about = About {
        cluster: CLUSTER.parse().ok()?,
        gateway_version: VERSIONS[0].parse().ok()?,
        publication: Some(publication),
        captured_at: BEGINNING,
        sealed_at: BEGINNING,
        sealed_by: "another".into(),
    };
    let unsigned = seal(valid, &about, None).ok()?;
    let signatures = world.keys.sign(Purpose::Snapshot, unsigned.digest());
    let snapshot = unsigned.sign(&signatures).ok()?;
    let entry = Entry::of(&snapshot, world.keys.sealed_as())?;
    world.storages[storage].write(world.now(), &entry.key, snapshot.bytes().into());
    let mut head = Head::first(about.cluster, lineage);
    (head.epoch, head.generation, head.confirmed_at) = (position.epoch, position.generation, BEGINNING);
    head.publish(about.gateway_version, entry);
    let lines = head.lines().ok()?;
    let signatures = world.keys.sign(Purpose::Head, lines.digest());
    world.storages[storage].write(world.now(), keys::HEAD, lines.sign(&signatures).into());
    world.model.borrow_mut().heads[storage] = Some(head);
    Some(lineage)
}

/// Nothing strikes any more, everybody is there, and the control plane says something that everybody can take.
fn calm(world: &Rc<World>, stop: &dyn Fn() -> bool) {
    world.note(Actor::Fate, "the calm", 0, String::new);
    world.weather.calm();
    world.storages.iter().for_each(|storage| storage.goes_away_until(Duration::ZERO));
    for node in &world.nodes {
        node.disk.is_full_until(Duration::ZERO);
        if let Some(process) = node.process() {
            world.executor.thaw(process);
        }
        node.begin(world);
    }
    let truth = world.control_plane.truth();
    let conforms = truth.document().conforms || !world.plan.schema;
    let restored = world.model.borrow().orders.iter().any(|orders| !orders.restores.is_empty());
    if !is_whole(truth) || !conforms || restored || world.chance(|chance| chance.percent(50)) {
        let said = || Said::new(world.plan.family, Kind::Whole, world.chance(|chance| chance.index(VARIANTS)));
        let conforming = std::iter::repeat_with(said).find(|said| said.document().conforms && *said != truth);
        world.control_plane.recovers(world, conforming.unwrap_or(truth));
    } else {
        world.control_plane.serves(world);
    }
    if world.chance(|chance| chance.percent(60)) {
        super::operator::orders(world, super::plan::Order::Unfreeze);
    }
    let began = world.now();
    let end = began + DRAIN + CALM;
    while world.now() < end {
        let next = world.now() + LOOK_EVERY;
        if !world.executor.run_until(next, stop) {
            return;
        }
        let may_end = !world.plan.whole_calm && world.now() >= began + LOOK_EVERY * 3;
        if may_end && invariants::is_converged(world) {
            return;
        }
    }
    invariants::says_what_is_missing(world);
}
