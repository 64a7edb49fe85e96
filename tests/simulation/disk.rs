//! A node's own files. They survive its process: a write is there whole or not at all.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use holdover_plugin::policy::capabilities::Slot;

use super::documents::Said;
use super::storage::Bytes;

#[derive(Default)]
pub struct Disk {
    files: RefCell<BTreeMap<&'static str, Bytes>>,
    /// What the exporter has still to publish.
    pending: RefCell<Option<Pending>>,
    full_until: Cell<Duration>,
    issued: Cell<u64>,
    /// The number of the last write of each file.
    written: RefCell<BTreeMap<&'static str, u64>>,
    /// Slots whose bytes are no longer those that were written.
    damaged: RefCell<BTreeMap<&'static str, bool>>,
}

/// A delivery that waits for its export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    pub said: Said,
    /// The session that it came in: a process that finds it counts on from there.
    pub session: u64,
}

pub const IMPORTER: &str = "importer";
pub const EXPORTER: &str = "exporter";

impl Disk {
    pub fn file(&self, name: &'static str) -> Option<Bytes> {
        self.files.borrow().get(name).cloned()
    }

    /// A number for a write, so that one whose caller stopped waiting cannot overtake a later one.
    pub fn issue(&self) -> u64 {
        self.issued.set(self.issued.get() + 1);
        self.issued.get()
    }

    pub fn write(&self, name: &'static str, nth: u64, bytes: Bytes) -> bool {
        let last = self.written.borrow_mut().insert(name, nth).unwrap_or_default();
        if last > nth {
            self.written.borrow_mut().insert(name, last);
            return false;
        }
        self.damaged.borrow_mut().remove(name);
        self.files.borrow_mut().insert(name, bytes);
        true
    }

    pub fn set_aside(&self, name: &'static str) {
        self.damaged.borrow_mut().remove(name);
        self.files.borrow_mut().remove(name);
    }

    /// A bit of it changes.
    pub fn damage(&self, name: &'static str, at: usize) {
        if let Some(bytes) = self.files.borrow_mut().get_mut(name).filter(|bytes| !bytes.is_empty()) {
            let mut changed = bytes.to_vec();
            let at = at % changed.len();
            changed[at] ^= 0x10;
            *bytes = changed.into();
            self.damaged.borrow_mut().insert(name, true);
        }
    }

    pub fn is_damaged(&self, name: &'static str) -> bool {
        self.damaged.borrow().contains_key(name)
    }

    pub fn pending(&self) -> Option<Pending> {
        *self.pending.borrow()
    }

    pub fn keep_pending(&self, pending: Option<Pending>) {
        *self.pending.borrow_mut() = pending;
    }

    pub fn is_full(&self, now: Duration) -> bool {
        now < self.full_until.get()
    }

    pub fn is_full_until(&self, until: Duration) {
        self.full_until.set(until);
    }

    /// A node on another machine.
    pub fn lose(&self) {
        self.files.borrow_mut().clear();
        self.damaged.borrow_mut().clear();
        self.keep_pending(None);
    }
}

pub fn name(slot: Slot) -> &'static str {
    match slot {
        Slot::Applied => "applied",
        Slot::Settled => "settled",
        Slot::Attempts => "attempts",
        Slot::Marks => "marks",
        Slot::Approval => "approval",
    }
}
