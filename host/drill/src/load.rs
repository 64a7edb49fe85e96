//! A steady load on a gateway: several kept-alive connections, a few hundred requests per second, every answer checked.
//!
//! A request that fails is a failure and is never tried again. A connection that the gateway closed between two requests is
//! none: it is opened again, as any client would.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::client::Connection;

const CONNECTIONS: usize = 4;
/// Of each connection: 4 connections make 400 requests per second.
const REQUEST_EVERY: Duration = Duration::from_millis(10);
const ANSWER_BOUND: Duration = Duration::from_secs(5);
/// How many failures are kept as sentences; the rest is counted.
const SENTENCES_MAX: usize = 10;

/// One request to make, and the body of the only right answer.
#[derive(Clone, Debug)]
pub struct Expectation {
    pub path: String,
    pub body: String,
}

/// What came of the requests so far.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub requests: u64,
    pub failed: u64,
    pub slowest: Duration,
    /// The first failures, one sentence each.
    pub failures: Vec<String>,
}

/// What may be asked of a load wherever the load itself is.
#[derive(Clone)]
pub struct Watch(Arc<Tally>);

/// Runs until it is stopped or dropped.
pub struct Load {
    tally: Arc<Tally>,
    connections: JoinSet<()>,
}

struct Tally {
    address: SocketAddr,
    expectations: Vec<Expectation>,
    began: Instant,
    next: AtomicU64,
    stopping: AtomicBool,
    counts: Mutex<Counts>,
}

impl Load {
    /// Walks the expectations round and round.
    pub fn start(address: SocketAddr, expectations: Vec<Expectation>) -> Self {
        let tally = Arc::new(Tally {
            address,
            expectations,
            began: Instant::now(),
            next: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            counts: Mutex::default(),
        });
        let mut connections = JoinSet::new();
        for _ in 0..CONNECTIONS {
            connections.spawn(press(tally.clone()));
        }
        Self { tally, connections }
    }

    pub fn watch(&self) -> Watch {
        Watch(self.tally.clone())
    }

    /// Waits for the answers that are under way, so that stopping breaks no request.
    pub async fn stop(mut self) -> Counts {
        self.tally.stopping.store(true, Ordering::Relaxed);
        while self.connections.join_next().await.is_some() {}
        self.watch().counts()
    }
}

impl Watch {
    pub fn counts(&self) -> Counts {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn press(tally: Arc<Tally>) {
    let mut ticks = interval(REQUEST_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut connection = None;
    while !tally.stopping.load(Ordering::Relaxed) {
        ticks.tick().await;
        let Some(expectation) = tally.next_expectation() else { return };
        let began = Instant::now();
        let outcome = ask(tally.address, &mut connection, expectation).await;
        if outcome.is_err() {
            connection = None;
        }
        tally.count(began.elapsed(), outcome);
    }
}

async fn ask(address: SocketAddr, connection: &mut Option<Connection>, expectation: &Expectation) -> anyhow::Result<()> {
    let kept = match connection.take() {
        Some(mut kept) => kept.is_open().await.then_some(kept),
        None => None,
    };
    let mut open = match kept {
        Some(open) => open,
        None => Connection::open(address, ANSWER_BOUND).await?,
    };
    let path = &expectation.path;
    let answer = open.get(path, ANSWER_BOUND).await?;
    *connection = Some(open);
    anyhow::ensure!(answer.status == 200, "GET {path} was answered with {}", answer.status);
    anyhow::ensure!(answer.body == expectation.body, "GET {path} was answered by the wrong upstream path");
    Ok(())
}

impl Tally {
    fn next_expectation(&self) -> Option<&Expectation> {
        let count = u64::try_from(self.expectations.len()).ok()?;
        let place = self.next.fetch_add(1, Ordering::Relaxed).checked_rem(count)?;
        self.expectations.get(usize::try_from(place).ok()?)
    }

    fn count(&self, took: Duration, outcome: anyhow::Result<()>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.requests += 1;
        counts.slowest = counts.slowest.max(took);
        if let Err(failure) = outcome {
            counts.failed += 1;
            if counts.failures.len() < SENTENCES_MAX {
                counts.failures.push(format!("{} ms into the load: {failure:#}", self.began.elapsed().as_millis()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    // A test that cannot go on says so by panicking.
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::upstream::Upstream;
    use crate::wait::{OFTEN, until};

    const BOUND: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn every_right_answer_is_counted_and_none_of_them_as_a_failure() {
        let upstream = Upstream::start("blue").await.unwrap();
        let load = Load::start(upstream.address(), expectations(&upstream, &["/a", "/b", "/c"]));
        until(BOUND, OFTEN, "the 50th request", async || Ok((load.watch().counts().requests >= 50).then_some(()))).await.unwrap();
        let counts = load.stop().await;
        assert_eq!(counts.failed, 0, "{:?}", counts.failures);
        assert_eq!(counts.requests, upstream.requests());
    }

    #[tokio::test]
    async fn an_answer_from_the_wrong_path_is_a_failure() {
        let upstream = Upstream::start("blue").await.unwrap();
        let wrong = Expectation { path: "/a".into(), body: upstream.body_for("/b") };
        let load = Load::start(upstream.address(), vec![wrong]);
        until(BOUND, OFTEN, "the 20th request", async || Ok((load.watch().counts().requests >= 20).then_some(()))).await.unwrap();
        let counts = load.stop().await;
        assert_eq!(counts.failed, counts.requests);
        assert_eq!(counts.failures.len(), SENTENCES_MAX);
    }

    #[tokio::test]
    async fn a_gateway_that_goes_away_under_load_shows_as_failures() {
        let upstream = Upstream::start("blue").await.unwrap();
        let load = Load::start(upstream.address(), expectations(&upstream, &["/a"]));
        until(BOUND, OFTEN, "the first request", async || Ok((load.watch().counts().requests > 0).then_some(()))).await.unwrap();
        drop(upstream);
        until(BOUND, OFTEN, "the first failure", async || Ok((load.watch().counts().failed > 0).then_some(()))).await.unwrap();
    }

    fn expectations(upstream: &Upstream, paths: &[&str]) -> Vec<Expectation> {
        paths.iter().map(|path| Expectation { path: (*path).to_owned(), body: upstream.body_for(path) }).collect()
    }
}
