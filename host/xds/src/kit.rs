//! What the tests of both ends share: a peer of each kind that is driven by hand, message by message, and the resources of `tests/kit/`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use futures_util::stream::poll_fn;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tonic::client;
use tonic::server::{Grpc, StreamingService};
use tonic::{Request, Response, Status, Streaming};

use crate::client::channel::Channel;
use crate::codec::Codec;
use crate::message::Any;
use crate::{CLUSTER, LISTENER, Resource};

#[path = "../tests/kit/plain.rs"]
mod plain;

pub use plain::{ENDPOINTS, PATIENCE, Plain, ROUTE, resource};

pub const SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

/// A cluster that refers to its endpoints, both by the same name.
pub fn cluster(name: &str, version: &str) -> Resource {
    resource(CLUSTER, name, version, &[(ENDPOINTS, name)])
}

pub fn endpoints(name: &str, version: &str) -> Resource {
    resource(ENDPOINTS, name, version, &[])
}

pub fn listener(name: &str, version: &str, routes: &[&str]) -> Resource {
    let refers: Vec<_> = routes.iter().map(|route| (ROUTE, *route)).collect();
    resource(LISTENER, name, version, &refers)
}

pub fn any(resource: &Resource) -> Any {
    Any { type_url: resource.type_url.clone(), value: resource.value.clone() }
}

/// A server whose one stream a test plays.
pub struct Scripted<Req, Res> {
    pub requests: mpsc::Receiver<Req>,
    pub answers: mpsc::Sender<Result<Res, Status>>,
    pub connection: JoinHandle<()>,
}

/// What is still to be said.
type Script<Res> = mpsc::Receiver<Result<Res, Status>>;

struct Playing<Req, Res> {
    requests: mpsc::Sender<Req>,
    answers: Arc<Mutex<Option<Script<Res>>>>,
}

impl<Req, Res> Scripted<Req, Res>
where
    Req: prost::Message + Default + 'static,
    Res: prost::Message + Default + 'static,
{
    pub fn over(link: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        let (requests, asked) = mpsc::channel(64);
        let (answers, answered) = mpsc::channel(64);
        let answered = Arc::new(Mutex::new(Some(answered)));
        let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
            let playing = Playing { requests: requests.clone(), answers: Arc::clone(&answered) };
            async move { Ok::<_, Infallible>(Grpc::new(Codec::<Res, Req>::new()).streaming(playing, request).await) }
        });
        let connection = tokio::spawn(async move {
            let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(link), service).await;
        });
        Self { requests: asked, answers, connection }
    }

    pub async fn asked(&mut self) -> Req {
        self.requests.recv().await.expect("a request")
    }

    pub async fn answer(&self, answer: Res) {
        self.answers.send(Ok(answer)).await.unwrap();
    }
}

impl<Req, Res> StreamingService<Req> for Playing<Req, Res>
where
    Req: Send + 'static,
    Res: Send + 'static,
{
    type Response = Res;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<Res, Status>> + Send>>;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Self::ResponseStream>, Status>> + Send>>;

    fn call(&mut self, request: Request<Streaming<Req>>) -> Self::Future {
        let (requests, answers) = (self.requests.clone(), Arc::clone(&self.answers));
        Box::pin(async move {
            let mut incoming = request.into_inner();
            tokio::spawn(async move {
                while let Ok(Some(request)) = incoming.message().await {
                    if requests.send(request).await.is_err() {
                        return;
                    }
                }
            });
            let mut answers = answers.lock().await.take().expect("one stream");
            let stream: Self::ResponseStream = Box::pin(poll_fn(move |cx| answers.poll_recv(cx)));
            Ok(Response::new(stream))
        })
    }
}

/// A client whose one stream a test plays.
pub struct Driven<Req, Res> {
    requests: mpsc::Sender<Req>,
    answers: Streaming<Res>,
    _channel: Channel,
}

impl<Req, Res> Driven<Req, Res>
where
    Req: prost::Message + Default + 'static,
    Res: prost::Message + Default + 'static,
{
    pub async fn open(port: u16, method: &'static str, first: Option<Req>) -> Result<Self, Status> {
        let (requests, mut to_send) = mpsc::channel(64);
        if let Some(first) = first {
            requests.send(first).await.unwrap();
        }
        Self::over(port, method, requests, poll_fn(move |cx| to_send.poll_recv(cx))).await
    }

    /// One request, and no more: a call that is no stream waits for that.
    pub async fn open_and_close(port: u16, method: &'static str, only: Req) -> Result<Self, Status> {
        let (requests, _) = mpsc::channel(1);
        Self::over(port, method, requests, futures_util::stream::iter([only])).await
    }

    async fn over(
        port: u16,
        method: &'static str,
        requests: mpsc::Sender<Req>,
        to_send: impl Stream<Item = Req> + Send + 'static,
    ) -> Result<Self, Status> {
        let link = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let channel = Channel::over(link, PATIENCE, PATIENCE).await.unwrap();
        let mut client = client::Grpc::with_origin(channel.requests(), http::Uri::from_static("http://localhost"));
        let path = http::uri::PathAndQuery::from_static(method);
        let opened = tokio::time::timeout(PATIENCE, client.streaming(Request::new(to_send), path, Codec::<Req, Res>::new()));
        let answers = opened.await.expect("headers in time")?.into_inner();
        Ok(Self { requests, answers, _channel: channel })
    }

    pub async fn ask(&self, request: Req) {
        self.requests.send(request).await.unwrap();
    }

    pub async fn next(&mut self) -> Result<Res, Status> {
        let next = tokio::time::timeout(PATIENCE, self.answers.message()).await.expect("an answer in time");
        next.map(|answer| answer.expect("not the end"))
    }
}
