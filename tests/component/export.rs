//! Rules export-01 to export-08: what a backup node publishes, when, and how it survives a storage that answers badly.

use std::time::Duration;

use holdover_plugin::model::{Digest, Epoch, Generation, UnixMs};
use holdover_plugin::snapshot::head::Entry;
use holdover_plugin::snapshot::{self, Trust, keys};
use holdover_ports::{Name, Severity, StorageFailureKind};
use holdover_tests::virtual_world::{Act, BEGINNING_UNIX_MS, Published, World, WriteFault, documents, lineage};

use crate::export_node::{ExportNode, head, history};
use crate::node::{Stage, VERSION};
use crate::rules::cases;

const HOUR: Duration = Duration::from_secs(3600);
const DELAY: Duration = Duration::from_secs(60);

cases! {
    export_01_an_exporter_that_was_delivered_nothing_publishes_nothing,
    export_01_a_process_that_begins_again_goes_on_in_its_office,
    export_01_an_exporter_without_control_plane_confirms_nothing,
    export_02_what_is_invalid_or_empty_is_never_exported,
    export_02_what_the_operators_schema_refuses_is_not_exported,
    export_04_the_first_at_once_then_the_newest_after_the_delay,
    export_05_the_same_configuration_makes_no_snapshot,
    export_05_an_unchanged_head_is_confirmed_once_an_hour,
    export_06_an_exporter_that_was_succeeded_stands_by,
    export_08_the_body_goes_up_and_is_read_back_before_the_head_moves,
    export_08_a_head_that_moved_meanwhile_is_tried_again_from_where_it_is,
    export_08_an_upload_whose_answer_was_lost_is_resolved_by_reading,
    export_08_a_head_write_whose_answer_was_lost_is_resolved_by_reading,
    export_08_a_storage_that_gives_other_bytes_back_gets_no_head,
    export_08_a_head_that_cannot_be_believed_is_not_overwritten,
    export_11_a_failed_export_is_retried_until_the_storage_is_back,
}

pub async fn export_01_an_exporter_that_was_delivered_nothing_publishes_nothing(stage: Stage) {
    let world = World::new(1);
    let mut earlier = ExportNode::start(&stage, &world, Vec::new());
    earlier.delivered(&documents::kong("earlier")).await;
    world.trace.forget();
    let mut node = ExportNode::start(&stage, &world, earlier.state);
    for _ in 0..5 {
        node.tick().await;
        node.run_for(HOUR).await;
    }
    assert_eq!(world.trace.count(Act::is_write), 0, "{:#?}", world.trace.calls());
    assert_eq!(node.published, None);
}

pub async fn export_01_a_process_that_begins_again_goes_on_in_its_office(stage: Stage) {
    let world = World::new(1);
    let mut state = Vec::new();
    for process in 1..=3 {
        let mut node = ExportNode::start(&stage, &world, state);
        node.delivered(&documents::kong(&format!("of-process-{process}"))).await;
        node.run_for(DELAY).await;
        node.delivered(&documents::kong(&format!("another-of-process-{process}"))).await;
        assert_eq!(node.published.map(|position| position.epoch), Some(Epoch(1)));
        state = node.state;
    }
    let positions: Vec<_> = history(&world).iter().map(|entry| (entry.epoch.0, entry.generation.0)).collect();
    assert_eq!(positions, [(1, 6), (1, 5), (1, 4), (1, 3), (1, 2), (1, 1)]);
    let mut another = ExportNode::start(&stage, &world, Vec::new());
    another.delivered(&documents::kong("of-another")).await;
    assert_eq!(another.published.map(|position| position.epoch), Some(Epoch(2)), "nothing was left to it");
}

pub async fn export_01_an_exporter_without_control_plane_confirms_nothing(stage: Stage) {
    let world = World::new(1);
    let mut node = ExportNode::start(&stage, &world, Vec::new());
    node.delivered(&documents::kong("any")).await;
    world.trace.forget();
    node.connected = false;
    for _ in 0..5 {
        node.run_for(HOUR).await;
        node.tick().await;
    }
    assert_eq!(world.trace.count(Act::is_write), 0);
    assert_eq!(head(&world).unwrap().confirmed_at, UnixMs(BEGINNING_UNIX_MS));
}

