//! Gateways, upstreams and clients on loopback, for all tests of the built-in gateway.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use holdover_gateway::{Builtin, Options};
use holdover_ports::Config;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

pub const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
pub const ID: &str = "00000000-0000-4000-8000-000000000001";
pub const OTHER_ID: &str = "00000000-0000-4000-8000-000000000002";

pub async fn gateway() -> Builtin {
    Builtin::bind(&[LOOPBACK], Options::default()).await.unwrap()
}

/// An upstream that says in a header who it is, and in the body what it was asked; under `/echo` it sends the body back.
pub struct Upstream {
    pub address: SocketAddr,
    pub requests: Arc<AtomicUsize>,
    _serving: Abort,
}

/// Ends its task with the test.
pub struct Abort(pub tokio::task::JoinHandle<()>);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub async fn upstream(name: &'static str) -> Upstream {
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&requests);
    let serving = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let counting = Arc::clone(&counting);
            let service = service_fn(move |request: Request<Incoming>| {
                counting.fetch_add(1, Ordering::Relaxed);
                async move { Ok::<_, Infallible>(describe(name, request).await) }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Upstream { address, requests, _serving: Abort(serving) }
}

pub async fn describe(name: &'static str, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let headers: BTreeMap<String, String> =
        request.headers().iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    let seen = json!({ "method": request.method().as_str(), "target": request.uri().to_string(), "headers": headers });
    let body = match request.uri().path().ends_with("/echo") {
        true => request.into_body().collect().await.unwrap().to_bytes(),
        false => Bytes::from(seen.to_string()),
    };
    Response::builder().header("upstream", name).body(Full::new(body)).unwrap()
}

pub fn document(upstream: SocketAddr) -> Value {
    json!({
        "services": [{ "id": ID, "name": "s", "host": upstream.ip().to_string(), "port": upstream.port() }],
        "routes": [{ "id": ID, "name": "r", "paths": ["/a"], "service": ID }],
    })
}

pub fn to(upstream: SocketAddr) -> Config {
    config(&document(upstream))
}

pub fn config(document: &Value) -> Config {
    let mut document = document.clone();
    document["_format_version"] = json!("3.0");
    Config::delivered(Bytes::from(document.to_string()))
}

pub fn client() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

pub fn request(gateway: &Builtin, path: &str) -> Request<Full<Bytes>> {
    let address = gateway.local_addr().unwrap();
    Request::builder().uri(format!("http://{address}{path}")).body(Full::default()).unwrap()
}

pub struct Received {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Received {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn message(&self) -> String {
        self.json()["message"].as_str().unwrap().to_owned()
    }
}

pub async fn get(gateway: &Builtin, path: &str) -> Received {
    send(&client(), request(gateway, path)).await
}

pub async fn send(client: &Client<HttpConnector, Full<Bytes>>, request: Request<Full<Bytes>>) -> Received {
    let response = client.request(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Received { status: parts.status.as_u16(), headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
}

pub async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}
