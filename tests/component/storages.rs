//! Rules export-13 and export-15 as a reader keeps them: several storages tell one story, and Kong's own place is the last resort.

use std::time::Duration;

use holdover_plugin::model::Lineage;
use holdover_plugin::policy::{Origin, Settings, Standing};
use holdover_plugin::snapshot::keys;
use holdover_ports::{Name, Severity, Slot, StorageFailureKind};
use holdover_tests::virtual_world::keys::signing_key;
use holdover_tests::virtual_world::{Act, Published, World, documents, lineage};

use crate::node::{Stage, VERSION};
use crate::rules::{cases, rule};

const KONG_PLACE: &str = "3.9.1/config.json";

rule! { export_13, "export-13":
    export_13_kongs_config_json_serves_a_node_that_knows_nothing_better,
    export_13_a_node_with_keys_or_a_mark_refuses_what_nobody_sealed,
}

async fn export_13_kongs_config_json_serves_a_node_that_knows_nothing_better(stage: Stage) {
    let document = documents::kong("kongs-own");
    let world = World::new(1);
    world.storage().hold(KONG_PLACE, document.clone());
    let node = stage.start(&world).await;
    node.assert_serves(&document, Origin::Storage);
    node.stop().await;
    let node = stage.start(&world).await;
    node.assert_serves(&document, Origin::Cache);
    node.stop().await;
    // What was kept without a seal is not believed any more once there are keys.
    world.keys.trusts(&[&signing_key()]);
    world.trace.forget();
    let node = stage.start(&world).await;
    assert!(matches!(node.standing, Standing::Stranded(_)), "{:?}", node.standing);
    assert!(world.trace.said(Name::SnapshotSkipped, "reason").iter().all(|reason| reason == "legacy-would-downgrade"));
}

async fn export_13_a_node_with_keys_or_a_mark_refuses_what_nobody_sealed(stage: Stage) {
    let (sealed, plain) = (documents::kong("sealed"), documents::kong("kongs-own"));
    let refuses = async |world: &World| {
        world.trace.forget();
        let node = stage.start(world).await;
        assert!(matches!(node.standing, Standing::Stranded(_)), "{:?}", node.standing);
        assert_eq!(world.trace.said(Name::SnapshotSkipped, "reason"), ["legacy-would-downgrade"]);
        assert!(world.trace.gets().iter().all(|(_, key)| key != KONG_PLACE), "it is not even read");
    };
    let keyed = World::new(1);
    keyed.keys.trusts(&[&signing_key()]);
    keyed.storage().hold(KONG_PLACE, plain.clone());
    refuses(&keyed).await;

    let marked = World::new(1);
    let mut published = Published::nothing();
    published.generation(VERSION, &sealed);
    published.put_on(marked.storage());
    stage.start(&marked).await.stop().await;
    marked.cache.lose(Slot::Applied);
    marked.storage().lose(keys::HEAD);
    marked.storage().hold(KONG_PLACE, plain);
    refuses(&marked).await;
}

cases! {
    boot_05_a_storage_that_asks_for_a_pause_gets_it,
}

async fn boot_05_a_storage_that_asks_for_a_pause_gets_it(stage: Stage) {
    let world = World::new(1);
    let pause = Duration::from_secs(90);
    world.storage().is_down(StorageFailureKind::SlowDown);
    world.storage().asks_for(pause);
    let mut node = stage.start(&world).await;
    node.run_for(Duration::from_secs(3600)).await;
    let climbs = world.trace.times(Act::is_get);
    assert!(climbs.len() > 20 && climbs.windows(2).all(|pair| pair[1] - pair[0] >= pause), "{climbs:?}");
}

rule! { export_15, "export-15":
    export_15_the_highest_of_one_lineage_is_taken_whatever_the_order,
    export_15_a_copy_serves_for_a_storage_whose_body_is_broken,
    export_15_a_storage_that_is_slow_holds_nobody_up,
    export_15_two_lineages_are_refused_and_both_are_named,
    export_15_a_node_that_knows_its_lineage_takes_it_and_passes_the_other,
}

