//! Whom this process has configured in this outage, and with what.
//!
//! Two nodes that call themselves the same are one here; what then keeps the second from an older snapshot is its versions alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Snapshot;
use crate::Node;

pub(super) struct Roll {
    configured: Mutex<BTreeMap<Key, Arc<Snapshot>>>,
    remembered_max: usize,
}

/// Cluster and id.
type Key = (String, String);

impl Roll {
    pub fn of(remembered_max: usize) -> Self {
        Self { configured: Mutex::default(), remembered_max }
    }

    pub fn snapshot_of(&self, node: &Node) -> Option<Arc<Snapshot>> {
        self.with(|configured| configured.get(&key(node)).cloned())
    }

    /// A node without an id cannot be known again.
    pub fn enter(&self, node: &Node, snapshot: &Arc<Snapshot>) {
        if node.id.is_empty() {
            return;
        }
        self.with(|configured| {
            if configured.len() < self.remembered_max || configured.contains_key(&key(node)) {
                configured.insert(key(node), Arc::clone(snapshot));
            }
        });
    }

    pub fn forget(&self) {
        self.with(BTreeMap::clear);
    }

    fn with<T>(&self, change: impl FnOnce(&mut BTreeMap<Key, Arc<Snapshot>>) -> T) -> T {
        // Nothing that runs under this lock can leave it half changed.
        change(&mut self.configured.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn key(node: &Node) -> Key {
    (node.cluster.clone(), node.id.clone())
}
