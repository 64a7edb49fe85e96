//! The exporter's worker: the newest delivery goes to the exporting policy, one episode after the other.
//!
//! Deliveries that come while an episode runs, or while a lost one waits for its retry, are overtaken by the newest. Knows
//! neither storage nor rule.

use std::sync::Arc;
use std::time::Duration;

use holdover_plugin::policy::{ExportOutcome, Facts, Settings};
use holdover_ports::{Config, EpisodeLost, Exporter, Random};
use tokio::sync::watch;

use crate::cache::{FileCache, Remembering};
use crate::episode::{Losses, bounded, wake_after};
use crate::events::Journal;
use crate::session::Sessions;
use crate::status::Status;

pub(crate) struct ExportWorker {
    pub exporter: Arc<dyn Exporter>,
    pub sessions: Arc<Sessions>,
    pub deliveries: watch::Receiver<Option<Config>>,
    pub cache: Arc<FileCache>,
    pub settings: Settings,
    pub journal: Arc<Journal>,
    pub random: Arc<dyn Random>,
    pub status: Arc<Status>,
    pub process: u64,
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
    /// Until it is dropped, or the sessions are.
    pub async fn run(mut self) {
        // Before the first episode there is nothing to wake for: a leader publishes what its own session delivered (export-01).
        let mut pause: Option<Duration> = None;
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
            let newest = self.deliveries.borrow_and_update().clone()?;
            let episode = self.exporter.received(newest.clone(), self.facts(), self.state.clone());
            match bounded("received", episode).await {
                Ok(outcome) => return self.settle(outcome, Some(newest)).await,
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
        self.status.exported(&outcome);
        self.pending = newest.filter(|_| outcome.pending);
        self.state = outcome.state;
        if let Err(sentence) = self.cache.write_state(Remembering::Exporter, self.state.clone()).await {
            self.journal.state_not_kept(sentence);
        }
        wake_after(outcome.wake_after)
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
            // An export may end anywhere: the worker is dropped, and takes no leave.
            stopping: false,
            process: self.process,
        }
    }
}

async fn until(pause: Option<Duration>) {
    match pause {
        Some(pause) => tokio::time::sleep(pause).await,
        None => std::future::pending().await,
    }
}
