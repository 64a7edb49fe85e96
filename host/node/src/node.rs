//! The loop: one task owns the node, and everything that happens to it comes through here, one episode after the other.
//!
//! ```text
//!               ┌───────────── news: delivered ──► received ─┐
//! boot ──► wait ┼───────────── news: lost ───────► tick      ├──► outcome: state kept, standing said, next wake ──► wait
//!               ├───────────── somebody appears ─► tick      │
//!               └───────────── time to wake ─────► tick ─────┘
//!                                                  episode lost: state and standing stay, tried again later
//! ```
//! Decides nothing: which configuration is right is the policy's to say, and traffic never waits for it. Reads no clock of the
//! machine's.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use holdover_plugin::policy::{Facts, Outcome, Settings, StandIn};
use holdover_ports::{Clock, Config, Exporter, Importer, Janitor, Pending, Random};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cache::{FileCache, Remembering};
use crate::episode::{Losses, STOP_MAX, bounded, wake_after};
use crate::events::Journal;
use crate::export::{ExportWorker, left_behind};
use crate::inbox::News;
use crate::running::RunningGateway;
use crate::serve;
use crate::session::{Delivery, Sessions};
use crate::standing_in::StandingIn;
use crate::status::{Identity, PolicyInfo, Status};
use crate::sweep::SweepWorker;

/// What a node is made of. The policies were given the same sessions, gateway, cache and journal as their ports.
pub struct NodeParts {
    pub importer: Arc<dyn Importer>,
    pub exporter: Option<Arc<dyn Exporter>>,
    /// Sweeps the storages while this node leads.
    pub janitor: Option<Arc<dyn Janitor>>,
    /// Where an exporter keeps what is not yet published.
    pub pending: Arc<dyn Pending>,
    pub sessions: Arc<Sessions>,
    pub gateway: Arc<RunningGateway>,
    pub cache: Arc<FileCache>,
    pub settings: Settings,
    pub journal: Arc<Journal>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub policy: Option<PolicyInfo>,
    /// Told to the gateway, and to health checks of the control plane.
    pub stand_in: watch::Sender<StandIn>,
    /// `holdover_status_listen`. `None`: no status page.
    pub status_listen: Option<SocketAddr>,
}

pub struct Node {
    importing: Importing,
    exporting: Option<ExportWorker>,
    sweeping: Option<SweepWorker>,
    status: Arc<Status>,
    standing_in: Arc<StandingIn>,
    listener: Option<TcpListener>,
}

/// The importing side, which owns what is served.
struct Importing {
    importer: Arc<dyn Importer>,
    gateway: Arc<RunningGateway>,
    sessions: Arc<Sessions>,
    cache: Arc<FileCache>,
    settings: Settings,
    journal: Arc<Journal>,
    random: Arc<dyn Random>,
    status: Arc<Status>,
    process: u64,
    stopping: bool,
    /// Somebody is where the control plane was not; the policy has not been told yet.
    appeared: bool,
    state: Vec<u8>,
    /// Whether an episode has ended well since the process began.
    booted: bool,
    /// A delivery whose episode was lost.
    owed: Option<Config>,
    wake_at: Option<Instant>,
    losses: Losses,
}

enum Step {
    Boot,
    Received(Config),
    Tick,
}

/// Runs a node until `shutdown`. Errors are those of its start.
pub async fn run(parts: NodeParts, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
    Node::open(parts).await?.run(shutdown).await;
    Ok(())
}

