//! Of the head of a storage: what it may say, and who may say it.

use std::rc::Rc;
use std::time::Duration;

use holdover_plugin::model::{Digest, GatewayVersion, Position};
use holdover_plugin::policy::capabilities::StorageId;
use holdover_plugin::snapshot::head::{Entry, Head, View};
use holdover_plugin::snapshot::{self, Trust};

use super::super::documents;
use super::super::node::Node;
use super::super::storage::Bytes;
use super::super::trace::Actor;
use super::super::world::World;
use super::{Writer, guards, holds, is_lawless};

/// A head was written.
pub fn moved(world: &Rc<World>, storage: StorageId, body: &Bytes, writer: &Writer) {
    let Ok(head) = Head::read(body, &world.keys.trusted()) else {
        return holds(world, "export_08_what_is_written_as_a_head_is_one", false, || format!("storage-{storage} by node-{}", writer.node));
    };
    world.note(Actor::Node(writer.node), "moves the head", head.nonce, || said(storage, &head));
    if is_lawless(world, storage) {
        let detail = || format!("node-{} writes {}", writer.node, head.position());
        holds(world, "export_12_a_storage_that_keeps_no_conditions_gets_no_head", false, detail);
    }
    let before = world.model.borrow().heads[storage as usize].clone();
    never_falls(world, storage, before.as_ref(), &head, writer);
    what_it_lists_is_there(world, storage, before.as_ref(), &head);
    if storage == 0 {
        one_writer(world, before.as_ref(), &head, writer);
        for (version, view) in &head.views {
            let known = before.as_ref().and_then(|before| before.view(version));
            of_view(world, before.as_ref(), known, &head, version, view, writer);
        }
    } else {
        let first = world.model.borrow().heads[0].as_ref().map(Head::position);
        holds(world, "export_15_copies_never_lead", Some(head.position()) <= first, || {
            format!("storage-{storage} stands at {}, the first one at {first:?}", head.position())
        });
    }
    let mut model = world.model.borrow_mut();
    model.heads[storage as usize] = Some(head);
    model.rolled_back.remove(&(storage as usize));
    if storage == 0 {
        model.head_at = world.now();
        let listed: Vec<Position> =
            model.heads[0].iter().flat_map(|head| head.views.values()).flat_map(|view| &view.history).map(Entry::position).collect();
        let now = world.now();
        listed.into_iter().for_each(|position| {
            model.published.entry(position).or_insert(now);
        });
    }
}

fn said(storage: StorageId, head: &Head) -> String {
    let views: Vec<String> = head
        .views
        .iter()
        .map(|(version, view)| {
            let newest = view.history.first().map(|entry| entry.position().to_string()).unwrap_or_default();
            let of = |name: &str, position: Option<Position>| position.map(|position| format!(" {name} {position}")).unwrap_or_default();
            format!("{version}: newest {newest}{}{}{}", of("good", view.good), of("candidate", view.candidate), of("pinned", view.pinned))
        })
        .collect();
    format!("storage-{storage} at {} {}", head.position(), views.join("; "))
}

fn never_falls(world: &World, storage: StorageId, before: Option<&Head>, head: &Head, writer: &Writer) {
    let Some(before) = before else { return };
    let rises = head.epoch >= before.epoch && head.generation >= before.generation;
    let detail = || format!("storage-{storage} from {} to {} by node-{}", before.position(), head.position(), writer.node);
    holds(world, "export_06_the_head_never_falls", rises, detail);
    holds(world, "export_06_a_head_stays_in_its_lineage", head.lineage == before.lineage, detail);
    holds(world, "export_05_a_head_is_never_confirmed_backwards", head.confirmed_at >= before.confirmed_at || storage > 0, detail);
    holds(world, "export_09_orders_are_never_obeyed_backwards", head.orders >= before.orders || storage > 0, detail);
}

fn one_writer(world: &World, before: Option<&Head>, head: &Head, writer: &Writer) {
    let mut model = world.model.borrow_mut();
    let known = *model.writers.entry(head.epoch).or_insert(writer.node);
    holds(world, "export_06_one_writer_per_epoch", known == writer.node, || {
        format!("epoch {} is node-{known}'s, and node-{} writes in it", head.epoch.0, writer.node)
    });
    let publishes = before.is_some_and(|before| head.generation > before.generation);
    let raised = before.is_none_or(|before| before.epoch == head.epoch);
    holds(world, "export_06_the_epoch_is_raised_before_anything_is_exported", !publishes || raised, || {
        format!("node-{} publishes {} over a head of epoch {}", writer.node, head.position(), before.map_or(0, |before| before.epoch.0))
    });
    let tenure = model.offices.contains_key(&(writer.node, head.epoch));
    holds(world, "export_06_nobody_writes_a_head_without_having_held_the_lease", tenure, || {
        format!("node-{} writes in epoch {}", writer.node, head.epoch.0)
    });
}

