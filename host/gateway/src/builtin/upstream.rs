//! One attempt to send a request, with a bound on every pause.
//!
//! Says of each attempt whether anything was sent, for only what was not sent may be sent again.

use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use holdover_plugin::routing::Timeouts;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper_util::client::legacy::ResponseFuture;
use hyper_util::client::legacy::connect::capture_connection;
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};

use super::clients::Client;

pub(super) type Body = UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>;

/// How an attempt ended without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// No connection: nothing was sent.
    NotConnected,
    /// None in time: nothing was sent.
    ConnectTimedOut,
    /// The upstream was silent for too long.
    TimedOut,
    /// The client did not go on with its body.
    ClientTooSlow,
    /// The connection broke, or what came was not HTTP.
    Broken,
}

impl Failure {
    pub(super) fn nothing_was_sent(self) -> bool {
        match self {
            Self::NotConnected | Self::ConnectTimedOut => true,
            Self::TimedOut | Self::ClientTooSlow | Self::Broken => false,
        }
    }
}

/// Sends the request once and waits for the head of the answer.
pub(super) async fn attempt(client: &Client, mut request: Request<LentBody>, timeouts: Timeouts) -> Result<Response<Incoming>, Failure> {
    let lent = Arc::clone(&request.body().0);
    let mut connection = capture_connection(&mut request);
    let mut answer = client.request(request);
    // Connected includes the TLS handshake. The answer comes first when connecting fails.
    let connected = tokio::select! {
        answer = &mut answer => return answer.map_err(|error| failure_of(&error)),
        connected = timeout(milliseconds(timeouts.connect_ms), connection.wait_for_connection_metadata()) => connected.is_ok(),
    };
    if !connected {
        return Err(Failure::ConnectTimedOut);
    }
    lent.progress().since = Instant::now();
    answered(answer, &lent, timeouts).await
}

/// Waits for the head of the answer while there is progress.
async fn answered(mut answer: ResponseFuture, lent: &Lent, timeouts: Timeouts) -> Result<Response<Incoming>, Failure> {
    loop {
        let Progress { since, stage } = *lent.progress();
        let (limit_ms, failure) = match stage {
            Stage::Sending => (timeouts.write_ms, Failure::TimedOut),
            Stage::AwaitingClient => (timeouts.write_ms, Failure::ClientTooSlow),
            Stage::Sent => (timeouts.read_ms, Failure::TimedOut),
        };
        let limit = since + milliseconds(limit_ms);
        tokio::select! {
            biased;
            answer = &mut answer => return answer.map_err(|error| failure_of(&error)),
            () = sleep_until(limit) => {
                let progress = *lent.progress();
                if progress.since == since && progress.stage == stage {
                    return Err(failure);
                }
            }
        }
    }
}

fn failure_of(error: &hyper_util::client::legacy::Error) -> Failure {
    // Addresses and names only: an error of the client holds nothing of the request.
    tracing::debug!(error = error as &dyn Error, "an attempt to reach an upstream failed");
    if error.is_connect() { Failure::NotConnected } else { Failure::Broken }
}

/// A week bounds what a setting may ask for, so that adding it to an instant cannot overflow.
fn milliseconds(number: u64) -> Duration {
    Duration::from_millis(number.min(7 * 24 * 3_600_000))
}

/// A client's body, lent to one attempt after the other: an attempt that never connected has not touched it.
pub(super) struct LentBody(Arc<Lent>);

pub(super) struct Lent {
    body: Mutex<Incoming>,
    progress: Mutex<Progress>,
}

#[derive(Clone, Copy)]
struct Progress {
    /// When the stage was entered, or last went on.
    since: Instant,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The last piece of the body is on its way.
    Sending,
    AwaitingClient,
    Sent,
}

impl Lent {
    pub(super) fn new(body: Incoming) -> Arc<Self> {
        let stage = if hyper::body::Body::is_end_stream(&body) { Stage::Sent } else { Stage::Sending };
        Arc::new(Self { body: Mutex::new(body), progress: Mutex::new(Progress { since: Instant::now(), stage }) })
    }

    pub(super) fn lend(self: &Arc<Self>) -> LentBody {
        LentBody(Arc::clone(self))
    }

    fn body(&self) -> MutexGuard<'_, Incoming> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl hyper::body::Body for LentBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut body = self.0.body();
        let polled = Pin::new(&mut *body).poll_frame(context);
        let stage = match &polled {
            Poll::Pending => Stage::AwaitingClient,
            Poll::Ready(Some(Ok(_))) if !body.is_end_stream() => Stage::Sending,
            Poll::Ready(_) => Stage::Sent,
        };
        let mut progress = self.0.progress();
        if !(polled.is_pending() && progress.stage == Stage::AwaitingClient) {
            *progress = Progress { since: Instant::now(), stage };
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.body().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.body().size_hint()
    }
}

/// The upstream's body, which ends with an error when it pauses for too long.
pub(super) struct Paced {
    body: Incoming,
    pause_max: Duration,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    pub(super) fn new(body: Incoming, timeouts: Timeouts) -> Self {
        Self { body, pause_max: milliseconds(timeouts.read_ms), pause: None }
    }
}

impl hyper::body::Body for Paced {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.pause = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let pause_max = self.pause_max;
        let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(pause_max)));
        ready!(pause.as_mut().poll(context));
        Poll::Ready(Some(Err("the upstream paused for longer than its read_timeout".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
