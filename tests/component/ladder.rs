//! Rules boot-03 to boot-08: which rungs there are, in which order, and what is believed on each.

use std::time::Duration;

use holdover_plugin::config::{self, Format, Strictness};
use holdover_plugin::model::{Digest, UnixMs, VersionRule};
use holdover_plugin::policy::{Origin, Settings, Standing};
use holdover_plugin::snapshot::cached::{CachedOrigin, Found, Header};
use holdover_plugin::snapshot::{self, About, Snapshot, keys};
use holdover_ports::{Name, Severity, Slot, StorageFailureKind};
use holdover_tests::virtual_world::{Act, Behaviour, Forgery, Published, World, documents, forge, seal};

use crate::node::{Stage, VERSION, world_with};
use crate::rules::rule;

const HOUR: Duration = Duration::from_secs(3600);

rule! { boot_03, "boot-03":
    boot_03_a_valid_cache_beats_the_storage,
    boot_03_a_cache_that_is_torn_or_foreign_is_set_aside_and_reported,
    boot_03_what_a_node_sealed_for_its_own_cache_is_believed_nowhere_else,
}

async fn boot_03_a_valid_cache_beats_the_storage(stage: Stage) {
    let (cached, newer) = (documents::kong("cached"), documents::kong("newer"));
    let world = world_with(&[&cached]);
    let mut node = stage.start(&world).await;
    node.run_for(Duration::from_secs(61)).await;
    node.stop().await;
    publish(&world, &[&cached, &newer]);
    world.trace.forget();
    let node = stage.start(&world).await;
    node.assert_serves(&cached, Origin::Cache);
    assert_eq!(world.trace.gets(), []);
}

async fn boot_03_a_cache_that_is_torn_or_foreign_is_set_aside_and_reported(stage: Stage) {
    let document = documents::kong("stored");
    let others = seal(&document, VERSION, None, "others");
    let foreign = kept(&others);
    let torn = foreign[..foreign.len() - 1].to_vec();
    for (file, reason) in [(foreign, "foreign-cluster"), (torn, "torn"), (b"garbage!".to_vec(), "not-ours")] {
        let world = world_with(&[&document]);
        world.cache.hold(Slot::Applied, file);
        let node = stage.start(&world).await;
        node.assert_serves(&document, Origin::Storage);
        assert_eq!(world.cache.aside(), [(Slot::Applied, reason.to_owned())]);
        assert_eq!(world.trace.said(Name::CacheSetAside, "reason"), [reason]);
    }
}

async fn boot_03_what_a_node_sealed_for_its_own_cache_is_believed_nowhere_else(stage: Stage) {
    let document = documents::kong("own");
    let world = World::new(1);
    world.bundle.hold(seal(&document, VERSION, None, "test").into_bytes());
    let mut published = Published::nothing();
    published.forged(VERSION, &document, |forgery| forgery.manifest.publication = None);
    published.put_on(world.storage());
    let node = stage.start(&world).await;
    assert!(matches!(node.standing, Standing::Stranded(_)), "{:?}", node.standing);
    assert_eq!(world.trace.said(Name::SnapshotSkipped, "reason"), ["never-published", "never-published"]);
}

rule! { boot_04, "boot-04":
    boot_04_no_storage_is_read_after_the_first_configuration_however_long_the_outage,
    boot_04_a_node_that_could_not_keep_its_configuration_does_not_read_the_storage_again_either,
    boot_04_a_control_plane_that_is_lost_later_opens_no_storage,
}

async fn boot_04_no_storage_is_read_after_the_first_configuration_however_long_the_outage(stage: Stage) {
    let (document, newer) = (documents::kong("stored"), documents::kong("newer"));
    let world = world_with(&[&document]);
    world.control_plane.behaves(Behaviour::Hangs);
    let mut node = stage.start(&world).await;
    publish(&world, &[&document, &newer]);
    let read = world.trace.gets();
    node.run_for(HOUR).await;
    node.assert_serves(&document, Origin::Storage);
    assert_eq!(world.trace.gets(), read);
}

