//! One lineage that grows, and what every test asks of a node that serves from it.

use std::time::Duration;

use bytes::Bytes;
use holdover_drill::control_plane::HttpControlPlane;
use holdover_drill::process::{Node, NodeSpec};
use holdover_drill::{SELDOM, fixture, get, until};
use holdover_plugin::snapshot::head::Entry;
use holdover_tests::site::{BOUND, PREFIX, Site, away};

pub const STORAGE: &str = "cluster_fallback_config_storage";

/// A store in which the prefix `after-<n>` is the storage as it stood after generation `n`.
pub struct History {
    pub site: Site,
    pub away: HttpControlPlane,
    /// The first generation is the first.
    pub entries: Vec<Entry>,
}

/// A copy of the storage, as somebody could have made it after that generation.
pub fn after(nth: usize) -> String {
    format!("after-{nth}")
}

impl History {
    pub async fn of(generations: usize) -> Self {
        Self::sealed(Site::start().await, generations, |spec, _| spec).await
    }

    /// `how` sets the backup node up for each generation; it starts anew for each, and the epoch rises with it.
    pub async fn sealed(site: Site, generations: usize, how: impl Fn(NodeSpec, usize) -> NodeSpec) -> Self {
        let mut live = HttpControlPlane::start(Bytes::new()).await.unwrap();
        let mut entries = Vec::new();
        for nth in 1..=generations {
            live.set_document(document(&site, nth));
            let mut backup = Node::spawn(&how(site.backup_node("backup-node", &live), nth)).unwrap();
            entries.push(site.generation(&mut backup, PREFIX, nth as u64).await);
            ends_on_sigterm(&mut backup).await;
            site.copy(PREFIX, &after(nth)).await;
        }
        live.stop().await.unwrap();
        Self { site, away: away("").await, entries }
    }

    pub fn entry(&self, nth: usize) -> &Entry {
        &self.entries[nth - 1]
    }

    pub fn lineage(&self) -> String {
        self.site.head().unwrap().lineage.to_string()
    }

    /// A node born in the outage, with these prefixes as its storages.
    pub fn newborn(&self, name: &str, prefixes: &[&str]) -> NodeSpec {
        let storages: Vec<String> = prefixes.iter().map(|prefix| self.site.storage_at(prefix)).collect();
        self.site.importer(name, &self.away).with_builtin_gateway().unwrap().set(STORAGE, storages.join(","))
    }

    /// It serves this generation, and each of its routes.
    pub async fn serves(&self, node: &mut Node, nth: usize, origin: &str) {
        serves(&self.site, node, origin).await;
        let status = node.status().await.unwrap();
        assert_eq!(status["serving"]["position"], self.entry(nth).position().to_string(), "{status:#}\n{}", node.log());
        let newest = get(node.proxy().unwrap(), &fixture::path(19 + nth), BOUND).await.unwrap();
        assert_eq!(newest.status, 200, "the route that came with generation {nth}");
    }
}

/// One route more with each generation.
pub fn document(site: &Site, nth: usize) -> Vec<u8> {
    fixture::kong_document(20 + nth, site.upstream.address())
}

/// It is ready, says from where, and answers right.
pub async fn serves(site: &Site, node: &mut Node, origin: &str) {
    let ready = node.wait_ready(BOUND).await;
    ready.unwrap_or_else(|failure| panic!("{failure:#}; the {} said:\n{}", node.name(), node.log()));
    let status = node.status().await.unwrap();
    assert_eq!(status["serving"]["origin"], origin, "{status:#}\n{}", node.log());
    for right in site.expectations() {
        let answer = get(node.proxy().unwrap(), &right.path, BOUND).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (200, right.body.as_bytes()), "{}", right.path);
    }
}

/// It has nothing to serve, and says so where a probe and where an operator looks.
pub async fn strands(node: &mut Node) {
    let stranded = until(BOUND, SELDOM, "a standing that says why nothing is served", async || {
        node.still_runs()?;
        let Ok(ready) = node.status_page("/ready").await else { return Ok(None) };
        Ok((ready.status == 503 && ready.body.starts_with(b"stranded: No configuration anywhere. Tried: ")).then_some(()))
    });
    stranded.await.unwrap_or_else(|failure| panic!("{failure:#}; the {} said:\n{}", node.name(), node.log()));
}

/// Not before, and in order.
pub async fn ends_on_sigterm(node: &mut Node) {
    node.still_runs().unwrap();
    let status = node.terminate(Duration::from_secs(20)).await.unwrap();
    assert_eq!(status.code(), Some(0), "{}", node.log());
}
