//! Requests that wait until the node knows what to do with them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::types::Action;

use super::request::{self, Echo};
use super::worker::{Now, Worker};
use crate::vm::Moment;

/// Each keeps a stream of Envoy's open. What comes beyond them is answered at once.
const HELD_MAX: usize = 1_024;

pub struct Held {
    patience: Duration,
    by_context: RefCell<BTreeMap<u32, Waiting>>,
}

struct Waiting {
    since: Moment,
    echo: Echo,
}

impl Held {
    pub fn new(patience: Duration) -> Self {
        Self { patience, by_context: RefCell::default() }
    }

    /// `false`: there are too many already.
    pub fn hold(&self, context: u32, echo: Echo) -> bool {
        let mut held = self.by_context.borrow_mut();
        if self.patience.is_zero() || held.len() >= HELD_MAX {
            return false;
        }
        held.insert(context, Waiting { since: Moment::now(), echo });
        true
    }

    /// The request has ended.
    pub fn forget(&self, context: u32) {
        self.by_context.borrow_mut().remove(&context);
    }

    /// Lets go of all once it is known what to do, and until then of those that have waited for long enough.
    pub fn release(&self, worker: &Worker) {
        if self.by_context.borrow().is_empty() {
            return;
        }
        let now = worker.now();
        let waits_on = |waiting: &Waiting| matches!(now, Now::Undecided) && waiting.since.elapsed() < self.patience;
        let (waiting, released): (BTreeMap<_, _>, BTreeMap<_, _>) =
            self.by_context.take().into_iter().partition(|(_, waiting)| waits_on(waiting));
        *self.by_context.borrow_mut() = waiting;
        for (context, Waiting { echo, .. }) in released {
            // Its client may have gone.
            if hostcalls::set_effective_context(context).is_err() {
                continue;
            }
            if request::decide(worker, &now, &echo) == Action::Continue {
                let _ = hostcalls::resume_http_request();
            }
        }
    }
}