async fn boot_04_a_node_that_could_not_keep_its_configuration_does_not_read_the_storage_again_either(stage: Stage) {
    let document = documents::kong("stored");
    let world = world_with(&[&document]);
    world.cache.is_unwritable(true);
    let mut node = stage.start(&world).await;
    let read = world.trace.gets();
    assert_eq!(read.len(), 2, "the head and what it names");
    node.run_for(HOUR).await;
    node.assert_serves(&document, Origin::Storage);
    assert_eq!(world.trace.gets(), read);
}

async fn boot_04_a_control_plane_that_is_lost_later_opens_no_storage(stage: Stage) {
    let live = documents::kong("live");
    let world = world_with(&[&documents::kong("stored")]);
    world.cache.is_unwritable(true);
    world.control_plane.behaves(Behaviour::delivers(&live));
    let mut node = stage.start(&world).await;
    world.control_plane.loses_session(Behaviour::Hangs);
    node.run_for(HOUR).await;
    node.assert_serves(&live, Origin::ControlPlane);
    assert_eq!(world.trace.gets(), []);
}

rule! { boot_05, "boot-05":
    boot_05_the_rungs_are_climbed_in_their_order,
    boot_05_the_attempt_to_reach_the_control_plane_goes_on_beside_the_ladder,
    boot_05_a_stranded_node_climbs_again_until_a_storage_is_back,
    boot_05_a_stranded_node_is_found_by_a_control_plane_that_is_back,
    boot_05_an_attempt_that_outlives_its_climb_is_not_lost,
}

async fn boot_05_the_rungs_are_climbed_in_their_order(stage: Stage) {
    let document = documents::kong("baked");
    let world = World::new(3);
    world.storages[0].is_down(StorageFailureKind::Unreachable);
    let mut damaged = Published::nothing();
    let torn = damaged.damaged(VERSION, &document, |file| file[..20].to_vec());
    damaged.put_on(&world.storages[2]);
    let mut baked = Published::nothing();
    let entry = baked.generation(VERSION, &document);
    world.bundle.hold(baked.file(&entry));
    let node = stage.start(&world).await;
    node.assert_serves(&document, Origin::Bundle);
    let is_rung = |act: &Act| act.is_get() || matches!(act, Act::Bundle | Act::CacheRead(Slot::Applied | Slot::Settled));
    let rungs: Vec<Act> = world.trace.calls().into_iter().map(|call| call.act).filter(is_rung).collect();
    let head = |storage| Act::Get { storage, key: keys::HEAD.into() };
    let in_order = [
        Act::CacheRead(Slot::Applied),
        Act::CacheRead(Slot::Settled),
        // What is baked in is a new node's floor, so it is looked at first.
        Act::Bundle,
        head(0),
        head(1),
        head(2),
        Act::Get { storage: 2, key: torn.key },
        Act::Bundle,
    ];
    assert_eq!(rungs, in_order);
}

async fn boot_05_the_attempt_to_reach_the_control_plane_goes_on_beside_the_ladder(stage: Stage) {
    let live = documents::kong("live");
    let world = world_with(&[&documents::kong("stored")]);
    world.storage().takes(Duration::from_secs(60));
    world.control_plane.behaves_in_turn([Behaviour::Hangs, Behaviour::delivers(&live)]);
    let node = stage.start(&world).await;
    node.assert_serves(&live, Origin::ControlPlane);
    assert_eq!(world.trace.applied(), [Digest::of(&live)]);
    assert_eq!(world.trace.gets().len(), 1, "the climb had begun");
    assert!(world.trace.elapsed() < Duration::from_secs(21), "{:?}", world.trace.elapsed());
}

