//! A control plane that serves one document over HTTP and can be taken away: for tests. The drill's own is `hybrid.rs`.
//!
//! ```text
//! Serve ⇄ Status(n)     the listener stands; what it answers differs
//!   ⇅
//! Refuse                the listener is closed, its connections cut, its port kept: connections are refused
//! ```
//!
//! Knows nothing of what the document says.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use holdover_plugin::model::Digest;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use crate::port::KeptPort;

const BACKLOG: u32 = 128;
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// What the control plane does with whoever asks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    Serve,
    /// Answers with this status and no document.
    Status(u16),
    /// Closes its listener: connections are refused.
    Refuse,
}

/// Listens on one loopback port for its whole life, whether it serves or not.
pub struct HttpControlPlane {
    port: KeptPort,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    served: Mutex<Served>,
    requests: AtomicU64,
}

struct Served {
    document: Bytes,
    etag: String,
    behaviour: Behaviour,
}

impl HttpControlPlane {
    pub async fn start(document: impl Into<Bytes>) -> anyhow::Result<Self> {
        let port = KeptPort::take()?;
        let document = document.into();
        let served = Served { etag: etag(&document), document, behaviour: Behaviour::Serve };
        let shared = Arc::new(Shared { served: Mutex::new(served), requests: AtomicU64::new(0) });
        let mut control_plane = Self { port, shared, accepting: None };
        control_plane.listen()?;
        Ok(control_plane)
    }

    /// Where the document is: for the setting `holdover_control_plane`.
    pub fn url(&self) -> String {
        format!("http://{}/config.json", self.port.address())
    }

    /// How many requests reached it, answered or not.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    pub fn set_document(&self, document: impl Into<Bytes>) {
        let document = document.into();
        self.shared.change(|served| {
            served.etag = etag(&document);
            served.document = document;
        });
    }

    /// Takes it away: when this returns, connections are refused.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.set_behaviour(Behaviour::Refuse).await
    }

    /// Brings it back on the same port.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.set_behaviour(Behaviour::Serve).await
    }

    /// When this returns, the next connection meets the behaviour.
    pub async fn set_behaviour(&mut self, behaviour: Behaviour) -> anyhow::Result<()> {
        self.shared.change(|served| served.behaviour = behaviour);
        match behaviour {
            Behaviour::Serve | Behaviour::Status(_) => self.listen(),
            Behaviour::Refuse => {
                self.close().await;
                Ok(())
            }
        }
    }

    fn listen(&mut self) -> anyhow::Result<()> {
        if self.accepting.is_none() {
            let listening = self.port.socket()?.listen(BACKLOG);
            let listener = listening.with_context(|| format!("the control plane cannot listen on {}", self.port.address()))?;
            self.accepting = Some(tokio::spawn(accept(listener, self.shared.clone())));
        }
        Ok(())
    }

    async fn close(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
            // Its listener is closed once the task is gone; that it was cancelled is what was asked for.
            let _ = accepting.await;
        }
    }
}

impl Drop for HttpControlPlane {
    fn drop(&mut self) {
        if let Some(accepting) = &self.accepting {
            accepting.abort();
        }
    }
}

impl Shared {
    // A document or behaviour is replaced whole, so that one left by a panic elsewhere is still whole.
    fn change(&self, change: impl FnOnce(&mut Served)) {
        change(&mut self.served.lock().unwrap_or_else(PoisonError::into_inner));
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let (document, etag, behaviour) = {
            let served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
            (served.document.clone(), served.etag.clone(), served.behaviour)
        };
        match behaviour {
            Behaviour::Serve => document_unless_known(&request, document, &etag),
            // Its connection is about to be cut.
            Behaviour::Refuse => std::future::pending().await,
            Behaviour::Status(status) => empty(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)),
        }
    }
}

fn document_unless_known(request: &Request<Incoming>, document: Bytes, etag: &str) -> Response<Full<Bytes>> {
    let known = request.headers().get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes());
    let mut response = if known { empty(StatusCode::NOT_MODIFIED) } else { Response::new(Full::new(document)) };
    if let Ok(etag) = HeaderValue::from_str(etag) {
        response.headers_mut().insert(ETAG, etag);
    }
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

fn etag(document: &[u8]) -> String {
    format!("\"{}\"", Digest::of(document).short())
}

/// Owns the listener and every connection: when it is aborted, all of them close.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(connections.spawn(serve(stream, shared.clone()))),
            // Out of file descriptors, most likely: connections that end give some back.
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(|request| {
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(shared.answer(request).await) }
    });
    // A client that goes away is its own affair.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

#[cfg(test)]
mod tests {
    // A test that cannot go on says so by panicking.
    #![allow(clippy::unwrap_used)]

    use std::io::ErrorKind;
    use std::net::SocketAddr;

    use super::*;
    use crate::client::{Answer, Connection, get};

    const BOUND: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn a_stopped_control_plane_refuses_connections_and_comes_back_on_its_port() {
        let mut control_plane = HttpControlPlane::start("one").await.unwrap();
        let address = control_plane.port.address();
        assert_eq!(document(address).await.body, "one");

        control_plane.stop().await.unwrap();
        assert_eq!(TcpStream::connect(address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);

        control_plane.set_document("two");
        control_plane.restart().await.unwrap();
        assert_eq!(document(address).await.body, "two");
    }

    #[tokio::test]
    async fn stopping_cuts_the_connections_that_are_open() {
        let mut control_plane = HttpControlPlane::start("one").await.unwrap();
        let mut connection = Connection::open(control_plane.port.address(), BOUND).await.unwrap();
        assert_eq!(connection.get("/config.json", BOUND).await.unwrap().status, 200);

        control_plane.stop().await.unwrap();
        assert!(connection.get("/config.json", BOUND).await.is_err());
    }

    #[tokio::test]
    async fn a_behaviour_shows_in_the_next_answer() {
        let mut control_plane = HttpControlPlane::start("one").await.unwrap();
        control_plane.set_behaviour(Behaviour::Status(403)).await.unwrap();
        assert_eq!(document(control_plane.port.address()).await.status, 403);
        assert_eq!(control_plane.requests(), 1);
    }

    async fn document(address: SocketAddr) -> Answer {
        get(address, "/config.json", BOUND).await.unwrap()
    }
}
