//! The one HTTP request of a connection, written and read by both ends: `GET /v1/outlet`, answered with 101 or a refusal.
//!
//! Bounded in bytes here and in time by the callers. Answers what nginx and Kong answer: 404 to another path, 400 without a node's id
//! or version, and nothing at all to what is no websocket upgrade.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, BytesMut};
use sha1::{Digest, Sha1};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Of a request's or an answer's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;
const HEADERS_MAX: usize = 64;
const PATH: &str = "/v1/outlet";
/// Kong's later protocol, which is not spoken here (KONG.md A.7).
const SYNC_V2_PATH: &str = "/v2/outlet";
/// RFC 6455 1.3.
const ACCEPT_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Who asks, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub id: String,
    pub hostname: String,
    pub version: String,
    /// `Sec-WebSocket-Key`.
    pub key: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Outlet(Caller),
    /// To be answered with this status.
    Refused(u16),
    /// The other protocol; to be answered as another path.
    SyncV2,
    /// To be answered with nothing.
    Ignored(&'static str),
}

#[derive(Debug)]
pub(crate) enum NoHead {
    Closed,
    TooLong,
    /// What came is no HTTP.
    Malformed(String),
    Io(io::Error),
}

/// Reads a request's head. What came after it stays in `buffer`.
pub(crate) async fn receive<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut BytesMut) -> Result<Asked, NoHead> {
    let (asked, head_len) = head(stream, buffer, |bytes| {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(bytes) {
            Ok(httparse::Status::Complete(head_len)) => Ok(Some((judge(&request), head_len))),
            Ok(httparse::Status::Partial) => Ok(None),
            Err(error) => Err(NoHead::Malformed(error.to_string())),
        }
    })
    .await?;
    buffer.advance(head_len);
    Ok(asked)
}

/// Reads an answer's head and gives its status. What came after it stays in `buffer`.
pub(crate) async fn answer<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut BytesMut) -> Result<u16, NoHead> {
    let (status, head_len) = head(stream, buffer, |bytes| {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        match response.parse(bytes) {
            Ok(httparse::Status::Complete(head_len)) => Ok(response.code.map(|status| (status, head_len))),
            Ok(httparse::Status::Partial) => Ok(None),
            Err(error) => Err(NoHead::Malformed(error.to_string())),
        }
    })
    .await?;
    buffer.advance(head_len);
    Ok(status)
}

async fn head<S: AsyncRead + Unpin, T>(
    stream: &mut S,
    buffer: &mut BytesMut,
    parse: impl Fn(&[u8]) -> Result<Option<(T, usize)>, NoHead>,
) -> Result<(T, usize), NoHead> {
    loop {
        // Parsed from the start with every piece; the bound below keeps that cheap.
        if let Some(parsed) = parse(buffer)? {
            return Ok(parsed);
        }
        if buffer.len() >= HEAD_BYTES_MAX {
            return Err(NoHead::TooLong);
        }
        buffer.reserve(1024);
        let count = stream.read_buf(buffer).await.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => NoHead::Closed,
            _ => NoHead::Io(error),
        })?;
        if count == 0 {
            return Err(NoHead::Closed);
        }
    }
}

fn judge(request: &httparse::Request<'_, '_>) -> Asked {
    let target = request.path.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if path == SYNC_V2_PATH {
        return Asked::SyncV2;
    }
    if path != PATH {
        return Asked::Refused(404);
    }
    // The first of several counts, names in any case, values as they stand, as nginx has it.
    let argument = |name: &str| {
        let pair = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| key.eq_ignore_ascii_case(name));
        pair.map(|(_, value)| value.to_owned()).filter(|value| !value.is_empty())
    };
    let (Some(id), Some(version)) = (argument("node_id"), argument("node_version")) else { return Asked::Refused(400) };
    let hostname = argument("node_hostname").unwrap_or_default();
    let header = |name: &str| {
        let found = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.and_then(|header| std::str::from_utf8(header.value).ok()).map(str::trim)
    };
    let upgrades = header("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket"));
    let connection = header("connection").unwrap_or_default();
    let connects = connection.split(',').any(|token| token.trim().eq_ignore_ascii_case("upgrade"));
    if request.method != Some("GET") || request.version != Some(1) || !upgrades || !connects {
        return Asked::Ignored("it asked for no websocket");
    }
    if header("sec-websocket-version") != Some("13") {
        return Asked::Ignored("it asked for another version of websockets than 13");
    }
    match header("sec-websocket-key").filter(|key| !key.is_empty()) {
        Some(key) => Asked::Outlet(Caller { id, hostname, version, key: key.to_owned() }),
        None => Asked::Ignored("its request has no Sec-WebSocket-Key"),
    }
}

/// As Kong's own data plane writes it. `authority` is host and port as they were given.
pub(crate) fn request(authority: &str, id: &str, hostname: &str, version: &str) -> String {
    let key = STANDARD.encode(rand::random::<[u8; 16]>());
    format!(
        "GET {PATH}?node_id={id}&node_hostname={hostname}&node_version={version} HTTP/1.1\r\n\
         Upgrade: websocket\r\nHost: {authority}\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nConnection: Upgrade\r\n\r\n"
    )
}