async fn boot_05_a_stranded_node_climbs_again_until_a_storage_is_back(stage: Stage) {
    let document = documents::kong("stored");
    let world = world_with(&[&document]);
    world.storage().is_down(StorageFailureKind::Unreachable);
    let mut node = stage.start(&world).await;
    assert!(matches!(&node.standing, Standing::Stranded(why) if why.contains("virtual-0")), "{:?}", node.standing);
    assert_eq!(world.trace.events(Name::Stranded).first().map(|event| event.severity), Some(Severity::Alarm));
    node.run_for(HOUR).await;
    let climbs = world.trace.times(Act::is_get);
    let gaps: Vec<Duration> = climbs.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|gap| *gap <= Duration::from_secs(30)), "{gaps:?}");
    // Full jitter over 30 s: short and long pauses both come, and as many climbs as 15 s each would allow.
    assert!(gaps.iter().skip(10).any(|gap| *gap < Duration::from_secs(5)), "{gaps:?}");
    assert!(gaps.iter().skip(10).any(|gap| *gap > Duration::from_secs(25)), "{gaps:?}");
    assert!((180..=320).contains(&climbs.len()), "{} climbs", climbs.len());
    world.storage().is_back();
    node.run_for(Duration::from_secs(31)).await;
    node.assert_serves(&document, Origin::Storage);
}

async fn boot_05_a_stranded_node_is_found_by_a_control_plane_that_is_back(stage: Stage) {
    let live = documents::kong("live");
    let world = World::new(1);
    let mut node = stage.start(&world).await;
    node.run_for(HOUR).await;
    world.control_plane.behaves(Behaviour::delivers(&live));
    node.run_for(Duration::from_secs(11)).await;
    node.assert_serves(&live, Origin::ControlPlane);
}

async fn boot_05_an_attempt_that_outlives_its_climb_is_not_lost(stage: Stage) {
    let live = documents::kong("live");
    let world = World::new(1);
    world.control_plane.behaves_in_turn([Behaviour::Hangs, Behaviour::Delivers { after: Duration::from_secs(8), document: live.clone() }]);
    let mut node = stage.start(&world).await;
    node.run_for(Duration::from_secs(30)).await;
    node.assert_serves(&live, Origin::ControlPlane);
}

rule! { boot_06, "boot-06":
    boot_06_a_snapshot_that_fails_is_skipped_with_its_reason_and_the_next_older_one_is_used,
    boot_06_each_skipped_snapshot_costs_one_more_get_and_nothing_of_it_is_applied,
    boot_06_a_head_that_cannot_be_believed_is_a_rung_that_fails,
}

type Damage = fn(&mut Published);

/// What can be wrong with the newest, and the word that says so.
const DAMAGES: [(&str, Damage); 10] = [
    ("torn", |published| drop(published.damaged(VERSION, &newest(), |file| file[..file.len() - 1].to_vec()))),
    ("corrupt", |published| drop(published.damaged(VERSION, &newest(), flipped))),
    ("not-ours", |published| drop(published.damaged(VERSION, &newest(), |_| b"<html>a proxy's page</html>".to_vec()))),
    ("unknown-format", |published| drop(published.damaged(VERSION, &newest(), |file| [&file[..8], &[9, 0], &file[10..]].concat()))),
    ("not-the-one-named", |published| {
        let other = seal(&documents::kong("x"), VERSION, None, "test").into_bytes();
        drop(published.damaged(VERSION, &newest(), |_| other));
    }),
    ("digest-mismatch", |published| drop(published.forged(VERSION, &newest(), |forgery| forgery.particulars.digest = Digest::of(b"")))),
    ("body-mismatch", |published| drop(published.forged(VERSION, &newest(), |forgery| forgery.particulars.plain_bytes += 1))),
    ("invalid", |published| drop(published.forged(VERSION, &newest(), no_kong_inside))),
    ("foreign-cluster", |published| {
        drop(published.forged(VERSION, &newest(), |forgery| forgery.manifest.cluster = "others".parse().unwrap()));
    }),
    ("foreign-format", |published| drop(published.forged(VERSION, &newest(), |forgery| forgery.manifest.format = Format::Document))),
];

