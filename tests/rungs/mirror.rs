//! A mirror as operators have it: a plain web server over a storage's folder, and what it was asked for.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// Serves until it is dropped.
pub struct Mirror {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    accepting: JoinHandle<()>,
}

impl Mirror {
    pub async fn of(folder: &Path) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::default();
        let accepting = tokio::spawn(accept(listener, folder.to_owned(), Arc::clone(&asked)));
        Self { address, asked, accepting }
    }

    pub fn url(&self) -> String {
        format!("mirror+http://{}", self.address)
    }

    /// `<method> <path>`, in the order they came.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, folder: PathBuf, asked: Arc<Mutex<Vec<String>>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (folder, asked) = (folder.clone(), Arc::clone(&asked));
        let service = service_fn(move |request: Request<Incoming>| {
            asked.lock().unwrap().push(format!("{} {}", request.method(), request.uri().path()));
            let answer = file(&folder, request.uri().path());
            async move { Ok::<_, Infallible>(answer) }
        });
        connections.spawn(async move {
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn file(folder: &Path, path: &str) -> Response<Full<Bytes>> {
    let (status, body) = match std::fs::read(folder.join(path.trim_start_matches('/'))) {
        Ok(bytes) => (StatusCode::OK, bytes),
        Err(_) => (StatusCode::NOT_FOUND, Vec::new()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
}
