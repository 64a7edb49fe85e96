//! Between a stream's task and whoever waits for it: the newest set that nobody has taken, what is missing, and how the stream ended.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::Ended;
use crate::Resource;

#[derive(Debug, Default)]
pub(super) struct Inbox {
    held: Mutex<Held>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Held {
    taken: Option<Arc<[Resource]>>,
    newest: Option<Arc<[Resource]>>,
    missing: Vec<(String, Option<String>)>,
    ended: Option<Ended>,
}

impl Inbox {
    /// What came before the end is given before the end is told.
    pub async fn next(&self) -> Result<Vec<Resource>, Ended> {
        loop {
            let news = self.news.notified();
            let outcome = self.with(|held| match held.newest.take() {
                Some(set) => {
                    held.taken = Some(Arc::clone(&set));
                    Some(Ok(set.to_vec()))
                }
                None => held.ended.clone().map(Err),
            });
            if let Some(outcome) = outcome {
                return outcome;
            }
            news.await;
        }
    }

    /// A set that was taken last is no news, however many there were since.
    pub fn put(&self, set: Vec<Resource>) {
        let is_news = self.with(|held| {
            let is_news = held.taken.as_deref() != Some(set.as_slice());
            held.newest = is_news.then(|| set.into());
            is_news
        });
        if is_news {
            self.news.notify_one();
        }
    }

    pub fn lacks(&self, missing: Vec<(String, Option<String>)>) {
        self.with(|held| held.missing = missing);
    }

    pub fn missing(&self) -> Vec<(String, Option<String>)> {
        self.with(|held| held.missing.clone())
    }

    /// The first reason counts.
    pub fn end(&self, ended: Ended) {
        self.with(|held| {
            held.ended.get_or_insert(ended);
        });
        self.news.notify_one();
    }

    fn with<T>(&self, change: impl FnOnce(&mut Held) -> T) -> T {
        // Nothing that runs under this lock can leave it half changed.
        change(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
