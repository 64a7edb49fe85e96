//! Rules export-10, 11, 12 and 15: a candidate's soak, what survives an exporter's process, the probe, and the further storages.

use std::time::Duration;

use holdover_plugin::model::Epoch;
use holdover_plugin::policy::{Check, Office, Settings, export};
use holdover_plugin::snapshot::keys;
use holdover_ports::{Health, Name, StorageFailureKind};
use holdover_tests::virtual_world::{Act as Asked, World, documents};

use crate::export_node::{ExportNode, head, history, single};
use crate::fenced::{electing, names, publishes, view};
use crate::native::Native;
use crate::node::Stage;
use crate::rules::{self, cases};
use crate::runner::Core;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

cases! {
    export_10_a_candidate_is_good_after_the_soak,
    export_10_the_first_generation_is_good_at_once,
    export_10_a_node_that_is_ill_stops_the_soak_and_a_silent_one_delays_it,
    export_10_an_outage_leaves_the_candidate_and_a_new_leader_goes_on,
    export_11_what_is_pending_survives_the_process_and_needs_no_control_plane,
    export_11_what_is_pending_is_dropped_when_the_epoch_moved,
    export_11_what_is_pending_is_dropped_when_another_holds_the_lease,
    export_12_a_storage_that_ignores_conditions_elects_nobody,
    export_12_a_single_exporter_needs_no_probe,
    export_15_further_storages_get_bodies_then_the_head,
    export_15_a_further_storage_that_was_away_is_brought_up,
    export_15_without_the_first_storage_nothing_is_exported_anywhere,
    export_15_another_lineage_is_left_alone,
    export_15_a_further_storage_that_is_newer_is_never_lowered,
}

fn soaking(settings: Settings) -> Settings {
    Settings { soak: 10 * MINUTE, ..single(settings) }
}

pub async fn export_10_a_candidate_is_good_after_the_soak(stage: Stage) {
    let world = World::new(1);
    let mut node = ExportNode::start_with(&stage, &world, soaking);
    node.delivered(&documents::kong("first")).await;
    node.run_for(2 * MINUTE).await;
    node.delivered(&documents::kong("second")).await;
    let [second, first] = [0, 1].map(|nth| history(&world)[nth].position());
    assert_eq!((view(&world).good, view(&world).candidate), (Some(first), Some(second)));
    node.run_for(9 * MINUTE).await;
    assert_eq!(view(&world).good, Some(first));
    node.run_for(2 * MINUTE).await;
    assert_eq!((view(&world).good, view(&world).candidate), (Some(second), None));
    assert_eq!(world.trace.events(Name::SoakEnded).len(), 1);
}

pub async fn export_10_the_first_generation_is_good_at_once(stage: Stage) {
    let world = World::new(1);
    let mut node = ExportNode::start_with(&stage, &world, soaking);
    node.delivered(&documents::kong("first")).await;
    assert_eq!(view(&world).good, Some(history(&world)[0].position()));
    assert_eq!(view(&world).candidate, None);
}

pub async fn export_10_a_node_that_is_ill_stops_the_soak_and_a_silent_one_delays_it(stage: Stage) {
    let world = World::new(1);
    let second = documents::kong("second");
    world.watched.say(&[Health::Silent("asleep".into())]);
    let mut node = ExportNode::start_with(&stage, &world, soaking);
    node.delivered(&documents::kong("first")).await;
    node.run_for(2 * MINUTE).await;
    node.delivered(&second).await;
    let candidate = history(&world)[0].position();
    node.run_for(15 * MINUTE).await;
    assert_eq!(view(&world).candidate, Some(candidate), "nobody said a word for it");
    world.watched.say(&[Health::Ill("it answers 500".into())]);
    node.run_for(15 * MINUTE).await;
    assert_eq!(view(&world).candidate, Some(candidate));
    assert!(world.trace.events(Name::SoakFailed).iter().any(|event| event.sentence.contains("it answers 500")));
    world.watched.say(&[Health::Well { sameness: documents::sameness(&second) }]);
    node.run_for(9 * MINUTE).await;
    assert_eq!(view(&world).candidate, Some(candidate), "it soaks anew");
    node.run_for(2 * MINUTE).await;
    assert_eq!(view(&world).good, Some(candidate));
}