async fn export_15_the_highest_of_one_lineage_is_taken_whatever_the_order(stage: Stage) {
    let documents: Vec<Vec<u8>> = (1..=3).map(|number| documents::kong(&format!("generation-{number}"))).collect();
    for order in [[1, 2, 3], [3, 2, 1], [2, 3, 1]] {
        let world = World::new(3);
        for (storage, generations) in order.iter().enumerate() {
            story(&documents[..*generations]).put_on(&world.storages[storage]);
        }
        let node = stage.start(&world).await;
        node.assert_serves(&documents[2], Origin::Storage);
        assert_eq!(world.trace.gets().len(), 4, "three heads and one snapshot");
    }
}

async fn export_15_a_copy_serves_for_a_storage_whose_body_is_broken(stage: Stage) {
    let documents = [documents::kong("older"), documents::kong("newest")];
    let published = story(&documents);
    let world = World::new(2);
    published.put_on(&world.storages[0]);
    published.put_on(&world.storages[1]);
    let newest = published.head.newest(&VERSION.parse().unwrap()).unwrap().clone();
    world.storages[0].hold(&newest.key, b"torn".to_vec());
    let node = stage.start(&world).await;
    node.assert_serves(&documents[1], Origin::Storage);
    let gets = world.trace.gets();
    assert_eq!(gets[2..], [(0, newest.key.clone()), (1, newest.key)], "one GET more");
    // Without the copy the next older one serves, for one GET more again.
    let world = World::new(1);
    published.put_on(world.storage());
    world.storage().hold(&published.head.newest(&VERSION.parse().unwrap()).unwrap().key, b"torn".to_vec());
    let node = stage.start(&world).await;
    node.assert_serves(&documents[0], Origin::Storage);
    assert_eq!(world.trace.gets().len(), 3);
}

async fn export_15_a_storage_that_is_slow_holds_nobody_up(stage: Stage) {
    let documents = [documents::kong("any")];
    let world = World::new(2);
    story(&documents).put_on(&world.storages[0]);
    story(&documents).put_on(&world.storages[1]);
    world.storages[0].takes(Duration::from_secs(3600));
    let node = stage.start(&world).await;
    node.assert_serves(&documents[0], Origin::Storage);
    assert!(world.trace.elapsed() < Duration::from_secs(5), "{:?}", world.trace.elapsed());
    assert_eq!(world.trace.said(Name::RungFailed, "reason"), ["slow"]);
}

async fn export_15_two_lineages_are_refused_and_both_are_named(stage: Stage) {
    let (world, other) = two_stories();
    let node = stage.start(&world).await;
    let names_both = |why: &str| why.contains(&lineage().to_string()) && why.contains(&other.to_string());
    assert!(matches!(&node.standing, Standing::Stranded(why) if names_both(why)), "{:?}", node.standing);
    assert_eq!(world.trace.said(Name::HeadRefused, "reason"), ["several-lineages", "several-lineages"]);
    let alarms = world.trace.events(Name::TwoLineages);
    assert_eq!(alarms[0].severity, Severity::Alarm);
    let names = [lineage().to_string(), other.to_string(), "virtual-0".into(), "virtual-1".into()];
    assert!(names.iter().all(|name| alarms[0].sentence.contains(name)), "{alarms:?}");
}

async fn export_15_a_node_that_knows_its_lineage_takes_it_and_passes_the_other(stage: Stage) {
    let (world, other) = two_stories();
    let node = stage.start_with(&world, Settings { accept_lineage: Some(other), ..stage.settings(&world) }).await;
    node.assert_serves(&documents::kong("theirs"), Origin::Storage);
    assert_eq!(world.trace.said(Name::HeadRefused, "reason"), ["foreign-lineage"]);
    node.stop().await;
    world.cache.lose(Slot::Applied);
    // It belongs there by now, without being told so again.
    let node = stage.start(&world).await;
    node.assert_serves(&documents::kong("theirs"), Origin::Storage);
}

fn two_stories() -> (World, Lineage) {
    let world = World::new(2);
    let other = Lineage::from_random(8, 8);
    story(&[documents::kong("ours")]).put_on(&world.storages[0]);
    let mut published = Published::of("test", other);
    published.generation(VERSION, &documents::kong("theirs"));
    published.put_on(&world.storages[1]);
    (world, other)
}

fn story(documents: &[Vec<u8>]) -> Published {
    let mut published = Published::nothing();
    for document in documents {
        published.generation(VERSION, document);
    }
    published
}
