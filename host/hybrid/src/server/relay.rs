//! The real control plane behind this one, for one data plane: dialled as that data plane, for as long as that is connected.
//!
//! Tells what comes of it, and decides nothing: whether something else is served meanwhile, the session says.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::at;
use crate::{Connection, Ended, NO_HASH, Received, Refusal, Target};

/// Kong's data planes wait between these after a connection that failed.
const REDIAL_MIN_MS: u64 = 5_000;
const REDIAL_MAX_MS: u64 = 10_000;

/// What the real control plane says, as far as its data plane must hear of it.
pub(super) enum Word {
    Sent(Received),
    /// It cannot be reached, or it answers and sends nothing.
    Away,
    /// It does not take this data plane. The sentence says how it said so.
    Refused(String),
}

pub(super) struct Relay {
    words: mpsc::Receiver<Word>,
    running: watch::Sender<String>,
    task: JoinHandle<()>,
}

impl Relay {
    /// `patience`: how long it may take to send the first configuration.
    pub fn begin(target: Target, patience: Duration) -> Self {
        // One word is on its way while the next one waits for the data plane to have taken it: its pace is the control plane's.
        let (sender, words) = mpsc::channel(1);
        let (running, told) = watch::channel(NO_HASH.to_owned());
        let task = tokio::spawn(Dialler { target, words: sender, told, patience }.run());
        Self { words, running, task }
    }

    /// The next one. May be cancelled.
    pub async fn word(&mut self) -> Word {
        // It ends only with this relay.
        self.words.recv().await.unwrap_or(Word::Away)
    }

    /// What the data plane says it runs.
    pub fn runs(&self, hash: &str) {
        self.running.send_if_modified(|running| {
            let is_news = running != hash;
            hash.clone_into(running);
            is_news
        });
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Dialler {
    target: Target,
    words: mpsc::Sender<Word>,
    told: watch::Receiver<String>,
    patience: Duration,
}

impl Dialler {
    async fn run(mut self) {
        loop {
            // As running nothing, so that a control plane that spares its data planes a reload says what there is as well.
            let word = match Connection::open(&self.target, NO_HASH).await {
                Ok(connection) => self.follow(connection).await,
                Err(refusal) if is_veto(&refusal) => Word::Refused(refusal.to_string()),
                Err(refusal) => {
                    tracing::debug!(node = self.target.node_id, "the control plane is not there for a data plane: {refusal}");
                    Word::Away
                }
            };
            if self.words.send(word).await.is_err() {
                return;
            }
            sleep(redial()).await;
        }
    }

    /// Until the connection ends: the last word on it.
    async fn follow(&mut self, mut connection: Connection) -> Word {
        let mut configured_by = Some(Instant::now() + self.patience);
        loop {
            tokio::select! {
                received = connection.next() => match received {
                    Ok(received) => {
                        configured_by = None;
                        let runs_already = *self.told.borrow() == received.hash;
                        if runs_already {
                            connection.acknowledge(&received.hash);
                        }
                        if self.words.send(Word::Sent(received)).await.is_err() {
                            return Word::Away;
                        }
                    }
                    Err(Ended::ClosedAfterIntroduction) => return Word::Refused(Ended::ClosedAfterIntroduction.to_string()),
                    Err(ended) => {
                        tracing::debug!(node = self.target.node_id, "the control plane's connection for a data plane has ended: {ended}");
                        return Word::Away;
                    }
                },
                changed = self.told.changed() => {
                    if changed.is_err() {
                        return Word::Away;
                    }
                    connection.acknowledge(&self.told.borrow_and_update());
                }
                () = at(configured_by) => {
                    configured_by = None;
                    if self.words.send(Word::Away).await.is_err() {
                        return Word::Away;
                    }
                }
            }
        }
    }
}

/// A word against this very data plane, as policy boot-02 has it.
fn is_veto(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Status(400 | 401 | 403 | 426) | Refusal::OurCertificate(_))
}

/// So that the data planes of a cluster spread out.
fn redial() -> Duration {
    Duration::from_millis(rand::random_range(REDIAL_MIN_MS..=REDIAL_MAX_MS))
}
