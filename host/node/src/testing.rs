//! A control plane for tests that keeps to a timetable, in paused time.
// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use holdover_ports::{Answer, Config, Dial, Session, Unanswered};
use tokio::sync::Notify;
use tokio::time::sleep;

/// What one call to `dial` does, in turn; past the last, none ever answers.
pub(crate) enum Dialled {
    /// Connects after the first duration. The deliveries follow, each that long after the one before; then silence.
    Connects(Duration, Vec<(Duration, Result<Config, Unanswered>)>),
    Fails(Unanswered),
    Panics,
    Never,
}

pub(crate) struct Timetable {
    turns: Mutex<VecDeque<Dialled>>,
    pub dials: AtomicUsize,
    /// Told of by a test: somebody is there where nobody was.
    pub appears: Notify,
}

struct Run(VecDeque<(Duration, Result<Config, Unanswered>)>);

impl Timetable {
    pub fn new(turns: impl IntoIterator<Item = Dialled>) -> Arc<Self> {
        Arc::new(Self { turns: Mutex::new(turns.into_iter().collect()), dials: AtomicUsize::new(0), appears: Notify::new() })
    }
}

#[async_trait]
impl Dial for Timetable {
    fn name(&self) -> String {
        "http://control-plane".into()
    }

    async fn appears(&self) {
        self.appears.notified().await;
    }

    async fn dial(&self) -> Result<Box<dyn Session>, Unanswered> {
        self.dials.fetch_add(1, Ordering::SeqCst);
        let turn = self.turns.lock().unwrap().pop_front().unwrap_or(Dialled::Never);
        match turn {
            Dialled::Connects(after, deliveries) => {
                sleep(after).await;
                Ok(Box::new(Run(deliveries.into())))
            }
            Dialled::Fails(unanswered) => Err(unanswered),
            Dialled::Panics => panic!("a defect in an adapter"),
            Dialled::Never => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Session for Run {
    async fn next(&mut self) -> Result<Config, Unanswered> {
        let Some((after, delivery)) = self.0.pop_front() else { return std::future::pending().await };
        sleep(after).await;
        delivery
    }
}

pub(crate) fn config(text: &'static str) -> Config {
    Config::delivered(text.into())
}

pub(crate) fn lost() -> Unanswered {
    Unanswered { answer: Answer::ConnectionReset, detail: "holdover_control_plane = http://control-plane: gone".into() }
}

pub(crate) const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
