//! Sequences that chance alone would find too seldom: several misfortunes in the one order in which they matter.

use std::time::Duration;

use super::chance::Chance;
use super::documents::{Kind, Said};
use super::plan::{Act, Behaviour, Order, Plan};
use super::storage::Conditions;

const SECOND: Duration = Duration::from_secs(1);

/// Adds one of them to a plan.
pub fn tell(plan: &mut Plan, chance: &mut Chance) {
    let node = chance.index(plan.nodes());
    match chance.below(5) {
        0 => lagging_copy(plan, node),
        1 => damaged_newest(plan, node),
        2 => one_approval_for_two(plan),
        3 => broken_in_fallback(plan, node),
        _ => quiet(plan),
    }
}

/// A node that ran the newest generation loses its cache, and all that answers is a copy of an older one.
fn lagging_copy(plan: &mut Plan, node: usize) {
    plan.length = plan.length.max(700 * SECOND);
    (plan.storages, plan.foreign, plan.soak) = (vec![Conditions::Hold; 2], false, Duration::ZERO);
    let first = Said::new(plan.family, Kind::Whole, 1);
    plan.add(100 * SECOND, Act::Says(first));
    plan.add(200 * SECOND, Act::Says(Said::new(plan.family, Kind::Whole, 2)));
    plan.add(300 * SECOND, Act::Behaves(Behaviour::Away, 400 * SECOND));
    plan.add(310 * SECOND, Act::DiskLost(node, SECOND));
    plan.add(400 * SECOND, Act::CopyRolledBack(1));
    plan.add(401 * SECOND, Act::StorageAway(0, 299 * SECOND));
    plan.add(410 * SECOND, Act::CacheLost(node, SECOND));
}

/// A node is born in an outage, and the newest body is damaged.
fn damaged_newest(plan: &mut Plan, node: usize) {
    plan.length = plan.length.max(600 * SECOND);
    plan.add(100 * SECOND, Act::Says(Said::new(plan.family, Kind::Whole, 1)));
    plan.add(250 * SECOND, Act::Behaves(Behaviour::Away, 350 * SECOND));
    for storage in 0..plan.storages.len() {
        plan.add(255 * SECOND, Act::BodyDamaged(storage));
    }
    plan.add(260 * SECOND, Act::DiskLost(node, SECOND));
}

/// What an operator let pass once comes a second time.
fn one_approval_for_two(plan: &mut Plan) {
    plan.length = plan.length.max(900 * SECOND);
    let (whole, less) = (Said::new(plan.family, Kind::Whole, 1), Said::new(plan.family, Kind::Shrunken, 1));
    plan.add(100 * SECOND, Act::Says(whole));
    plan.add(200 * SECOND, Act::Says(less));
    plan.add(300 * SECOND, Act::Orders(Order::ApproveHeld));
    plan.add(450 * SECOND, Act::Says(whole));
    plan.add(600 * SECOND, Act::Says(less));
    plan.add(800 * SECOND, Act::Says(whole));
}

/// The control plane says what breaks gateways, and goes.
fn broken_in_fallback(plan: &mut Plan, node: usize) {
    plan.length = plan.length.max(900 * SECOND);
    plan.add(100 * SECOND, Act::Says(Said::new(plan.family, Kind::Whole, 1)));
    plan.add(200 * SECOND, Act::Says(Said::new(plan.family, Kind::Breaking, 1)));
    plan.add(205 * SECOND, Act::Behaves(Behaviour::Away, 600 * SECOND));
    plan.add(210 * SECOND, Act::DiskLost(node, SECOND));
    plan.add(850 * SECOND, Act::Says(Said::new(plan.family, Kind::Whole, 2)));
}

/// Nothing happens for longer than an hour.
fn quiet(plan: &mut Plan) {
    plan.length = 80 * 60 * SECOND;
    plan.acts.clear();
    (plan.importers, plan.exporters) = (0, 1);
}
