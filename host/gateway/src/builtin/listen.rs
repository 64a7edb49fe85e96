//! Sockets and connections: HTTP/1.1, and HTTP/2 from clients that begin with it, plain or over TLS. Knows nothing of routes.

use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use holdover_plugin::routing::Protocol;
use http::Response;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::tls::{Handshakes, Tls};
use super::upstream::Body;
use super::{Served, proxy, respond};

/// How long a connection may be silent between requests.
const IDLE: Duration = Duration::from_secs(75);
/// Pause after an accept that failed, most often for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why the gateway does not listen.
#[derive(Debug)]
pub enum NotBound {
    InUse { address: SocketAddr },
    NotAllowed { address: SocketAddr },
    Other { address: SocketAddr, error: io::Error },
    NoAddress,
    NoTls(String),
}

/// Where to listen.
pub(super) struct Places<'a> {
    pub plain: &'a [SocketAddr],
    pub tls: &'a [SocketAddr],
}

pub(super) struct Listeners {
    /// Those without TLS, then those with it.
    addresses: Vec<SocketAddr>,
    plain: usize,
    open: Mutex<Option<Open>>,
}

struct Open {
    accepting: Vec<Accepting>,
    /// Shared with the tasks that accept, and with nobody else.
    graceful: Arc<GracefulShutdown>,
}

/// Accepts until it is dropped.
struct Accepting(JoinHandle<()>);

/// What a request may know of the connection it came by.
pub(super) struct Connection {
    pub number: u64,
    pub peer: SocketAddr,
    pub local: SocketAddr,
    pub requests: AtomicU64,
    pub tls: Option<Tls>,
}

/// What all tasks that accept share.
#[derive(Clone)]
struct Shared {
    served: Arc<Served>,
    graceful: Arc<GracefulShutdown>,
    numbers: Arc<AtomicU64>,
}

impl Connection {
    pub(super) fn protocol(&self) -> Protocol {
        if self.tls.is_some() { Protocol::Https } else { Protocol::Http }
    }
}

impl Listeners {
    pub(super) async fn bind(places: Places<'_>, handshakes: Handshakes, served: &Arc<Served>) -> Result<Self, NotBound> {
        let mut bound = Vec::new();
        let mut addresses = Vec::new();
        let handshakes = Arc::new(handshakes);
        let plain = places.plain.iter().map(|address| (*address, None));
        let tls = places.tls.iter().map(|address| (*address, Some(Arc::clone(&handshakes))));
        for (address, handshakes) in plain.chain(tls) {
            let not_bound = |error| NotBound::of(address, error);
            let listener = TcpListener::bind(address).await.map_err(not_bound)?;
            addresses.push(listener.local_addr().map_err(not_bound)?);
            bound.push((listener, handshakes));
        }
        if bound.is_empty() {
            return Err(NotBound::NoAddress);
        }
        let graceful = Arc::new(GracefulShutdown::new());
        let shared = Shared { served: Arc::clone(served), graceful: Arc::clone(&graceful), numbers: Arc::new(AtomicU64::new(0)) };
        let accepting =
            bound.into_iter().map(|(listener, handshakes)| Accepting(tokio::spawn(accept(listener, handshakes, shared.clone())))).collect();
        Ok(Self { addresses, plain: places.plain.len(), open: Mutex::new(Some(Open { accepting, graceful })) })
    }

    pub(super) fn addresses(&self) -> &[SocketAddr] {
        self.addresses.get(..self.plain).unwrap_or_default()
    }

    pub(super) fn tls_addresses(&self) -> &[SocketAddr] {
        self.addresses.get(self.plain..).unwrap_or_default()
    }

    pub(super) async fn drain(&self, patience: Duration) -> bool {
        let Some(Open { accepting, graceful }) = self.open.lock().await.take() else { return true };
        for mut task in accepting {
            task.0.abort();
            // Aborted on purpose; waited for, so that the port is free and its share gone.
            let _ = (&mut task.0).await;
        }
        match Arc::into_inner(graceful) {
            Some(graceful) => tokio::time::timeout(patience, graceful.shutdown()).await.is_ok(),
            // Nobody else has a share once the accepting tasks have ended.
            None => false,
        }
    }
}

