//! Of what a gateway is handed, and of what is kept after that.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use holdover_plugin::model::{Digest, GatewayVersion, Lineage, Position, UnixMs};
use holdover_plugin::policy::capabilities::Slot;
use holdover_plugin::policy::{OnStale, RejoinGuard};
use holdover_plugin::snapshot::cached;

use super::super::capabilities::{Config, Provenance, Source};
use super::super::disk;
use super::super::documents;
use super::super::memory::HeadSeen;
use super::super::model::Marks;
use super::super::node::Node;
use super::super::world::World;
use super::holds;

/// What a gateway is asked to run, noted when it is asked: what becomes of it may be seen minutes later.
pub struct Handed {
    digest: Digest,
    source: Source,
    /// The newest delivery that said this, by number.
    delivery: Option<u64>,
    /// The importing episode that asks.
    episode: u64,
}

impl Handed {
    pub fn now(world: &World, node: &Node, config: &Config) -> Self {
        let deliveries = &world.model.borrow().nodes[node.index].deliveries;
        let delivery = deliveries.iter().rposition(|delivery| delivery.said.document().digest == config.digest);
        let (source, episode) = (config.source.clone(), node.memory.borrow().episode);
        Self { digest: config.digest, source, delivery: delivery.map(|nth| nth as u64), episode }
    }
}

/// A configuration reaches the gateway.
pub fn handed_to_the_gateway(world: &Rc<World>, node: &Rc<Node>, handed: &Handed, accepted: bool) {
    let Handed { digest, source, .. } = handed;
    let digest = *digest;
    let name = documents::by_digest(digest).map_or("something", |document| document.name.as_str());
    world.note(node.actor(), if accepted { "applies" } else { "rejects" }, digest_number(digest), || format!("{name} from {source:?}"));
    boot_06_a_gateway_is_handed_only_what_the_control_plane_said(world, node, digest, source);
    match source {
        Source::Delivery => deliveries(world, node, handed, accepted),
        Source::Opened { .. } | Source::KongPlace => fallbacks(world, node, digest, source),
    }
    if accepted {
        applied(world, node, handed);
    } else {
        node.memory.borrow_mut().rejected = true;
        // It was tried and refused: what is on the disk is not usable after all.
        node.memory.borrow_mut().cached = None;
    }
}

fn boot_06_a_gateway_is_handed_only_what_the_control_plane_said(world: &World, node: &Node, digest: Digest, source: &Source) {
    let model = world.model.borrow();
    let known = documents::by_digest(digest).is_some_and(|document| document.valid.is_some());
    let said = known && model.nodes.iter().flat_map(|node| &node.deliveries).any(|delivery| delivery.said.document().digest == digest);
    let others = model.planted == Some(digest) || model.foreign_digests.contains(&digest);
    holds(world, "boot_06_a_gateway_is_handed_only_what_the_control_plane_said", said || others, || {
        format!("node-{} applies {} from {source:?} (valid: {known})", node.index, digest.short())
    });
}

fn deliveries(world: &World, node: &Node, handed: &Handed, accepted: bool) {
    let Handed { digest, delivery, .. } = *handed;
    let model = world.model.borrow();
    let mut memory = node.memory.borrow_mut();
    holds(world, "boot_11_no_older_delivery_replaces_a_newer_one", delivery >= memory.newest_applied, || {
        format!("node-{} applies delivery {delivery:?} after {:?}", node.index, memory.newest_applied)
    });
    let runs = node.gateway.borrow().runs;
    let entities = |digest: Digest| {
        documents::by_digest(digest).and_then(|document| document.valid.as_ref()).map_or(0, |valid| valid.counts.values().sum())
    };
    let returning = node.is_serving_from_elsewhere();
    let empties = entities(digest) == 0_u64 && runs.is_some_and(|runs| entities(runs) > 0);
    let guarded = node.settings.borrow().rejoin_guard != RejoinGuard::Off;
    let persistent = memory.repeated.as_ref().is_some_and(|repeated| {
        documents::by_digest(digest).is_some_and(|document| document.is_same(repeated.said.document()))
            && repeated.times >= 3
            && world.now() - repeated.since >= Duration::from_secs(600)
    });
    let released = model.nodes[node.index].approved_rejoin || persistent;
    holds(
        world,
        "boot_14_an_empty_configuration_of_a_returning_control_plane_replaces_nothing",
        !(empties && guarded && returning) || released,
        || format!("node-{} applies {}", node.index, digest.short()),
    );
    if accepted {
        memory.newest_applied = delivery.max(memory.newest_applied);
    }
}

