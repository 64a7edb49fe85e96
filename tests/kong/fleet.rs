//! Fifty data planes on one stand-in: all are served from one payload, and each costs little.

use holdover_drill::process::{Node, free_address};
use holdover_tests::site::{BOUND, Site, away};

use crate::ground::{ControlPlane, DataPlane, captured, stands_in};

const FLEET: u32 = 50;
/// Far below the 311,033 bytes of the payload, which all share: TLS, a buffer for a frame, a row.
const BYTES_PER_DATA_PLANE_MAX: u64 = 200_000;

#[tokio::test(flavor = "multi_thread")]
async fn fifty_data_planes_share_one_payload() {
    let (site, elsewhere) = (Site::start().await, away("").await);
    let table = captured("r5000")["config_table"].take();
    let (real, listen) = (free_address().unwrap(), free_address().unwrap());
    let mut control_plane = ControlPlane::start(site.folder(), real, &table.to_string()).await;
    let mut node = Node::spawn(&stands_in(site.importer("node", &elsewhere), real, listen)).unwrap();
    node.wait_ready(BOUND).await.unwrap();
    control_plane.kill();

    // The first one warms up what is made once.
    let mut fleet = vec![DataPlane::new(0, listen)];
    served(&mut fleet[0]).await;
    let before = node.resident_bytes().unwrap();
    for nth in 1..=FLEET {
        let mut data_plane = DataPlane::new(nth, listen);
        served(&mut data_plane).await;
        fleet.push(data_plane);
    }
    let per_data_plane = node.resident_bytes().unwrap().saturating_sub(before) / u64::from(FLEET);
    println!("{per_data_plane} bytes for each data plane, {before} without them");
    let status = node.status().await.unwrap();
    let rows = status["gateway"]["data_planes"].as_array().unwrap();
    assert_eq!(rows.iter().filter(|row| row["connected"] == true).count(), fleet.len());
    assert!(per_data_plane <= BYTES_PER_DATA_PLANE_MAX, "{per_data_plane} bytes for each data plane");
    assert!(node.terminate(BOUND).await.unwrap().success());
}

async fn served(data_plane: &mut DataPlane) {
    data_plane.until("a configuration", |data_plane| data_plane.reloads.len() == 1).await;
}
