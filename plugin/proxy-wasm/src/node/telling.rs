//! What the filters are told: the policy's verdict (`policy::outage::requests`) on what is known of the control plane and of this node,
//! and the table that it may name.
//!
//! Told when it changes, and once a second besides, so that a node that has ended can be told from one that has nothing new to say.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use holdover_plugin::policy::outage::{Found, Requests, requests};
use holdover_plugin::policy::{OnRefusal, Standing};

use super::settings::{Settings, WhileAnswering};
use crate::shared::{self, Told, Verdict};
use crate::vm::{self, Moment};

/// Beyond the time that the control plane itself has: for the storage and the first episode's end.
const LADDER_PATIENCE: Duration = Duration::from_secs(20);
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

pub struct Known {
    on_refusal: OnRefusal,
    while_answering: WhileAnswering,
    late_after: Duration,
    began: Moment,
    found: Cell<Found>,
    /// `None` until the first episode ends.
    standing: RefCell<Option<Standing>>,
    /// What was applied last.
    table: Cell<Option<u64>>,
    told: RefCell<Option<(Verdict, Moment)>>,
}

impl Known {
    pub fn new(settings: &Settings) -> Self {
        Self {
            on_refusal: settings.policy.on_refusal,
            while_answering: settings.while_answering,
            late_after: settings.policy.give_up.saturating_add(LADDER_PATIENCE),
            began: Moment::now(),
            found: Cell::new(Found::Silent),
            standing: RefCell::default(),
            table: Cell::default(),
            told: RefCell::default(),
        }
    }

    pub fn found(&self, found: Found) {
        self.found.set(found);
    }

    pub fn stands(&self, standing: Standing) {
        *self.standing.borrow_mut() = Some(standing);
    }

    /// Takes the place of the table that was shared last. Numbered by the clock, so that it is none of another node's before this one.
    pub fn share(&self, packed: &[u8]) {
        let number = self.table.get().map_or(0, |last| last + 1).max(vm::now().0);
        shared::share_table(number, packed);
        self.table.set(Some(number));
    }

    pub fn tell(&self) {
        let verdict = self.verdict();
        let is_told = self.told.borrow().as_ref().is_some_and(|(told, at)| *told == verdict && at.elapsed() < SIGN_OF_LIFE);
        if is_told {
            return;
        }
        Told { verdict: verdict.clone(), at_unix_ms: vm::now().0 }.tell();
        *self.told.borrow_mut() = Some((verdict, Moment::now()));
    }

    fn verdict(&self) -> Verdict {
        let standing = self.standing.borrow();
        let standing = standing.as_ref();
        let is_late = self.began.elapsed() >= self.late_after;
        // To an Envoy without routes of its own it makes no difference whether the control plane answers.
        let found = match self.while_answering {
            WhileAnswering::StepAside => self.found.get(),
            WhileAnswering::Route => Found::Silent,
        };
        match (requests(found, self.on_refusal, standing, is_late), self.table.get()) {
            (Requests::Wait, _) => Verdict::Waits,
            (Requests::Left, _) => Verdict::StepsAside,
            (Requests::Routed, Some(table)) => Verdict::Serves { table },
            (Requests::Routed, None) | (Requests::Unserved, _) => Verdict::Stranded,
        }
    }
}
