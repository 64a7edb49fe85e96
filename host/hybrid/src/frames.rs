//! The websocket as Kong speaks it: whole frames only, nothing negotiated, over any stream.
//!
//! Kong's own library answers a fragment, a reserved bit or a stall within a frame by ending the connection, so none is written and
//! none is taken. A length that is announced reserves nothing: the buffer grows with the bytes that come. Pings are answered by
//! whoever reads them, because their payload means something. Reading may be cancelled at any time; writing may not.

use std::fmt;
use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Duration, timeout};

use crate::STEP;

/// The most that a control frame may carry (RFC 6455 5.5).
pub(crate) const CONTROL_BYTES_MAX: usize = 125;
/// Room for one read.
const READ_BYTES: usize = 8 * 1024;
/// A buffer that has held more than this is given back.
const KEPT_BYTES_MAX: usize = 64 * 1024;
/// How long a closed connection is still listened to, and how much is thrown away meanwhile.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES_MAX: usize = 64 * 1024;

/// Which end this is: a data plane masks what it sends, a control plane does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    DataPlane,
    ControlPlane,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub kind: Kind,
    pub payload: Bytes,
}

impl Kind {
    /// For sentences.
    pub fn named(self) -> &'static str {
        match self {
            Self::Text => "a text frame",
            Self::Binary => "a binary frame",
            Self::Close => "a close frame",
            Self::Ping => "a ping",
            Self::Pong => "a pong",
        }
    }
}

/// A frame that this protocol has no use for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadFrame {
    Fragmented,
    ReservedBits,
    UnknownOpcode(u8),
    /// From a data plane, which must mask.
    Unmasked,
    /// From a control plane, which must not.
    Masked,
    /// A ping, pong or close frame with more than 125 bytes.
    ControlTooLong,
    /// A length with its highest bit set.
    LengthOutOfRange,
}

#[derive(Debug)]
pub(crate) enum LinkError {
    /// The other side ended the stream, between two frames or within one.
    Closed,
    Bad(BadFrame),
    TooLarge {
        bytes: u64,
        max: usize,
    },
    /// Nothing could be written for [`STEP`].
    Stalled,
    Io(io::Error),
}

pub(crate) struct Link<S> {
    stream: S,
    side: Side,
    buffer: BytesMut,
    receive_max: usize,
    send_max: usize,
}

struct Header {
    kind: Kind,
    mask: Option<[u8; 4]>,
    header_len: usize,
    payload_len: u64,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    /// `read_ahead` is what came after the upgrade.
    pub fn new(stream: S, side: Side, read_ahead: BytesMut, payload_max: usize) -> Self {
        Self { stream, side, buffer: read_ahead, receive_max: payload_max, send_max: payload_max }
    }

    /// From here on no larger frame is taken.
    pub fn receive_at_most(&mut self, bytes_max: usize) {
        self.receive_max = bytes_max;
    }

    /// The next frame. Cancelling loses nothing: what was read stays in the buffer.
    pub async fn read(&mut self) -> Result<Frame, LinkError> {
        loop {
            if let Some(frame) = self.take_frame()? {
                return Ok(frame);
            }
            self.buffer.reserve(READ_BYTES);
            if self.stream.read_buf(&mut self.buffer).await.map_err(LinkError::of)? == 0 {
                return Err(LinkError::Closed);
            }
        }
    }

    /// Writes one whole frame. A large payload of a control plane goes out as it is, without a copy.
    pub async fn write(&mut self, kind: Kind, payload: &[u8]) -> Result<(), LinkError> {
        if payload.len() > self.send_max {
            return Err(LinkError::TooLarge { bytes: payload.len() as u64, max: self.send_max });
        }
        let mask = (self.side == Side::DataPlane).then(rand::random::<[u8; 4]>);
        let mut head = Header::encode(kind, payload.len(), mask);
        match mask {
            Some(mask) => {
                let masked_from = head.len();
                head.extend_from_slice(payload);
                apply(mask, head.get_mut(masked_from..).unwrap_or_default());
                self.write_all(&head).await?;
            }
            None => {
                self.write_all(&head).await?;
                self.write_all(payload).await?;
            }
        }
        timeout(STEP, self.stream.flush()).await.map_err(|_| LinkError::Stalled)?.map_err(LinkError::of)
    }

    /// Says goodbye in order.
    pub async fn close(mut self) {
        if let Ok(Ok(())) = timeout(LINGER, self.write(Kind::Close, &[])).await {
            part(self.stream).await;
        }
    }

