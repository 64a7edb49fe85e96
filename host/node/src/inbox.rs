//! What the control plane's session has to say to the node, newest only.
//!
//! A queue of one delivery: whoever is busy with an episode finds the latest configuration afterwards, and however many came
//! meanwhile, memory holds one. A loss comes out after the delivery that came before it.

use std::sync::{Mutex, PoisonError};

use holdover_ports::{Config, Unanswered};
use tokio::sync::Notify;

#[derive(Clone, Debug)]
pub enum News {
    Delivered(Config),
    /// The session ended.
    Lost(Unanswered),
}

#[derive(Default)]
pub(crate) struct Inbox {
    waiting: Mutex<Waiting>,
    bell: Notify,
}

#[derive(Default)]
struct Waiting {
    delivered: Option<Config>,
    lost: Option<Unanswered>,
}

impl Inbox {
    pub fn put(&self, news: News) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match news {
            News::Delivered(config) => {
                // A delivery after a loss means that the session is back: the loss is no longer news.
                waiting.lost = None;
                waiting.delivered = Some(config);
            }
            News::Lost(unanswered) => waiting.lost = Some(unanswered),
        }
        drop(waiting);
        self.bell.notify_one();
    }

    /// The first delivery of a session, which nobody read: whatever is there came after it.
    pub fn put_back(&self, config: Config) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).delivered.get_or_insert(config);
        self.bell.notify_one();
    }

    /// A newer delivery went another way.
    pub fn clear(&self) {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Waiting::default();
    }

    /// For one reader. Cancelling it loses nothing.
    pub async fn take(&self) -> News {
        loop {
            if let Some(news) = self.take_waiting() {
                return news;
            }
            self.bell.notified().await;
        }
    }

    fn take_waiting(&self) -> Option<News> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let delivered = waiting.delivered.take().map(News::Delivered);
        delivered.or_else(|| waiting.lost.take().map(News::Lost))
    }
}
