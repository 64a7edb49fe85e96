//! Requests over connections that stay open, and an upstream that answers them with little.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

const CONNECTIONS: usize = 8;

pub struct Upstream {
    pub port: u16,
}

impl Upstream {
    /// For as long as the runtime lasts.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answer = service_fn(async |_| Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"here")))));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
            }
        });
        Self { port }
    }

    pub fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

/// Clients of one Envoy.
pub struct Load {
    clients: Vec<SendRequest<Empty<Bytes>>>,
    routes: usize,
    host: String,
    sent: usize,
}

impl Load {
    /// That ask for so many routes in turn. `host` is whom the dynamic forward proxy dials where no filter tells it.
    pub async fn open(port: u16, routes: usize, host: &str) -> Self {
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (client, connection) = handshake(TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            clients.push(client);
        }
        Self { clients, routes, host: host.to_owned(), sent: 0 }
    }

    pub async fn run(&mut self, requests: usize) {
        let (routes, host) = (self.routes, &self.host);
        let first = self.sent;
        self.sent += requests;
        let each = self.clients.iter_mut().enumerate().map(async |(number, client)| {
            for request in (first + number..first + requests).step_by(CONNECTIONS) {
                // Neighbours in time are none in the table.
                let route = request.wrapping_mul(7_919) % routes;
                let request = Request::get(format!("/r{route}/x")).header("host", host).body(Empty::new()).unwrap();
                client.ready().await.unwrap();
                let answer = client.send_request(request).await.unwrap();
                assert_eq!(answer.status(), 200);
                answer.into_body().collect().await.unwrap();
            }
        });
        futures::future::join_all(each).await;
    }
}