async fn boot_06_a_snapshot_that_fails_is_skipped_with_its_reason_and_the_next_older_one_is_used(stage: Stage) {
    for (reason, damage) in DAMAGES {
        let good = documents::kong("good");
        let world = World::new(1);
        let mut published = Published::nothing();
        published.generation(VERSION, &good);
        damage(&mut published);
        published.put_on(world.storage());
        let node = stage.start(&world).await;
        assert_eq!(world.trace.said(Name::SnapshotSkipped, "reason"), [reason]);
        assert!(node.serves(&good, Origin::Storage), "{reason}: {:?}", node.standing);
        assert_eq!(world.trace.applied(), [Digest::of(&good)], "{reason}");
        assert_eq!(world.trace.gets().len(), 3, "{reason}: the head, the skipped one, the good one");
    }
}

async fn boot_06_each_skipped_snapshot_costs_one_more_get_and_nothing_of_it_is_applied(stage: Stage) {
    let good = documents::kong("good");
    let world = World::new(1);
    let mut published = Published::nothing();
    published.generation(VERSION, &documents::kong("older"));
    let wanted = published.generation(VERSION, &good);
    for (_, damage) in DAMAGES {
        damage(&mut published);
    }
    published.put_on(world.storage());
    let node = stage.start(&world).await;
    node.assert_serves(&good, Origin::Storage);
    let mut newest_first: Vec<_> = published.head.views.values().flat_map(|view| &view.history).map(|entry| entry.key.clone()).collect();
    newest_first.truncate(DAMAGES.len() + 1);
    let gets: Vec<String> = world.trace.gets().into_iter().map(|(_, key)| key).collect();
    assert_eq!(gets, [vec![keys::HEAD.to_owned()], newest_first].concat());
    assert_eq!(gets.last(), Some(&wanted.key));
    assert_eq!(world.trace.applied(), [Digest::of(&good)]);
    assert_eq!(world.trace.count(|act| matches!(act, Act::NotApplied(_))), 0);
}

async fn boot_06_a_head_that_cannot_be_believed_is_a_rung_that_fails(stage: Stage) {
    let document = documents::kong("second");
    let mut published = Published::nothing();
    published.generation(VERSION, &document);
    let head = published.head_bytes();
    let cut = head[..head.len() - 1].to_vec();
    for (broken, reason) in [(flipped(head.clone()), "corrupt"), (cut, "corrupt"), (b"{}".to_vec(), "torn"), (Vec::new(), "not-ours")] {
        let world = World::new(2);
        published.put_on(&world.storages[0]);
        world.storages[0].hold(keys::HEAD, broken);
        published.put_on(&world.storages[1]);
        let node = stage.start(&world).await;
        node.assert_serves(&document, Origin::Storage);
        assert_eq!(world.trace.said(Name::HeadRefused, "reason"), [reason]);
        assert_eq!(world.trace.gets().iter().map(|(storage, _)| *storage).collect::<Vec<_>>(), [0, 1, 1]);
    }
}

rule! { boot_08, "boot-08":
    boot_08_exact_takes_only_what_was_made_for_this_very_version,
    boot_08_a_manifest_of_another_version_is_refused_although_the_head_names_it,
    boot_08_the_rule_holds_for_the_cache_as_well,
    boot_08_patch_and_minor_take_the_nearest_older_version,
}

async fn boot_08_exact_takes_only_what_was_made_for_this_very_version(stage: Stage) {
    for other in ["3.9.0", "3.9.2", "3.9.1.0", "3.9", "3.10.1"] {
        let world = World::new(1);
        let mut published = Published::nothing();
        published.generation(other, &documents::kong("other"));
        published.put_on(world.storage());
        let node = stage.start(&world).await;
        let said = |why: &str| why.contains(other) && why.contains(VERSION) && why.contains("exact");
        assert!(matches!(&node.standing, Standing::Stranded(why) if said(why)), "{:?}", node.standing);
        assert_eq!(world.trace.gets().len(), 1, "what cannot be used is not fetched");
    }
}

async fn boot_08_a_manifest_of_another_version_is_refused_although_the_head_names_it(stage: Stage) {
    let good = documents::kong("good");
    let world = World::new(1);
    let mut published = Published::nothing();
    published.generation(VERSION, &good);
    published.forged(VERSION, &newest(), |forgery| forgery.manifest.gateway_version = "3.8.0".parse().unwrap());
    published.put_on(world.storage());
    let node = stage.start(&world).await;
    node.assert_serves(&good, Origin::Storage);
    let skipped = world.trace.events(Name::SnapshotSkipped);
    let sentence = &skipped.first().unwrap().sentence;
    assert!(sentence.contains("3.8.0") && sentence.contains(VERSION) && sentence.contains("exact"), "{sentence}");
}

