//! The reference: what the control plane said to whom, what stands in each storage, who held which office. Nothing here is the
//! policy's own view of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdover_plugin::model::{Digest, Epoch, GatewayVersion, Lineage, Position};
use holdover_plugin::snapshot::head::Head;
use holdover_plugin::snapshot::lease::Lease;
use holdover_plugin::snapshot::orders::Orders;

use super::documents::Said;
use super::plan::Plan;

#[derive(Default)]
pub struct Model {
    pub nodes: Vec<NodeModel>,
    /// The head of each storage, as it stands.
    pub heads: Vec<Option<Head>>,
    /// Copies that somebody brought back to an earlier state, and that no leader has written since.
    pub rolled_back: BTreeSet<usize>,
    /// Who writes heads of an epoch.
    pub writers: BTreeMap<Epoch, usize>,
    /// When a node took an office.
    pub offices: BTreeMap<(usize, Epoch), Duration>,
    pub lease: Option<(Lease, usize, Duration)>,
    /// Everything the operator ordered, newest last.
    pub orders: Vec<Orders>,
    /// What stands in Kong's place and was put there by nobody of ours.
    pub planted: Option<Digest>,
    /// A lineage of somebody else's storage.
    pub foreign: Option<Lineage>,
    /// What it offers.
    pub foreign_digests: BTreeSet<Digest>,
    /// What leads to copies that cannot be made.
    pub bodies_damaged: bool,
    /// When the head of the first storage was written last.
    pub head_at: Duration,
    /// Every generation that a head of the first storage ever listed, since when.
    pub published: BTreeMap<Position, Duration>,
    pub publications: u64,
    pub applications: u64,
}

#[derive(Default)]
pub struct NodeModel {
    pub deliveries: Vec<Delivery>,
    /// The lineage and the highest positions that are on its disk.
    pub marks: Marks,
    /// An operator's word lies on its disk, or was used.
    pub approved_rejoin: bool,
    /// Configurations that broke its gateway.
    pub broken: BTreeSet<Digest>,
}

#[derive(Clone, Debug, Default)]
pub struct Marks {
    pub lineage: Option<Lineage>,
    pub highest: BTreeMap<(Lineage, GatewayVersion), (Position, Digest)>,
}

#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    pub said: Said,
    /// When its session was dialled.
    pub began: Duration,
    pub at: Duration,
}

impl Model {
    pub fn new(plan: &Plan) -> Self {
        Self {
            nodes: (0..plan.nodes()).map(|_| NodeModel::default()).collect(),
            heads: plan.storages.iter().map(|_| None).collect(),
            ..Self::default()
        }
    }

    pub fn delivered(&mut self, node: usize, said: Said, began: Duration, at: Duration) {
        self.nodes[node].deliveries.push(Delivery { said, began, at });
    }

    /// Its marks are gone.
    pub fn unmarked(&mut self, node: usize) {
        self.nodes[node].marks = Marks::default();
    }

    pub fn broke(&mut self, node: usize, digest: Option<Digest>) {
        self.nodes[node].broken.extend(digest);
    }

    pub fn newest(&self, version: &GatewayVersion) -> Option<&holdover_plugin::snapshot::head::Entry> {
        self.heads.first()?.as_ref()?.newest(version)
    }
}
