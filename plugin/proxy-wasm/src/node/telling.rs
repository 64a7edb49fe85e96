//! What the filters are told: the policy's verdict (`policy::outage::stand_in`) on what is known of the control plane and of this node.
//!
//! Told when it changes, and once a second besides, so that a node that has ended can be told from one that has nothing new to say.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use holdover_plugin::policy::outage::{Found, stand_in};
use holdover_plugin::policy::{OnRefusal, Origin, StandIn, Standing};
use proxy_wasm::types::LogLevel;

use super::settings::{Settings, WhileAnswering};
use crate::log::log;
use crate::shared::{Told, Verdict};
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

    /// The number of a table that is to take the place of the last one. By the clock, so that it is none of another node's before this one.
    pub fn next_table(&self) -> u64 {
        self.table.get().map_or(0, |last| last + 1).max(vm::now().0)
    }

    pub fn shares(&self, table: u64) {
        self.table.set(Some(table));
    }

    pub fn tell(&self) {
        let verdict = self.verdict();
        let is_told = self.told.borrow().as_ref().is_some_and(|(told, at)| *told == verdict && at.elapsed() < SIGN_OF_LIFE);
        if is_told {
            return;
        }
        if (Told { verdict: verdict.clone(), at_unix_ms: vm::now().0 }).tell().is_err() {
            log(LogLevel::Error, "the filters cannot be told what to do, for Envoy does not take it");
        }
        *self.told.borrow_mut() = Some((verdict, Moment::now()));
    }

    fn verdict(&self) -> Verdict {
        let standing = self.standing.borrow();
        let standing = standing.as_ref();
        let found = self.found_for(standing);
        let is_late = self.began.elapsed() >= self.late_after;
        match (stand_in(found, self.on_refusal, standing, is_late), self.while_answering) {
            (StandIn::Waits, _) => Verdict::Waits,
            // Silence with nothing to serve in its place is no word of the control plane's.
            (StandIn::StepsAside, WhileAnswering::StepAside) if found != Found::Silent => Verdict::StepsAside,
            (StandIn::StepsAside | StandIn::Serves, _) => self.served(standing, is_late),
        }
    }

    fn served(&self, standing: Option<&Standing>, is_late: bool) -> Verdict {
        match (standing, self.table.get()) {
            (Some(Standing::Serving(_)), Some(table)) => Verdict::Serves { table },
            (None, _) if !is_late => Verdict::Waits,
            (Some(_) | None, _) => Verdict::Stranded,
        }
    }

    /// A control plane whose configuration is not the one that runs here (it cannot run, or is held back) has not answered.
    fn found_for(&self, standing: Option<&Standing>) -> Found {
        let runs = match standing {
            Some(Standing::Serving(serving)) => serving.origin == Origin::ControlPlane,
            Some(Standing::Stranded(_) | Standing::Refused(_)) | None => false,
        };
        match self.found.get() {
            Found::Answers if !runs => Found::Silent,
            found => found,
        }
    }
}
