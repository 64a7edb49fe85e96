//! Reads a body to its end, with a bound for its size and for every wait. Knows no protocol.

use std::future::Future;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, timeout_at};

/// A body may pause this long.
const STALL_MAX: Duration = Duration::from_secs(15);
/// A body may take this long as a whole: shorter than an episode's wall time.
const BODY_MAX: Duration = Duration::from_secs(240);
/// What an answer may make this process set aside before a byte of it came.
const RESERVED_BYTES_MAX: u64 = 1024 * 1024;

/// A body as it arrives. `Err` is the cause, as part of a sentence.
pub(crate) trait Pieces: Send {
    fn next(&mut self) -> impl Future<Output = Option<Result<Bytes, String>>> + Send;
}

/// Why a body was not read to its end.
#[derive(Debug)]
pub(crate) enum Unread {
    /// At least this many bytes.
    TooLarge(u64),
    BrokeOff {
        received: u64,
        cause: String,
    },
}

/// A length is judged before a byte is read, and what came is held against it afterwards.
pub(crate) async fn read_whole(mut body: impl Pieces, announced: Option<u64>, bytes_max: u64) -> Result<Bytes, Unread> {
    if let Some(bytes) = announced.filter(|bytes| *bytes > bytes_max) {
        return Err(Unread::TooLarge(bytes));
    }
    let end = Instant::now() + BODY_MAX;
    let reserved = announced.unwrap_or_default().min(RESERVED_BYTES_MAX);
    let mut buffer = BytesMut::with_capacity(usize::try_from(reserved).unwrap_or_default());
    loop {
        let received = buffer.len() as u64;
        let patience = end.min(Instant::now() + STALL_MAX);
        match timeout_at(patience, body.next()).await {
            Ok(Some(Ok(piece))) if received + piece.len() as u64 > bytes_max => {
                return Err(Unread::TooLarge(received + piece.len() as u64));
            }
            Ok(Some(Ok(piece))) => buffer.extend_from_slice(&piece),
            Ok(Some(Err(cause))) => return Err(Unread::BrokeOff { received, cause }),
            Ok(None) if announced.is_some_and(|announced| announced != received) => {
                return Err(Unread::BrokeOff { received, cause: "it ended early".into() });
            }
            Ok(None) => return Ok(buffer.freeze()),
            Err(_) => return Err(Unread::BrokeOff { received, cause: "no more came in time".into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten bytes at most, three at a time, then an end that is kept waiting or not.
    struct Ten {
        sent: usize,
        of: usize,
        hangs: bool,
    }

    impl Pieces for Ten {
        async fn next(&mut self) -> Option<Result<Bytes, String>> {
            let piece = "0123456789".get(self.sent..self.of.min(self.sent + 3)).filter(|piece| !piece.is_empty());
            self.sent += piece.map_or(0, str::len);
            if piece.is_none() && self.hangs {
                std::future::pending::<()>().await;
            }
            piece.map(|piece| Ok(Bytes::from(piece)))
        }
    }

    #[tokio::test]
    async fn a_body_is_held_against_its_bound_and_its_announced_length() {
        let body = || Ten { sent: 0, of: 10, hangs: false };
        assert!(matches!(read_whole(body(), None, 10).await, Ok(bytes) if bytes.len() == 10));
        assert!(matches!(read_whole(body(), None, 9).await, Err(Unread::TooLarge(10))));
        assert!(matches!(read_whole(body(), None, 4).await, Err(Unread::TooLarge(6))));
        assert!(matches!(read_whole(body(), Some(11), 10).await, Err(Unread::TooLarge(11))));
        assert!(matches!(read_whole(body(), Some(11), 20).await, Err(Unread::BrokeOff { received: 10, .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stands_still_is_given_up() {
        let began = Instant::now();
        let stalled = read_whole(Ten { sent: 0, of: 7, hangs: true }, Some(10), 10).await;
        assert!(matches!(stalled, Err(Unread::BrokeOff { received: 7, .. })), "{stalled:?}");
        assert_eq!(began.elapsed().as_secs(), STALL_MAX.as_secs());
    }
}