fn fallbacks(world: &World, node: &Node, digest: Digest, source: &Source) {
    let detail = || format!("node-{} applies {} from {source:?}", node.index, digest.short());
    holds(world, "boot_11_a_fallback_replaces_nothing_that_is_served", !node.is_serving(), detail);
    let starts = unsettled_starts(node, digest);
    holds(world, "boot_15_what_broke_two_starts_is_not_started_with_again", starts <= 2, || format!("{}, start {starts}", detail()));
    let model = world.model.borrow();
    let known = &model.nodes[node.index];
    if *source == Source::KongPlace {
        let may = known.marks.lineage.is_none() && !world.keys.is_signing();
        holds(world, "export_13_kongs_place_is_read_by_nodes_that_know_nothing_better", may, detail);
    }
    let Source::Opened { from, gateway_version, published } = source else { return };
    let settings = node.settings.borrow();
    let fits = settings.version_rule.accepts(gateway_version, &settings.gateway_version);
    holds(world, "boot_08_what_was_made_for_other_gateways_is_not_run", fits, detail);
    let (Provenance::Storage(_), Some((lineage, position))) = (from, published) else { return };
    let memory = node.memory.borrow();
    holds(world, "boot_07_another_lineage_than_the_own_is_refused", known.marks.lineage.is_none_or(|own| own == *lineage), detail);
    // A head that is too old by now may have been refused, and is no lineage then. A clock that jumped meanwhile may have said anything.
    let latest_seen = memory.heads.values().map(|seen| seen.seen_at).max().unwrap_or_default();
    let now = node.clock(world).max(latest_seen);
    let too_old =
        |seen: &HeadSeen, now: UnixMs| settings.on_stale == OnStale::Refuse && now.since(seen.confirmed_at) > settings.head_age_max;
    let clock_held = memory.heads.values().all(|seen| seen.clock_off == node.clock_off.get());
    let lineages = memory.heads.values().filter(|seen| seen.lineage != *lineage && !too_old(seen, now)).count();
    let one = known.marks.lineage.is_some() || lineages == 0 || !clock_held;
    holds(world, "export_15_of_two_lineages_a_node_that_knows_neither_takes_none", one, detail);
    let mark = known.marks.highest.get(&(*lineage, gateway_version.clone()));
    let pinned = memory.heads.values().any(|seen| seen.pinned.contains(position));
    // A mark whose configuration breaks the gateway holds nobody back (boot-15).
    let below = mark.is_some_and(|(mark, marked)| position < mark && unsettled_starts(node, *marked) < 2);
    holds(world, "boot_07_a_node_never_goes_below_its_mark", !below || pinned, || format!("{}, and its mark is {mark:?}", detail()));
    let stale = !memory.heads.is_empty() && memory.heads.values().all(|seen| too_old(seen, latest_seen)) && clock_held;
    holds(world, "boot_13_a_head_that_is_too_old_is_refused_where_that_was_asked", !stale, detail);
}

fn applied(world: &Rc<World>, node: &Rc<Node>, handed: &Handed) {
    let Handed { digest, source, episode, .. } = handed;
    let mut gateway = node.gateway.borrow_mut();
    gateway.applied += 1;
    gateway.runs = Some(*digest);
    let mut memory = node.memory.borrow_mut();
    memory.rejected = false;
    let age = world.now() - memory.began;
    memory.served_after.get_or_insert(age);
    let mut model = world.model.borrow_mut();
    model.applications += 1;
    if *episode != memory.episode {
        // Its episode was lost, and with it whatever it owed.
        return;
    }
    if *source != Source::Delivery {
        memory.applied_fallback = Some(*digest);
    }
    if let Source::Opened { gateway_version, published: Some((lineage, position)), .. } = source {
        memory.owes_mark = Some((*lineage, gateway_version.clone(), *position));
    }
}

/// The node's notes of how far it came, as they stand on its disk.
pub fn marks_are_on_disk(world: &World, node: &Node, file: &[u8]) {
    let line = file.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let Ok(noted) = serde_json::from_slice::<Noted>(line) else {
        return holds(world, "boot_07_marks_are_written_readably", false, || format!("node-{}", node.index));
    };
    let mut highest = BTreeMap::new();
    for (lineage, views) in noted.marks {
        highest.extend(views.into_iter().map(|(version, mark)| ((lineage, version), (mark.applied, mark.digest))));
    }
    world.model.borrow_mut().nodes[node.index].marks = Marks { lineage: noted.lineage, highest };
}

/// As `plugin/policy/marks.rs` writes them.
#[derive(serde::Deserialize)]
struct Noted {
    lineage: Option<Lineage>,
    marks: BTreeMap<Lineage, BTreeMap<GatewayVersion, NotedMark>>,
}

#[derive(serde::Deserialize)]
struct NotedMark {
    applied: Position,
    digest: Digest,
}

/// A file of the cache is about to be replaced.
pub fn cache_is_written(world: &World, node: &Node, slot: Slot, file: &[u8]) {
    if !matches!(slot, Slot::Applied | Slot::Settled) {
        return;
    }
    let kept = cached::unwrap(file).ok().map(|cached| cached.header.found.digest());
    let runs = node.gateway.borrow().runs;
    holds(world, "boot_09_only_what_the_gateway_accepted_is_kept", kept.is_some() && kept == runs, || {
        format!("node-{} keeps {kept:?} as {}, and its gateway runs {runs:?}", node.index, disk::name(slot))
    });
}

/// How many starts with it the node's own notes count.
pub fn unsettled_starts(node: &Node, digest: Digest) -> u64 {
    let Some(file) = node.disk.file(disk::name(Slot::Attempts)) else { return 0 };
    let line = file.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let notes: serde_json::Value = serde_json::from_slice(line).unwrap_or_default();
    notes["unsettled"][digest.to_string()].as_u64().unwrap_or_default()
}

fn digest_number(digest: Digest) -> u64 {
    u64::from_le_bytes(digest.as_bytes()[..8].try_into().expect("eight bytes"))
}