impl Drop for Accepting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn accept(listener: TcpListener, handshakes: Option<Arc<Handshakes>>, shared: Shared) {
    loop {
        let accepted = listener.accept().await.and_then(|(stream, peer)| Ok((stream.local_addr()?, stream, peer)));
        let (local, stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Answers are written whole; waiting to fill a packet only delays them. A socket that refuses is served all the same.
        let _ = stream.set_nodelay(true);
        let number = shared.numbers.fetch_add(1, Ordering::Relaxed);
        let connection = Connection { number, peer, local, requests: AtomicU64::new(0), tls: None };
        let (served, watcher) = (Arc::clone(&shared.served), shared.graceful.watcher());
        match &handshakes {
            None => tokio::spawn(converse(stream, connection, served, watcher)),
            Some(handshakes) => tokio::spawn(converse_over_tls(Arc::clone(handshakes), stream, connection, served, watcher)),
        };
    }
}

async fn converse_over_tls(handshakes: Arc<Handshakes>, stream: TcpStream, connection: Connection, served: Arc<Served>, watcher: Watcher) {
    match handshakes.shake(stream, &served).await {
        Ok((stream, tls)) => converse(stream, Connection { tls: Some(tls), ..connection }, served, watcher).await,
        Err(error) => tracing::debug!(%error, "a TLS handshake did not come to its end"),
    }
}

async fn converse<S>(stream: S, connection: Connection, served: Arc<Served>, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = Arc::new(connection);
    let mut protocol = auto::Builder::new(TokioExecutor::new());
    protocol.http1().timer(TokioTimer::new()).header_read_timeout(IDLE);
    protocol.http2().timer(TokioTimer::new()).keep_alive_interval(IDLE);
    let service = service_fn(move |request| {
        let (served, connection) = (Arc::clone(&served), Arc::clone(&connection));
        async move { Ok::<_, Infallible>(guarded(proxy::serve(&served, &connection, request)).await) }
    });
    let conversation = protocol.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
    if let Err(error) = watcher.watch(conversation).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// A request that panics is answered 500; its connection and every other request go on.
async fn guarded(request: impl Future<Output = Response<Body>>) -> Response<Body> {
    let mut request = pin!(request);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| request.as_mut().poll(context))) {
        Ok(poll) => poll,
        // The panic hook has reported it. What was half done belongs to this request alone and is dropped with it.
        Err(_) => Poll::Ready(respond::unexpected()),
    })
    .await
}

impl NotBound {
    fn of(address: SocketAddr, error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::AddrInUse => Self::InUse { address },
            ErrorKind::PermissionDenied => Self::NotAllowed { address },
            _ => Self::Other { address, error },
        }
    }
}

impl fmt::Display for NotBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { address } => {
                write!(f, "proxy_listen = {address} is in use by another process: stop that one, or give another port")
            }
            Self::NotAllowed { address } => {
                write!(f, "proxy_listen = {address} is not allowed to this user: give a port above 1023, or the right to bind this one")
            }
            Self::Other { address, error } => {
                write!(f, "proxy_listen = {address} cannot be bound ({error}): give an address of this machine")
            }
            Self::NoAddress => f.write_str("proxy_listen is empty: give at least one address and port, for example 0.0.0.0:8000"),
            Self::NoTls(error) => write!(f, "the gateway cannot prepare TLS: {error}"),
        }
    }
}

impl std::error::Error for NotBound {}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)] // The panic is what is tested.
    use super::*;

    #[tokio::test]
    async fn a_request_that_panics_is_answered_500() {
        let response = guarded(async {
            tokio::task::yield_now().await;
            panic!("on purpose")
        });
        assert_eq!(response.await.status(), 500);
    }
}
