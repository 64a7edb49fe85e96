//! What an exporter remembers between episodes, and across the death of its process.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::backoff::millis;
use super::super::guard::Change;
use crate::model::{Digest, Epoch, Position, UnixMs};
use crate::snapshot::lease::Lease;

const FORMAT: u16 = 1;

/// Times are milliseconds of this process's monotonic clock, unless they say otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    format: u16,
    process: u64,
    pub tenure: Option<Tenure>,
    /// It is an earlier process's, and still to be found in the lease.
    to_resume: bool,
    /// The lease as it was last seen in another's hands.
    pub lease: Option<Seen>,
    pub probed: Option<Probed>,
    pub published: Option<Position>,
    /// Of what stands there: an encrypted head does not show it.
    pub published_sameness: Option<String>,
    /// When the control plane delivered what is to be exported, by this node's clock.
    pub captured_at: UnixMs,
    /// The session that delivered it.
    pub session: u64,
    /// Whether what is pending was delivered to an earlier process, in a tenure that this one took up again.
    pub resumed: bool,
    pub failures: u32,
    /// The epoch in which a head was to be published and is not known to have been.
    pub unanswered: Option<Epoch>,
    retry_due_ms: Option<u64>,
    last_export_ms: Option<u64>,
    confirm_due_ms: Option<u64>,
    pub held: Option<Held>,
    /// Who took office from an exporter that was said to be the only one.
    pub deposed: Option<String>,
    /// Since when there is no control plane.
    pub alone_since_ms: Option<u64>,
    pub soak: Option<Soak>,
    pub copies: Option<Copies>,
    /// The number of the newest orders that were believed.
    pub orders: u64,
    /// The number up to which the head obeys them.
    pub obeyed: u64,
    /// The sentence of the last trouble that was reported, so that it is said once.
    pub said: Option<String>,
}

/// The right to publish, as far as this process knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenure {
    pub epoch: Epoch,
    /// The process that took it, as the lease names it; one that takes it up again leaves that name.
    pub process: u64,
    /// When the last renewal that held was begun.
    pub renewed_ms: u64,
    /// No other try to renew it before this.
    pub retry_ms: u64,
    /// What this session or an earlier one delivered came before the office. Known from the episode after the one that took it: until
    /// then a session may have opened beside it.
    pub after_session: Option<u64>,
    /// Whether the head bears this epoch, so that earlier writers fail.
    pub raised: bool,
    /// Whether the control plane was asked to deliver once more.
    pub refreshed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    pub file: Digest,
    pub since_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probed {
    pub at_ms: u64,
    /// What the storage does not do; `None`: it does everything.
    pub failing: Option<String>,
}

/// Why the newest delivery is not in the storage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub reason: Reason,
    pub sentence: String,
    /// What an approval would have to name.
    pub approvable: Option<Guarded>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// It came before this exporter took office.
    BeforeOffice,
    Delay,
    Failed,
    Frozen,
    /// A guard objects.
    Guard(Change),
    Refused,
    Restored,
    Standby,
    Probe,
    /// It cannot be found out who leads.
    Unknown,
}

