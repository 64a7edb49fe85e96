//! One connection: TLS, HTTP/2, and which call goes where.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tonic::Status;
use tonic::body::Body;
use tonic::server::Grpc;

use super::Desk;
use super::attend::Attend;
use super::delta::Delta;
use super::health::{CHECK, Check, WATCH, Watch};
use super::sotw::Sotw;
use crate::codec::Codec;
use crate::{ADS_DELTA, ADS_SOTW, PING_INTERVAL, PING_TIMEOUT, STEP};

/// A node has one stream, and perhaps a few that ask for health.
const STREAMS_PER_CONNECTION_MAX: u32 = 32;
const HEADER_BYTES_MAX: u32 = 16 << 10;
/// A health check has a name in it.
const HEALTH_BYTES_MAX: usize = 4 << 10;
/// Whoever has asked for nothing by then is closed.
const FIRST_CALL: Duration = Duration::from_secs(10);

/// Never fails: whatever happens ends this connection, and is logged.
pub(super) async fn converse(desk: Arc<Desk>, stream: TcpStream, peer: SocketAddr) {
    let ip = peer.ip().to_canonical();
    // Answers are written whole. A socket that refuses is used all the same.
    let _ = stream.set_nodelay(true);
    let outcome = match &desk.tls {
        None => attend(Arc::clone(&desk), stream, ip).await,
        Some(tls) => match timeout(STEP, TlsAcceptor::from(tls.config()).accept(stream)).await {
            Ok(Ok(stream)) => attend(Arc::clone(&desk), stream, ip).await,
            Ok(Err(error)) => Err(format!("TLS was not agreed on ({error})")),
            Err(_) => Err(format!("the TLS handshake took longer than {} seconds", STEP.as_secs())),
        },
    };
    match outcome {
        Ok(()) => tracing::debug!(%peer, "a node's connection has ended"),
        Err(why) => tracing::debug!(%peer, "a node's connection has ended: {why}"),
    }
}

async fn attend<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(desk: Arc<Desk>, stream: S, ip: IpAddr) -> Result<(), String> {
    let has_called = Arc::new(AtomicBool::new(false));
    let called = Arc::clone(&has_called);
    let service = service_fn(move |request: http::Request<Incoming>| {
        called.store(true, Ordering::Relaxed);
        let desk = Arc::clone(&desk);
        async move { Ok::<_, Infallible>(route(desk, ip, request).await) }
    });
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).keep_alive_interval(PING_INTERVAL).keep_alive_timeout(PING_TIMEOUT);
    builder.max_concurrent_streams(STREAMS_PER_CONNECTION_MAX).max_header_list_size(HEADER_BYTES_MAX);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = &mut connection => Some(ended),
        () = sleep(FIRST_CALL) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None if has_called.load(Ordering::Relaxed) => connection.await,
        None => return Err(format!("it asked for nothing within {} seconds", FIRST_CALL.as_secs())),
    };
    ended.map_err(|error| error.to_string())
}

async fn route(desk: Arc<Desk>, ip: IpAddr, request: http::Request<Incoming>) -> http::Response<Body> {
    let bytes_max = desk.limits.request_bytes_max;
    match request.uri().path() {
        ADS_SOTW => {
            let mut grpc = Grpc::new(Codec::new()).max_decoding_message_size(bytes_max).max_encoding_message_size(usize::MAX);
            grpc.streaming(Attend::<Sotw>::new(desk, ip), request).await
        }
        ADS_DELTA => {
            let mut grpc = Grpc::new(Codec::new()).max_decoding_message_size(bytes_max).max_encoding_message_size(usize::MAX);
            grpc.streaming(Attend::<Delta>::new(desk, ip), request).await
        }
        CHECK => Grpc::new(Codec::new()).max_decoding_message_size(HEALTH_BYTES_MAX).unary(Check(desk), request).await,
        WATCH => Grpc::new(Codec::new()).max_decoding_message_size(HEALTH_BYTES_MAX).server_streaming(Watch(desk), request).await,
        _ => Status::unimplemented("only the aggregated discovery service and grpc.health.v1 are served here").into_http(),
    }
}
