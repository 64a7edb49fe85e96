//! What an importing node remembers between two episodes of one process: when what is due. Small, versioned bytes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::backoff::millis;
use super::capabilities::{Clock, Random};
use super::{Outcome, Standing, backoff, rejoin};
use crate::model::Digest;
use crate::mutants::{Mutant, active};

pub const STATE_BYTES_MAX: usize = 64 * 1024;
const FORMAT: u16 = 0;

/// Times are milliseconds of this process's monotonic clock; a process that begins starts from [`State::beginning`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    format: u16,
    process: u64,
    /// Climbs of the ladder in a row that ended with nothing.
    pub failed_climbs: u32,
    climb_due: Option<u64>,
    dial_due: Option<u64>,
    settle_due: Option<u64>,
    refresh_due: Option<u64>,
    /// What settles then.
    pub settling: Option<Digest>,
    /// A control plane that refuses this node closes the storages to it (boot-02).
    pub refused: Option<String>,
    /// The control plane's session that delivered what is served, if one did.
    pub session: u64,
    /// Why what the open session brought is not used, and is judged again: the session says it only once.
    pub unused: Option<Unused>,
    /// What the rejoin guard holds (boot-14).
    pub held: Option<rejoin::Held>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unused {
    /// There was nothing to hold it against (boot-14).
    Incomparable,
    /// The gateway could not take it this time.
    NotTaken,
}

/// Something that is due at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    Climb,
    Dial,
    Settle,
    Refresh,
}

impl State {
    pub fn beginning(process: u64) -> Self {
        Self { format: FORMAT, process, ..Self::default() }
    }

    /// A state of another format, of an earlier process, or none at all is a beginning.
    pub fn read(bytes: &[u8], process: u64) -> Self {
        let read: Option<Self> = serde_json::from_slice(bytes).ok();
        read.filter(|state| state.format == FORMAT && state.process == process).unwrap_or_else(|| Self::beginning(process))
    }

    pub fn set(&mut self, due: Due, clock: &impl Clock, after: Option<Duration>) {
        let at = after.map(|after| millis(clock.monotonic().saturating_add(after)));
        *self.slot(due) = at;
    }

    /// `None` when it is not awaited at all; zero when it is due.
    pub fn until(&mut self, due: Due, clock: &impl Clock) -> Option<Duration> {
        let at = (*self.slot(due))?;
        Some(Duration::from_millis(at.saturating_sub(millis(clock.monotonic()))))
    }

    /// What is awaited is due now.
    pub fn hasten(&mut self, due: Due, clock: &impl Clock) {
        if self.slot(due).is_some() {
            self.set(due, clock, Some(Duration::ZERO));
        }
    }

    pub fn redial_later(&mut self, caps: &(impl Clock + Random)) {
        if !active(Mutant::NeverRedials) {
            self.set(Due::Dial, caps, Some(backoff::redial(caps.random())));
        }
    }

    pub fn outcome(mut self, clock: &impl Clock, standing: Standing) -> Outcome {
        let dues = [Due::Climb, Due::Dial, Due::Settle, Due::Refresh];
        let look = self.held.is_some().then_some(rejoin::LOOK_EVERY);
        let wake_after = dues.into_iter().filter_map(|due| self.until(due, clock)).chain(look).min();
        Outcome { state: serde_json::to_vec(&self).unwrap_or_default(), wake_after, refresh: false, standing }
    }

    fn slot(&mut self, due: Due) -> &mut Option<u64> {
        match due {
            Due::Climb => &mut self.climb_due,
            Due::Dial => &mut self.dial_due,
            Due::Settle => &mut self.settle_due,
            Due::Refresh => &mut self.refresh_due,
        }
    }
}
