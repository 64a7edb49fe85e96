//! The whole story: what a management server said is served to an Envoy that is born while it is away, never to one that knows better, and
//! given up for its own word when it is back.

use std::time::Duration;

use holdover_drill::Load;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::envoy::{Envoy, How, Protocol, Sources, Way, by_generation, steady};
use crate::ground::{DESCRIPTION, GROUP, Ground, Place};
use crate::management::ManagementServer;
use crate::resources::RETIRED;

/// From the control plane's return to traffic that goes by it.
const BACK_WITHIN: Duration = Duration::from_secs(2);
/// Long enough for an Envoy that lost its control plane to ask the failover server, and to be refused, more than once.
const OUTAGE: Duration = Duration::from_secs(6);

#[tokio::test(flavor = "multi_thread")]
async fn by_priorities_in_whole_answers_an_envoy_born_in_an_outage_serves_and_rejoins() {
    story(How { way: Way::Priorities, protocol: Protocol::StateOfTheWorld }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_priorities_in_differences_an_envoy_born_in_an_outage_serves_and_rejoins() {
    story(How { way: Way::Priorities, protocol: Protocol::Delta }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_envoys_failover_in_whole_answers_an_envoy_born_in_an_outage_serves_and_rejoins() {
    story(How { way: Way::Failover, protocol: Protocol::StateOfTheWorld }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_envoys_failover_in_differences_an_envoy_born_in_an_outage_serves_and_rejoins() {
    story(How { way: Way::Failover, protocol: Protocol::Delta }).await;
}

async fn story(how: How) {
    let ground = Ground::start().await;
    let mut control_plane = ManagementServer::start(ground.folder(), &ground.resources(1)).await;
    ground.publish(control_plane.address, how.protocol).await;
    let introduction = control_plane.stream_by("holdover").await;
    assert_eq!(introduction["group"], GROUP);
    assert_eq!(introduction["protocol"], how.protocol.as_str());
    let described: Value = serde_json::from_str(DESCRIPTION).unwrap();
    assert_eq!((&introduction["metadata"], &introduction["zone"]), (&described["metadata"], &described["locality"]["zone"]));

    // What was published is older than what runs, once the exporter is gone.
    control_plane.serve(&ground.resources(2)).await;
    let sources = Sources { control_plane: control_plane.address, node: Place::free() };
    let mut first = ground.failover("first", sources.node, control_plane.address, how.protocol);
    first.finds_the_control_plane_healthy().await;
    let veteran = Envoy::start("veteran", sources, how, ground.folder());
    assert_eq!(veteran.served().await.generation, 2, "a control plane that answers comes first");
    let by_veteran = Load::start(veteran.served().await.listener, vec![steady(&ground.upstream), by_generation(&ground.upstream, 2)]);

    // Whoever stands beside the veteran from here on knows nothing but the store.
    control_plane.kill();
    first.node.kill_9().await.unwrap();
    let mut second = ground.failover("second", sources.node, control_plane.address, how.protocol);
    let young = Envoy::start("young", sources, how, ground.folder());
    let served = young.served().await;
    println!("{how}: the first answer after {} ms", served.after.as_millis());
    assert_eq!((served.generation, young.state().await.as_str()), (1, "LIVE"));
    let by_young = Load::start(served.listener, vec![steady(&ground.upstream)]);
    sleep(OUTAGE).await;

    control_plane.again(&ground.resources(2)).await;
    let returned = Instant::now();
    let (healthy, back) = tokio::join!(second.finds_the_control_plane_healthy(), young.goes_by(2));
    let back = Instant::from_std(back);
    println!(
        "{how}: the verdict {} ms after the control plane listens, the switch {} ms after it listens",
        healthy.saturating_duration_since(returned).as_millis(),
        back.saturating_duration_since(returned).as_millis()
    );
    assert!(back.saturating_duration_since(returned) <= BACK_WITHIN, "{}", young.said());
    for name in ["young", "veteran"] {
        control_plane.stream_of(name).await;
    }
    if !how.leaves_behind_what_was_only_in_the_snapshot() {
        assert!(!young.clusters().await.contains(RETIRED), "what only the snapshot had is gone");
    }
    for (name, load) in [("veteran", by_veteran), ("young", by_young)] {
        let counts = load.stop().await;
        assert!(
            counts.requests > 0 && counts.failed == 0,
            "{how}, {name}: {} of {} failed: {:?}",
            counts.failed,
            counts.requests,
            counts.failures
        );
    }
    second.end().await;
}
