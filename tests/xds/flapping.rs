//! A control plane that comes and goes every two seconds: each Envoy changes over to it once, or not at all, and never back.

use std::time::Duration;

use futures::future::join_all;
use holdover_drill::{Load, OFTEN};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::door::{Behaviour, Door};
use crate::envoy::{Envoy, How, Served, Sources, generation, steady};
use crate::ground::{Ground, Place};
use crate::management::ManagementServer;
use crate::table::whole;

const UP: Duration = Duration::from_secs(2);
const DOWN: Duration = Duration::from_secs(2);
const ROUNDS: u32 = 4;
/// A minute of it.
const ROUNDS_WHOLE: u32 = 15;

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_that_flaps_takes_each_envoy_over_once_at_most() {
    let ground = Ground::start().await;
    let mut management = ManagementServer::start(ground.folder(), &ground.resources(1)).await;
    let mut door = Door::before(management.address).await;
    ground.publish(door.address, How::ALL[0].protocol).await;
    management.serve(&ground.resources(2)).await;
    door.behave(Behaviour::Refuse).await;

    let sources = Sources { control_plane: door.address, node: Place::free() };
    let node = ground.failover("node", sources.node, door.address, How::ALL[0].protocol);
    let envoys = How::ALL.map(|how| (how, Envoy::start(&how.to_string(), sources, how, ground.folder())));
    let served = join_all(envoys.iter().map(|(_, envoy)| envoy.served())).await;
    assert!(served.iter().all(|served| served.generation == 1), "{served:?}");
    let loads: Vec<_> = served.iter().map(|served| Load::start(served.listener, vec![steady(&ground.upstream)])).collect();
    let (over, is_over) = watch::channel(false);
    let watching: Vec<_> = served.iter().map(|served| tokio::spawn(history(*served, is_over.clone()))).collect();

    for _ in 0..if whole() { ROUNDS_WHOLE } else { ROUNDS } {
        door.behave(Behaviour::Pass).await;
        sleep(UP).await;
        door.behave(Behaviour::Refuse).await;
        sleep(DOWN).await;
    }
    over.send(true).unwrap();
    let streams = management.told("stream");
    println!("| Envoy has | first answer after | switches | streams to the control plane |\n|---|---|---|---|");
    for ((how, _), (served, watching)) in envoys.iter().zip(served.iter().zip(watching)) {
        let history = watching.await.unwrap();
        let streams = streams.iter().filter(|stream| stream["node"] == how.to_string()).count();
        println!("| {how} | {} ms | {} | {streams} |", served.after.as_millis(), history.len() - 1);
        assert!(history == [1] || history == [1, 2], "{how} went by {history:?}");
    }
    // Once it stays, all are its own.
    door.behave(Behaviour::Pass).await;
    join_all(envoys.iter().map(|(_, envoy)| envoy.goes_by(2))).await;
    for ((how, _), load) in envoys.iter().zip(loads) {
        let counts = load.stop().await;
        assert!(counts.requests > 0 && counts.failed == 0, "{how}: {} of {} failed: {:?}", counts.failed, counts.requests, counts.failures);
    }
    node.end().await;
}

/// The generations that an Envoy went by, each once in a row.
async fn history(served: Served, is_over: watch::Receiver<bool>) -> Vec<u32> {
    let mut history = vec![served.generation];
    while !*is_over.borrow() {
        if let Some(generation) = generation(served.listener).await
            && history.last() != Some(&generation)
        {
            history.push(generation);
        }
        sleep(OFTEN).await;
    }
    history
}
