//! Whom this process has configured in this outage, and with what.
//!
//! What was sent is noted when it is queued, and a stream may break before the node has taken it. So the last two snapshots of each node are
//! kept: it comes back with one of them.
//!
//! Two nodes that call themselves the same are one here; what then keeps the second from an older snapshot is its versions alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Snapshot;
use crate::Node;

pub(super) struct Roll {
    configured: Mutex<BTreeMap<Key, Sent>>,
    remembered_max: usize,
}

/// Cluster and id.
type Key = (String, String);

struct Sent {
    latest: Arc<Snapshot>,
    former: Option<Arc<Snapshot>>,
}

impl Sent {
    fn next(&mut self, snapshot: &Arc<Snapshot>) {
        if !Arc::ptr_eq(&self.latest, snapshot) {
            self.former = Some(std::mem::replace(&mut self.latest, Arc::clone(snapshot)));
        }
    }
}

impl Roll {
    pub fn of(remembered_max: usize) -> Self {
        Self { configured: Mutex::default(), remembered_max }
    }

    /// The latest first.
    pub fn sent_to(&self, node: &Node) -> Vec<Arc<Snapshot>> {
        self.with(|configured| {
            let sent = configured.get(&key(node)).into_iter();
            sent.flat_map(|sent| [Some(&sent.latest), sent.former.as_ref()]).flatten().cloned().collect()
        })
    }

    /// A node without an id cannot be known again.
    pub fn enter(&self, node: &Node, snapshot: &Arc<Snapshot>) {
        if node.id.is_empty() {
            return;
        }
        self.with(|configured| {
            if let Some(sent) = configured.get_mut(&key(node)) {
                sent.next(snapshot);
            } else if configured.len() < self.remembered_max {
                configured.insert(key(node), Sent { latest: Arc::clone(snapshot), former: None });
            }
        });
    }

    pub fn forget(&self) {
        self.with(BTreeMap::clear);
    }

    fn with<T>(&self, change: impl FnOnce(&mut BTreeMap<Key, Sent>) -> T) -> T {
        // Nothing that runs under this lock can leave it half changed.
        change(&mut self.configured.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn key(node: &Node) -> Key {
    (node.cluster.clone(), node.id.clone())
}
