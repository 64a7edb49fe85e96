//! One HTTP/2 connection as gRPC's client wants it, and what became of the socket beneath.
//!
//! HTTP/2 tells its streams of a broken connection in words only. So the socket is watched, and keeps its first error by type.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use holdover_tls::TlsFailure;
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::body::Body;
use tonic::codegen::Service;

use super::refusal::{Ended, Refusal, Stage};
use crate::codec::Unreadable;
use crate::tls::why_not;
use crate::{PING_TIMEOUT, bounded};

/// A connection ends in the moment in which its streams do. One that goes on lost a stream alone.
const CAUSE_WAIT: Duration = Duration::from_secs(1);

/// Anything that bytes go over.
pub(crate) trait Link: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Link for S {}

/// Ends the connection when it is dropped.
pub(crate) struct Channel {
    requests: SendRequest<Body>,
    driver: JoinHandle<hyper::Result<()>>,
    broken: Broken,
}

/// What gRPC's client calls.
#[derive(Clone)]
pub(crate) struct Requests(SendRequest<Body>);

/// What the first error of the socket says, once there is one.
#[derive(Clone, Default)]
struct Broken(Arc<OnceLock<Ended>>);

struct Watched<S> {
    link: S,
    broken: Broken,
}

impl Channel {
    pub async fn over<S>(link: S, within: Duration, ping_interval: Duration) -> Result<Self, Refusal>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let broken = Broken::default();
        let watched = Watched { link, broken: broken.clone() };
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).keep_alive_interval(ping_interval).keep_alive_timeout(PING_TIMEOUT).keep_alive_while_idle(true);
        builder.adaptive_window(true);
        match timeout(within, builder.handshake(TokioIo::new(watched))).await {
            Ok(Ok((requests, connection))) => Ok(Self { requests, driver: tokio::spawn(connection), broken }),
            Ok(Err(error)) => {
                let ended = broken.ended().unwrap_or_else(|| Ended::Broken { detail: error.to_string() });
                Err(at_http2(ended))
            }
            Err(_) => Err(Refusal::TimedOut { stage: Stage::Http2 }),
        }
    }

    pub fn requests(&self) -> Requests {
        Requests(self.requests.clone())
    }

    /// What a status says about the stream: the other side's word, or what happened to the connection.
    pub async fn why(&mut self, status: &tonic::Status, bytes_max: usize) -> Ended {
        if let Some(word) = word(status, bytes_max) {
            return word;
        }
        // The connection knows more than its stream, and ends with it if it is the cause.
        match timeout(CAUSE_WAIT, &mut self.driver).await {
            Ok(Ok(Err(error))) if is_timeout(&error) => Ended::Silent,
            Ok(Ok(Ok(()) | Err(_)) | Err(_)) | Err(_) => self.broken.ended().unwrap_or(Ended::ConnectionReset),
        }
    }
}

/// `None` if it is the connection's doing, in a way that the status does not tell.
fn word(status: &tonic::Status, bytes_max: usize) -> Option<Ended> {
    let Some(source) = std::error::Error::source(status) else {
        // The library's own word for a frame beyond the bound. No server of ADS has a use for it.
        if status.code() == tonic::Code::OutOfRange {
            return Some(Ended::TooLarge { bytes_max });
        }
        return Some(Ended::Status { code: status.code().into(), detail: bounded(status.message()) });
    };
    if let Some(unreadable) = source.downcast_ref::<Unreadable>() {
        return Some(match unreadable {
            Unreadable::NoMessage(_) => Ended::BadMessage(unreadable.to_string()),
            Unreadable::TooMany { fields_max } => Ended::TooMany { resources_max: *fields_max },
        });
    }
    is_timeout(source).then_some(Ended::Silent)
}

/// Of an HTTP/2 ping.
fn is_timeout(error: &(dyn std::error::Error + 'static)) -> bool {
    let is = error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_timeout);
    is || error.source().is_some_and(is_timeout)
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

fn at_http2(ended: Ended) -> Refusal {
    let stage = Stage::Http2;
    match Refusal::from(ended) {
        Refusal::ConnectionReset { .. } => Refusal::ConnectionReset { stage },
        Refusal::Broken { detail, .. } => Refusal::Broken { stage, detail },
        other => other,
    }
}

impl Service<http::Request<Body>> for Requests {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

impl Broken {
    fn saw<T>(&self, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &outcome {
            // Only the first is the cause.
            let _ = self.0.set(of_socket(error));
        }
        outcome
    }

    fn ended(&self) -> Option<Ended> {
        self.0.get().cloned()
    }
}

fn of_socket(error: &io::Error) -> Ended {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    match TlsFailure::within(error) {
        Some(TlsFailure::Theirs(reason)) => Ended::Broken { detail: why_not(reason.as_ref()) },
        Some(TlsFailure::Ours(alert)) => Ended::OurCertificate(format!("alert {alert:?}")),
        Some(TlsFailure::Other(error)) => Ended::Broken { detail: error.to_string() },
        None if matches!(error.kind(), ConnectionReset | ConnectionAborted | BrokenPipe | UnexpectedEof) => Ended::ConnectionReset,
        None => Ended::Broken { detail: error.to_string() },
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.link).poll_read(cx, buffer);
        self.broken.saw(read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.link).poll_write(cx, bytes);
        // A refused certificate shows in the next read, which the failed write must not hide.
        match written {
            Poll::Ready(Err(error)) if TlsFailure::within(&error).is_none() => Poll::Ready(Err(error)),
            other => self.broken.saw(other),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.link).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.link).poll_shutdown(cx)
    }
}
