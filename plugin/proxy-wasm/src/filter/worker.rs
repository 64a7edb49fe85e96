//! What the parts of one filter share: what the node said last, its routing table, the requests that wait, and two counters.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use holdover_plugin::model::UnixMs;
use holdover_plugin::routing::Table;
use proxy_wasm::types::LogLevel;

use super::correlation::Ids;
use super::held::Held;
use super::metrics::Metrics;
use super::settings::Settings;
use crate::log::log;
use crate::shared::{self, Told, Verdict};
use crate::vm;

/// A node says every second that it is there.
const SILENT_AFTER: Duration = Duration::from_secs(15);

pub struct Worker {
    pub ids: Ids,
    pub held: Held,
    pub metrics: Metrics,
    told: RefCell<Option<Verdict>>,
    table: RefCell<Option<(u64, Rc<Table>)>>,
    /// The table that could not be read, so that it is said once.
    unreadable: Cell<Option<u64>>,
    heard_at: Cell<UnixMs>,
    is_node_silent: Cell<bool>,
    balanced: Cell<u64>,
}

/// What is done with a request that comes at this moment.
pub enum Now {
    Undecided,
    Aside,
    Serving(Rc<Table>),
    Stranded,
}

impl Worker {
    pub fn new(settings: &Settings) -> Self {
        Self {
            ids: Ids::default(),
            held: Held::new(settings.hold),
            metrics: Metrics::define(),
            told: RefCell::default(),
            table: RefCell::default(),
            unreadable: Cell::default(),
            heard_at: Cell::new(vm::now()),
            is_node_silent: Cell::new(false),
            balanced: Cell::default(),
        }
    }

    /// Until the table that the node means is here, the one before it goes on.
    pub fn now(&self) -> Now {
        match &*self.told.borrow() {
            None | Some(Verdict::Waits) => Now::Undecided,
            Some(Verdict::StepsAside) => Now::Aside,
            Some(Verdict::Stranded) => Now::Stranded,
            Some(Verdict::Serves { .. }) => match (&*self.table.borrow(), self.unreadable.get()) {
                (Some((_, table)), _) => Now::Serving(Rc::clone(table)),
                (None, Some(_)) => Now::Stranded,
                (None, None) => Now::Undecided,
            },
        }
    }

    /// Hears what the node says.
    pub fn listen(&self) {
        let told = Told::heard();
        if let Some(told) = &told {
            self.heard_at.set(told.at());
        }
        self.note_silence();
        let Some(Told { verdict, .. }) = told else { return };
        if let Verdict::Serves { table } = verdict {
            self.fetch(table);
        }
        if self.told.borrow().as_ref() != Some(&verdict) {
            *self.told.borrow_mut() = Some(verdict);
            self.metrics.serving(matches!(self.now(), Now::Serving(_)));
        }
    }

    fn fetch(&self, number: u64) {
        let is_here = self.table.borrow().as_ref().is_some_and(|(here, _)| *here == number);
        if is_here || self.unreadable.get() == Some(number) {
            return;
        }
        let Some(packed) = shared::shared_table(number) else { return };
        match Table::unpack(&packed) {
            Ok(table) => *self.table.borrow_mut() = Some((number, Rc::new(table))),
            Err(unroutable) => {
                log(LogLevel::Error, &format!("the node's routing table is of no use here: {unroutable}"));
                self.unreadable.set(Some(number));
            }
        }
    }

    /// A node that has failed Envoy does not make anew; and there may be none.
    fn note_silence(&self) {
        let silence = Duration::from_millis(vm::now().0.saturating_sub(self.heard_at.get().0));
        let is_silent = silence > SILENT_AFTER;
        if is_silent && !self.is_node_silent.get() {
            let seconds = SILENT_AFTER.as_secs();
            log(
                LogLevel::Error,
                &format!(
                    "nothing was heard of the node for {seconds} s: requests are treated as it said last, and no control plane is followed. \
                     See that bootstrap_extensions has it, with the vm_id of this filter; if this log says why it ended, restart Envoy"
                ),
            );
        }
        self.is_node_silent.set(is_silent);
    }

    /// Counts the requests that targets are shared by.
    pub fn next_balanced(&self) -> u64 {
        self.balanced.replace(self.balanced.get().wrapping_add(1))
    }
}