impl Node {
    /// Listens for the status page and reads what the last process remembered. Nothing is asked or applied yet.
    pub async fn open(parts: NodeParts) -> anyhow::Result<Self> {
        let listener = match parts.status_listen {
            Some(address) => Some(serve::listen(address).await.map_err(anyhow::Error::msg)?),
            None => None,
        };
        let Settings { on_refusal, give_up, .. } = parts.settings;
        let standing_in = Arc::new(StandingIn::new(parts.sessions.clone(), on_refusal, give_up, parts.stand_in.clone()));
        let status = Arc::new(status_of(&parts, standing_in.clone()));
        let process = parts.random.random();
        let exporting = match parts.exporter {
            None => None,
            Some(exporter) => {
                let pending = left_behind(&*parts.pending, &parts.journal).await;
                if let Some(Delivery { session, .. }) = &pending {
                    parts.sessions.count_on_from(*session);
                }
                Some(ExportWorker {
                    exporter,
                    kept: parts.pending,
                    sessions: parts.sessions.clone(),
                    deliveries: parts.sessions.deliveries(),
                    cache: parts.cache.clone(),
                    settings: parts.settings.clone(),
                    journal: parts.journal.clone(),
                    random: parts.random.clone(),
                    status: status.clone(),
                    process,
                    stopping: false,
                    in_hand: false,
                    state: remembered(&parts.cache, &parts.journal, Remembering::Exporter).await,
                    pending: pending.map(|pending| pending.config),
                    losses: Losses::default(),
                })
            }
        };
        let sweeping = parts.janitor.filter(|_| exporting.is_some()).map(|janitor| SweepWorker {
            janitor,
            settings: parts.settings.clone(),
            journal: parts.journal.clone(),
            random: parts.random.clone(),
            status: status.clone(),
            process,
            losses: Losses::default(),
        });
        let importing = Importing {
            state: remembered(&parts.cache, &parts.journal, Remembering::Importer).await,
            importer: parts.importer,
            gateway: parts.gateway,
            sessions: parts.sessions,
            cache: parts.cache,
            settings: parts.settings,
            journal: parts.journal,
            random: parts.random,
            status: status.clone(),
            process,
            stopping: false,
            appeared: false,
            booted: false,
            owed: None,
            wake_at: None,
            losses: Losses::default(),
        };
        Ok(Self { importing, exporting, sweeping, status, standing_in, listener })
    }

    pub fn status(&self) -> Arc<Status> {
        self.status.clone()
    }

    /// Where the status page is.
    pub fn status_address(&self) -> Option<SocketAddr> {
        self.listener.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Until `shutdown`. An episode that is under way is dropped, for every one of them may end anywhere; each policy then has a
    /// moment to take its leave.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let mut beside = JoinSet::new();
        beside.spawn(async move { self.standing_in.watch().await });
        if let Some(listener) = self.listener {
            beside.spawn(serve::serve(listener, self.status));
        }
        let (leave, told) = oneshot::channel::<()>();
        let mut exporting = JoinSet::new();
        if let Some(worker) = self.exporting {
            exporting.spawn(worker.run(async move {
                let _told_by_its_end = told.await;
            }));
        }
        if let Some(sweeping) = self.sweeping {
            beside.spawn(sweeping.run());
        }
        tokio::select! {
            biased;
            () = shutdown => {}
            () = self.importing.run() => {}
        }
        drop(leave);
        let left = async { while exporting.join_next().await.is_some() {} };
        tokio::join!(self.importing.stop(), left);
        beside.shutdown().await;
    }
}

impl Importing {
    /// Until it is dropped.
    async fn run(&mut self) {
        let mut step = Step::Boot;
        let sessions = self.sessions.clone();
        // Looks out between episodes, and remembers through them that nobody was there.
        let mut lookout = pin!(sessions.appears());
        loop {
            self.take(step).await;
            step = tokio::select! {
                biased;
                news = self.sessions.news() => match news {
                    News::Delivered(config) => Step::Received(config),
                    News::Lost(unanswered) => {
                        self.journal.session_lost(&unanswered);
                        self.due()
                    }
                },
                () = &mut lookout => {
                    lookout.set(sessions.appears());
                    self.appeared = true;
                    self.due()
                }
                () = until(self.wake_at) => self.due(),
            };
        }
    }

