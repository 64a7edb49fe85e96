//! Frames by hand, written independently of the crate's own: what is tested is not what tests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// One frame as it lay on the wire, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub header: Vec<u8>,
    pub opcode: u8,
    pub masked: bool,
    pub payload: Vec<u8>,
}

/// `None` at the end of the stream, however it ends.
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Seen> {
    let mut header = vec![0; 2];
    stream.read_exact(&mut header).await.ok()?;
    let masked = header[1] & 0x80 != 0;
    let extended = match header[1] & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let mut rest = vec![0; extended + if masked { 4 } else { 0 }];
    stream.read_exact(&mut rest).await.ok()?;
    let length = match extended {
        0 => usize::from(header[1] & 0x7f),
        _ => rest[..extended].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)),
    };
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await.ok()?;
    if masked {
        payload.iter_mut().enumerate().for_each(|(at, byte)| *byte ^= rest[extended + at % 4]);
    }
    let opcode = header[0] & 0x0f;
    header.extend_from_slice(&rest);
    Some(Seen { header, opcode, masked, payload })
}

/// Up to the empty line, which it includes.
pub async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap())
}

/// Everything until the end, and nothing if the end is an error.
pub async fn read_rest(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    rest
}

/// A whole frame with its FIN, masked with `key` if there is one.
pub fn frame(opcode: u8, payload: &[u8], key: Option<[u8; 4]>) -> Vec<u8> {
    let masked = if key.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![0x80 | opcode];
    match payload.len() {
        short @ 0..=125 => bytes.push(masked | short as u8),
        length @ 126..=65_535 => {
            bytes.push(masked | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            bytes.push(masked | 127);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    let key = key.inspect(|key| bytes.extend_from_slice(key)).unwrap_or_default();
    bytes.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]));
    bytes
}

pub fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    frame(opcode, payload, Some([1, 2, 3, 4]))
}

pub fn request(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: cp\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

pub const OUTLET: &str = "/v1/outlet?node_id=b09633e4-2c99-46ed-9d74-cb6a1ee8be89&node_hostname=fake-dp&node_version=3.9.1";

/// Upgrades, and expects 101.
pub async fn upgrade(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), path: &str) {
    stream.write_all(request(path).as_bytes()).await.unwrap();
    let head = read_head(stream).await.expect("an answer");
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
}
