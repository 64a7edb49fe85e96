//! Rules export-05 and export-13 as a writer keeps them: what an exporter with keys publishes, and when it publishes again.

use holdover_keys::Identity;
use holdover_plugin::policy::Settings;
use holdover_plugin::snapshot::keys;
use holdover_ports::Name;
use holdover_tests::virtual_world::keys::{ring, signing_key};
use holdover_tests::virtual_world::{Act, World, documents};

use crate::export_node::{ExportNode, head, history, single};
use crate::node::Stage;
use crate::rules::cases;

const KONG_PLACE: &str = "3.9.1/config.json";

cases! {
    export_05_an_encrypted_history_tells_nothing_and_makes_no_second_snapshot_of_the_same,
    export_05_without_a_signing_key_a_restarted_exporter_publishes_an_encrypted_configuration_once_more,
    export_05_a_change_of_key_or_recipients_is_a_change,
    export_13_kongs_place_is_written_after_the_head_and_only_when_it_changed,
}

async fn export_05_an_encrypted_history_tells_nothing_and_makes_no_second_snapshot_of_the_same(stage: Stage) {
    let (key, reader) = (signing_key(), Identity::generate().unwrap());
    let (document, other) = (documents::kong("sealed"), documents::kong("other"));
    let world = World::new(1);
    world.keys.has(ring(Some(&key), &[&reader], None));
    world.keys.trusts(&[&key]);
    let mut node = ExportNode::start(&stage, &world, Vec::new());
    node.delivered(&document).await;
    let entry = history(&world).remove(0);
    assert_eq!(entry.shown, None);
    let sealed = world.storage().object(&entry.key).unwrap();
    let told = [world.storage().object(keys::HEAD).unwrap(), sealed.clone()].concat();
    let tells = |secret: &str| told.windows(secret.len()).any(|window| window == secret.as_bytes());
    assert!(!tells(&documents::sameness(&document)) && !tells("upstream.internal"), "neither head nor snapshot tells");
    // The next process knows it by its own signature.
    let mut node = ExportNode::start(&stage, &world, node.state);
    node.delivered(&documents::written_otherwise(&document)).await;
    assert_eq!(history(&world).len(), 1);
    node.delivered(&other).await;
    assert!(node.held.is_none() && history(&world).len() == 2, "{:?}", node.held);
}

async fn export_05_without_a_signing_key_a_restarted_exporter_publishes_an_encrypted_configuration_once_more(stage: Stage) {
    let document = documents::kong("sealed");
    let world = World::new(1);
    world.keys.has(ring(None, &[&Identity::generate().unwrap()], None));
    let mut node = ExportNode::start(&stage, &world, Vec::new());
    node.delivered(&document).await;
    node.delivered(&document).await;
    assert_eq!(history(&world).len(), 1, "a process remembers what it published");
    let mut node = ExportNode::start(&stage, &world, node.state);
    node.delivered(&document).await;
    assert_eq!(history(&world).len(), 2);
}

async fn export_05_a_change_of_key_or_recipients_is_a_change(stage: Stage) {
    let (old, new) = (signing_key(), signing_key());
    let (reader, another) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let document = documents::kong("the-same");
    let world = World::new(1);
    let rings =
        [ring(None, &[], None), ring(Some(&old), &[], None), ring(Some(&new), &[], None), ring(Some(&new), &[&reader, &another], None)];
    for (published, ring) in (1..).zip(rings) {
        world.keys.has(ring);
        let mut node = ExportNode::start(&stage, &world, Vec::new());
        for _ in 0..2 {
            node.delivered(&document).await;
            assert_eq!(history(&world).len(), published, "{}", world.keys.sealed_as());
        }
        assert_eq!(history(&world)[0].sealed_as, world.keys.sealed_as());
    }
    world.keys.trusts(&[&new]);
    assert!(head(&world).is_some(), "the head is signed with the last key");
}

async fn export_13_kongs_place_is_written_after_the_head_and_only_when_it_changed(stage: Stage) {
    let (first, second) = (documents::kong("first"), documents::kong("second"));
    let world = World::new(1);
    let mut silent = ExportNode::start(&stage, &world, Vec::new());
    silent.delivered(&first).await;
    assert_eq!(world.storage().object(KONG_PLACE), None, "nobody asked for it");

    let world = World::new(1);
    let asked = |settings: Settings| Settings { kong_layout: true, ..single(settings) };
    let mut node = ExportNode::start_with(&stage, &world, asked);
    node.delivered(&first).await;
    assert_eq!(world.storage().object(KONG_PLACE).as_deref(), Some(first.as_slice()));
    let swaps: Vec<Act> = world.trace.calls().into_iter().map(|call| call.act).filter(|act| matches!(act, Act::Swap { .. })).collect();
    let swap = |key: &str| Act::Swap { storage: 0, key: key.into() };
    assert_eq!(swaps, [swap(keys::HEAD), swap(KONG_PLACE)]);
    node.run_for(std::time::Duration::from_secs(61)).await;
    node.delivered(&second).await;
    assert_eq!(world.storage().object(KONG_PLACE).as_deref(), Some(second.as_slice()));
    assert_eq!(world.trace.events(Name::ExportWarning), []);
}