/// Litter may lie about; lies may not. Of a copy only what a node is led to must be there.
fn what_it_lists_is_there(world: &World, storage: StorageId, before: Option<&Head>, head: &Head) {
    for (version, view) in &head.views {
        let known = before.and_then(|before| before.view(version));
        let newest = view.history.first().map(Entry::position);
        for position in [newest, view.good, view.candidate, view.pinned].into_iter().flatten() {
            let is_known = known.is_some_and(|known| known.entry(position).is_some()) && storage == 0;
            let Some(entry) = view.entry(position).filter(|_| !is_known) else { continue };
            let object = world.storages[storage as usize].object(&entry.key);
            // What decayed where it lies was whole when it was published.
            let whole = world.model.borrow().bodies_damaged
                || object
                    .is_some_and(|object| Digest::of(&object.bytes) == entry.file_digest && object.bytes.len() as u64 == entry.file_bytes);
            holds(world, "export_08_what_the_head_offers_is_there_and_whole", whole, || format!("storage-{storage} offers {}", entry.key));
        }
        let led_to = [view.good, view.candidate, view.pinned].into_iter().flatten().all(|position| view.entry(position).is_some());
        holds(world, "export_09_what_a_view_points_to_is_in_its_history", led_to, || format!("storage-{storage} {version}"));
    }
}

fn of_view(
    world: &Rc<World>,
    before: Option<&Head>,
    known: Option<&View>,
    head: &Head,
    version: &GatewayVersion,
    view: &View,
    writer: &Writer,
) {
    let is_new = |entry: &&Entry| known.is_none_or(|known| known.entry(entry.position()).is_none());
    let added: Vec<&Entry> = view.history.iter().filter(is_new).collect();
    let detail = || format!("{} by node-{}", head.position(), writer.node);
    holds(world, "export_06_a_write_adds_one_generation_at_most", added.len() <= 1, detail);
    if let Some(known) = known {
        let kept = known.history.iter().take(19).all(|entry| view.entry(entry.position()).is_some());
        holds(world, "export_09_the_history_keeps_twenty_generations", kept, detail);
    }
    if let Some(entry) = added.first() {
        holds(world, "export_06_a_generation_has_the_heads_position", entry.position() == head.position(), detail);
        holds(world, "export_06_a_generation_is_a_later_one", before.is_none_or(|before| head.generation > before.generation), detail);
        published(world, known, head, version, entry, writer);
    }
    good(world, known, view, version, writer);
}

/// A generation was published.
fn published(world: &Rc<World>, known: Option<&View>, head: &Head, version: &GatewayVersion, entry: &Entry, writer: &Writer) {
    let node = &world.nodes[writer.node];
    let detail = || format!("{} by node-{}", entry.position(), writer.node);
    let digest = plain_digest(world, entry);
    let restored = is_restored(world, version, digest, head);
    let neighbour = known.and_then(|known| known.history.first());
    if !restored {
        said_since_office(world, node, head, digest, &detail);
        guarded(world, node, neighbour, version, entry, &detail);
        // What an earlier process sent, or an episode that was lost, is nothing that its successor did.
        if node.process() == writer.process && !node.memory.borrow().is_lost_export(writer.export) {
            delayed(world, node, head, &detail);
            node.memory.borrow_mut().exported = Some((head.epoch, world.now()));
        }
    }
    let sameness = |entry: &Entry| entry.shown.as_ref().map(|shown| (shown.sameness.clone(), entry.sealed_as.clone()));
    let differs = neighbour.is_none_or(|neighbour| sameness(neighbour) != sameness(entry));
    holds(world, "export_05_no_two_neighbours_are_the_same", differs, detail);
    holds(world, "export_03_nothing_is_exported_while_it_is_frozen", !writer.frozen, detail);
    let fresh = writer.lease_at.is_some_and(|at| writer.sent_at - at <= node.settings.borrow().lease_expire / 2);
    holds(world, "export_06_who_did_not_renew_publishes_nothing", fresh, || {
        format!("{}, whose lease was renewed at {:?} and whose write was sent at {:?}", detail(), writer.lease_at, writer.sent_at)
    });
    world.model.borrow_mut().publications += 1;
}

fn plain_digest(world: &World, entry: &Entry) -> Option<Digest> {
    let object = world.storages[0].object(&entry.key)?;
    let verified = snapshot::verify(&object.bytes, &Trust::unasked()).ok()?;
    verified.open(None).ok().map(|opened| opened.digest())
}