pub async fn export_02_what_is_invalid_or_empty_is_never_exported(stage: Stage) {
    let bad = [Vec::new(), b"<html>502</html>".to_vec(), b"{}".to_vec(), documents::kong_dangling(), documents::kong_empty()];
    for document in bad {
        let world = World::new(1);
        let mut node = ExportNode::start(&stage, &world, Vec::new());
        node.delivered(&document).await;
        node.run_for(HOUR).await;
        let text = String::from_utf8_lossy(&document).into_owned();
        assert_eq!(world.trace.count(Act::is_write), 0, "{text}");
        assert_eq!(world.trace.events(Name::ExportInvalid).first().map(|event| event.severity), Some(Severity::Alarm), "{text}");
        assert!(node.held.is_some() && node.pending.is_none(), "{text}: {:?}", node.held);
        let good = documents::kong("good");
        node.delivered(&good).await;
        assert_eq!(history(&world).first().map(digest), Some(Digest::of(&good)));
    }
}

pub async fn export_02_what_the_operators_schema_refuses_is_not_exported(stage: Stage) {
    let world = World::new(1);
    world.schemas.violated(&["listeners[0].port: not a number"]);
    let mut node = ExportNode::start(&stage, &world, Vec::new());
    node.delivered(&documents::kong("any")).await;
    assert_eq!(world.trace.count(Act::is_write), 0);
    assert!(node.held.as_ref().is_some_and(|held| held.contains("listeners[0].port")), "{:?}", node.held);
}

pub async fn export_04_the_first_at_once_then_the_newest_after_the_delay(stage: Stage) {
    let [first, second, third] = ["first", "second", "third"].map(documents::kong);
    let world = World::new(1);
    let mut node = ExportNode::start(&stage, &world, Vec::new());
    node.delivered(&first).await;
    assert_eq!(published(&world), [Digest::of(&first)]);
    node.run_for(Duration::from_secs(10)).await;
    node.delivered(&second).await;
    assert!(node.held.as_ref().is_some_and(|held| held.contains("export delay")), "{:?}", node.held);
    node.run_for(Duration::from_secs(10)).await;
    node.delivered(&third).await;
    node.run_for(DELAY - Duration::from_millis(20_001)).await;
    assert_eq!(published(&world), [Digest::of(&first)], "the delay is not over");
    node.run_for(Duration::from_millis(1)).await;
    assert_eq!(published(&world), [Digest::of(&third), Digest::of(&first)], "the newest, and none between");
    let swaps = world.trace.times(|act| matches!(act, Act::Swap { .. }));
    assert_eq!(swaps, [Duration::ZERO, DELAY]);
}

pub async fn export_05_the_same_configuration_makes_no_snapshot(stage: Stage) {
    let document = documents::kong("any");
    let same = documents::written_otherwise(&document);
    let world = World::new(1);
    let mut node = ExportNode::start(&stage, &world, Vec::new());
    for delivered in [&document, &document, &same, &document] {
        node.delivered(delivered).await;
        node.run_for(2 * DELAY).await;
    }
    assert_eq!(published(&world), [Digest::of(&document)]);
    assert_eq!(world.trace.count(Act::is_write), 2, "one body, one head");
    assert_eq!(world.trace.events(Name::ExportUnchanged).len(), 3);
    // Nor does a process that begins.
    let mut another = ExportNode::start(&stage, &world, Vec::new());
    another.delivered(&same).await;
    let raised = 1;
    assert_eq!(world.trace.count(Act::is_write), 2 + raised, "a process of its own, and no other write");
}

pub async fn export_05_an_unchanged_head_is_confirmed_once_an_hour(stage: Stage) {
    let world = World::new(1);
    let mut node = ExportNode::start(&stage, &world, Vec::new());
    node.delivered(&documents::kong("any")).await;
    let before = head(&world).unwrap();
    node.run_for(5 * HOUR + DELAY).await;
    let after = head(&world).unwrap();
    assert_eq!(after.confirmed_at, before.confirmed_at.plus(5 * HOUR));
    assert_eq!((after.epoch, after.generation, &after.views), (before.epoch, before.generation, &before.views));
    let swaps = world.trace.times(|act| matches!(act, Act::Swap { .. }));
    assert_eq!(swaps, (0..=5).map(|hour| hour * HOUR).collect::<Vec<_>>());
    assert_eq!(world.trace.events(Name::HeadConfirmed).len(), 5);
}