pub(crate) fn accepted(key: &str) -> String {
    let accept = STANDARD.encode(Sha1::new().chain_update(key).chain_update(ACCEPT_SUFFIX).finalize());
    format!("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n")
}

/// The whole answer with a small page, after which the connection is closed.
pub(crate) fn refused(status: u16) -> String {
    let reason = match status {
        400 => "Bad Request",
        404 => "Not Found",
        _ => "Error",
    };
    let page = format!("<html>\r\n<head><title>{status} {reason}</title></head>\r\n<body><h1>{status} {reason}</h1></body>\r\n</html>\r\n");
    let page_len = page.len();
    format!("HTTP/1.1 {status} {reason}\r\nContent-Type: text/html\r\nContent-Length: {page_len}\r\nConnection: close\r\n\r\n{page}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPTURED: &str = "GET /v1/outlet?node_id=a95a926f-a332-45a2-a770-d5ce911af874&node_hostname=vm&node_version=3.9.1 HTTP/1.1\r\n\
                            Upgrade: websocket\r\nHost: 127.0.0.1:8805\r\nSec-WebSocket-Key: HGW7/Qg3/Hr5qcasWkk91g==\r\n\
                            Sec-WebSocket-Version: 13\r\nConnection: Upgrade\r\n\r\n";

    #[tokio::test]
    async fn a_real_request_is_read_and_answered_as_it_was() {
        let mut buffer = BytesMut::new();
        let bytes = format!("{CAPTURED}frames");
        let Asked::Outlet(caller) = receive(&mut bytes.as_bytes(), &mut buffer).await.unwrap() else { panic!("no outlet") };
        assert_eq!((caller.hostname.as_str(), caller.version.as_str()), ("vm", "3.9.1"));
        assert_eq!(&buffer[..], b"frames");
        assert!(accepted(&caller.key).contains("\r\nSec-WebSocket-Accept: SQjbh/0hrj6Z0AYN64VcOOqTEVY=\r\n"));
    }

    #[test]
    fn ours_is_the_real_request_but_for_the_key() {
        let ours = request("127.0.0.1:8805", "a95a926f-a332-45a2-a770-d5ce911af874", "vm", "3.9.1");
        let without_key = |text: &str| {
            let kept: Vec<_> = text.split("\r\n").map(|line| line.split_once("-Key: ").map_or(line, |(name, _)| name).to_owned()).collect();
            kept
        };
        assert_eq!(without_key(&ours), without_key(CAPTURED));
    }

    #[tokio::test]
    async fn arguments_come_in_any_order_and_other_paths_are_404() {
        let asked = |from: &str, to: &str| {
            let text = CAPTURED.replace(from, to);
            async move { receive(&mut text.as_bytes(), &mut BytesMut::new()).await.unwrap() }
        };
        let query = "node_id=a95a926f-a332-45a2-a770-d5ce911af874&node_hostname=vm&node_version=3.9.1";
        let shuffled = asked(query, "x&node_version=3.9.1&NODE_ID=%41&node_id=b").await;
        assert!(matches!(shuffled, Asked::Outlet(Caller { id, hostname, .. }) if id == "%41" && hostname.is_empty()));
        assert_eq!(asked("/v1/outlet", "/v2/outlet").await, Asked::SyncV2);
        assert_eq!(asked("/v1/outlet", "/v1/outlet/").await, Asked::Refused(404));
        assert_eq!(asked("node_id", "nodeid").await, Asked::Refused(400));
        assert_eq!(asked("&node_version=3.9.1", "").await, Asked::Refused(400));
        for (from, to) in [
            ("Upgrade: websocket", "Upgrade: h2c"),
            ("Connection: Upgrade", "Connection: close"),
            ("Version: 13", "Version: 8"),
            ("HTTP/1.1", "HTTP/1.0"),
            ("GET ", "POST "),
            ("Sec-WebSocket-Key: HGW7/Qg3/Hr5qcasWkk91g==\r\n", ""),
        ] {
            assert!(matches!(asked(from, to).await, Asked::Ignored(_)), "{to}");
        }
    }

    #[tokio::test]
    async fn a_head_is_bounded_and_no_http_is_told() {
        let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(HEAD_BYTES_MAX * 2));
        assert!(matches!(receive(&mut long.as_bytes(), &mut BytesMut::new()).await, Err(NoHead::TooLong)));
        assert!(matches!(receive(&mut &b"GET / HT"[..], &mut BytesMut::new()).await, Err(NoHead::Closed)));
        assert!(matches!(answer(&mut &b"\x15\x03\x01\x00"[..], &mut BytesMut::new()).await, Err(NoHead::Malformed(_))));
        assert_eq!(answer(&mut refused(404).as_bytes(), &mut BytesMut::new()).await.unwrap(), 404);
    }
}
