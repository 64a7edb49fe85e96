//! A control plane that has said everything: for as long as it has no more to say, nobody's stream ends.
//!
//! gRPC servers end a connection whose other side pings more often than they allow, which is every five minutes without traffic unless
//! their operator says otherwise; `grpcio` does so at the third ping. The management server has that default.

use std::time::Duration;

use futures::future::join_all;
use tokio::time::sleep;

use crate::envoy::{Envoy, How, Sources};
use crate::ground::{Ground, Place};
use crate::management::ManagementServer;
use crate::table::whole;

/// Four pings, if one were sent every ten seconds.
const QUIET: Duration = Duration::from_secs(45);
const QUIET_WHOLE: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_that_has_no_more_to_say_keeps_every_stream() {
    let ground = Ground::start().await;
    let mut management = ManagementServer::start(ground.folder(), &ground.resources(2)).await;
    let sources = Sources { control_plane: management.address, node: Place::free() };
    let mut node = ground.failover("node", sources.node, management.address, How::ALL[0].protocol);
    node.finds_the_control_plane_healthy().await;
    let envoys = How::ALL.map(|how| (how, Envoy::start(&how.to_string(), sources, how, ground.folder())));
    let served = join_all(envoys.iter().map(|(_, envoy)| envoy.served())).await;
    assert!(served.iter().all(|served| served.generation == 2), "{served:?}");
    for (how, _) in &envoys {
        management.stream_of(&how.to_string()).await;
    }
    management.stream_by("holdover").await;

    let before = management.told("ended").len();
    sleep(if whole() { QUIET_WHOLE } else { QUIET }).await;
    let ended = management.told("ended").split_off(before);
    assert!(ended.is_empty(), "{ended:?}");
    for (how, envoy) in &envoys {
        assert_eq!(envoy.statistic("control_plane.connected_state").await, "1", "{how}");
    }
    node.finds_the_control_plane_healthy().await;
    node.end().await;
}