pub async fn export_10_an_outage_leaves_the_candidate_and_a_new_leader_goes_on(stage: Stage) {
    let world = World::new(1);
    let electing_with_soak = |settings: Settings| Settings { soak: 10 * MINUTE, ..settings };
    let mut node = ExportNode::start_with(&stage, &world, electing_with_soak);
    node.delivered(&documents::kong("first")).await;
    node.run_for(2 * MINUTE).await;
    node.delivered(&documents::kong("second")).await;
    let candidate = history(&world)[0].position();
    node.connected = false;
    node.run_for(20 * MINUTE).await;
    assert_eq!(view(&world).candidate, Some(candidate));
    assert_eq!(world.trace.events(Name::SoakCutByOutage).len(), 1);
    let mut next = ExportNode::start_with(&stage, &world, electing_with_soak);
    next.delivered(&documents::kong("second")).await;
    next.run_for(12 * MINUTE).await;
    assert_eq!(view(&world).good, Some(candidate));
}

pub async fn export_11_what_is_pending_survives_the_process_and_needs_no_control_plane(stage: Stage) {
    let world = World::new(1);
    let mut node = ExportNode::start_with(&stage, &world, electing);
    node.delivered(&documents::kong("first")).await;
    node.run_for(2 * MINUTE).await;
    world.storage().is_down(StorageFailureKind::Unreachable);
    node.delivered(&documents::kong("second")).await;
    assert!(node.pending.is_some());
    let mut restarted = node.restarts();
    restarted.connected = false;
    restarted.run_for(MINUTE).await;
    restarted.tick().await;
    assert!(restarted.pending.is_some());
    world.storage().is_back();
    restarted.run_for(MINUTE).await;
    assert_eq!(names(&world), ["second", "first"]);
    assert_eq!(head(&world).unwrap().epoch, Epoch(1), "the office was taken up again");
    restarted.run_for(2 * MINUTE).await;
    assert_eq!((restarted.office.clone(), restarted.pending.is_some()), (Office::None, false));
}

pub async fn export_11_what_is_pending_is_dropped_when_the_epoch_moved(stage: Stage) {
    let world = World::new(1);
    let mut node = ExportNode::start_with(&stage, &world, electing);
    node.delivered(&documents::kong("first")).await;
    node.run_for(2 * MINUTE).await;
    world.storage().is_down(StorageFailureKind::Unreachable);
    node.delivered(&documents::kong("stale")).await;
    world.storage().is_back();
    let mut next = ExportNode::start_with(&stage, &world, electing);
    next.delivered(&documents::kong("second")).await;
    next.run_for(2 * MINUTE).await;
    assert_eq!(names(&world), ["second", "first"]);
    let mut restarted = node.restarts();
    restarted.connected = false;
    restarted.tick().await;
    restarted.run_for(5 * MINUTE).await;
    assert_eq!(names(&world), ["second", "first"]);
    assert!(restarted.pending.is_none());
}

pub async fn export_11_what_is_pending_is_dropped_when_another_holds_the_lease(stage: Stage) {
    let world = World::new(1);
    let mut node = ExportNode::start_with(&stage, &world, electing);
    node.delivered(&documents::kong("first")).await;
    node.run_for(2 * MINUTE).await;
    world.storage().is_down(StorageFailureKind::Unreachable);
    node.delivered(&documents::kong("stale")).await;
    world.storage().is_back();
    // Whoever took it has not got to the head yet.
    let elsewhere = World::seeded(1, 9);
    let mut other = ExportNode::start_with(&stage, &elsewhere, electing);
    other.delivered(&documents::kong("elsewhere")).await;
    world.storage().hold(keys::LEASE, other.lease().unwrap());
    let mut restarted = node.restarts();
    restarted.connected = false;
    restarted.tick().await;
    restarted.run_for(5 * MINUTE).await;
    assert_eq!(names(&world), ["first"]);
    assert!(restarted.pending.is_none());
}

pub async fn export_12_a_storage_that_ignores_conditions_elects_nobody(stage: Stage) {
    let world = World::new(1);
    world.storage().ignores_conditions(true);
    let mut node = ExportNode::start_with(&stage, &world, electing);
    node.delivered(&documents::kong("any")).await;
    node.run_for(HOUR).await;
    assert!(matches!(&node.office, Office::Declined(failing) if failing.starts_with("creates-once: If-None-Match")), "{:?}", node.office);
    assert!(world.storage().keys().iter().all(|key| key.starts_with(keys::PROBES)), "{:?}", world.storage().keys());
    world.storage().ignores_conditions(false);
    node.run_for(HOUR).await;
    assert_eq!(names(&world), ["any"], "it is asked again now and then");
}