pub async fn export_06_an_exporter_that_was_succeeded_stands_by(stage: Stage) {
    let world = World::new(1);
    let mut node = ExportNode::start(&stage, &world, Vec::new());
    node.delivered(&documents::kong("ours")).await;
    let theirs = documents::kong("theirs");
    ExportNode::start(&stage, &world, Vec::new()).delivered(&theirs).await;
    let taken_over = world.storage().object(keys::HEAD);
    world.trace.forget();
    node.run_for(DELAY).await;
    node.delivered(&documents::kong("ours-again")).await;
    node.run_for(5 * HOUR).await;
    assert_eq!(world.trace.count(Act::is_write), 0, "{:#?}", world.trace.calls());
    assert!(world.storage().object(keys::HEAD) == taken_over);
    assert_eq!(world.trace.said(Name::OfficeLost, "reason"), ["succeeded"]);
    assert!(node.held.as_ref().is_some_and(|held| held.contains("took office")), "{:?}", node.held);
}

pub async fn export_08_the_body_goes_up_and_is_read_back_before_the_head_moves(stage: Stage) {
    let document = documents::kong("any");
    let world = World::new(1);
    let mut node = ExportNode::start(&stage, &world, Vec::new());
    node.begins().await;
    world.trace.forget();
    node.delivered(&document).await;
    let entry = history(&world).first().cloned().unwrap();
    let orders = Act::Get { storage: 0, key: keys::ORDERS.into() };
    let is_storage = |act: &Act| (act.is_get() || act.is_write()) && *act != orders;
    let acts: Vec<Act> = world.trace.calls().into_iter().map(|call| call.act).filter(is_storage).collect();
    let in_order = [
        Act::Get { storage: 0, key: keys::HEAD.into() },
        Act::PutNew { storage: 0, key: entry.key.clone() },
        Act::Get { storage: 0, key: entry.key.clone() },
        Act::Swap { storage: 0, key: keys::HEAD.into() },
    ];
    assert_eq!(acts, in_order);
    let file = world.storage().object(&entry.key).unwrap();
    assert_eq!(Digest::of(&file), entry.file_digest);
    assert_eq!(snapshot::verify(&file, &Trust::unasked()).unwrap().open(None).unwrap().bytes(), document);
}

pub async fn export_08_a_head_that_moved_meanwhile_is_tried_again_from_where_it_is(stage: Stage) {
    let [theirs_first, theirs_second, ours] = ["theirs-first", "theirs-second", "ours"].map(documents::kong);
    let world = World::new(1);
    let mut theirs = Published::nothing();
    theirs.generation(VERSION, &theirs_first);
    theirs.put_on(world.storage());
    theirs.generation(VERSION, &theirs_second);
    let mut node = ExportNode::start(&stage, &world, Vec::new());
    world.storage().next_swap_meets(WriteFault::Overtaken { key: keys::HEAD.into(), bytes: theirs.head_bytes() });
    node.delivered(&ours).await;
    assert_eq!(published(&world), [&ours, &theirs_second, &theirs_first].map(|document| Digest::of(document)));
    let head = head(&world).unwrap();
    assert_eq!(head.lineage, theirs.head.lineage);
    assert!(head.epoch > theirs.head.epoch && head.generation > theirs.head.generation);
    assert_whole(&world);
}

pub async fn export_08_an_upload_whose_answer_was_lost_is_resolved_by_reading(stage: Stage) {
    for written in [true, false] {
        let document = documents::kong("any");
        let world = World::new(1);
        world.storage().next_put_meets(WriteFault::UnknownOutcome { written });
        let mut node = ExportNode::start(&stage, &world, Vec::new());
        node.delivered(&document).await;
        if written {
            assert_eq!(history(&world).first().map(|entry| entry.generation), Some(Generation(1)), "adopted at once");
            assert_eq!(world.trace.count(|act| matches!(act, Act::PutNew { .. })), 1);
        } else {
            assert!(history(&world).is_empty() && node.pending.is_some());
        }
        node.run_for(DELAY).await;
        assert_eq!(published(&world), [Digest::of(&document)]);
        assert_whole(&world);
    }
}

