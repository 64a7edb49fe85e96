//! The exporter's worker: the newest delivery goes to the exporting policy, one episode after the other.
//!
//! Deliveries that come while an episode runs, or while a lost one waits for its retry, are overtaken by the newest. What is not yet
//! published is on disk before the policy sees it, and until the policy lets go of it (export-11). Knows neither storage nor rule.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdover_plugin::model::Digest;
use holdover_plugin::policy::{ExportOutcome, Facts, Settings};
use holdover_ports::{Config, EpisodeLost, Exporter, Pending, Random};
use tokio::sync::watch;

use crate::cache::{FileCache, Remembering};
use crate::episode::{Losses, STOP_MAX, bounded, wake_after};
use crate::events::Journal;
use crate::session::{Delivery, Sessions};
use crate::status::Status;

pub(crate) struct ExportWorker {
    pub exporter: Arc<dyn Exporter>,
    pub kept: Arc<dyn Pending>,
    pub sessions: Arc<Sessions>,
    pub deliveries: watch::Receiver<Option<Delivery>>,
    pub cache: Arc<FileCache>,
    pub settings: Settings,
    pub journal: Arc<Journal>,
    pub random: Arc<dyn Random>,
    pub status: Arc<Status>,
    pub process: u64,
    pub stopping: bool,
    /// A delivery's episode has not ended yet.
    pub in_hand: bool,
    pub state: Vec<u8>,
    /// The newest delivery that an outcome asked to keep.
    pub pending: Option<Config>,
    pub losses: Losses,
}

enum Next {
    Delivered,
    Wake,
}

impl ExportWorker {
    /// Until `shutdown`. An episode that is under way is dropped, for every one of them may end anywhere; the policy then has a moment
    /// to give its office back, so that another exporter need not wait for the lease to expire (export-06).
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        tokio::select! {
            biased;
            () = shutdown => {}
            () = self.work() => {}
        }
        self.stopping = true;
        if tokio::time::timeout(STOP_MAX, self.take_leave()).await.is_err() {
            tracing::warn!("the exporting policy did not take leave within {} s", STOP_MAX.as_secs());
        }
    }

    /// What was delivered and dropped with its episode is delivered once more: it stays on disk unless the policy lets go of it.
    async fn take_leave(&mut self) {
        match self.in_hand || self.deliveries.has_changed().unwrap_or(false) {
            true => self.received().await,
            false => self.tick().await,
        };
    }

    /// Until it is dropped, or the sessions are.
    async fn work(&mut self) {
        // At once: an office is sought before there is anything to publish, and one that an earlier process held is taken up again.
        let mut pause = self.tick().await;
        loop {
            let next = tokio::select! {
                biased;
                changed = self.deliveries.changed() => match changed {
                    Ok(()) => Next::Delivered,
                    Err(_) => return,
                },
                () = until(pause) => Next::Wake,
            };
            pause = match next {
                Next::Delivered => self.received().await,
                Next::Wake => self.tick().await,
            };
        }
    }

    /// Retried, each time with the newest, until an episode ends well.
    async fn received(&mut self) -> Option<Duration> {
        loop {
            let Delivery { config, session } = self.deliveries.borrow_and_update().clone()?;
            self.in_hand = true;
            self.keep(&config, session).await;
            let facts = Facts { session, ..self.facts() };
            let episode = self.exporter.received(config.clone(), facts, self.state.clone());
            match bounded("received", episode).await {
                Ok(outcome) => return self.settle(outcome, Some(config)).await,
                Err(lost) => self.wait_after(&lost).await,
            }
        }
    }

    async fn tick(&mut self) -> Option<Duration> {
        let episode = self.exporter.tick(self.pending.clone(), self.facts(), self.state.clone());
        match bounded("tick", episode).await {
            Ok(outcome) => {
                let kept = self.pending.clone();
                self.settle(outcome, kept).await
            }
            Err(lost) => {
                self.wait_after(&lost).await;
                Some(Duration::ZERO)
            }
        }
    }

    async fn settle(&mut self, outcome: ExportOutcome, newest: Option<Config>) -> Option<Duration> {
        self.losses.forget();
        self.in_hand = false;
        self.status.exported(&outcome);
        self.pending = newest.filter(|_| outcome.pending);
        self.state = outcome.state;
        if let Err(sentence) = self.cache.write_state(Remembering::Exporter, self.state.clone()).await {
            self.journal.state_not_kept(sentence);
        }
        if self.pending.is_none()
            && let Err(sentence) = self.kept.remove_pending().await
        {
            self.journal.state_not_kept(sentence);
        }
        if outcome.refresh {
            self.sessions.refresh(self.settings.give_up);
        }
        wake_after(outcome.wake_after)
    }

    /// That it cannot be kept stops no export.
    async fn keep(&self, config: &Config, session: u64) {
        let mut file = Vec::with_capacity(config.bytes().len() + SESSION_BYTES + DIGEST_BYTES);
        file.extend_from_slice(config.bytes());
        file.extend_from_slice(&session.to_le_bytes());
        let digest = Digest::of(&file);
        file.extend_from_slice(digest.as_bytes());
        if let Err(sentence) = self.kept.write_pending(Bytes::from(file)).await {
            self.journal.state_not_kept(sentence);
        }
    }

    async fn wait_after(&mut self, lost: &EpisodeLost) {
        let pause = self.losses.pause(&*self.random);
        self.journal.episode_lost(lost, Some(pause));
        tokio::time::sleep(pause).await;
    }

    fn facts(&self) -> Facts {
        Facts {
            settings: self.settings.clone(),
            serving: self.status.serving(),
            connected: self.sessions.connected(),
            stopping: self.stopping,
            appeared: false,
            process: self.process,
            session: self.sessions.session(),
        }
    }
}

const SESSION_BYTES: usize = 8;
const DIGEST_BYTES: usize = 32;

/// What an earlier process did not get to publish: the configuration, the number of the session that delivered it, the digest of both.
pub(crate) async fn left_behind(kept: &dyn Pending, journal: &Journal) -> Option<Delivery> {
    let file = match kept.read_pending().await {
        Ok(file) => file?,
        Err(sentence) => {
            journal.state_not_kept(sentence);
            return None;
        }
    };
    let read = || {
        let (rest, digest) = file.split_last_chunk::<DIGEST_BYTES>()?;
        let (config, session) = rest.split_last_chunk::<SESSION_BYTES>()?;
        let whole = Digest::of(rest).as_bytes() == digest;
        whole.then(|| (file.slice(..config.len()), u64::from_le_bytes(*session)))
    };
    match read() {
        Some((config, session)) => Some(Delivery { config: Config::delivered_earlier(config), session }),
        None => {
            let sentence = "what an earlier process was to publish is damaged, and is left to the control plane to say again";
            journal.state_not_kept(sentence.into());
            None
        }
    }
}

async fn until(pause: Option<Duration>) {
    match pause {
        Some(pause) => tokio::time::sleep(pause).await,
        None => std::future::pending().await,
    }
}
