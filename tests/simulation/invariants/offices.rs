//! Of the lease and of the orders.

use std::time::Duration;

use holdover_plugin::policy::capabilities::Fetched;
use holdover_plugin::policy::{ExportOutcome, Office};
use holdover_plugin::snapshot::Trust;
use holdover_plugin::snapshot::lease::Lease;
use holdover_plugin::snapshot::orders::Orders;

use super::super::capabilities::Object;
use super::super::memory::OrdersSeen;
use super::super::node::Node;
use super::super::storage::Bytes;
use super::super::trace::Actor;
use super::super::world::World;
use super::{Writer, holds, is_lawless};

/// A lease was written.
pub fn leased(world: &World, body: &Bytes, writer: &Writer) {
    let Ok(lease) = Lease::read(body, &Trust::unasked()) else {
        return holds(world, "export_06_what_is_written_as_a_lease_is_one", false, || format!("by node-{}", writer.node));
    };
    world.note(Actor::Node(writer.node), "leases", lease.epoch.0, || {
        format!("epoch {}, renewal {}{}", lease.epoch.0, lease.renewals, if lease.released { ", given back" } else { "" })
    });
    let now = world.now();
    let node = &world.nodes[writer.node];
    let mut model = world.model.borrow_mut();
    if let Some((before, holder, at)) = &model.lease {
        let expire: Duration = node.settings.borrow().lease_expire;
        let taken = *holder != writer.node && !before.released;
        let dead = now - *at >= expire;
        let detail = || format!("node-{} takes it from node-{holder}, renewed {:.3} s ago", writer.node, (now - *at).as_secs_f64());
        holds(world, "export_06_a_living_lease_is_not_taken", !taken || dead || is_lawless(world, 0), detail);
        let falls = lease.epoch < before.epoch;
        holds(world, "export_06_the_epoch_of_the_lease_never_falls", !falls || is_lawless(world, 0), detail);
        let again = lease.epoch == before.epoch && *holder != writer.node;
        holds(world, "export_06_one_tenure_has_one_holder", !again || is_lawless(world, 0), detail);
    }
    if !lease.released {
        model.offices.entry((writer.node, lease.epoch)).or_insert(now);
        node.memory.borrow_mut().lease_at = Some(now);
    }
    model.lease = Some((lease, writer.node, now));
}

/// An exporting episode came to its end.
pub fn export_ended(world: &World, node: &Node, outcome: &ExportOutcome) {
    let listed = outcome.published.is_none_or(|position| world.model.borrow().published.contains_key(&position));
    holds(world, "export_08_what_is_called_published_was_published", listed, || {
        format!("node-{} says {:?}", node.index, outcome.published)
    });
    let Office::Leader(epoch) = outcome.office else { return };
    let now = world.now();
    let model = world.model.borrow();
    let leads_since = model.offices.get(&(node.index, epoch)).copied().unwrap_or(now);
    let session = node.session();
    let connected_since = session.began().filter(|_| session.is_open()).unwrap_or(now);
    let began = node.life.borrow().as_ref().map_or(now, |life| life.began);
    let since = leads_since.max(connected_since).max(began).max(model.head_at);
    let silent = now - since > CONFIRMED_WITHIN && outcome.held.is_none() && model.heads[0].is_some();
    holds(world, "export_05_an_unchanged_head_is_confirmed_every_hour", !silent, || {
        format!("node-{} leads, and wrote no head for {:.0} s", node.index, (now - since).as_secs_f64())
    });
}

/// An hour, and what retries take.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(75 * 60);

/// An exporter has read the operator's orders.
pub fn orders_read(world: &World, node: &Node, fetched: &Fetched<Object>) {
    if let Ok(orders) = Orders::read(&fetched.object.bytes, &Trust::unasked()) {
        node.memory.borrow_mut().orders = Some(OrdersSeen { frozen: orders.freeze.is_some(), at: world.now() });
    }
}