pub async fn export_08_a_head_write_whose_answer_was_lost_is_resolved_by_reading(stage: Stage) {
    for written in [true, false] {
        let document = documents::kong("any");
        let world = World::new(1);
        world.storage().next_swap_meets(WriteFault::UnknownOutcome { written });
        let mut node = ExportNode::start(&stage, &world, Vec::new());
        node.delivered(&document).await;
        node.run_for(DELAY).await;
        assert_eq!(published(&world), [Digest::of(&document)], "written: {written}");
        assert_eq!(world.trace.count(|act| matches!(act, Act::Swap { .. })), if written { 1 } else { 2 });
        assert_eq!(node.published, history(&world).first().map(|entry| entry.position()));
        assert_whole(&world);
    }
}

pub async fn export_08_a_storage_that_gives_other_bytes_back_gets_no_head(stage: Stage) {
    let world = World::new(1);
    world.storage().next_put_meets(WriteFault::Corrupts);
    let mut node = ExportNode::start(&stage, &world, Vec::new());
    node.delivered(&documents::kong("any")).await;
    assert_eq!(world.trace.count(|act| matches!(act, Act::Swap { .. })), 0);
    assert_eq!(head(&world), None);
    assert!(node.pending.is_some(), "it is tried again");
    assert_eq!(world.trace.events(Name::ExportFailed).len(), 1);
}

pub async fn export_08_a_head_that_cannot_be_believed_is_not_overwritten(stage: Stage) {
    let mut published = Published::nothing();
    published.generation(VERSION, &documents::kong("any"));
    let torn = published.head_bytes()[..40].to_vec();
    let others = Published::of("others", lineage()).head_bytes();
    for unusable in [torn, others] {
        let world = World::new(1);
        world.storage().hold(keys::HEAD, unusable.clone());
        let mut node = ExportNode::start(&stage, &world, Vec::new());
        node.delivered(&documents::kong("ours")).await;
        node.run_for(HOUR).await;
        assert_eq!(world.trace.count(Act::is_write), 0);
        assert_eq!(world.storage().object(keys::HEAD).unwrap(), unusable);
    }
}

pub async fn export_11_a_failed_export_is_retried_until_the_storage_is_back(stage: Stage) {
    let document = documents::kong("any");
    for kind in [StorageFailureKind::Unreachable, StorageFailureKind::Forbidden, StorageFailureKind::SlowDown] {
        for in_office in [true, false] {
            let world = World::new(1);
            let mut node = ExportNode::start(&stage, &world, Vec::new());
            if in_office {
                node.begins().await;
            }
            world.storage().is_down(kind);
            node.delivered(&document).await;
            node.run_for(HOUR).await;
            assert!(node.held.is_some());
            assert_eq!(node.pending.is_some(), in_office, "what came before the office is delivered again");
            let tries = world.trace.times(Act::is_get);
            assert!(tries.windows(2).all(|pair| pair[1] - pair[0] <= Duration::from_secs(30)), "{tries:?}");
            world.storage().is_back();
            node.run_for(Duration::from_secs(31)).await;
            assert_eq!(published(&world), [Digest::of(&document)]);
            assert_eq!(node.held, None);
        }
    }
}

/// The digests that the head lists, newest first.
fn published(world: &World) -> Vec<Digest> {
    history(world).iter().map(digest).collect()
}

/// What the head lists first is there and intact.
fn assert_whole(world: &World) {
    let entry = history(world).first().cloned().unwrap();
    let file = world.storage().object(&entry.key).unwrap();
    assert_eq!(Digest::of(&file), entry.file_digest);
    snapshot::verify(&file, &Trust::unasked()).unwrap();
}

fn digest(entry: &Entry) -> Digest {
    entry.shown.as_ref().map(|shown| shown.digest).expect("a plain history shows its digests")
}
