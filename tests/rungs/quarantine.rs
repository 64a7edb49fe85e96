//! A configuration that takes its gateway down is tried twice and no more (boot-15).

use holdover_drill::process::Node;
use holdover_tests::site::{event, says, why};
use serde_json::Value;

use crate::history::{History, after, ends_on_sigterm};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_killed_twice_before_its_configuration_settles_takes_the_one_before() {
    let history = History::of(2).await;
    let spec = history.newborn("crashing", &[&after(2)]).set("holdover_settle", "1h");
    for origin in ["storage", "cache"] {
        let mut node = Node::spawn(&spec).unwrap();
        history.serves(&mut node, 2, origin).await;
        node.kill_9().await.unwrap();
    }

    let mut node = Node::spawn(&spec).unwrap();
    history.serves(&mut node, 1, "storage").await;
    let digest = history.entry(2).shown.as_ref().unwrap().digest.short();
    let told = format!("configuration {digest} is quarantined on this node: two starts with it never settled");
    let why = why(&node).await;
    assert!(why.iter().any(|said| said.contains(&told)), "{why:#?}");
    assert!(why[0].contains(&format!("from the storage, generation {}", history.entry(1).position())), "{why:#?}");
    ends_on_sigterm(&mut node).await;
}

/// A gateway that dies of what it is given, and takes the node with it: its reload kills whoever ran it.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_dies_of_a_configuration_is_not_given_it_a_third_time() {
    let history = History::of(2).await;
    let config = history.site.folder().join("gateway.json");
    // Only the second generation has a route 21.
    let reload = format!("if grep -q /r/21 '{}'; then kill -9 $PPID; fi", config.display());
    let spec = history
        .newborn("test-gateway", &[&after(2)])
        .set("holdover_gateway", format!("file://{}", config.display()))
        .set("holdover_gateway_reload", &reload);
    for _ in 0..2 {
        let mut node = Node::spawn(&spec).unwrap();
        let ended = node.ended(holdover_tests::site::BOUND).await.unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended), Some(9), "{}", node.log());
    }

    let mut node = Node::spawn(&spec).unwrap();
    node.wait_ready(holdover_tests::site::BOUND).await.unwrap();
    let status = node.status().await.unwrap();
    assert_eq!(status["serving"]["position"], history.entry(1).position().to_string(), "{status:#}");
    says(&mut node, &["config-quarantined", "two starts with it never settled"]).await;
    event(&mut node, "config-settled", ("digest", status["serving"]["digest"].as_str().unwrap())).await;
    let served: Value = serde_json::from_slice(&std::fs::read(&config).unwrap()).unwrap();
    assert_eq!(served["routes"].as_array().unwrap().len(), 21);
    ends_on_sigterm(&mut node).await;
}
