//! The life of an introduced connection: pings out, configurations in, until it ends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use super::{Acknowledges, Ended, Received};
use crate::frames::{Frame, Kind, Link, LinkError};
use crate::{PING_INTERVAL, Reconfigure, SILENCE_MAX, gzip};

pub(super) struct Session<S> {
    pub link: Link<S>,
    pub inbox: Arc<Inbox>,
    pub configured: Arc<AtomicBool>,
    /// What is pinged. Told by the caller, or by this session itself.
    pub running: watch::Sender<String>,
    pub told: watch::Receiver<String>,
    pub acknowledges: Acknowledges,
}

/// The newest configuration that nobody has taken yet, and how the connection ended.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    held: Mutex<Held>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Held {
    newest: Option<Received>,
    ended: Option<Ended>,
}

impl Inbox {
    /// What came before the end is given before the end is told.
    pub async fn next(&self) -> Result<Received, Ended> {
        loop {
            let news = self.news.notified();
            if let Some(outcome) = self.with(|held| held.newest.take().map(Ok).or_else(|| held.ended.clone().map(Err))) {
                return outcome;
            }
            news.await;
        }
    }

    fn put(&self, received: Received) {
        self.with(|held| held.newest = Some(received));
        self.news.notify_one();
    }

    fn end(&self, ended: Ended) {
        self.with(|held| held.ended = Some(ended));
        self.news.notify_one();
    }

    fn with<T>(&self, change: impl FnOnce(&mut Held) -> T) -> T {
        // Nothing that runs under this lock can leave it half changed.
        change(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    pub async fn run(mut self) {
        let ended = self.live().await;
        self.inbox.end(ended);
        self.link.close().await;
    }

    async fn live(&mut self) -> Ended {
        let started = Instant::now();
        let mut pings = interval_at(started + PING_INTERVAL, PING_INTERVAL);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = started;
        loop {
            let done = tokio::select! {
                frame = self.link.read() => match frame {
                    Ok(frame) => {
                        let done = self.heard(frame).await;
                        heard = Instant::now();
                        done
                    }
                    Err(error) => Err(self.ended(error)),
                },
                // The sender lives as long as this session: it has a share.
                _ = self.told.changed() => {
                    pings.reset();
                    self.ping().await
                }
                _ = pings.tick() => self.ping().await,
                () = sleep_until(heard + SILENCE_MAX) => Err(Ended::Silent),
            };
            if let Err(ended) = done {
                return ended;
            }
        }
    }

    async fn heard(&mut self, frame: Frame) -> Result<(), Ended> {
        match frame.kind {
            Kind::Binary => self.configure(frame).await,
            // Kong passes over text as well; a control plane that pings is none that Kong knows, and is answered all the same.
            Kind::Text | Kind::Pong => Ok(()),
            Kind::Ping => self.write(Kind::Pong, &frame.payload).await,
            Kind::Close => Err(self.ended(LinkError::Closed)),
        }
    }

    async fn configure(&mut self, frame: Frame) -> Result<(), Ended> {
        let message = gzip::inflate_aside(frame.payload.clone()).await.map_err(|error| Ended::BadMessage(format!("it {error}")))?;
        let Some(Reconfigure { message, hash, .. }) = read_aside(message).await.map_err(Ended::BadMessage)? else { return Ok(()) };
        self.configured.store(true, Ordering::Relaxed);
        if self.acknowledges == Acknowledges::OnReceipt {
            // Wakes this session's own loop, unless it is the hash that was pinged already.
            self.running.send_if_modified(|running| {
                let is_news = *running != hash;
                running.clone_from(&hash);
                is_news
            });
        }
        self.inbox.put(Received { message, hash, payload: frame.payload });
        Ok(())
    }

    async fn ping(&mut self) -> Result<(), Ended> {
        let hash = self.told.borrow_and_update().clone();
        self.write(Kind::Ping, hash.as_bytes()).await
    }

    async fn write(&mut self, kind: Kind, payload: &[u8]) -> Result<(), Ended> {
        match self.link.write(kind, payload).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.ended(error)),
        }
    }

    fn ended(&self, error: LinkError) -> Ended {
        Ended::of(error, self.configured.load(Ordering::Relaxed))
    }
}

/// Reading walks over every byte, which takes a while in large messages.
async fn read_aside(message: Bytes) -> Result<Option<Reconfigure>, String> {
    const AT_ONCE_BYTES_MAX: usize = 1 << 20;
    if message.len() <= AT_ONCE_BYTES_MAX {
        return Reconfigure::read(message).map_err(|why| why.to_string());
    }
    let read = tokio::task::spawn_blocking(move || Reconfigure::read(message)).await;
    read.map_err(|error| error.to_string())?.map_err(|why| why.to_string())
}