/// Whether the operator ordered this very body again.
fn is_restored(world: &World, version: &GatewayVersion, digest: Option<Digest>, head: &Head) -> bool {
    let model = world.model.borrow();
    let restores = model.orders.iter().flat_map(|orders| &orders.restores);
    restores.filter(|restore| restore.gateway_version == *version && restore.number > head.orders).any(|restore| {
        let view = model.heads[0].as_ref().and_then(|head| head.view(version));
        let old = view.and_then(|view| view.entry(restore.position));
        old.and_then(|old| plain_digest(world, old)) == digest
    })
}

fn said_since_office(world: &World, node: &Node, head: &Head, digest: Option<Digest>, detail: &dyn Fn() -> String) {
    let model = world.model.borrow();
    let office = model.offices.get(&(node.index, head.epoch)).copied();
    let mut deliveries = model.nodes[node.index].deliveries.iter().filter(|delivery| Some(delivery.said.document().digest) == digest);
    let since = deliveries.any(|delivery| office.is_some_and(|office| delivery.began >= office));
    holds(world, "export_01_nothing_is_published_that_the_control_plane_did_not_say_since_the_office_was_taken", since, || {
        let name = digest.and_then(documents::by_digest).map_or("something", |document| &document.name);
        format!("{} is {name}; office since {office:?}", detail())
    });
    let valid = digest.and_then(documents::by_digest).is_some_and(|document| document.valid.is_some());
    holds(world, "export_02_what_is_not_valid_is_not_published", valid, detail);
    let conforms = digest.and_then(documents::by_digest).is_none_or(|document| document.conforms) || !world.plan.schema;
    holds(world, "export_02_what_the_operators_schema_refuses_is_not_published", conforms, detail);
}

fn guarded(world: &World, node: &Node, neighbour: Option<&Entry>, version: &GatewayVersion, entry: &Entry, detail: &dyn Fn() -> String) {
    let Some(shown) = &entry.shown else { return };
    let entities: u64 = shown.counts.values().sum();
    holds(world, "export_03_an_empty_configuration_is_never_published", entities > 0, detail);
    let Some(before) = neighbour.and_then(|neighbour| neighbour.shown.as_ref()) else { return };
    let Some(objection) = guards::objection(&before.counts, &shown.counts) else { return };
    // By its clock when the episode began, or after it jumped.
    let (base, then) = (neighbour.map(Entry::position), node.memory.borrow().clock_then.min(node.clock(world)));
    let model = world.model.borrow();
    let approved = model.orders.iter().flat_map(|orders| &orders.approvals).any(|approval| {
        approval.gateway_version == *version && approval.sameness == shown.sameness && approval.base == base && then <= approval.not_after
    });
    holds(world, "export_03_a_guard_is_never_passed_without_approval", approved, || format!("{}: {objection}", detail()));
}

fn delayed(world: &World, node: &Node, head: &Head, detail: &dyn Fn() -> String) {
    let memory = node.memory.borrow();
    let delay: Duration = node.settings.borrow().export_delay;
    let early = memory.exported.is_some_and(|(epoch, at)| epoch == head.epoch && world.now() - at < delay);
    holds(world, "export_04_one_export_per_delay_and_tenure", !early, detail);
}

/// What new nodes take.
fn good(world: &World, known: Option<&View>, view: &View, version: &GatewayVersion, writer: &Writer) {
    let Some(known) = known else { return };
    if view.good == known.good {
        return;
    }
    let detail = || format!("{version} from {:?} to {:?} by node-{}", known.good, view.good, writer.node);
    holds(world, "export_10_the_good_generation_never_falls", view.good >= known.good, detail);
    let Some(position) = view.good else { return };
    let model = world.model.borrow();
    let ordered = model.orders.iter().any(|orders| !orders.restores.is_empty());
    let published = model.published.get(&position).copied().unwrap_or_else(|| world.now());
    let soaked = world.now() - published >= world.plan.soak;
    holds(world, "export_10_a_candidate_is_good_only_after_its_soak", soaked || ordered, detail);
    let settings = world.nodes[writer.node].settings.borrow();
    let memory = world.nodes[writer.node].memory.borrow();
    let asked = settings.soak_watch.is_empty() || writer.looked;
    let is_candidate = known.candidate == Some(position);
    holds(world, "export_10_the_watched_nodes_are_asked_before_a_candidate_is_good", asked || !is_candidate, detail);
    let ill = memory.saw_ill;
    let patient = ill.is_none_or(|ill| world.now() - ill >= world.plan.soak) || settings.soak_watch.is_empty() || world.plan.soak.is_zero();
    holds(world, "export_10_nothing_is_good_that_a_watched_node_is_ill_with", patient || ordered, detail);
}
