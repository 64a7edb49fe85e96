//! A node that serves, watched while something else is wrong: a load on it, and its own word.

use std::time::Duration;

use holdover_drill::process::{Node, NodeSpec};
use holdover_drill::{Load, OFTEN, until};
use holdover_tests::site::{BOUND, Site};

pub struct Undisturbed {
    pub node: Node,
    load: Load,
}

impl Undisturbed {
    /// Starts a node and waits until it serves.
    pub async fn start(site: &Site, spec: &NodeSpec) -> Self {
        let mut node = Node::spawn(spec).unwrap();
        node.wait_ready(BOUND).await.unwrap();
        let load = Load::start(node.proxy().unwrap(), site.expectations());
        Self { node, load }
    }

    /// It was ready and gave each request its one right answer, up to this moment; on SIGTERM it ends in order.
    pub async fn end(mut self) {
        assert_eq!(self.node.status_page("/ready").await.unwrap().status, 200);
        let watch = self.load.watch();
        until(BOUND, OFTEN, "request 100 of the load", async || Ok((watch.counts().requests >= 100).then_some(()))).await.unwrap();
        let counts = self.load.stop().await;
        assert_eq!(counts.failed, 0, "{:?}", counts.failures);
        ends_on_sigterm(&mut self.node).await;
    }
}

/// Not before, and in order.
pub async fn ends_on_sigterm(node: &mut Node) {
    node.still_runs().unwrap();
    let status = node.terminate(Duration::from_secs(20)).await.unwrap();
    assert_eq!(status.code(), Some(0), "{}", node.log());
}
