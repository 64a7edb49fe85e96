//! An upstream that says who it is and what it was asked: `<id> <path>`. Knows nothing of gateways.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Serves on a loopback port of its own until it is dropped.
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    id: String,
    requests: AtomicU64,
}

impl Upstream {
    pub async fn start(id: impl Into<String>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("the upstream found no free port on 127.0.0.1")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { id: id.into(), requests: AtomicU64::new(0) });
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Ok(Self { address, shared, accepting })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests reached it.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// What it answers to a request that arrives with this path.
    pub fn body_for(&self, path: &str) -> String {
        self.shared.body_for(path)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    fn body_for(&self, path: &str) -> String {
        format!("{} {path}", self.id)
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        Response::new(Full::new(Bytes::from(self.body_for(path))))
    }
}

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
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let answer = shared.answer(&request);
        async move { Ok::<_, Infallible>(answer) }
    });
    // A client that goes away is its own affair.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

#[cfg(test)]
mod tests {
    // A test that cannot go on says so by panicking.
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::client::get;

    #[tokio::test]
    async fn an_upstream_names_itself_and_the_path_it_was_asked_for() {
        let upstream = Upstream::start("blue").await.unwrap();
        let answer = get(upstream.address(), "/r/7?x=1", Duration::from_secs(5)).await.unwrap();
        assert_eq!((answer.status, answer.body.as_ref()), (200, b"blue /r/7?x=1".as_slice()));
        assert_eq!(upstream.body_for("/r/7?x=1").as_bytes(), answer.body);
        assert_eq!(upstream.requests(), 1);
    }
}