    /// Each piece has its own time, so that a slow line is no stall.
    async fn write_all(&mut self, mut bytes: &[u8]) -> Result<(), LinkError> {
        while !bytes.is_empty() {
            let written = timeout(STEP, self.stream.write(bytes)).await.map_err(|_| LinkError::Stalled)?.map_err(LinkError::of)?;
            if written == 0 {
                return Err(LinkError::Closed);
            }
            bytes = bytes.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    fn take_frame(&mut self) -> Result<Option<Frame>, LinkError> {
        let Some(header) = Header::parse(&self.buffer, self.side).map_err(LinkError::Bad)? else { return Ok(None) };
        let payload_len = match usize::try_from(header.payload_len) {
            Ok(length) if length <= self.receive_max => length,
            _ => return Err(LinkError::TooLarge { bytes: header.payload_len, max: self.receive_max }),
        };
        if self.buffer.len() - header.header_len < payload_len {
            return Ok(None);
        }
        self.buffer.advance(header.header_len);
        let mut payload = self.buffer.split_to(payload_len);
        if let Some(mask) = header.mask {
            apply(mask, &mut payload);
        }
        if payload_len > KEPT_BYTES_MAX {
            // The rest would keep the whole of the large frame's memory.
            self.buffer = BytesMut::from(self.buffer.as_ref());
        }
        Ok(Some(Frame { kind: header.kind, payload: payload.freeze() }))
    }
}

impl Header {
    /// `None` while there is too little of it. What is wrong already is told at once.
    fn parse(bytes: &[u8], reader: Side) -> Result<Option<Self>, BadFrame> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(BadFrame::ReservedBits);
        }
        let kind = match first & 0x0f {
            0 => return Err(BadFrame::Fragmented),
            1 => Kind::Text,
            2 => Kind::Binary,
            8 => Kind::Close,
            9 => Kind::Ping,
            10 => Kind::Pong,
            unknown => return Err(BadFrame::UnknownOpcode(unknown)),
        };
        if first & 0x80 == 0 {
            return Err(BadFrame::Fragmented);
        }
        let masked = second & 0x80 != 0;
        match (reader, masked) {
            (Side::ControlPlane, false) => return Err(BadFrame::Unmasked),
            (Side::DataPlane, true) => return Err(BadFrame::Masked),
            (Side::ControlPlane, true) | (Side::DataPlane, false) => {}
        }
        let (payload_len, rest) = match second & 0x7f {
            126 => match rest.split_first_chunk::<2>() {
                Some((length, rest)) => (u64::from(u16::from_be_bytes(*length)), rest),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk::<8>() {
                Some((length, rest)) => (u64::from_be_bytes(*length), rest),
                None => return Ok(None),
            },
            short => (u64::from(short), rest),
        };
        if payload_len > u64::MAX >> 1 {
            return Err(BadFrame::LengthOutOfRange);
        }
        if matches!(kind, Kind::Close | Kind::Ping | Kind::Pong) && payload_len > CONTROL_BYTES_MAX as u64 {
            return Err(BadFrame::ControlTooLong);
        }
        let (mask, rest) = match (masked, rest.split_first_chunk::<4>()) {
            (false, _) => (None, rest),
            (true, Some((mask, rest))) => (Some(*mask), rest),
            (true, None) => return Ok(None),
        };
        Ok(Some(Self { kind, mask, header_len: bytes.len() - rest.len(), payload_len }))
    }

    fn encode(kind: Kind, payload_len: usize, mask: Option<[u8; 4]>) -> Vec<u8> {
        let opcode: u8 = match kind {
            Kind::Text => 1,
            Kind::Binary => 2,
            Kind::Close => 8,
            Kind::Ping => 9,
            Kind::Pong => 10,
        };
        let masked: u8 = if mask.is_some() { 0x80 } else { 0 };
        let mut bytes = vec![0x80 | opcode];
        match (u8::try_from(payload_len), u16::try_from(payload_len)) {
            (Ok(short @ 0..126), _) => bytes.push(masked | short),
            (_, Ok(length)) => {
                bytes.push(masked | 126);
                bytes.extend_from_slice(&length.to_be_bytes());
            }
            (_, Err(_)) => {
                bytes.push(masked | 127);
                bytes.extend_from_slice(&(payload_len as u64).to_be_bytes());
            }
        }
        bytes.extend_from_slice(mask.as_ref().map_or(&[], |mask| mask.as_slice()));
        bytes
    }
}

/// Ends a stream, and waits a moment for the other side to do the same: a socket that is closed over unread bytes takes back what it
/// wrote last.
pub(crate) async fn part<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let _ = timeout(LINGER, async {
        if stream.shutdown().await.is_err() {
            return;
        }
        let mut thrown_away = 0;
        let mut scrap = [0; 1024];
        while let Ok(count @ 1..) = stream.read(&mut scrap).await
            && thrown_away < LINGER_BYTES_MAX
        {
            thrown_away += count;
        }
    })
    .await;
}

fn apply(mask: [u8; 4], payload: &mut [u8]) {
    for (byte, key) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

impl LinkError {
    fn of(error: io::Error) -> Self {
        match error.kind() {
            // TLS that ends without saying so.
            io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

impl fmt::Display for BadFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fragmented => f.write_str("a frame in fragments, which this protocol does not have"),
            Self::ReservedBits => f.write_str("a frame with an extension that was not agreed on"),
            Self::UnknownOpcode(opcode) => write!(f, "a frame of the unknown kind {opcode}"),
            Self::Unmasked => f.write_str("a data plane's frame without a mask"),
            Self::Masked => f.write_str("a control plane's frame with a mask"),
            Self::ControlTooLong => write!(f, "a control frame with more than {CONTROL_BYTES_MAX} bytes"),
            Self::LengthOutOfRange => f.write_str("a frame of impossible length"),
        }
    }
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("it closed the connection"),
            Self::Bad(frame) => write!(f, "it sent {frame}"),
            Self::TooLarge { bytes, max } => write!(f, "a frame of {bytes} bytes is more than cluster_max_payload = {max}"),
            Self::Stalled => write!(f, "it took no bytes for {} seconds", STEP.as_secs()),
            Self::Io(error) => write!(f, "the connection broke ({error})"),
        }
    }
}

#[cfg(test)]
mod tests;