pub async fn export_12_a_single_exporter_needs_no_probe(stage: Stage) {
    let world = World::new(1);
    world.storage().ignores_conditions(true);
    let mut node = ExportNode::start(&stage, &world, Vec::new());
    node.delivered(&documents::kong("any")).await;
    assert_eq!(names(&world), ["any"]);
    assert_eq!(world.storage().object(keys::LEASE), None);
}

pub async fn export_15_further_storages_get_bodies_then_the_head(stage: Stage) {
    let world = World::new(3);
    let mut node = ExportNode::start(&stage, &world, Vec::new());
    node.delivered(&documents::kong("first")).await;
    node.run_for(2 * MINUTE).await;
    node.delivered(&documents::kong("second")).await;
    let first = world.storages[0].object(keys::HEAD);
    for (index, storage) in world.storages.iter().enumerate().skip(1) {
        assert_eq!(storage.object(keys::HEAD), first);
        for entry in history(&world) {
            assert_eq!(storage.object(&entry.key), world.storage().object(&entry.key));
        }
        let written = |key: &str| {
            let is_write = |act: &Asked| matches!(act, Asked::PutNew { storage, key: put } | Asked::Swap { storage, key: put } if *storage == index && put == key);
            world.trace.calls().iter().rposition(|call| is_write(&call.act))
        };
        assert!(written(&history(&world)[0].key) < written(keys::HEAD));
    }
}

pub async fn export_15_a_further_storage_that_was_away_is_brought_up(stage: Stage) {
    let world = World::new(2);
    world.storages[1].is_down(StorageFailureKind::Unreachable);
    let mut node = publishes(&stage, &world, &["first", "second"]).await;
    assert_eq!(names(&world), ["second", "first"], "the first storage stands");
    assert!(!world.trace.events(Name::CopyFailed).is_empty());
    world.storages[1].is_back();
    node.run_for(MINUTE).await;
    assert_eq!(world.storages[1].object(keys::HEAD), world.storages[0].object(keys::HEAD));
    assert!(world.storages[1].object(&history(&world)[0].key).is_some());
}

pub async fn export_15_without_the_first_storage_nothing_is_exported_anywhere(stage: Stage) {
    let world = World::new(2);
    let mut node = publishes(&stage, &world, &["first"]).await;
    world.storages[0].is_down(StorageFailureKind::Unreachable);
    let before = world.storages[1].object(keys::HEAD);
    node.delivered(&documents::kong("second")).await;
    node.run_for(HOUR).await;
    assert_eq!(world.storages[1].object(keys::HEAD), before);
    assert!(node.pending.is_some() && node.held.is_some());
}

pub async fn export_15_another_lineage_is_left_alone(stage: Stage) {
    let elsewhere = World::new(1);
    publishes(&stage, &elsewhere, &["theirs"]).await;
    let theirs = elsewhere.storage().object(keys::HEAD).unwrap();
    let world = World::seeded(2, 7);
    world.storages[1].hold(keys::HEAD, theirs.clone());
    publishes(&stage, &world, &["ours"]).await;
    assert_eq!(world.storages[1].object(keys::HEAD).unwrap(), theirs);
    assert!(world.trace.events(Name::CopyFailed).iter().any(|event| event.sentence.contains("lineage")));
}

pub async fn export_15_a_further_storage_that_is_newer_is_never_lowered(stage: Stage) {
    let world = World::new(2);
    let node = publishes(&stage, &world, &["first"]).await;
    let backup = world.storages[0].object(keys::HEAD).unwrap();
    drop(node);
    publishes(&stage, &world, &["second", "third"]).await;
    let newer = world.storages[1].object(keys::HEAD).unwrap();
    // The first storage is restored from a backup, and the next leader finds it so.
    world.storages[0].hold(keys::HEAD, backup);
    let mut next = ExportNode::start(&stage, &world, Vec::new());
    next.delivered(&documents::kong("first")).await;
    next.run_for(10 * MINUTE).await;
    assert!(world.storages[1].object(keys::HEAD).unwrap() == newer);
}

#[test]
fn export_12_the_probe_names_every_check() {
    rules::play(rules::stage(Core::Native), |stage| async move {
        let world = World::new(1);
        let facts = ExportNode::start(&stage, &world, Vec::new()).facts();
        let checks = export::probe(&Native(world.exporter_ports()), &facts).await.unwrap();
        let names: Vec<_> = checks.iter().map(|check| check.name).collect();
        let all =
            ["creates-once", "reads-what-was-written", "creates-one-of-many", "swaps-absent-once", "swaps-one-of-many", "refuses-stale"];
        assert_eq!(names, all);
        assert!(checks.iter().all(|Check { found, .. }| found.is_ok()));
    });
}
