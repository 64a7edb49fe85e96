//! The listening socket: open, closed with the port kept, open again. Faults and the log of requests stand at the door, before S3.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Method, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::service::S3Service;
use s3s::{Body, HttpRequest, HttpResponse};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::faults::{Cut, Faults};
use super::{Request, Requests};

/// After an outage everybody comes at once, and nobody should have to knock twice.
const BACKLOG: u32 = 4096;
const ACCEPT_PAUSE: Duration = Duration::from_millis(5);

pub(super) struct Door {
    address: SocketAddr,
    served: Served,
    /// Bound and never listening: however often the door closes, nobody else gets the port.
    _keeper: TcpSocket,
    /// `None`: connections are refused.
    serving: Mutex<Option<JoinHandle<()>>>,
}

/// What is behind the door.
#[derive(Clone)]
pub(super) struct Served {
    bucket: Arc<str>,
    s3: S3Service,
    faults: Faults,
    requests: Arc<Requests>,
}

impl Door {
    /// Needs a runtime to serve on.
    pub fn open(served: Served) -> io::Result<Self> {
        let keeper = bound((Ipv4Addr::LOCALHOST, 0).into())?;
        let door = Self { address: keeper.local_addr()?, served, _keeper: keeper, serving: Mutex::default() };
        door.reopen()?;
        Ok(door)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub async fn close(&self) {
        let serving = self.lock().take();
        if let Some(serving) = serving {
            serving.abort();
            // Its end, not its result, is what is waited for: then the listener and every connection are gone.
            let _ = serving.await;
        }
    }

    pub fn reopen(&self) -> io::Result<()> {
        let mut serving = self.lock();
        if serving.is_none() {
            let listener = bound(self.address)?.listen(BACKLOG)?;
            *serving = Some(tokio::spawn(serve(listener, self.served.clone())));
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.serving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Some(serving) = &*self.lock() {
            serving.abort();
        }
    }
}

impl Served {
    pub fn new(bucket: &str, s3: S3Service, faults: Faults, requests: Arc<Requests>) -> Self {
        Self { bucket: bucket.into(), s3, faults, requests }
    }

    async fn answer(self, request: HttpRequest<Incoming>) -> Result<HttpResponse, Cut> {
        let writes = !matches!(*request.method(), Method::GET | Method::HEAD);
        let mut seen = self.seen(&request);
        tokio::time::sleep(self.faults.pause()).await;
        let response = match self.faults.failure() {
            Some(response) => response,
            None => self.s3.call(request.map(Body::from)).await.map_err(|_| Cut)?,
        };
        if writes && response.status().is_success() && self.faults.loses_answer() {
            self.requests.push(seen);
            return Err(Cut);
        }
        seen.status = Some(response.status().as_u16());
        let truncatable = seen.method == "GET" && response.status().is_success();
        self.requests.push(seen);
        Ok(if truncatable { self.faults.truncated(response).await } else { response })
    }

    fn seen(&self, request: &HttpRequest<Incoming>) -> Request {
        let path = request.uri().path().trim_start_matches('/');
        let key = path.strip_prefix(&*self.bucket).and_then(|rest| rest.strip_prefix('/')).unwrap_or_default();
        let signed = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let access_key = signed.split_once("Credential=").and_then(|(_, rest)| rest.split('/').next()).unwrap_or_default();
        let text = |value: &header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let unsigned = request.headers().iter().filter(|(name, _)| **name != header::AUTHORIZATION);
        let headers = unsigned.map(|(name, value)| (name.to_string(), text(value))).collect();
        Request { method: request.method().to_string(), key: key.to_owned(), access_key: access_key.to_owned(), status: None, headers }
    }
}

/// Reusable, or the keeper and the connections of before would keep the port from being listened on.
fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Ends by being aborted, and its connections with it.
async fn serve(listener: TcpListener, served: Served) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, served.clone()));
                }
                // Gone before it was taken, or no descriptor left for it: those come back as others end.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(stream: TcpStream, served: Served) {
    let service = service_fn(move |request| served.clone().answer(request));
    // How a connection ends is told by the log of requests.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
