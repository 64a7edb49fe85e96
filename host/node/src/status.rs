//! What the node says of itself: the same facts for `status`, `why`, readiness and metrics.
//!
//! The node's tasks write down what changed; the rest is asked when somebody looks. Decides nothing, and holds no byte of a
//! configuration (all-04).

mod fleet;
mod metrics;
mod why;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdover_plugin::model::UnixMs;
use holdover_plugin::policy::{ExportOutcome, Office, Serving, Standing};
use holdover_ports::{Clock, DataPlaneStatus, Gateway};
use serde::Serialize;

use crate::events::{Entry, Failure, Journal};
use crate::running::Runs;
use crate::session::Sessions;
use crate::standing_in::StandingIn;

/// The kinds of gateways that have data planes, even when none is connected.
const FLEETS: [&str; 2] = ["kong", "envoy"];

/// The policy this node runs, for the status page.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyInfo {
    pub digest: String,
    /// How long it took until the policy could be called.
    pub ready_ms: u64,
    /// Whether its compiled form was kept from an earlier start.
    pub kept: bool,
}

/// What never changes while the process lives.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Identity {
    pub role: &'static str,
    pub node: String,
    pub cluster: String,
    pub gateway_version: String,
    pub control_plane: String,
    pub storages: Vec<String>,
    pub policy: Option<PolicyInfo>,
}

pub struct Status {
    identity: Identity,
    sessions: Arc<Sessions>,
    gateway: Arc<dyn Gateway>,
    journal: Arc<Journal>,
    clock: Arc<dyn Clock>,
    standing_in: Arc<StandingIn>,
    sheet: Mutex<Sheet>,
}

#[derive(Clone, Default)]
struct Sheet {
    /// `None` until the first episode ends.
    standing: Option<Standing>,
    /// What the gateway runs: no later standing takes it away.
    serving: Option<(Serving, UnixMs)>,
    wake_at: Option<UnixMs>,
    export: Option<ExportReport>,
}

/// The status page.
#[derive(Clone, Debug, Serialize)]
pub struct StatusReport {
    #[serde(flatten)]
    identity: Identity,
    /// `starting`, `serving`, `stranded` or `refused`.
    pub standing: &'static str,
    /// Why nothing is served, when nothing is.
    pub reason: Option<String>,
    pub serving: Option<ServingReport>,
    pub connected: bool,
    pub gateway: GatewayReport,
    pub export: Option<ExportReport>,
    pub last_failures: BTreeMap<String, Failure>,
    pub next_wake_unix_ms: Option<UnixMs>,
    pub now_unix_ms: UnixMs,
}

#[derive(Clone, Debug, Serialize)]
pub struct ServingReport {
    pub digest: String,
    pub sameness: String,
    /// Why the gateway did not take what came since.
    pub rejected: Option<String>,
    pub origin: &'static str,
    /// Epoch and generation, for what came from a snapshot.
    pub position: Option<String>,
    pub since_unix_ms: UnixMs,
}

#[derive(Clone, Debug, Serialize)]
pub struct GatewayReport {
    pub kind: &'static str,
    pub unenforced_plugins: Vec<String>,
    pub listens_on: Option<String>,
    /// Of a gateway that is a fleet; `None` for the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_planes: Option<Vec<DataPlaneStatus>>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct ExportReport {
    pub published: Option<String>,
    /// When the head was last known to say what the control plane says.
    pub confirmed_at_unix_ms: Option<UnixMs>,
    pub held: Option<String>,
    /// What `holdover approve` would release.
    pub approvable: Option<ApprovableReport>,
    pub office: OfficeReport,
    pub pending: bool,
    /// Since when something is to be published and is not.
    pub pending_since_unix_ms: Option<UnixMs>,
    /// When what is not in the storage is tried again.
    pub next_try_unix_ms: Option<UnixMs>,
}

