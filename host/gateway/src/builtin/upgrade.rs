//! WebSockets: once the upstream has agreed, bytes are passed both ways until one side ends.

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Request, Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::headers::tokens;

/// A client that wants to leave HTTP.
pub(super) struct Wanted {
    pub protocol: HeaderValue,
    client: OnUpgrade,
}

/// `None` unless the request asks for a WebSocket; other protocols are not passed on.
pub(super) fn wanted<B>(request: &mut Request<B>) -> Option<Wanted> {
    let asked = request.headers().get_all(CONNECTION).iter().any(|value| tokens(value).any(|token| token.eq_ignore_ascii_case("upgrade")));
    let protocol = request.headers().get(UPGRADE).filter(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket")).cloned();
    let protocol = protocol.filter(|_| asked)?;
    Some(Wanted { protocol, client: hyper::upgrade::on(request) })
}

impl Wanted {
    /// Joins the two sides once the answer has reached the client.
    pub(super) fn join<B>(self, response: &mut Response<B>) {
        let upstream = hyper::upgrade::on(response);
        tokio::spawn(async move {
            let (Ok(client), Ok(upstream)) = tokio::join!(self.client, upstream) else { return };
            let passed = tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(upstream)).await;
            if let Err(error) = passed {
                tracing::debug!(%error, "an upgraded connection ended early");
            }
        });
    }
}
