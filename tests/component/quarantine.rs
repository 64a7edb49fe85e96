//! Rule boot-15: a configuration that breaks the gateway at two starts is quarantined on this node.

use std::time::Duration;

use holdover_plugin::model::Digest;
use holdover_plugin::policy::Origin;
use holdover_ports::{Answer, Name, Severity, Slot};
use holdover_tests::virtual_world::{Act, Behaviour, World, documents};

use crate::node::{Stage, world_with};
use crate::rules::rule;

/// Less than the settle time.
const MOMENT: Duration = Duration::from_secs(5);
/// More than it.
const SETTLED: Duration = Duration::from_secs(61);

rule! { boot_15, "boot-15":
    boot_15_two_unsettled_starts_quarantine_and_the_next_older_one_is_used,
    boot_15_the_start_is_on_disk_before_the_gateway_is_handed_anything,
    boot_15_a_start_that_settled_counts_for_nothing,
    boot_15_an_orderly_stop_is_no_crash,
    boot_15_what_the_live_control_plane_sends_is_never_quarantined,
    boot_15_the_settled_one_that_serves_instead_stays_in_the_cache,
    boot_15_a_gateway_that_says_no_is_not_a_start_that_broke_it,
}

async fn boot_15_two_unsettled_starts_quarantine_and_the_next_older_one_is_used(stage: Stage) {
    let (older, breaking) = (documents::kong("older"), documents::kong("breaking"));
    let world = world_with(&[&older, &breaking]);
    crash_twice(&stage, &world).await;
    assert_eq!(world.trace.applied(), [Digest::of(&breaking); 2]);
    world.trace.forget();
    let node = stage.start(&world).await;
    node.assert_serves(&older, Origin::Storage);
    let alarms = world.trace.events(Name::ConfigQuarantined);
    assert!(alarms.iter().all(|event| event.severity == Severity::Alarm) && !alarms.is_empty(), "{alarms:?}");
    assert_eq!(world.trace.gets().len(), 2, "what is quarantined is not fetched");
}

async fn boot_15_the_start_is_on_disk_before_the_gateway_is_handed_anything(stage: Stage) {
    let world = world_with(&[&documents::kong("any")]);
    stage.start(&world).await.crash();
    let noted = world.trace.first(|act| *act == Act::CacheWrite(Slot::Attempts)).unwrap();
    let applied = world.trace.first(|act| matches!(act, Act::Applied(_))).unwrap();
    assert!(noted < applied, "{:#?}", world.trace.calls());
}

async fn boot_15_a_start_that_settled_counts_for_nothing(stage: Stage) {
    let (older, good) = (documents::kong("older"), documents::kong("good"));
    let world = world_with(&[&older, &good]);
    for _ in 0..3 {
        start_and_crash_after(&stage, &world, MOMENT).await;
        start_and_crash_after(&stage, &world, SETTLED).await;
    }
    let node = stage.start(&world).await;
    node.assert_serves(&good, Origin::Cache);
}

async fn boot_15_an_orderly_stop_is_no_crash(stage: Stage) {
    let (older, good) = (documents::kong("older"), documents::kong("good"));
    let world = world_with(&[&older, &good]);
    for _ in 0..5 {
        let mut node = stage.start(&world).await;
        node.run_for(MOMENT).await;
        node.stop().await;
    }
    let node = stage.start(&world).await;
    node.assert_serves(&good, Origin::Cache);
}

async fn boot_15_what_the_live_control_plane_sends_is_never_quarantined(stage: Stage) {
    let (older, breaking) = (documents::kong("older"), documents::kong("breaking"));
    let world = world_with(&[&older, &breaking]);
    crash_twice(&stage, &world).await;
    world.control_plane.behaves(Behaviour::delivers(&breaking));
    for _ in 0..5 {
        let mut node = stage.start(&world).await;
        node.assert_serves(&breaking, Origin::ControlPlane);
        node.run_for(MOMENT).await;
        node.crash();
    }
}

async fn boot_15_the_settled_one_that_serves_instead_stays_in_the_cache(stage: Stage) {
    let (good, breaking) = (documents::kong("good"), documents::kong("breaking"));
    let world = World::new(0);
    world.control_plane.behaves(Behaviour::delivers(&good));
    let mut node = stage.start(&world).await;
    node.run_for(SETTLED).await;
    world.control_plane.sends(&breaking);
    node.run_for(MOMENT).await;
    node.crash();
    world.control_plane.behaves(Behaviour::answers(Answer::ConnectionRefused));
    crash_twice(&stage, &world).await;
    for _ in 0..3 {
        let mut node = stage.start(&world).await;
        node.assert_serves(&good, Origin::Cache);
        node.run_for(SETTLED).await;
        node.crash();
    }
}

async fn boot_15_a_gateway_that_says_no_is_not_a_start_that_broke_it(stage: Stage) {
    let document = documents::kong("any");
    let world = world_with(&[&document]);
    world.gateway.fails(true);
    let mut node = stage.start(&world).await;
    node.run_for(Duration::from_secs(600)).await;
    world.gateway.fails(false);
    node.run_for(Duration::from_secs(31)).await;
    node.assert_serves(&document, Origin::Storage);
}

async fn crash_twice(stage: &Stage, world: &World) {
    for _ in 0..2 {
        start_and_crash_after(stage, world, MOMENT).await;
    }
}

async fn start_and_crash_after(stage: &Stage, world: &World, lived: Duration) {
    let mut node = stage.start(world).await;
    node.run_for(lived).await;
    node.crash();
}
