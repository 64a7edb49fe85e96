//! The status page over HTTP: `/status`, `/why`, `/ready`, `/live`, `/metrics`, and `/cp/healthy` for health checks of the control plane. Reads, and changes nothing.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::status::Status;

const CONNECTIONS_MAX: usize = 64;
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(10);
/// After a failed accept: the process is out of file descriptors, and asking at once again helps nobody.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const METRICS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// `Err` is a sentence for the operator.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| {
        format!("holdover_status_listen = {address}: cannot be listened on ({error}); name a free address of this machine")
    })
}

/// Answers for ever.
pub(crate) async fn serve(listener: TcpListener, status: Arc<Status>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    // Dropped with this future, and the connections with it.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((connection, _)) => {
                let status = status.clone();
                connections.spawn(async move {
                    answer(connection, status).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection to the status page could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn answer(connection: TcpStream, status: Arc<Status>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = respond(&request, &status);
        async move { Ok::<_, Infallible>(response) }
    });
    let exchange = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        // One place per question: an idle scraper must not keep another out.
        .keep_alive(false)
        .serve_connection(TokioIo::new(connection), service);
    match tokio::time::timeout(EXCHANGE_TIMEOUT, exchange).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "an exchange with the status page broke off"),
        Err(_) => tracing::debug!("an exchange with the status page took too long"),
    }
}

fn respond<B>(request: &Request<B>, status: &Status) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "this page is only read\n".into());
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/status" => json(&status.report()),
        "/why" => json(&status.why()),
        "/live" => text(StatusCode::OK, "live\n".into()),
        "/ready" => match status.ready() {
            Ok(()) => text(StatusCode::OK, "ready\n".into()),
            Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
        },
        "/cp/healthy" => match status.control_plane_health() {
            Ok(sentence) => text(StatusCode::OK, format!("{sentence}\n")),
            Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
        },
        "/metrics" => with_type(text(StatusCode::OK, status.metrics()), METRICS),
        _ => text(StatusCode::NOT_FOUND, "here are /status, /why, /ready, /live, /metrics and /cp/healthy\n".into()),
    }
}

fn json(report: &impl Serialize) -> Response<Full<Bytes>> {
    match serde_json::to_string_pretty(report) {
        Ok(body) => with_type(text(StatusCode::OK, body + "\n"), JSON),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("the report cannot be written as JSON ({error})\n")),
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    with_type(response, TEXT)
}

fn with_type(mut response: Response<Full<Bytes>>, content_type: HeaderValue) -> Response<Full<Bytes>> {
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
