//! The whole story: what a control plane said is kept while it lives, served while it is gone, and given up for its own word when it is back.

use holdover_drill::process::{Node, free_address};
use holdover_drill::{SELDOM, until};
use holdover_plugin::snapshot::{self, Trust};
use holdover_tests::site::{BOUND, PREFIX, Site, away, counted, event};
use serde_json::{Value, json};

use crate::ground::{ControlPlane, DataPlane, captured, follows, row, stands_in};

#[tokio::test(flavor = "multi_thread")]
async fn a_data_plane_born_in_an_outage_is_served_and_rejoins_without_a_reload() {
    let (site, elsewhere) = (Site::start().await, away("").await);
    let table = captured("r5000")["config_table"].take();
    let (real, listen) = (free_address().unwrap(), free_address().unwrap());
    let mut control_plane = ControlPlane::start(site.folder(), real, &table.to_string()).await;

    let mut exporter = Node::spawn(&follows(site.backup_node("exporter", &elsewhere), real)).unwrap();
    let entry = site.generation(&mut exporter, PREFIX, 1).await;
    let published = published(&site, &entry.key);
    assert_eq!(published["config_table"], table, "what Kong's captured table says is published as it stands");
    control_plane.kill();

    let mut importer = Node::spawn(&stands_in(site.importer("importer", &elsewhere), real, listen)).unwrap();
    importer.wait_ready(BOUND).await.unwrap();
    event(&mut importer, "config-applied", ("origin", "storage")).await;
    let mut data_plane = DataPlane::new(1, listen);
    data_plane.until("a configuration from the stand-in", |data_plane| !data_plane.reloads.is_empty()).await;
    let served: Value = serde_json::from_slice(&data_plane.reloads[0].message).unwrap();
    assert_eq!((&served, served["config_hash"].as_str().unwrap()), (&published, data_plane.running.as_str()));
    has_state(&importer, &data_plane, json!("applied"), json!(false)).await;

    control_plane.again().await;
    relayed(&importer, &mut data_plane).await;
    assert_eq!(data_plane.reloads.len(), 1, "nothing had changed, so nothing is loaded anew");

    let mut changed = table;
    changed["services"][0]["name"] = json!("renamed");
    control_plane.change(&changed.to_string());
    data_plane.until("the change, through the stand-in", |data_plane| data_plane.reloads.len() == 2).await;
    let served: Value = serde_json::from_slice(&data_plane.reloads[1].message).unwrap();
    assert_eq!(served["config_table"]["services"][0]["name"], "renamed");
    for node in [&mut exporter, &mut importer] {
        assert!(node.terminate(BOUND).await.unwrap().success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_that_is_relayed_stays_connected_when_its_control_plane_dies_and_is_served_what_is_known() {
    let (site, elsewhere) = (Site::start().await, away("").await);
    let table = captured("r100")["config_table"].take();
    let (real, listen) = (free_address().unwrap(), free_address().unwrap());
    let mut control_plane = ControlPlane::start(site.folder(), real, &table.to_string()).await;
    let mut node = Node::spawn(&stands_in(site.importer("node", &elsewhere), real, listen)).unwrap();
    node.wait_ready(BOUND).await.unwrap();

    let mut old = DataPlane::new(1, listen);
    relayed(&node, &mut old).await;
    control_plane.kill();
    has_state(&node, &old, json!("applied"), json!(false)).await;
    assert_eq!(old.reloads.len(), 1);
    // The node never read a storage: it knows from the control plane itself.
    let mut young = DataPlane::new(2, listen);
    young.until("a configuration from the stand-in", |data_plane| !data_plane.reloads.is_empty()).await;
    assert_eq!(young.running, old.running);

    control_plane.again().await;
    relayed(&node, &mut old).await;
    relayed(&node, &mut young).await;
    assert_eq!((old.reloads.len(), young.reloads.len()), (1, 1));
    assert!(node.terminate(BOUND).await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stand_in_that_is_killed_in_an_outage_and_comes_back_makes_no_data_plane_reload() {
    let (site, elsewhere) = (Site::start().await, away("").await);
    let table = captured("r100")["config_table"].take();
    let (real, listen) = (free_address().unwrap(), free_address().unwrap());
    let mut control_plane = ControlPlane::start(site.folder(), real, &table.to_string()).await;
    let spec = stands_in(site.importer("node", &elsewhere), real, listen);
    let mut node = Node::spawn(&spec).unwrap();
    node.wait_ready(BOUND).await.unwrap();
    let mut data_plane = DataPlane::new(1, listen);
    relayed(&node, &mut data_plane).await;
    let running = data_plane.running.clone();
    let kept = until(BOUND, SELDOM, "the cache", async || Ok((counted(&node, "cache-kept").await > 0).then_some(()))).await;
    kept.unwrap_or_else(|failure| panic!("{failure:#}; the node said:\n{}", node.log()));

    control_plane.kill();
    node.kill_9().await.unwrap();
    let mut again = Node::spawn(&spec).unwrap();
    again.wait_ready(BOUND).await.unwrap();
    // The process that came back remembers nobody: the row is the data plane's own return.
    applied(&again, &mut data_plane, false).await;
    assert_eq!((data_plane.reloads.len(), &data_plane.running), (1, &running), "it runs what it ran and was made to load nothing");

    control_plane.again().await;
    relayed(&again, &mut data_plane).await;
    assert_eq!(data_plane.reloads.len(), 1);
    assert!(again.terminate(BOUND).await.unwrap().success());
}

/// What the sealed file holds.
fn published(site: &Site, key: &str) -> Value {
    let file = site.object(key).unwrap();
    let opened = snapshot::verify(&file, &Trust::unasked()).unwrap().open(None).unwrap();
    serde_json::from_slice(&opened.into_bytes()).unwrap()
}

/// Waits until the node relays this data plane, which goes on living meanwhile.
async fn relayed(node: &Node, data_plane: &mut DataPlane) {
    applied(node, data_plane, true).await;
}

/// Waits until this data plane, which goes on living meanwhile, runs what the node, or who is behind it, gave it.
async fn applied(node: &Node, data_plane: &mut DataPlane, is_relayed: bool) {
    let id = data_plane.id().to_owned();
    let look = until(BOUND, SELDOM, "that state", async || {
        let status = node.status().await?;
        let rows = status["gateway"]["data_planes"].as_array().cloned().unwrap_or_default();
        Ok(rows.iter().any(|row| row["id"] == id.as_str() && row["relayed"] == is_relayed && row["state"] == "applied").then_some(()))
    });
    tokio::select! {
        seen = look => seen.unwrap_or_else(|failure| panic!("{failure:#}; the node said:\n{}", node.log())),
        () = data_plane.for_a_while(BOUND * 2) => {}
    }
}

async fn has_state(node: &Node, data_plane: &DataPlane, state: Value, relayed: Value) {
    let seen = until(BOUND, SELDOM, "that state", async || {
        let status = node.status().await?;
        let row = row(&status, data_plane);
        Ok((row["state"] == state && row["relayed"] == relayed).then_some(()))
    });
    seen.await.unwrap_or_else(|failure| panic!("{failure:#}; the node said:\n{}", node.log()));
}
