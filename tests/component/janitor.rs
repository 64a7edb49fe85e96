//! Rule export-09, the janitor's part: what is removed from a storage, and what never is.

use std::time::Duration;

use holdover_plugin::policy::Swept;
use holdover_plugin::snapshot::keys;
use holdover_ports::{Name, StorageFailureKind};
use holdover_tests::virtual_world::{Act, World, documents};

use crate::export_node::{ExportNode, history};
use crate::node::Stage;
use crate::rules::cases;
use crate::runner::sweep;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

cases! {
    export_09_what_fell_out_of_history_is_removed_a_day_after_it_was_superseded,
    export_09_what_the_head_lists_is_never_removed,
    export_09_litter_goes_and_what_is_not_ours_stays,
    export_09_a_storage_that_cannot_be_looked_into_is_left_alone,
}

pub async fn export_09_what_fell_out_of_history_is_removed_a_day_after_it_was_superseded(stage: Stage) {
    let world = World::new(1);
    let mut node = ExportNode::start(&stage, &world, Vec::new());
    publish(&mut node, 0..25, HOUR / 4).await;
    let all = snapshots(&world);
    assert_eq!(all.len(), 25);
    assert_eq!(sweep(&stage, &world).await.removed, 0, "25 in some hours: each is still young");
    tokio::time::sleep(DAY - 2 * HOUR).await;
    assert_eq!(sweep(&stage, &world).await.removed, 5);
    let listed: Vec<_> = history(&world).into_iter().map(|entry| entry.key).collect();
    assert_eq!(snapshots(&world), all.into_iter().filter(|key| listed.contains(key)).collect::<Vec<_>>());
}

pub async fn export_09_what_the_head_lists_is_never_removed(stage: Stage) {
    let world = World::new(2);
    let mut node = ExportNode::start(&stage, &world, Vec::new());
    publish(&mut node, 0..3, HOUR).await;
    tokio::time::sleep(5 * DAY).await;
    let before = world.storages.iter().map(|storage| storage.keys()).collect::<Vec<_>>();
    assert_eq!(sweep(&stage, &world).await, Swept { wake_after: Some(HOUR), removed: 0 });
    assert_eq!(world.storages.iter().map(|storage| storage.keys()).collect::<Vec<_>>(), before);
}

async fn export_09_litter_goes_and_what_is_not_ours_stays(stage: Stage) {
    let world = World::new(1);
    let mut node = ExportNode::start(&stage, &world, Vec::new());
    publish(&mut node, 0..2, HOUR).await;
    let litter = "holdover/snapshots/3.9.1/1-1-00000000000000ff";
    let ahead = "holdover/snapshots/3.9.1/9-9-00000000000000ff";
    let foreign = "holdover/snapshots/README";
    let scratch = format!("{}node-1/1-new", keys::PROBES);
    for key in [litter, ahead, foreign, &scratch, "config/other"] {
        world.storage().hold(key, b"x".to_vec());
    }
    publish(&mut node, 2..3, HOUR).await;
    assert_eq!(sweep(&stage, &world).await.removed, 0);
    tokio::time::sleep(2 * DAY).await;
    assert_eq!(sweep(&stage, &world).await.removed, 2);
    let left = world.storage().keys();
    assert!(!left.contains(&litter.to_owned()) && !left.contains(&scratch));
    assert!([ahead, foreign, "config/other"].iter().all(|key| left.contains(&(*key).to_owned())), "{left:?}");
    assert_eq!(world.trace.events(Name::Swept).len(), 1);
}

async fn export_09_a_storage_that_cannot_be_looked_into_is_left_alone(stage: Stage) {
    let world = World::new(2);
    let mut node = ExportNode::start(&stage, &world, Vec::new());
    publish(&mut node, 0..25, HOUR / 20).await;
    tokio::time::sleep(2 * DAY).await;
    world.storages[0].is_down(StorageFailureKind::Forbidden);
    world.storages[1].hold(keys::HEAD, b"torn".to_vec());
    assert_eq!(sweep(&stage, &world).await.removed, 0);
    assert_eq!(world.trace.count(|act| matches!(act, Act::Delete { .. })), 0);
    assert_eq!(world.trace.events(Name::SweepFailed).len(), 2);
}

async fn publish(node: &mut ExportNode<'_>, range: std::ops::Range<u32>, pause: Duration) {
    for nth in range {
        node.delivered(&documents::kong(&format!("generation-{nth}"))).await;
        node.run_for(pause).await;
    }
}

fn snapshots(world: &World) -> Vec<String> {
    world.storage().keys().into_iter().filter(|key| key.starts_with(keys::SNAPSHOTS)).collect()
}