impl Reason {
    /// A stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BeforeOffice => "before-office",
            Self::Delay => "delay",
            Self::Failed => "failed",
            Self::Frozen => "frozen",
            Self::Guard(change) => change.as_str(),
            Self::Refused => "refused",
            Self::Restored => "restored",
            Self::Standby => "standby",
            Self::Probe => "probe",
            Self::Unknown => "unknown",
        }
    }

    /// Whether time alone ends it.
    pub fn passes(self) -> bool {
        match self {
            Self::Delay | Self::Failed => true,
            Self::BeforeOffice
            | Self::Frozen
            | Self::Guard(_)
            | Self::Refused
            | Self::Restored
            | Self::Standby
            | Self::Probe
            | Self::Unknown => false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guarded {
    pub base: Option<Position>,
    pub sameness: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Soak {
    pub position: Position,
    pub until_ms: u64,
    /// When the watched nodes are asked next.
    pub look_ms: u64,
    pub ill: bool,
}

/// The further storages are behind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copies {
    pub due_ms: u64,
    pub failures: u32,
}

impl Tenure {
    pub fn is_named_by(&self, lease: &Lease) -> bool {
        (lease.epoch, lease.process) == (self.epoch, self.process)
    }
}

impl Soak {
    /// For the whole time, from now.
    pub fn begins(position: Position, now: Duration, soak: Duration) -> Self {
        Self { position, until_ms: millis(now.saturating_add(soak)), look_ms: 0, ill: false }
    }
}

impl State {
    /// Of what an earlier process left behind, only its tenure and what was pending in it outlive it: they may be taken up again.
    /// `session` delivered what is pending; sessions are numbered on from it.
    pub fn read(bytes: &[u8], process: u64, session: u64) -> Self {
        let read: Option<Self> = serde_json::from_slice(bytes).ok().filter(|state: &Self| state.format == FORMAT);
        match read {
            Some(state) if state.process == process => state,
            Some(earlier) => earlier.outlived(process, session),
            None => Self::beginning(process),
        }
    }

    fn outlived(self, process: u64, session: u64) -> Self {
        let before = self.tenure.as_ref().and_then(|tenure| tenure.after_session);
        let taken_up =
            |tenure| Tenure { renewed_ms: 0, retry_ms: 0, after_session: Some(session), raised: false, refreshed: false, ..tenure };
        Self {
            // What came before the office is not to be published by whoever takes it up again either.
            resumed: self.resumed || before.is_some_and(|before| session > before),
            to_resume: self.tenure.is_some(),
            tenure: self.tenure.map(taken_up),
            captured_at: self.captured_at,
            orders: self.orders,
            ..Self::beginning(process)
        }
    }

    /// The lease still names the tenure of the process before this one.
    pub fn taken_up(&mut self) {
        self.to_resume = false;
    }

    fn beginning(process: u64) -> Self {
        Self { format: FORMAT, process, ..Self::default() }
    }

    /// Whether the newest delivery came from a session that opened after the office was taken (export-01).
    pub fn came_in_office(&self) -> bool {
        let before = self.tenure.as_ref().and_then(|tenure| tenure.after_session);
        before.is_some_and(|before| self.session > before)
    }

    /// Whether a tenure is there that this process has not yet taken up.
    pub fn is_to_resume(&self) -> bool {
        self.to_resume && self.tenure.is_some()
    }

    /// The control plane delivered: a fresh try, whatever the last one came to.
    pub fn delivered(&mut self, session: u64, now: UnixMs) {
        self.captured_at = now;
        self.session = session;
        self.resumed = false;
        self.failures = 0;
        self.retry_due_ms = None;
        if let Some(held) = &mut self.held {
            held.approvable = None;
        }
    }

    pub fn until_export(&self, now: Duration, delay: Duration) -> Duration {
        let delayed = self.last_export_ms.map_or(Duration::ZERO, |last| left(last.saturating_add(millis(delay)), now));
        let retry = self.retry_due_ms.map_or(Duration::ZERO, |due| left(due, now));
        delayed.max(retry)
    }

    pub fn is_delayed(&self, now: Duration, delay: Duration) -> bool {
        self.last_export_ms.is_some_and(|last| !left(last.saturating_add(millis(delay)), now).is_zero())
    }

    pub fn exported(&mut self, now: Duration) {
        self.last_export_ms = Some(millis(now));
        self.confirm_after(now, super::CONFIRM_EVERY);
        self.settled();
    }

    /// Nothing is owed.
    pub fn settled(&mut self) {
        self.failures = 0;
        self.retry_due_ms = None;
        self.held = None;
    }

    pub fn retry_after(&mut self, now: Duration, after: Duration) {
        self.retry_due_ms = Some(millis(now.saturating_add(after)));
    }

    pub fn confirm_after(&mut self, now: Duration, after: Duration) {
        self.confirm_due_ms = Some(millis(now.saturating_add(after)));
    }

    pub fn until_confirm(&self, now: Duration) -> Option<Duration> {
        self.confirm_due_ms.map(|due| left(due, now))
    }
}

/// From now to a due time; zero when it is past.
pub fn left(due_ms: u64, now: Duration) -> Duration {
    Duration::from_millis(due_ms.saturating_sub(millis(now)))
}
