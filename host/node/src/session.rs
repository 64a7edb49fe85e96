//! One control plane session at a time, whoever asks for it: a [`ControlPlane`] for the policy out of any [`Dial`].
//!
//! ```text
//!            attempt                  first configuration                   the session ends
//! CLOSED ──────────────► DIALLING ─────────────────────────► OPEN ──┐    ┌────────────────────► CLOSED, Lost
//!    ▲                    │  to the callers that still wait,       └────┘
//!    └────────────────────┘  or to the inbox                   each further one: Delivered
//!      patience, unanswered
//! ```
//! A refresh ends an open session and dials anew at once; only when that fails is the control plane lost.
//!
//! A caller that stops waiting cancels nothing: the attempt is a task of its own. Every delivery, first ones included, also
//! goes to [`Sessions::deliveries`]. Knows no adapter and does not dial by itself: when to dial is the policy's decision.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use holdover_plugin::policy::outage::Found;
use holdover_ports::{Answer, Config, ControlPlane, Dial, Session, Unanswered};
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout, timeout_at};

use crate::inbox::{Inbox, News};

pub struct Sessions {
    shared: Arc<Shared>,
}

struct Shared {
    dial: Arc<dyn Dial>,
    stage: Mutex<Stage>,
    inbox: Inbox,
    deliveries: watch::Sender<Option<Delivery>>,
    /// What is known of the control plane. While an open session is refreshed it counts as open.
    found: watch::Sender<Found>,
    /// How many tenures have begun.
    begun: AtomicU64,
    /// The number of the session that delivered last.
    session: AtomicU64,
}

/// A configuration, and which session brought it.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub config: Config,
    /// From 1; rises with every session.
    pub session: u64,
}

enum Stage {
    Closed,
    Dialling { waiting: Vec<oneshot::Sender<Attempted>>, task: AbortHandle, tenure: u64 },
    Open { latest: Config, task: AbortHandle, tenure: u64 },
}

type Attempted = Result<Config, Unanswered>;

/// A caller's place in the queue. Dropped with an answer inside that nobody read, it passes the answer on.
struct Waiting<'a> {
    answer: oneshot::Receiver<Attempted>,
    shared: &'a Shared,
}

impl Sessions {
    pub fn new(dial: Arc<dyn Dial>) -> Self {
        let (deliveries, found) = (watch::Sender::new(None), watch::Sender::new(Found::Silent));
        let (begun, session) = (AtomicU64::new(0), AtomicU64::new(0));
        Self {
            shared: Arc::new(Shared { dial, stage: Mutex::new(Stage::Closed), inbox: Inbox::default(), deliveries, found, begun, session }),
        }
    }

    /// The control plane, as sentences name it.
    pub fn name(&self) -> String {
        self.shared.dial.name()
    }

    /// Whether a session is open: one that has delivered.
    pub fn connected(&self) -> bool {
        matches!(*self.shared.stage(), Stage::Open { .. })
    }

    /// The number of the session that delivered last; 0 before the first.
    pub fn session(&self) -> u64 {
        self.shared.session.load(Ordering::Acquire)
    }

    /// Sessions of an earlier process are counted on from.
    pub fn count_on_from(&self, session: u64) {
        self.shared.session.fetch_max(session, Ordering::AcqRel);
    }

    /// Ends the open session and dials anew at once, so that the control plane says what it says now. Nothing if none is open.
    pub fn refresh(&self, patience: Duration) {
        let mut stage = self.shared.stage();
        if let Stage::Open { task, .. } = &*stage {
            task.abort();
            *stage = self.shared.dialling(patience, Vec::new(), true);
        }
    }

    /// What no attempt brought: later deliveries, and losses. For one reader.
    pub async fn news(&self) -> News {
        self.shared.inbox.take().await
    }

