//! Servers behind Envoy: upstreams that tell what they received, and a control plane that serves one configuration.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const DATE: &str = "date: Sun, 06 Nov 1994 08:49:37 GMT";
const ETAG: &str = "\"1\"";

#[derive(Default)]
struct Counts {
    asked: AtomicUsize,
    sent: AtomicUsize,
}

/// An HTTP server. Refuses every connection once it is dropped.
pub struct Server {
    pub port: u16,
    counts: Arc<Counts>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Answers each request with what it received.
    pub async fn echoing() -> Self {
        Self::start(0, None).await
    }

    /// Answers each request with this body, unless the client has it already.
    pub async fn saying(body: &str) -> Self {
        Self::start(0, Some(body.to_owned())).await
    }

    pub async fn saying_at(port: u16, body: &str) -> Self {
        Self::start(port, Some(body.to_owned())).await
    }

    async fn start(port: u16, body: Option<String>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let counts = Arc::new(Counts::default());
        let counted = Arc::clone(&counts);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, body.clone(), Arc::clone(&counted)));
            }
        });
        Self { port, counts, accepting }
    }

    pub fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// How many requests came.
    pub fn asked(&self) -> usize {
        self.counts.asked.load(Ordering::SeqCst)
    }

    /// How often its body was sent.
    pub fn sent(&self) -> usize {
        self.counts.sent.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn answer(mut stream: TcpStream, body: Option<String>, counts: Arc<Counts>) {
    let received = read_head(&mut stream).await;
    let known = body.is_some() && received.contains(&format!("if-none-match: {ETAG}\r\n"));
    let head = if known { "304 Not Modified" } else { "200 OK" };
    let body = body.unwrap_or(received);
    counts.asked.fetch_add(1, Ordering::SeqCst);
    counts.sent.fetch_add(usize::from(!known), Ordering::SeqCst);
    // A 304 says how long the body would be, too (RFC 9110, 8.6).
    let (length, body) = (body.len(), if known { "" } else { &body });
    let answer = format!("HTTP/1.1 {head}\r\n{DATE}\r\netag: {ETAG}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    // A client that has gone needs no answer.
    let _ = stream.write_all(answer.as_bytes()).await;
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut received = Vec::new();
    while !received.ends_with(b"\r\n\r\n") {
        let Ok(byte @ 0..) = stream.read_u8().await else { break };
        received.push(byte);
    }
    String::from_utf8_lossy(&received).into_owned()
}
