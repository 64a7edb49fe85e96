//! Rules boot-09 and boot-10: the gateway first, then the cache; and serving is only what the gateway runs.

use std::time::Duration;

use holdover_plugin::model::Digest;
use holdover_plugin::policy::{Origin, Standing};
use holdover_ports::{Name, Severity, Slot};
use holdover_tests::virtual_world::{Act, Behaviour, World, documents};

use crate::node::{Stage, settled_once, world_with};
use crate::rules::rule;

const HOUR: Duration = Duration::from_secs(3600);

rule! { boot_09, "boot-09":
    boot_09_the_cache_is_written_after_the_gateway_accepted,
    boot_09_what_a_gateway_rejects_never_replaces_a_good_cache,
    boot_09_last_applied_and_last_settled_are_both_kept,
    boot_09_a_cache_that_cannot_be_written_costs_an_alarm_and_no_traffic,
    boot_09_what_the_control_plane_delivered_serves_again_from_the_cache,
}

async fn boot_09_the_cache_is_written_after_the_gateway_accepted(stage: Stage) {
    let document = documents::kong("any");
    for behaviour in [Behaviour::Hangs, Behaviour::delivers(&document)] {
        let world = world_with(&[&document]);
        world.control_plane.behaves(behaviour);
        stage.start(&world).await;
        let applied = world.trace.first(|act| matches!(act, Act::Applied(_))).unwrap();
        let kept = world.trace.first(|act| *act == Act::CacheWrite(Slot::Applied)).unwrap();
        assert!(applied < kept, "{:#?}", world.trace.calls());
    }
}

async fn boot_09_what_a_gateway_rejects_never_replaces_a_good_cache(stage: Stage) {
    let (good, bad) = (documents::kong("good"), documents::kong("bad"));
    let world = settled_once(&stage, &good).await;
    let kept = world.cache.file(Slot::Applied);
    world.gateway.rejects(&bad);
    world.control_plane.behaves(Behaviour::delivers(&bad));
    let node = stage.start(&world).await;
    node.assert_serves(&good, Origin::Cache);
    assert_eq!(world.trace.events(Name::ConfigRejected).len(), 1);
    assert!(world.cache.file(Slot::Applied) == kept, "the cache holds what the gateway accepted");
}

async fn boot_09_last_applied_and_last_settled_are_both_kept(stage: Stage) {
    let (first, second) = (documents::kong("first"), documents::kong("second"));
    let world = World::new(0);
    world.control_plane.behaves(Behaviour::delivers(&first));
    let mut node = stage.start(&world).await;
    node.run_for(Duration::from_secs(59)).await;
    assert_eq!(world.cache.file(Slot::Settled), None, "it has not settled");
    node.run_for(Duration::from_secs(2)).await;
    let settled = world.cache.file(Slot::Settled);
    assert!(settled.is_some() && settled == world.cache.file(Slot::Applied));
    world.control_plane.sends(&second);
    node.run_for(Duration::from_secs(30)).await;
    node.assert_serves(&second, Origin::ControlPlane);
    assert!(world.cache.file(Slot::Settled) == settled, "the second has not settled");
    assert!(world.cache.file(Slot::Applied) != settled);
}

async fn boot_09_a_cache_that_cannot_be_written_costs_an_alarm_and_no_traffic(stage: Stage) {
    let document = documents::kong("any");
    for behaviour in [Behaviour::Hangs, Behaviour::delivers(&document)] {
        let world = world_with(&[&document]);
        world.cache.is_unwritable(true);
        world.control_plane.behaves(behaviour);
        let node = stage.start(&world).await;
        assert!(matches!(node.standing, Standing::Serving(_)), "{:?}", node.standing);
        let alarms = world.trace.events(Name::CacheNotKept);
        assert!(alarms.iter().any(|event| event.severity == Severity::Alarm && event.sentence.contains("not cached")), "{alarms:?}");
    }
}

async fn boot_09_what_the_control_plane_delivered_serves_again_from_the_cache(stage: Stage) {
    let live = documents::kong("live");
    let world = World::new(0);
    world.control_plane.behaves(Behaviour::delivers(&live));
    stage.start(&world).await.stop().await;
    world.control_plane.behaves(Behaviour::Hangs);
    let node = stage.start(&world).await;
    node.assert_serves(&live, Origin::Cache);
}

rule! { boot_10, "boot-10":
    boot_10_a_node_serves_only_what_its_gateway_accepted,
    boot_10_what_the_gateway_rejects_is_passed_for_the_next_older_one,
    boot_10_a_gateway_that_cannot_be_asked_is_asked_again,
    boot_10_a_gateway_that_could_not_take_the_control_planes_word_is_given_it_again,
    boot_10_losing_the_control_plane_never_makes_a_serving_node_unready,
}

async fn boot_10_a_node_serves_only_what_its_gateway_accepted(stage: Stage) {
    let (stored, live) = (documents::kong("stored"), documents::kong("live"));
    for behaviour in [Behaviour::Hangs, Behaviour::delivers(&live)] {
        let world = world_with(&[&stored]);
        world.gateway.rejects(&stored);
        world.gateway.rejects(&live);
        world.control_plane.behaves(behaviour);
        let mut node = stage.start(&world).await;
        node.run_for(Duration::from_secs(300)).await;
        assert!(matches!(node.standing, Standing::Stranded(_)), "{:?}", node.standing);
        assert_eq!(world.gateway.running(), None);
    }
}

async fn boot_10_what_the_gateway_rejects_is_passed_for_the_next_older_one(stage: Stage) {
    let (older, newest) = (documents::kong("older"), documents::kong("newest"));
    let world = world_with(&[&older, &newest]);
    world.gateway.rejects(&newest);
    let node = stage.start(&world).await;
    node.assert_serves(&older, Origin::Storage);
    assert_eq!(world.gateway.running(), Some(Digest::of(&older)));
    assert_eq!(world.trace.said(Name::ConfigRejected, "digest"), [Digest::of(&newest).to_string()]);
}

async fn boot_10_a_gateway_that_cannot_be_asked_is_asked_again(stage: Stage) {
    let document = documents::kong("stored");
    let world = world_with(&[&document]);
    world.gateway.fails(true);
    let mut node = stage.start(&world).await;
    assert!(matches!(node.standing, Standing::Stranded(_)), "{:?}", node.standing);
    node.run_for(Duration::from_secs(600)).await;
    world.gateway.fails(false);
    node.run_for(Duration::from_secs(31)).await;
    node.assert_serves(&document, Origin::Storage);
}

async fn boot_10_a_gateway_that_could_not_take_the_control_planes_word_is_given_it_again(stage: Stage) {
    let live = documents::kong("live");
    let world = World::new(1);
    world.gateway.fails(true);
    world.control_plane.behaves(Behaviour::delivers(&live));
    let mut node = stage.start(&world).await;
    node.run_for(Duration::from_secs(600)).await;
    assert!(matches!(node.standing, Standing::Stranded(_)), "{:?}", node.standing);
    world.gateway.fails(false);
    node.run_for(Duration::from_secs(61)).await;
    node.assert_serves(&live, Origin::ControlPlane);
}

async fn boot_10_losing_the_control_plane_never_makes_a_serving_node_unready(stage: Stage) {
    let live = documents::kong("live");
    let world = World::new(1);
    world.control_plane.behaves(Behaviour::delivers(&live));
    let mut node = stage.start(&world).await;
    world.control_plane.loses_session(Behaviour::Hangs);
    for _ in 0..60 {
        node.run_for(HOUR / 60).await;
        node.assert_serves(&live, Origin::ControlPlane);
    }
}
