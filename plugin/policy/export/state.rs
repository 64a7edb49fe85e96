//! What an exporter remembers between episodes of one process.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::ExportOutcome;
use super::super::backoff::millis;
use crate::model::{Epoch, Position, UnixMs};

const FORMAT: u16 = 0;

/// Times are milliseconds of this process's monotonic clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    format: u16,
    process: u64,
    /// The epoch this process took with its first publication.
    pub office: Option<Epoch>,
    pub published: Option<Position>,
    /// Of what stands there: an encrypted head does not show it.
    pub published_sameness: Option<String>,
    /// When the control plane delivered what is to be exported.
    pub captured_at: UnixMs,
    pub failures: u32,
    last_export_ms: Option<u64>,
    confirm_due_ms: Option<u64>,
    /// Why the newest delivery is not in the storage, when it is not.
    pub held: Option<String>,
}

impl State {
    /// What an earlier process left behind is no office: a process that begins takes its own (export-01).
    pub fn read(bytes: &[u8], process: u64) -> Self {
        let ours = |state: &Self| state.format == FORMAT && state.process == process;
        serde_json::from_slice(bytes).ok().filter(ours).unwrap_or_else(|| Self { process, ..Self::default() })
    }

    pub fn until_export(&self, now: Duration, delay: Duration) -> Duration {
        self.last_export_ms.map_or(Duration::ZERO, |last| Duration::from_millis(last).saturating_add(delay).saturating_sub(now))
    }

    pub fn exported(&mut self, now: Duration) {
        self.last_export_ms = Some(millis(now));
        self.confirm_after(now, super::CONFIRM_EVERY);
    }

    pub fn confirm_after(&mut self, now: Duration, after: Duration) {
        self.confirm_due_ms = Some(millis(now.saturating_add(after)));
    }

    pub fn until_confirm(&self, now: Duration) -> Option<Duration> {
        self.confirm_due_ms.map(|due| Duration::from_millis(due).saturating_sub(now))
    }

    pub fn outcome(mut self, wake_after: Option<Duration>, pending: bool, held: Option<String>) -> ExportOutcome {
        self.held.clone_from(&held);
        ExportOutcome { wake_after, pending, published: self.published, held, state: serde_json::to_vec(&self).unwrap_or_default() }
    }
}
