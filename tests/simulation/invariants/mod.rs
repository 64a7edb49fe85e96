//! What must hold whatever happens. Each invariant is a sentence with the number of its rule, asserted at the very step that could
//! break it. Losing a race is an outcome, so no invariant is about alarms alone.

mod applying;
mod boot;
mod calm;
mod guards;
mod head;
mod offices;

use std::any::Any;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use holdover_plugin::policy::capabilities::{Fetched, StorageId};
use holdover_plugin::snapshot::{self, Trust, keys};

pub use applying::{Handed, cache_is_written, handed_to_the_gateway, marks_are_on_disk};
pub use boot::{episode_ended, storage_has_answered, storage_is_asked, usable_cache};
pub use calm::{is_converged, says_what_is_missing};
pub use offices::export_ended;

use super::capabilities::Object;
use super::executor::Process;
use super::node::Node;
use super::storage::{Bytes, Conditions, Object as Stored};
use super::world::World;

/// A rule that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The sentence of the invariant.
    pub invariant: &'static str,
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.detail)
    }
}

/// Who writes, and what it knew when it sent the write.
#[derive(Clone, Debug)]
pub struct Writer {
    pub node: usize,
    pub frozen: bool,
    pub lease_at: Option<Duration>,
    pub sent_at: Duration,
    pub process: Option<Process>,
    /// The exporting episode that sent it.
    pub export: u64,
    /// Whether it has asked the watched nodes in the same episode.
    pub looked: bool,
}

impl Writer {
    pub fn of(world: &World, node: &Node) -> Self {
        let memory = node.memory.borrow();
        Self {
            node: node.index,
            frozen: memory.orders.is_some_and(|orders| orders.frozen),
            lease_at: memory.lease_at,
            sent_at: world.now(),
            process: node.process(),
            export: memory.export,
            looked: memory.looked_at.is_some_and(|at| at >= memory.export_began),
        }
    }
}

/// Asserts one invariant.
fn holds(world: &World, invariant: &'static str, truth: bool, detail: impl FnOnce() -> String) {
    if !truth {
        world.violate(Violation { invariant, detail: detail() });
    }
}

/// A write has landed.
pub fn written(world: &Rc<World>, storage: StorageId, key: &str, before: Option<&Stored>, body: &Bytes, writer: &Writer) {
    if key.starts_with(keys::SNAPSHOTS) {
        // One that arrived torn, or decayed, may be brought back.
        let intact = |stored: &Stored| snapshot::verify(&stored.bytes, &Trust::unasked()).is_ok();
        let same = before.is_none_or(|before| before.bytes == *body || !intact(before));
        holds(world, "export_08_a_snapshot_never_changes", same || is_lawless(world, storage), || format!("storage-{storage} {key}"));
    }
    match key {
        keys::HEAD => head::moved(world, storage, body, writer),
        keys::LEASE => offices::leased(world, body, writer),
        _ => {}
    }
}

/// A storage whose conditions do not hold promises nothing of this.
fn is_lawless(world: &World, storage: StorageId) -> bool {
    world.plan.storages[storage as usize] != Conditions::Hold
}

pub fn deleted(world: &World, node: &Node, storage: StorageId, key: &str) {
    let model = world.model.borrow();
    if let Some(head) = &model.heads[storage as usize] {
        let listed = head.views.values().flat_map(|view| &view.history).any(|entry| entry.key == key);
        holds(world, "export_09_the_janitor_never_removes_what_a_head_lists", !listed, || format!("storage-{storage} {key}"));
    }
    let stored = &world.storages[storage as usize];
    let young = stored.object(key).is_some_and(|object| stored.clock(world.now()).since(object.modified) < Duration::from_secs(24 * 3600));
    // Where a storage does not tell the time, a node can only believe its own clock.
    let told = stored.date(world.now()).is_some() || node.clock_off.get() == 0;
    holds(world, "export_09_what_was_superseded_less_than_a_day_ago_is_kept", !young || !told, || format!("storage-{storage} {key}"));
}

pub fn all_02_the_policy_never_panics_by_itself(world: &World, panic: &(dyn Any + Send)) {
    let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    holds(world, "all_02_the_policy_never_panics_by_itself", false, || text.unwrap_or_default());
}

/// What an exporter was given.
pub fn exporter_has_read(world: &World, node: &Node, key: &str, fetched: &Fetched<Object>) {
    if key == keys::ORDERS {
        offices::orders_read(world, node, fetched);
    }
}