async fn boot_08_the_rule_holds_for_the_cache_as_well(stage: Stage) {
    let document = documents::kong("cached");
    let world = world_with(&[&document]);
    let mut node = stage.start(&world).await;
    node.run_for(Duration::from_secs(61)).await;
    node.stop().await;
    let upgraded = Settings { gateway_version: "3.10.0".parse().unwrap(), ..stage.settings(&world) };
    let node = stage.start_with(&world, upgraded).await;
    assert!(matches!(node.standing, Standing::Stranded(_)), "{:?}", node.standing);
    let version = "version".to_owned();
    assert_eq!(world.cache.aside(), [(Slot::Applied, version.clone()), (Slot::Settled, version)]);
}

async fn boot_08_patch_and_minor_take_the_nearest_older_version(stage: Stage) {
    let versions = ["3.7.4", "3.8.7", "3.9.0", "3.9.2", "3.10.0"];
    for (rule, taken) in [(VersionRule::Exact, None), (VersionRule::Patch, Some("3.9.0")), (VersionRule::Minor, Some("3.9.0"))] {
        let world = World::new(1);
        let mut published = Published::nothing();
        for version in versions {
            published.generation(version, &documents::kong(version));
        }
        published.put_on(world.storage());
        let node = stage.start_with(&world, Settings { version_rule: rule, ..stage.settings(&world) }).await;
        match taken {
            Some(version) => node.assert_serves(&documents::kong(version), Origin::Storage),
            None => assert!(matches!(node.standing, Standing::Stranded(_)), "{:?}", node.standing),
        }
    }
    let world = World::new(1);
    let mut published = Published::nothing();
    for version in ["3.7.4", "3.8.7", "3.10.0"] {
        published.generation(version, &documents::kong(version));
    }
    published.put_on(world.storage());
    let node = stage.start_with(&world, Settings { version_rule: VersionRule::Minor, ..stage.settings(&world) }).await;
    node.assert_serves(&documents::kong("3.8.7"), Origin::Storage);
}

fn newest() -> Vec<u8> {
    documents::kong("the-newest-of-all-that-were-published")
}

fn flipped(mut file: Vec<u8>) -> Vec<u8> {
    let middle = file.len() / 2;
    file[middle] ^= 1;
    file
}

/// Intact in every way, and what is inside configures no Kong.
fn no_kong_inside(forgery: &mut Forgery) {
    let valid = config::validate(br#"{"listeners": []}"#.to_vec(), Format::Document, Strictness::Delivered).unwrap();
    let about = About {
        cluster: forgery.manifest.cluster.clone(),
        gateway_version: forgery.manifest.gateway_version.clone(),
        publication: forgery.manifest.publication,
        captured_at: UnixMs(0),
        sealed_at: UnixMs(0),
        sealed_by: String::new(),
    };
    let sealed = snapshot::seal(valid, &about, None).unwrap().sign(&[]).unwrap();
    forge(sealed.bytes(), |other| {
        forgery.body = other.body.clone();
        forgery.particulars = other.particulars.clone();
    });
}

/// As a node keeps what it sealed itself.
fn kept(snapshot: &Snapshot) -> Vec<u8> {
    let valid = config::validate(documents::kong("stored"), Format::Kong, Strictness::Delivered).unwrap();
    let found = Found::now(snapshot.file_digest(), valid.proof().clone());
    let front = snapshot::cached::wrap(&Header { origin: CachedOrigin::ControlPlane, kept_at: UnixMs(0), found });
    [front.unwrap().as_slice(), snapshot.bytes()].concat()
}

fn publish(world: &World, generations: &[&[u8]]) {
    let mut published = Published::nothing();
    for document in generations {
        published.generation(VERSION, document);
    }
    published.put_on(world.storage());
}
