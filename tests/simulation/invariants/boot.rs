//! Of a node on its way to a configuration: whom it asks, and when.

use holdover_plugin::model::Digest;
use holdover_plugin::policy::capabilities::{Fetched, StorageId};
use holdover_plugin::policy::{OnRefusal, OnStale, Origin, Outcome, Standing};
use holdover_plugin::snapshot::cached::{self, CachedOrigin};
use holdover_plugin::snapshot::head::Head;
use holdover_plugin::snapshot::{self, Trust, keys};

use super::super::capabilities::Object;
use super::super::documents;
use super::super::memory::HeadSeen;
use super::super::node::Node;
use super::super::world::World;
use super::{exporter_has_read, holds};

/// A request to a storage is about to be sent.
pub fn storage_is_asked(world: &World, node: &Node, role: &str, storage: StorageId, key: &str) {
    if role != "importer" {
        return;
    }
    if key.starts_with(keys::SNAPSHOTS) {
        node.memory.borrow_mut().fetched.insert(key.to_owned());
    }
    let memory = node.memory.borrow();
    let settings = node.settings.borrow();
    let detail = || format!("node-{} asks storage-{storage}", node.index);
    let waited = world.now() - memory.began >= settings.give_up;
    holds(
        world,
        "boot_01_the_storage_is_asked_only_once_the_control_plane_is_given_up",
        waited || memory.unanswered > 0 || memory.delivered,
        detail,
    );
    let may = !memory.refused || settings.on_refusal == OnRefusal::Fallback;
    holds(world, "boot_02_a_node_that_is_refused_reads_no_storage", may, detail);
    holds(world, "boot_03_a_node_with_a_valid_cache_reads_no_storage", memory.cached.is_none(), || {
        format!("{} with {} on its disk", detail(), memory.cached.map(|digest| digest.short()).unwrap_or_default())
    });
    let knows_better = world.keys.is_signing() || world.model.borrow().nodes[node.index].marks.lineage.is_some();
    let kongs = key.ends_with("/config.json");
    holds(world, "export_13_kongs_place_is_not_even_read_by_a_node_that_knows_better", !(kongs && knows_better), detail);
    holds(world, "boot_04_a_node_that_serves_reads_no_storage", !node.is_serving(), detail);
}

pub fn storage_has_answered(world: &World, node: &Node, role: &str, storage: StorageId, key: &str, fetched: &Fetched<Object>) {
    match role {
        "importer" if key == keys::HEAD => {
            let arrived = !fetched.object.breaks_off && fetched.object.promised == fetched.object.bytes.len() as u64;
            if !arrived {
                return;
            }
            let Ok(head) = Head::read(&fetched.object.bytes, &Trust::unasked()) else { return };
            let seen_at = node.clock(world).max(fetched.date.unwrap_or_default());
            let version = node.settings.borrow().gateway_version.clone();
            let offered = head.view(&version).map(|view| view.offered().map(|entry| entry.key.clone()).collect()).unwrap_or_default();
            let pinned = head.views.values().filter_map(|view| view.pinned).collect();
            let seen = HeadSeen {
                lineage: head.lineage,
                confirmed_at: head.confirmed_at,
                pinned,
                offered,
                seen_at,
                clock_off: node.clock_off.get(),
            };
            node.memory.borrow_mut().heads.insert(storage, seen);
        }
        "exporter" => exporter_has_read(world, node, key, fetched),
        _ => {}
    }
}

/// The configuration that a node could start from, judged without the policy; `None` as well when that is open to doubt.
pub fn usable_cache(world: &World, node: &Node) -> Option<Digest> {
    // One bad slot leaves the other, and what was tried before may be quarantined: only a node whose files are beyond doubt counts.
    if node.disk.is_damaged("applied") || !world.model.borrow().nodes[node.index].broken.is_empty() {
        return None;
    }
    let file = node.disk.file("applied")?;
    let cached = cached::unwrap(&file).ok()?;
    let trust = match cached.header.origin {
        CachedOrigin::Storage => world.keys.trusted(),
        CachedOrigin::ControlPlane => Trust::unasked(),
        CachedOrigin::KongPlace => return None,
    };
    let verified = snapshot::verify(cached.snapshot, &trust).ok()?;
    let settings = node.settings.borrow();
    let manifest = verified.manifest();
    let fits = manifest.cluster == settings.cluster && settings.version_rule.accepts(&manifest.gateway_version, &settings.gateway_version);
    let opened = verified.open(None).ok()?;
    let lineage = world.model.borrow().nodes[node.index].marks.lineage;
    let foreign = manifest.publication.is_some_and(|publication| lineage.is_some_and(|lineage| lineage != publication.lineage));
    let quarantined = super::applying::unsettled_starts(node, opened.digest()) >= 2;
    (fits && !foreign && !quarantined).then(|| opened.digest())
}

/// An importing episode came to its end.
pub fn episode_ended(world: &World, node: &Node, outcome: &Outcome) {
    let memory = node.memory.borrow();
    let runs = node.gateway.borrow().runs;
    if let Standing::Serving(serving) = &outcome.standing {
        // Unless it knows that it does not know.
        let is_doubted = serving.sameness.is_empty();
        holds(world, "boot_10_a_node_is_ready_only_when_its_gateway_runs_what_it_says", runs == Some(serving.digest) || is_doubted, || {
            let runs = runs.map_or("nothing".to_owned(), |runs| runs.short());
            format!("node-{} says {}, its gateway runs {runs}", node.index, serving.digest.short())
        });
        let lacks = documents::by_digest(serving.digest)
            .and_then(|document| document.valid.as_ref())
            .is_some_and(|valid| valid.needs_control_plane);
        let is_news = memory.applied_fallback == Some(serving.digest) && serving.origin != Origin::ControlPlane;
        holds(world, "boot_16_what_the_fallback_cannot_give_is_said", !(lacks && is_news) || memory.said_needs, || {
            format!("node-{} runs {} in fallback", node.index, serving.digest.short())
        });
    }
    if let Standing::Stranded(_) = &outcome.standing {
        // With marks, notes of failed starts or an age limit, some offers are rightly not asked for.
        let plain = node.disk.file("marks").is_none() && node.disk.file("attempts").is_none() && world.plan.on_stale == OnStale::Warn;
        let passed_over = memory.passed_over().filter(|_| plain);
        holds(world, "boot_06_behind_a_bad_snapshot_the_next_older_one_is_tried", passed_over.is_none(), || {
            format!("node-{} is stranded and never asked for {passed_over:?}", node.index)
        });
    }
    if let Some((lineage, version, position)) = memory.owes_mark.as_ref().filter(|_| !node.disk.is_full(world.now())) {
        let model = world.model.borrow();
        let mark = model.nodes[node.index].marks.highest.get(&(*lineage, version.clone())).map(|(mark, _)| *mark);
        holds(world, "boot_07_what_was_applied_is_noted", mark >= Some(*position), || {
            format!("node-{} ran {position}, noted {mark:?}", node.index)
        });
    }
    let state_bytes = outcome.state.len();
    holds(world, "all_01_the_state_of_an_episode_is_small", state_bytes <= 64 * 1024, || format!("{state_bytes} bytes"));
}
