//! A gRPC client without a proxy, which is told of two management servers (gRFC A71): born in an outage it calls by the snapshot, and is
//! back with its control plane when that is.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::envoy::Protocol;
use crate::ground::{GROUP, Ground, Place};
use crate::management::ManagementServer;
use crate::python::Python;
use crate::resources::{SERVICE, of_grpc};

const CLIENT: &str = "grpc-client";
/// Calls enough to see that they go on.
const WHILE_AWAY: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn a_grpc_client_born_in_an_outage_calls_by_the_snapshot_and_rejoins() {
    let ground = Ground::start().await;
    let (_old, old) = backend("old", ground.folder()).await;
    let (_young, young) = backend("young", ground.folder()).await;
    let mut control_plane = ManagementServer::start(ground.folder(), &of_grpc(1, old)).await;
    ground.publish(control_plane.address, Protocol::StateOfTheWorld).await;
    control_plane.kill();

    let place = Place::free();
    let mut node = ground.failover("node", place, control_plane.address, Protocol::StateOfTheWorld);
    let began = Instant::now();
    let mut client = client(ground.folder(), [control_plane.address, place.ads]);
    let first = client.event("the first call", |_| true).await;
    println!("the first call was answered after {} ms: {first}", began.elapsed().as_millis());
    assert_eq!(first["name"], "old", "{first}");
    sleep(WHILE_AWAY).await;

    control_plane.again(&of_grpc(2, young)).await;
    let returned = Instant::now();
    let (healthy, back) = tokio::join!(node.finds_the_control_plane_healthy(), async {
        client.event("a call by what the control plane says", |call| call["name"] == "young").await;
        Instant::now()
    });
    println!(
        "the verdict {} ms after the control plane listens, a call by it {} ms after it listens",
        healthy.saturating_duration_since(returned).as_millis(),
        back.saturating_duration_since(returned).as_millis()
    );
    let introduction = control_plane.stream_of(CLIENT).await;
    assert_eq!(introduction["group"], GROUP);

    // It goes on by what it has when its control plane dies again, which an older snapshot must not replace.
    control_plane.kill();
    let seen = client.events().len();
    sleep(WHILE_AWAY).await;
    let calls = client.events();
    assert!(calls.len() > seen && calls[seen..].iter().all(|call| call["name"] == "young"), "{:?}", &calls[seen..]);
    assert!(calls.iter().all(|call| call["event"] == "answered"), "{calls:?}");
    node.end().await;
}

/// A server that answers with its name, and where it is.
async fn backend(name: &str, folder: &Path) -> (Python, SocketAddr) {
    let mut backend = Python::start("grpc_backend.py", &[name], &[], &folder.join(name));
    let listening = backend.event("its address", |event| event["event"] == "listening").await;
    (backend, listening["address"].as_str().unwrap().parse().unwrap())
}

/// Asks these management servers in their order, and calls until it is dropped.
fn client(folder: &Path, servers: [SocketAddr; 2]) -> Python {
    let server = |address: SocketAddr| {
        let insecure = json!([{ "type": "insecure" }]);
        json!({ "server_uri": address.to_string(), "channel_creds": insecure, "server_features": ["xds_v3"] })
    };
    let bootstrap: Value = json!({ "xds_servers": servers.map(server), "node": { "id": CLIENT, "cluster": GROUP } });
    let environment = [("GRPC_XDS_BOOTSTRAP_CONFIG", bootstrap.to_string())];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    Python::start("grpc_client.py", &[&format!("xds:///{SERVICE}")], &environment, &folder.join("client"))
}
