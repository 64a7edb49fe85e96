//! What must have come true once nothing strikes any more and the control plane is there: nothing is stuck, nothing is lost.

use holdover_plugin::snapshot::Trust;
use holdover_plugin::snapshot::keys;
use holdover_plugin::snapshot::orders::Orders;

use super::super::documents;
use super::super::storage::Conditions;
use super::super::world::World;
use super::holds;

/// Whether everything is as it ought to be at last.
pub fn is_converged(world: &World) -> bool {
    missing(world).is_none()
}

/// Asserted at the end of the calm.
pub fn says_what_is_missing(world: &World) {
    if let Some((invariant, detail)) = missing(world) {
        holds(world, invariant, false, || detail);
    }
}

fn missing(world: &World) -> Option<(&'static str, String)> {
    let truth = world.control_plane.truth().document();
    let wanted = truth.valid.as_ref().map(|valid| valid.sameness.as_str());
    for node in &world.nodes {
        let runs = node.gateway.borrow().runs.and_then(documents::by_digest);
        let serves = runs.and_then(|document| document.valid.as_ref()).map(|valid| valid.sameness.as_str());
        if serves.is_none() || serves != wanted {
            let name = runs.map_or("nothing", |document| &document.name);
            let detail = format!("node-{} runs {name}, and the control plane says {}", node.index, truth.name);
            return Some(("boot_11_in_the_calm_every_node_serves_what_the_control_plane_says", detail));
        }
    }
    published(world, wanted)
}

fn published(world: &World, wanted: Option<&str>) -> Option<(&'static str, String)> {
    let lawful = world.plan.storages.first() == Some(&Conditions::Hold);
    let orders = world.storages[0].object(keys::ORDERS).and_then(|object| Orders::read(&object.bytes, &Trust::unasked()).ok());
    if !lawful || world.plan.exporters == 0 || orders.as_ref().is_some_and(|orders| orders.freeze.is_some()) {
        return None;
    }
    let leaders: Vec<_> = world.nodes.iter().filter(|node| node.leads()).collect();
    let [leader] = leaders[..] else {
        let invariant = "export_06_in_the_calm_there_is_one_leader";
        return Some((invariant, format!("there are {}", leaders.len())));
    };
    let version = leader.settings.borrow().gateway_version.clone();
    let model = world.model.borrow();
    let restored = |held: &String| held.starts_with("restored by order");
    let held = leader
        .export
        .borrow()
        .outcome
        .as_ref()
        .is_some_and(|outcome| outcome.approvable.is_some() || outcome.held.as_ref().is_some_and(restored));
    let newest = model.newest(&version);
    let shown = newest.and_then(|entry| entry.shown.as_ref()).map(|shown| shown.sameness.as_str());
    if shown != wanted && !held {
        let name = shown.and_then(documents::by_sameness).map_or("nothing", |document| &document.name);
        let why = leader.export.borrow().outcome.as_ref().and_then(|outcome| outcome.held.clone()).unwrap_or_default();
        let detail = format!(
            "the newest of {version} is {name}, and the control plane says {} ({why})",
            world.control_plane.truth().document().name
        );
        return Some(("export_11_in_the_calm_what_the_control_plane_says_is_published", detail));
    }
    let head = model.heads[0].as_ref()?;
    let pins = orders.map(|orders| orders.pins).unwrap_or_default();
    for (version, view) in &head.views {
        let wanted = pins.get(version).map(|pin| pin.position).filter(|position| view.entry(*position).is_some());
        if pins.contains_key(version) && wanted.is_some() && view.pinned != wanted || (!pins.contains_key(version) && view.pinned.is_some())
        {
            let detail = format!("{version} has {:?} pinned, and {wanted:?} is ordered", view.pinned);
            return Some(("export_09_in_the_calm_the_operators_pins_stand", detail));
        }
    }
    for (storage, copy) in model.heads.iter().enumerate().skip(1) {
        let current = copy.as_ref().is_some_and(|copy| copy.nonce == head.nonce);
        let foreign = copy.as_ref().is_some_and(|copy| copy.lineage != head.lineage);
        if !current && !foreign && !model.bodies_damaged && !model.rolled_back.contains(&storage) {
            let detail =
                format!("storage-{storage} stands at {:?}, the first at {}", copy.as_ref().map(|copy| copy.position()), head.position());
            return Some(("export_15_in_the_calm_the_copies_are_up_to_date", detail));
        }
    }
    None
}
