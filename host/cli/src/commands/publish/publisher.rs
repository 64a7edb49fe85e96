//! The episodes of one publication: what a node's export worker does for ever, once, and with an end. Reads the policy's words and
//! decides nothing but when to stop asking.

use std::time::{Duration, Instant};

use bytes::Bytes;
use holdover_plugin::model::Position;
use holdover_plugin::policy::{Approvable, ExportOutcome, Facts, Office};
use holdover_plugin::snapshot::keys;
use holdover_plugin::snapshot::lease::{LEASE_BYTES_MAX, Lease};
use holdover_ports::{Config, EpisodeLost};

use crate::exit::Failure;
use crate::wire::Alone;

/// Where the policy names no time.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The file is what the control plane's first session delivered: later than any office that is taken before.
const SESSION: u64 = 1;

pub struct Publisher {
    exporter: Alone,
    config: Config,
    process: u64,
    state: Vec<u8>,
    began: Instant,
    patience: Duration,
    /// Another's lease, as it was seen last.
    lease: Option<Bytes>,
}

pub enum Ended {
    Published(Position),
    /// The newest generation is this configuration.
    Already(Position),
    /// An operator must say something first.
    Held {
        sentence: String,
        approvable: Option<Approvable>,
    },
    /// Another exporter leads; the sentence says who.
    StandsBy(String),
    /// The storage is none to elect in.
    Declined(String),
    /// The policy will not have it.
    Refused(String),
    /// It could not be done in time.
    Failed(String),
}

impl Publisher {
    pub fn new(mut exporter: Alone, config: Config, patience: Duration) -> Self {
        // Whoever reads it in the head should know that no node of this name runs because of it.
        exporter.settings.node = format!("{} (publish)", exporter.settings.node);
        let process = exporter.random.random();
        Self { exporter, config, process, state: Vec::new(), began: Instant::now(), patience, lease: None }
    }

    pub async fn publish(&mut self) -> Result<Ended, Failure> {
        if let Some(ended) = self.take_office().await? {
            return Ok(ended);
        }
        let mut outcome = self.received().await?;
        loop {
            if let Some(ended) = self.came_of(&outcome) {
                return Ok(ended);
            }
            if !self.pause(&outcome).await {
                return Ok(Ended::Failed(outcome.held.unwrap_or_else(|| "the policy gave no reason".to_owned())));
            }
            outcome = self.tick().await?;
        }
    }

    /// Gives back what was taken. That it could not is no harm: a lease dies by itself.
    pub async fn leave(&mut self) {
        let mut facts = self.facts(SESSION);
        facts.connected = false;
        facts.stopping = true;
        // Nobody waits for this session to come back.
        let _whatever_came_of_it = self.exporter.exporter.tick(None, facts, self.state.clone()).await;
    }

    /// `Some`: it did not come to that.
    async fn take_office(&mut self) -> Result<Option<Ended>, Failure> {
        loop {
            let facts = self.facts(0);
            let outcome = self.exporter.exporter.tick(None, facts, self.state.clone()).await;
            let outcome = self.remembered(outcome)?;
            let sentence = match &outcome.office {
                // A leader just made looks once more at what was there before it: nothing is, and the file comes after.
                Office::Leader(_) => {
                    let facts = self.facts(0);
                    let outcome = self.exporter.exporter.tick(None, facts, self.state.clone()).await;
                    self.remembered(outcome)?;
                    return Ok(None);
                }
                Office::Declined(failing) => return Ok(Some(Ended::Declined(failing.clone()))),
                Office::Standby(sentence) => sentence.clone(),
                Office::None => "the policy sought no office".to_owned(),
            };
            if self.leader_lives().await || !self.pause(&outcome).await {
                return Ok(Some(self.without_office(sentence)));
            }
        }
    }

    /// A leader's word and a storage's silence both keep one from office.
    fn without_office(&self, sentence: String) -> Ended {
        match self.last_of(&["standing-by", "lease-not-renewed"]) {
            Some(("lease-not-renewed", _)) => Ended::Failed(sentence),
            Some(_) | None => Ended::StandsBy(sentence),
        }
    }

    /// `None`: it is to be tried again.
    fn came_of(&self, outcome: &ExportOutcome) -> Option<Ended> {
        match &outcome.office {
            Office::Leader(_) => {}
            Office::Declined(failing) => return Some(Ended::Declined(failing.clone())),
            Office::Standby(sentence) => return Some(self.without_office(sentence.clone())),
            Office::None => return Some(Ended::Failed("the office was lost".to_owned())),
        }
        match (&outcome.held, outcome.published) {
            (None, Some(position)) if !outcome.pending => Some(match self.last_of(&["exported", "export-unchanged"]) {
                Some(("export-unchanged", _)) => Ended::Already(position),
                Some(_) | None => Ended::Published(position),
            }),
            (Some(sentence), _) if outcome.approvable.is_some() || self.is_frozen() => {
                Some(Ended::Held { sentence: sentence.clone(), approvable: outcome.approvable.clone() })
            }
            (Some(sentence), _) if !outcome.pending => Some(Ended::Refused(sentence.clone())),
            (Some(_) | None, _) => None,
        }
    }

    fn is_frozen(&self) -> bool {
        let last = self.last_of(&["export-held", "export-failed", "exported"]);
        last.is_some_and(|(name, reason)| name == "export-held" && reason.as_deref() == Some("frozen"))
    }

    /// The last event of these names, with its reason.
    fn last_of(&self, names: &[&'static str]) -> Option<(&'static str, Option<String>)> {
        let entries = self.exporter.journal.entries();
        let last = entries.iter().rev().find(|entry| names.contains(&entry.name))?;
        Some((last.name, last.fields.get("reason").cloned()))
    }

    /// Whether the lease changed under this process's eyes: then there is nothing to wait for.
    async fn leader_lives(&mut self) -> bool {
        let Ok(fetched) = self.exporter.first.get(keys::LEASE, LEASE_BYTES_MAX).await else { return false };
        let before = self.lease.replace(fetched.bytes.clone());
        let changed = before.is_some_and(|before| before != fetched.bytes);
        let lease = Lease::read(&fetched.bytes, &self.exporter.settings.trusted);
        changed && lease.is_ok_and(|lease| !lease.released && lease.process != self.process)
    }

    async fn received(&mut self) -> Result<ExportOutcome, Failure> {
        let facts = self.facts(SESSION);
        let outcome = self.exporter.exporter.received(self.config.clone(), facts, self.state.clone()).await;
        self.remembered(outcome)
    }

    async fn tick(&mut self) -> Result<ExportOutcome, Failure> {
        let facts = self.facts(SESSION);
        let outcome = self.exporter.exporter.tick(Some(self.config.clone()), facts, self.state.clone()).await;
        self.remembered(outcome)
    }

    fn remembered(&mut self, outcome: Result<ExportOutcome, EpisodeLost>) -> Result<ExportOutcome, Failure> {
        let outcome = outcome.map_err(|lost| Failure::policy(lost.to_string()))?;
        self.state = outcome.state.clone();
        Ok(outcome)
    }

    /// Until the policy wants to be called again. `false`: there is no time left for that.
    async fn pause(&self, outcome: &ExportOutcome) -> bool {
        let left = self.patience.saturating_sub(self.began.elapsed());
        let pause = outcome.wake_after.unwrap_or(LOOK_EVERY);
        tokio::time::sleep(pause.min(left)).await;
        pause < left
    }

    fn facts(&self, session: u64) -> Facts {
        Facts { connected: true, session, ..Facts::beginning(self.exporter.settings.clone(), self.process) }
    }
}