    /// Waits until somebody is there where nobody was, while no session is open. Whether that is worth dialling is the policy's to say.
    pub async fn appears(&self) {
        let mut found = self.found();
        loop {
            // The sender is in `self`, so the waiting ends in order.
            let _ = found.wait_for(|found| *found != Found::Answers).await;
            tokio::select! {
                () = self.shared.dial.appears() => return,
                _ = found.wait_for(|found| *found == Found::Answers) => {}
            }
        }
    }

    /// What is known of the control plane, to be waited on.
    pub fn found(&self) -> watch::Receiver<Found> {
        self.shared.found.subscribe()
    }

    /// The newest delivery of all.
    pub fn deliveries(&self) -> watch::Receiver<Option<Delivery>> {
        self.shared.deliveries.subscribe()
    }
}

#[async_trait]
impl ControlPlane for Sessions {
    async fn attempt(&self, patience: Duration) -> Attempted {
        let (answer, patience) = match self.shared.join(patience) {
            Joined::Open(latest) => return Ok(latest),
            // The task is bounded by this patience already, and knows how far it came.
            Joined::Begun(answer) => (answer, Duration::MAX),
            Joined::Underway(answer) => (answer, patience),
        };
        let mut place = Waiting { answer, shared: &self.shared };
        match timeout(patience, &mut place.answer).await {
            Ok(Ok(attempted)) => attempted,
            Ok(Err(_)) => Err(self.shared.broken_off()),
            Err(_) => Err(self.shared.late(patience)),
        }
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        let task = match &*self.shared.stage() {
            Stage::Closed => return,
            Stage::Dialling { task, .. } | Stage::Open { task, .. } => task.clone(),
        };
        task.abort();
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.answer.close();
        if let Ok(Ok(config)) = self.answer.try_recv() {
            self.shared.inbox.put_back(config);
        }
    }
}

enum Joined {
    Open(Config),
    /// This caller's attempt.
    Begun(oneshot::Receiver<Attempted>),
    /// An attempt that another caller began.
    Underway(oneshot::Receiver<Attempted>),
}

impl Shared {
    fn join(self: &Arc<Self>, patience: Duration) -> Joined {
        let (answer, receiver) = oneshot::channel();
        let mut stage = self.stage();
        match &mut *stage {
            Stage::Open { latest, .. } => Joined::Open(latest.clone()),
            Stage::Dialling { waiting, .. } => {
                waiting.push(answer);
                Joined::Underway(receiver)
            }
            Stage::Closed => {
                *stage = self.dialling(patience, vec![answer], false);
                Joined::Begun(receiver)
            }
        }
    }

    /// For a caller that holds the stage's lock: the task cannot pass it before the stage is set.
    fn dialling(self: &Arc<Self>, patience: Duration, waiting: Vec<oneshot::Sender<Attempted>>, refreshes: bool) -> Stage {
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        let tenure = Tenure { shared: self.clone(), number, refreshes, ended: false };
        let task = tokio::spawn(tenure.run(patience)).abort_handle();
        Stage::Dialling { waiting, task, tenure: number }
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unanswered(&self, answer: Answer, what: &str) -> Unanswered {
        Unanswered { answer, detail: format!("{} = {}: {what}", self.dial.setting(), self.dial.name()) }
    }

    fn broken_off(&self) -> Unanswered {
        self.unanswered(Answer::Unexpected, "the session broke off within Holdover; report this as a defect")
    }

    fn late(&self, patience: Duration) -> Unanswered {
        let what = format!("no configuration within {} ms; see that it runs and that no firewall stands between", patience.as_millis());
        self.unanswered(Answer::TimedOut, &what)
    }
}

/// One session, from dialling to its end. However it ends, the stage is closed behind it, once: the next session may have
/// begun before this one's last breath.
struct Tenure {
    shared: Arc<Shared>,
    number: u64,
    /// It takes the place of an open session: its failure is a loss.
    refreshes: bool,
    ended: bool,
}

impl Tenure {
    async fn run(mut self, patience: Duration) {
        match self.first(patience).await {
            Ok((config, session)) => {
                self.open(&config);
                let lost = self.follow(session).await;
                let superseded = self.shared.stage().tenure() != Some(self.number);
                self.end(Found::by(lost.answer));
                if !superseded {
                    self.shared.inbox.put(News::Lost(lost));
                }
            }
            Err(unanswered) => {
                for caller in self.end(Found::by(unanswered.answer)) {
                    // Who stopped waiting needs no failure either.
                    let _ = caller.send(Err(unanswered.clone()));
                }
                if self.refreshes {
                    self.shared.inbox.put(News::Lost(unanswered));
                }
            }
        }
    }