    async fn stop(&mut self) {
        self.stopping = true;
        if self.booted && tokio::time::timeout(STOP_MAX, self.take(Step::Tick)).await.is_err() {
            tracing::warn!("the policy did not take leave within {} s", STOP_MAX.as_secs());
        }
    }

    /// What to call when nothing was delivered.
    fn due(&mut self) -> Step {
        match self.owed.take() {
            Some(config) => Step::Received(config),
            None if self.booted => Step::Tick,
            None => Step::Boot,
        }
    }

    async fn take(&mut self, step: Step) {
        let facts = Facts {
            settings: self.settings.clone(),
            serving: self.status.serving(),
            connected: self.sessions.connected(),
            stopping: self.stopping,
            appeared: std::mem::take(&mut self.appeared),
            process: self.process,
            session: self.sessions.session(),
        };
        let state = self.state.clone();
        let delivered = match &step {
            Step::Received(config) => Some(config.clone()),
            Step::Boot | Step::Tick => None,
        };
        let ran = self.gateway.runs();
        let ended = match step {
            Step::Boot => bounded("boot", self.importer.boot(facts, state)).await,
            Step::Received(config) => bounded("received", self.importer.received(config, facts, state)).await,
            Step::Tick => bounded("tick", self.importer.tick(facts, state)).await,
        };
        match ended {
            Ok(outcome) => self.settle(outcome).await,
            Err(lost) => {
                if self.gateway.runs() != ran {
                    self.status.doubts(self.gateway.runs());
                }
                // A tick that was delivered to and then lost must not leave the node without what the open session brought.
                self.owed = delivered.or_else(|| self.newest_of_the_session());
                let pause = (!self.stopping).then(|| self.losses.pause(&*self.random));
                self.journal.episode_lost(&lost, pause);
                self.wake(pause);
            }
        }
    }

    fn newest_of_the_session(&self) -> Option<Config> {
        let newest = || self.sessions.deliveries().borrow().as_ref().map(|delivery| delivery.config.clone());
        if self.sessions.connected() { newest() } else { None }
    }

    async fn settle(&mut self, outcome: Outcome) {
        self.booted = true;
        self.owed = None;
        self.losses.forget();
        self.status.stands(outcome.standing);
        self.wake(wake_after(outcome.wake_after));
        if outcome.refresh {
            self.sessions.refresh(self.settings.give_up);
        }
        self.state = outcome.state;
        if let Err(sentence) = self.cache.write_state(Remembering::Importer, self.state.clone()).await {
            self.journal.state_not_kept(sentence);
        }
    }

    fn wake(&mut self, pause: Option<Duration>) {
        self.status.wakes_after(pause);
        // Further off than the clock reaches is never.
        self.wake_at = pause.and_then(|pause| Instant::now().checked_add(pause));
    }
}

fn status_of(parts: &NodeParts, standing_in: Arc<StandingIn>) -> Status {
    let identity = Identity {
        role: if parts.exporter.is_some() { "exporter" } else { "importer" },
        node: parts.settings.node.clone(),
        cluster: parts.settings.cluster.to_string(),
        gateway_version: parts.settings.gateway_version.to_string(),
        control_plane: parts.sessions.name(),
        storages: parts.settings.storages.clone(),
        policy: parts.policy.clone(),
    };
    Status::new(identity, parts.sessions.clone(), parts.gateway.clone(), parts.journal.clone(), parts.clock.clone(), standing_in)
}

/// A state that cannot be read is one that was never kept: the policy begins afresh.
async fn remembered(cache: &FileCache, journal: &Journal, of: Remembering) -> Vec<u8> {
    cache.read_state(of).await.unwrap_or_else(|sentence| {
        journal.state_not_kept(sentence);
        Vec::new()
    })
}

async fn until(wake_at: Option<Instant>) {
    match wake_at {
        Some(wake_at) => tokio::time::sleep_until(wake_at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
