//! A node whose control plane is its own stand-in says so, and ends.

use holdover_drill::process::{Node, free_address};
use holdover_tests::site::{BOUND, Site, away};

use crate::ground::stands_in;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_would_follow_itself_says_so_before_it_starts() {
    let (site, elsewhere, listen) = (Site::start().await, away("").await, free_address().unwrap());
    let mut node = Node::spawn(&stands_in(site.importer("node", &elsewhere), listen, listen)).unwrap();
    assert_eq!(node.ended(BOUND).await.unwrap().code(), Some(2));
    assert!(node.log().contains("would dial itself"), "{}", node.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_finds_itself_behind_another_name_says_so_and_ends() {
    let (site, elsewhere, listen) = (Site::start().await, away("").await, free_address().unwrap());
    // What the name leads to is known only once it is dialled.
    let spec = stands_in(site.importer("node", &elsewhere), listen, listen);
    let spec = spec.set("holdover_control_plane", format!("kong://0.0.0.0:{}", listen.port()));
    let mut node = Node::spawn(&spec).unwrap();
    assert_eq!(node.ended(BOUND).await.unwrap().code(), Some(2));
    assert!(node.log().contains("would follow itself"), "{}", node.log());
}