    async fn first(&self, patience: Duration) -> Result<(Config, Box<dyn Session>), Unanswered> {
        let until = Instant::now() + patience;
        let dialled = timeout_at(until, self.shared.dial.dial()).await;
        let mut session = dialled.map_err(|_| self.shared.late(patience))??;
        let first = timeout_at(until, session.next()).await;
        let config = first.map_err(|_| self.shared.unanswered(Answer::Silent, &session.silence()))??;
        Ok((config, session))
    }

    fn open(&self, config: &Config) {
        let mut stage = self.shared.stage();
        if stage.tenure() != Some(self.number) {
            return;
        }
        let Stage::Dialling { waiting, task, tenure } = std::mem::replace(&mut *stage, Stage::Closed) else { return };
        *stage = Stage::Open { latest: config.clone(), task, tenure };
        self.shared.found.send_replace(Found::Answers);
        let session = self.shared.session.fetch_add(1, Ordering::AcqRel) + 1;
        self.shared.deliveries.send_replace(Some(Delivery { config: config.clone(), session }));
        let taken = waiting.into_iter().filter_map(|caller| caller.send(Ok(config.clone())).ok()).count();
        match taken {
            0 => self.shared.inbox.put(News::Delivered(config.clone())),
            // What an earlier session left there must not come after this.
            _ => self.shared.inbox.clear(),
        }
    }

    /// Until the session ends, and says why. The session is gone by then, so that who hears of it can dial at once.
    async fn follow(&self, mut session: Box<dyn Session>) -> Unanswered {
        loop {
            let config = match session.next().await {
                Ok(config) => config,
                Err(unanswered) => return unanswered,
            };
            self.deliver(config);
        }
    }

    /// Under the stage's lock, so that a session that was refreshed meanwhile says nothing more.
    fn deliver(&self, config: Config) {
        let mut stage = self.shared.stage();
        if stage.tenure() != Some(self.number) {
            return;
        }
        if let Stage::Open { latest, .. } = &mut *stage {
            *latest = config.clone();
        }
        let session = self.shared.session.load(Ordering::Acquire);
        self.shared.deliveries.send_replace(Some(Delivery { config: config.clone(), session }));
        self.shared.inbox.put(News::Delivered(config));
    }

    /// Closes the stage, if it is still this tenure's, and hands out who was still waiting.
    fn end(&mut self, found: Found) -> Vec<oneshot::Sender<Attempted>> {
        self.ended = true;
        let mut stage = self.shared.stage();
        if stage.tenure() != Some(self.number) {
            return Vec::new();
        }
        self.shared.found.send_replace(found);
        match std::mem::replace(&mut *stage, Stage::Closed) {
            Stage::Dialling { waiting, .. } => waiting,
            Stage::Closed | Stage::Open { .. } => Vec::new(),
        }
    }
}

impl Stage {
    fn tenure(&self) -> Option<u64> {
        match self {
            Self::Closed => None,
            Self::Dialling { tenure, .. } | Self::Open { tenure, .. } => Some(*tenure),
        }
    }
}

impl Drop for Tenure {
    /// For an adapter that panics: a session that breaks off is lost like any other.
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let lost = self.shared.broken_off();
        let was_open = matches!(&*self.shared.stage(), Stage::Open { tenure, .. } if *tenure == self.number);
        drop(self.end(Found::Silent));
        if was_open {
            self.shared.inbox.put(News::Lost(lost));
        }
    }
}

#[cfg(test)]
mod tests;
