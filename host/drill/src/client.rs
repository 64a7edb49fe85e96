//! A raw HTTP/1.1 client: one connection, one request at a time, a bound on every wait.
//!
//! The drill measures with it, so it hides nothing: no pool, no retry, no redirect. A connection that the other side closed
//! between two requests is told apart from one that broke under a request.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A whole response.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Bytes,
}

/// One kept-alive connection.
pub struct Connection {
    address: SocketAddr,
    sender: SendRequest<Empty<Bytes>>,
    driver: JoinHandle<()>,
}

/// One GET on a connection of its own.
pub async fn get(address: SocketAddr, path: &str, bound: Duration) -> anyhow::Result<Answer> {
    Connection::open(address, bound).await?.get(path, bound).await
}

impl Connection {
    pub async fn open(address: SocketAddr, bound: Duration) -> anyhow::Result<Self> {
        let connecting = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            anyhow::Ok(http1::handshake(TokioIo::new(stream)).await?)
        };
        let (sender, connection) = timeout(bound, connecting)
            .await
            .with_context(|| format!("no connection to {address} within {bound:?}"))?
            .with_context(|| format!("cannot connect to {address}"))?;
        let driver = tokio::spawn(async move {
            // How the connection ended is told by the request that was on it.
            let _ = connection.await;
        });
        Ok(Self { address, sender, driver })
    }

    /// Whether a request can still be sent: false once the other side closed the connection.
    pub async fn is_open(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    pub async fn get(&mut self, path: &str, bound: Duration) -> anyhow::Result<Answer> {
        let request = hyper::Request::get(path).header(hyper::header::HOST, self.address.to_string()).body(Empty::new())?;
        let answering = async {
            let response = self.sender.send_request(request).await?;
            let status = response.status().as_u16();
            let body = response.into_body().collect().await?.to_bytes();
            anyhow::Ok(Answer { status, body })
        };
        timeout(bound, answering)
            .await
            .with_context(|| format!("no answer to GET {path} within {bound:?}"))?
            .with_context(|| format!("GET {path} broke"))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