#[derive(Clone, Debug, Serialize)]
pub struct ApprovableReport {
    pub gateway_version: String,
    pub base: Option<String>,
    pub sameness: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct OfficeReport {
    /// `none`, `leader`, `standby` or `declined`.
    pub kind: &'static str,
    pub epoch: Option<u64>,
    /// Who leads instead, or which check of the storage failed.
    pub reason: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct WhyReport {
    pub sentences: Vec<String>,
    pub recent: Vec<Entry>,
}

impl OfficeReport {
    fn of(office: &Office) -> Self {
        let (kind, epoch, reason) = match office {
            Office::None => ("none", None, None),
            Office::Leader(epoch) => ("leader", Some(epoch.0), None),
            Office::Standby(reason) => ("standby", None, Some(reason.clone())),
            Office::Declined(reason) => ("declined", None, Some(reason.clone())),
        };
        Self { kind, epoch, reason }
    }
}

impl Default for OfficeReport {
    fn default() -> Self {
        Self::of(&Office::None)
    }
}

impl Status {
    pub(crate) fn new(
        identity: Identity,
        sessions: Arc<Sessions>,
        gateway: Arc<dyn Gateway>,
        journal: Arc<Journal>,
        clock: Arc<dyn Clock>,
        standing_in: Arc<StandingIn>,
    ) -> Self {
        let export = (identity.role == "exporter").then(ExportReport::default);
        Self { identity, sessions, gateway, journal, clock, standing_in, sheet: Mutex::new(Sheet { export, ..Sheet::default() }) }
    }

    /// After an importing episode.
    pub(crate) fn stands(&self, standing: Standing) {
        let now = self.clock.now();
        let mut sheet = self.sheet();
        match &standing {
            Standing::Serving(serving) => {
                let same = sheet.serving.take().filter(|(before, _)| before.digest == serving.digest);
                let since = same.map_or(now, |(_, since)| since);
                sheet.serving = Some((serving.clone(), since));
            }
            // A gateway keeps what it runs, and the standing says the rest.
            Standing::Stranded(_) | Standing::Refused(_) => {}
        }
        self.standing_in.stands(&standing);
        sheet.standing = Some(standing);
    }

    /// For health checks of the control plane.
    pub fn control_plane_health(&self) -> Result<&'static str, &'static str> {
        self.standing_in.health()
    }

    /// An episode was lost that the gateway had said yes to: no configuration is taken for the one that is served until the next is
    /// applied.
    pub(crate) fn doubts(&self, runs: Runs) {
        if let Some((serving, _)) = &mut self.sheet().serving {
            serving.sameness = String::new();
            match runs {
                Runs::This(digest) => serving.digest = digest,
                Runs::Nothing | Runs::Perhaps(_) => {}
            }
        }
    }

    pub(crate) fn wakes_after(&self, pause: Option<Duration>) {
        self.sheet().wake_at = pause.map(|pause| self.clock.now().plus(pause));
    }

    /// After an exporting episode.
    pub(crate) fn exported(&self, outcome: &ExportOutcome) {
        let mut sheet = self.sheet();
        let published = outcome.published.map(|position| position.to_string());
        // An episode that did not look at the storage takes nothing back.
        let before = sheet.export.take();
        let published = published.or_else(|| before.as_ref().and_then(|before| before.published.clone()));
        let next_try = outcome.wake_after.filter(|_| outcome.pending || outcome.held.is_some()).map(|after| self.clock.now().plus(after));
        let now = self.clock.now();
        let since = before.as_ref().and_then(|before| before.pending_since_unix_ms).unwrap_or(now);
        sheet.export = Some(ExportReport {
            published,
            confirmed_at_unix_ms: self.journal.confirmed_at(),
            held: outcome.held.clone(),
            approvable: outcome.approvable.as_ref().map(|approvable| ApprovableReport {
                gateway_version: approvable.gateway_version.to_string(),
                base: approvable.base.map(|position| position.to_string()),
                sameness: approvable.sameness.clone(),
            }),
            office: OfficeReport::of(&outcome.office),
            pending: outcome.pending,
            pending_since_unix_ms: outcome.pending.then_some(since),
            next_try_unix_ms: next_try,
        });
    }

    /// Whether this node's exporter leads.
    pub(crate) fn leads(&self) -> bool {
        self.sheet().export.as_ref().is_some_and(|export| export.office.kind == "leader")
    }

    /// What the gateway runs.
    pub(crate) fn serving(&self) -> Option<Serving> {
        self.sheet().serving.as_ref().map(|(serving, _)| serving.clone())
    }

    /// Ready once a configuration was applied, and from then on; until then, why not (boot-10).
    pub fn ready(&self) -> Result<(), String> {
        let sheet = self.sheet();
        match (&sheet.serving, &sheet.standing) {
            (Some(_), _) => Ok(()),
            (None, None) => Err("starting: no configuration has been applied yet".into()),
            (None, Some(Standing::Stranded(reason))) => Err(format!("stranded: {reason}")),
            (None, Some(Standing::Refused(reason))) => Err(format!("refused: {reason}")),
            (None, Some(Standing::Serving(_))) => Err("starting: the configuration is being applied".into()),
        }
    }

    pub fn report(&self) -> StatusReport {
        let sheet = self.sheet().clone();
        let (standing, reason) = match sheet.standing {
            None => ("starting", None),
            Some(Standing::Serving(_)) => ("serving", None),
            Some(Standing::Stranded(reason)) => ("stranded", Some(reason)),
            Some(Standing::Refused(reason)) => ("refused", Some(reason)),
        };
        let serving = sheet.serving.map(|(serving, since)| ServingReport {
            digest: serving.digest.to_string(),
            sameness: serving.sameness,
            rejected: self.journal.rejected(),
            origin: serving.origin.as_str(),
            position: serving.position.map(|position| position.to_string()),
            since_unix_ms: since,
        });
        let gateway = self.gateway.status();
        let fleet = FLEETS.contains(&gateway.kind);
        StatusReport {
            identity: self.identity.clone(),
            standing,
            reason,
            serving,
            connected: self.sessions.connected(),
            gateway: GatewayReport {
                kind: gateway.kind,
                unenforced_plugins: gateway.unenforced_plugins,
                listens_on: gateway.listens_on,
                data_planes: fleet.then_some(gateway.data_planes),
            },
            export: sheet.export,
            last_failures: self.journal.failures(),
            next_wake_unix_ms: sheet.wake_at,
            now_unix_ms: self.clock.now(),
        }
    }

    pub fn why(&self) -> WhyReport {
        WhyReport { sentences: why::sentences(&self.report()), recent: self.journal.entries() }
    }

    /// In Prometheus' text format.
    pub fn metrics(&self) -> String {
        metrics::text(&self.report(), self.ready().is_ok(), &self.journal.counts(), &self.journal.reasons())
    }

    fn sheet(&self) -> MutexGuard<'_, Sheet> {
        self.sheet.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
