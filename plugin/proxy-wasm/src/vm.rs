//! What the parts of one VM share: the routing table that its requests are decided by, the HTTP calls on their way, and two counters.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::rc::Rc;

use holdover_plugin::routing::Table;

use crate::calls::Calls;
use crate::correlation::Ids;

#[derive(Default)]
pub struct Vm {
    pub calls: Calls,
    pub ids: Ids,
    table: RefCell<Option<Rc<Table>>>,
    balanced: Cell<u64>,
}

impl Vm {
    /// `None` before the first configuration.
    pub fn table(&self) -> Option<Rc<Table>> {
        self.table.borrow().clone()
    }

    /// Requests that are being decided keep the table they began with.
    pub fn replace_table(&self, table: Table) {
        *self.table.borrow_mut() = Some(Rc::new(table));
    }

    /// Counts the requests that targets are shared by.
    pub fn next_balanced(&self) -> u64 {
        self.balanced.replace(self.balanced.get().wrapping_add(1))
    }
}

/// The hasher's keys are the standard library's one door to the system's randomness, and differ from one hasher to the next.
pub fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
