//! The operator: pins, freezes, approves and restores, by the same compare and swap as everybody.

use std::rc::Rc;
use std::time::Duration;

use holdover_plugin::model::{Cluster, GatewayVersion, Position, UnixMs};
use holdover_plugin::policy::capabilities::Slot;
use holdover_plugin::policy::rejoin::Approved;
use holdover_plugin::snapshot::orders::{Act, Approval, Orders, Pin, Restore};
use holdover_plugin::snapshot::{Purpose, Trust, keys};

use super::plan::Order;
use super::trace::Actor;
use super::world::World;
use super::{CLUSTER, VERSIONS, disk};

/// Writes what is ordered, if there is a head to give orders about.
pub fn orders(world: &Rc<World>, order: Order) {
    if order == Order::ApproveRejoin {
        return approve_rejoin(world);
    }
    let Some(head) = world.model.borrow().heads[0].clone() else { return };
    let Ok(cluster) = CLUSTER.parse::<Cluster>() else { return };
    let stood = world.storages[0].object(keys::ORDERS).and_then(|object| Orders::read(&object.bytes, &Trust::unasked()).ok());
    let mut orders = stood.unwrap_or_else(|| Orders::none(cluster, head.lineage));
    orders.number = orders.number.max(head.orders) + 1;
    let act = Act { by: "operator".into(), at: world.unix_ms(), why: "the seed says so".into() };
    let version = VERSIONS[0].parse::<GatewayVersion>();
    let Ok(version) = version else { return };
    let nth = |nth: usize| -> Option<Position> { head.view(&version)?.history.get(nth).map(|entry| entry.position()) };
    match order {
        Order::Freeze => orders.freeze = Some(act),
        Order::Unfreeze => orders.freeze = None,
        Order::Pin(back) => {
            let Some(position) = nth(back) else { return };
            orders.pins.insert(version.clone(), Pin { position, act });
        }
        Order::Unpin => {
            orders.pins.remove(&version);
        }
        Order::Restore(back) => {
            let Some(position) = nth(back) else { return };
            orders.restores.push(Restore { gateway_version: version.clone(), position, number: orders.number, act });
        }
        Order::ApproveHeld => {
            let Some(approval) = held(world, act) else { return };
            orders.approvals = vec![approval];
        }
        Order::ApproveOther => {
            let not_after = world.unix_ms().plus(Duration::from_secs(3600));
            let approval = Approval { gateway_version: version.clone(), base: nth(0), sameness: "another".into(), not_after, act };
            orders.approvals.push(approval);
        }
        Order::ApproveRejoin => {}
    }
    write(world, &orders, order);
}

/// What an exporter says is held.
fn held(world: &World, act: Act) -> Option<Approval> {
    let not_after = UnixMs(world.unix_ms().0 + 3_600_000);
    world.nodes.iter().find_map(|node| {
        let export = node.export.borrow();
        let asked = export.outcome.as_ref()?.approvable.clone()?;
        Some(Approval { gateway_version: asked.gateway_version, base: asked.base, sameness: asked.sameness, not_after, act: act.clone() })
    })
}

fn write(world: &Rc<World>, orders: &Orders, order: Order) {
    let Ok(lines) = orders.lines() else { return };
    let signatures = world.keys.sign_as_operator(Purpose::Orders, lines.digest());
    world.storages[0].write(world.now(), keys::ORDERS, lines.sign(&signatures).into());
    world.note(Actor::Operator, "orders", orders.number, || format!("{order:?}"));
    world.model.borrow_mut().orders.push(orders.clone());
}

/// On every node: what the control plane says may be applied, whatever the rejoin guard thinks of it.
fn approve_rejoin(world: &Rc<World>) {
    let Some(valid) = world.control_plane.truth().document().valid.as_ref() else { return };
    for node in &world.nodes {
        let approved =
            Approved { sameness: valid.sameness.clone(), by: "operator".into(), at: world.unix_ms(), why: "the seed says so".into() };
        let Ok(file) = approved.write() else { return };
        node.disk.write(disk::name(Slot::Approval), node.disk.issue(), file.into());
        world.model.borrow_mut().nodes[node.index].approved_rejoin = true;
    }
    world.note(Actor::Operator, "approves", 0, || "what returning control planes say".into());
}
