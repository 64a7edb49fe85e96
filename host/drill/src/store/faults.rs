//! The faults, and what becomes of a request under them. All are off at first and change while the server runs.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt;
use s3s::Body;
use s3s::dto::{ETagCondition, StreamingBlob};
use tokio::time::Instant;

use super::budget::Budget;

/// A handle on the faults of one store; clones are the same faults.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    failing: Option<Failing>,
    failures_left: u32,
    budget: Option<Budget>,
    delay: Duration,
    truncating: Option<Truncating>,
    answers_to_lose: u32,
    stale_reads: u32,
    ignore_if_none_match: bool,
    ignore_if_match: bool,
}

#[derive(Clone)]
struct Failing {
    status: StatusCode,
    code: &'static str,
    headers: Vec<(HeaderName, HeaderValue)>,
}

struct Truncating {
    bodies: u32,
    bytes: usize,
}

impl Faults {
    /// Answers the next requests with an S3 error instead of looking at them.
    pub fn fail_next(&self, requests: u32, status: u16, code: &'static str) {
        self.fail_next_with(requests, status, code, &[]);
    }

    /// The same, with headers: `Retry-After`, a `Date` that is wrong. What no header may hold is left out.
    pub fn fail_next_with(&self, requests: u32, status: u16, code: &'static str, headers: &[(&str, &str)]) {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = headers.iter().filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?))).collect();
        let mut state = self.lock();
        state.failing = Some(Failing { status, code, headers });
        state.failures_left = requests;
    }

    /// `503 SlowDown`.
    pub fn slow_down_next(&self, requests: u32) {
        self.fail_next(requests, 503, "SlowDown");
    }

    /// `503 SlowDown` that says when to come back: seconds, or an HTTP date.
    pub fn slow_down_next_for(&self, requests: u32, retry_after: &str) {
        self.fail_next_with(requests, 503, "SlowDown", &[("retry-after", retry_after)]);
    }

    /// Answers `503 SlowDown` to every request beyond so many in a second. Zero ends it.
    pub fn budget(&self, requests_per_second: u32) {
        self.lock().budget = Budget::of(requests_per_second, Instant::now());
    }

    /// Answers the next GETs of objects that were overwritten with what they held before, and its ETag, as a copy that lags behind
    /// does. Conditions are judged by what is really there. Zero ends it.
    pub fn stale_reads(&self, reads: u32) {
        self.lock().stale_reads = reads;
    }

    /// Waits this long before every request is looked at. Zero ends it.
    pub fn delay(&self, delay: Duration) {
        self.lock().delay = delay;
    }

    /// Cuts the bodies of the next successful GETs after so many bytes. The announced length stays the whole one.
    pub fn truncate_next(&self, bodies: u32, bytes: usize) {
        self.lock().truncating = Some(Truncating { bodies, bytes });
    }

    /// Does the next successful writes and cuts the connection instead of answering.
    pub fn lose_answers(&self, writes: u32) {
        self.lock().answers_to_lose = writes;
    }

    /// Writes over what is there, and answers 200, as some stores do.
    pub fn ignore_if_none_match(&self, ignore: bool) {
        self.lock().ignore_if_none_match = ignore;
    }

    pub fn ignore_if_match(&self, ignore: bool) {
        self.lock().ignore_if_match = ignore;
    }

    pub(super) fn honoured(
        &self,
        if_none_match: Option<ETagCondition>,
        if_match: Option<ETagCondition>,
    ) -> (Option<ETagCondition>, Option<ETagCondition>) {
        let state = self.lock();
        (if_none_match.filter(|_| !state.ignore_if_none_match), if_match.filter(|_| !state.ignore_if_match))
    }

    pub(super) fn pause(&self) -> Duration {
        self.lock().delay
    }

    /// The error to answer with instead of the request, if one is due.
    pub(super) fn failure(&self) -> Option<Response<Body>> {
        let Failing { status, code, headers } = self.lock().failure()?;
        let xml = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>on demand</Message></Error>");
        let mut response = Response::new(Body::from(xml));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        response.headers_mut().extend(headers);
        Some(response)
    }

    pub(super) fn loses_answer(&self) -> bool {
        let mut state = self.lock();
        let due = state.answers_to_lose > 0;
        state.answers_to_lose = state.answers_to_lose.saturating_sub(1);
        due
    }

    /// To be asked only of an object that was overwritten.
    pub(super) fn reads_stale(&self) -> bool {
        let mut state = self.lock();
        let due = state.stale_reads > 0;
        state.stale_reads = state.stale_reads.saturating_sub(1);
        due
    }

    pub(super) async fn truncated(&self, response: Response<Body>) -> Response<Body> {
        let Some(bytes_max) = self.truncation() else { return response };
        let (head, body) = response.into_parts();
        let whole = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let kept = whole.slice(..whole.len().min(bytes_max));
        Response::from_parts(head, Body::from(StreamingBlob::wrap(cut_after(kept))))
    }

    fn truncation(&self) -> Option<usize> {
        let mut state = self.lock();
        let truncating = state.truncating.as_mut()?;
        truncating.bodies = truncating.bodies.checked_sub(1)?;
        Some(truncating.bytes)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn failure(&mut self) -> Option<Failing> {
        if let Some(left) = self.failures_left.checked_sub(1) {
            self.failures_left = left;
            return self.failing.clone();
        }
        let granted = self.budget.as_mut().is_none_or(|budget| budget.grants(Instant::now()));
        (!granted).then(|| Failing { status: StatusCode::SERVICE_UNAVAILABLE, code: "SlowDown", headers: Vec::new() })
    }
}

/// The bytes, a pause in which they are sent, then an error that makes the server cut the connection.
fn cut_after(bytes: Bytes) -> impl futures::Stream<Item = Result<Bytes, io::Error>> + Send + Sync + 'static {
    stream::unfold(Some(bytes), |kept| async move {
        match kept {
            Some(bytes) => Some((Ok(bytes), None)),
            None => {
                tokio::time::sleep(Duration::from_millis(5)).await;
                Some((Err(io::Error::from(io::ErrorKind::ConnectionAborted)), None))
            }
        }
    })
}

/// The server cuts the connection without an answer.
#[derive(Debug)]
pub(super) struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the answer was lost on demand")
    }
}

impl std::error::Error for Cut {}
