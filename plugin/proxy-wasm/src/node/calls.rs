//! HTTP calls through Envoy's clusters: from a token to its answer, and what Envoy says itself told from what a server said.
//!
//! Knows Envoy's clusters and buffers; knows nothing of storages or control planes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType, Status};

/// Envoy answers a call that failed with a 503 or 504 of its own, which looks like a server's but for this header: a server dates
/// what it says.
const A_SERVER_SPOKE: &str = "date";
const USER_AGENT: &str = concat!("holdover/", env!("CARGO_PKG_VERSION"));

/// What a GET is sent to.
pub struct Place<'a> {
    pub cluster: &'a str,
    pub authority: &'a str,
    pub path: &'a str,
}

/// What a GET asks for besides, by lower-case names.
pub type Conditions<'a> = &'a [(&'a str, &'a str)];

pub struct Response {
    pub status: u16,
    pub body: Vec<u8>,
    headers: Vec<(String, Vec<u8>)>,
}

/// Why no server's answer came, or not the whole of it.
pub enum Unheard {
    NoSuchCluster,
    /// The cluster has nobody to ask: no address, none healthy, or too many calls at once.
    NobodyToAsk,
    /// Refused, timed out or reset before an answer.
    NotConnected,
    TimedOut,
    /// Reset within the answer, or an answer that Envoy would not buffer; it does not say which.
    Dropped,
    CutShort {
        bytes: u64,
        announced: u64,
    },
}

#[derive(Default)]
pub struct Calls {
    by_token: RefCell<BTreeMap<u32, Call>>,
}

enum Call {
    OnItsWay,
    Answered(Result<Response, Unheard>),
}

impl Calls {
    pub async fn get(&self, place: Place<'_>, conditions: Conditions<'_>, timeout: Duration) -> Result<Response, Unheard> {
        let mut headers = vec![
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", place.authority),
            (":path", place.path),
            ("accept", "*/*"),
            ("user-agent", USER_AGENT),
        ];
        headers.extend(conditions);
        let token = hostcalls::dispatch_http_call(place.cluster, headers, None, Vec::new(), timeout).map_err(|status| match status {
            Status::BadArgument => Unheard::NoSuchCluster,
            // The SDK's open list: Envoy says nothing else here.
            _ => Unheard::NobodyToAsk,
        })?;
        self.by_token.borrow_mut().insert(token, Call::OnItsWay);
        let awaited = Awaited { calls: self, token };
        poll_fn(|_| awaited.look()).await
    }

    /// An answer has come, and can be read during this very callback only. One that nobody awaits any more is left unread.
    pub fn answered(&self, token: u32, headers: usize, body_bytes: usize) {
        if let Some(call) = self.by_token.borrow_mut().get_mut(&token) {
            *call = Call::Answered(Response::read(headers, body_bytes));
        }
    }
}

/// Forgets its call when it is dropped.
struct Awaited<'a> {
    calls: &'a Calls,
    token: u32,
}

impl Awaited<'_> {
    fn look(&self) -> Poll<Result<Response, Unheard>> {
        let mut calls = self.calls.by_token.borrow_mut();
        match calls.remove(&self.token) {
            Some(Call::Answered(answer)) => Poll::Ready(answer),
            Some(Call::OnItsWay) => {
                calls.insert(self.token, Call::OnItsWay);
                Poll::Pending
            }
            // Only this value takes the call away, and it does not look again once it has.
            None => Poll::Pending,
        }
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.calls.by_token.borrow_mut().remove(&self.token);
    }
}

impl Response {
    fn read(headers: usize, body_bytes: usize) -> Result<Self, Unheard> {
        if headers == 0 {
            return Err(Unheard::Dropped);
        }
        // Bytes, for the SDK's texts end the VM on whatever is not UTF-8.
        let headers = hostcalls::get_map_bytes(MapType::HttpCallResponseHeaders).map_err(|_| Unheard::Dropped)?;
        let mut response = Self { status: 0, body: Vec::new(), headers };
        response.status = response.header(":status").and_then(|status| status.parse().ok()).unwrap_or_default();
        match (response.status, response.header(A_SERVER_SPOKE)) {
            (503, None) => return Err(Unheard::NotConnected),
            (504, None) => return Err(Unheard::TimedOut),
            _ => {}
        }
        if body_bytes > 0 {
            let body = hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, body_bytes).map_err(|_| Unheard::Dropped)?;
            response.body = body.unwrap_or_default();
        }
        // These have no body, and may say how long another answer's would be (RFC 9110, 8.6).
        if matches!(response.status, 204 | 304) {
            return Ok(response);
        }
        let bytes = response.body.len() as u64;
        match response.announced_bytes() {
            Some(announced) if announced != bytes => Err(Unheard::CutShort { bytes, announced }),
            Some(_) | None => Ok(response),
        }
    }

    /// The first of this lower-case name, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(other, _)| other == name)?;
        std::str::from_utf8(value).ok()
    }

    fn announced_bytes(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }
}

impl fmt::Display for Unheard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchCluster => f.write_str("Envoy has no such cluster; add it to static_resources, or correct the name"),
            Self::NobodyToAsk => {
                f.write_str("Envoy has nobody in it to ask; look at its endpoints, their health, and its circuit breakers")
            }
            Self::NotConnected => {
                f.write_str("Envoy got no connection, or lost it before an answer; see that the server runs, and correct its endpoints")
            }
            Self::TimedOut => f.write_str("no answer came in time; see that the server runs and that no firewall stands between"),
            Self::Dropped => f.write_str(
                "the answer broke off, or is larger than Envoy buffers (32 MiB); raise http.async_response_buffer_limit in layered_runtime",
            ),
            Self::CutShort { bytes, announced } => {
                write!(f, "the answer broke off after {bytes} of {announced} bytes; look at the server's log, and at what stands between")
            }
        }
    }
}
