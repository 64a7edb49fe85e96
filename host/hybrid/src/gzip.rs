//! The container of a reconfigure message: gzip at the default level, bounded on the way out.
//!
//! Work that a runtime would notice is done on a thread that may block.

use std::fmt;
use std::io::{self, Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use holdover_plugin::config::CONFIG_BYTES_MAX;

/// What is no larger is done at once; it takes a few milliseconds at most.
const AT_ONCE_BYTES_MAX: usize = 256 * 1024;

/// Why a payload was not inflated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotInflated {
    /// It would have become larger than any configuration may be.
    TooLarge,
    /// It is no gzip, is cut off, or its checksum is wrong.
    Damaged(String),
}

/// At most [`CONFIG_BYTES_MAX`] bytes.
pub fn inflate(payload: &[u8]) -> Result<Vec<u8>, NotInflated> {
    inflate_to(payload, CONFIG_BYTES_MAX)
}

fn inflate_to(payload: &[u8], bytes_max: usize) -> Result<Vec<u8>, NotInflated> {
    let mut plain = Vec::new();
    // One byte beyond the bound tells what is too large from what just fits. The buffer grows with what really came.
    let mut bounded = GzDecoder::new(payload).take(bytes_max as u64 + 1);
    bounded.read_to_end(&mut plain).map_err(|error| NotInflated::Damaged(error.to_string()))?;
    if plain.len() > bytes_max { Err(NotInflated::TooLarge) } else { Ok(plain) }
}

/// The same without holding up other tasks.
pub async fn inflate_aside(payload: Bytes) -> Result<Bytes, NotInflated> {
    // A small payload may be a large configuration, so what is done at once is bounded on both sides.
    if payload.len() <= AT_ONCE_BYTES_MAX {
        match inflate_to(&payload, AT_ONCE_BYTES_MAX) {
            Err(NotInflated::TooLarge) => {}
            done => return done.map(Bytes::from),
        }
    }
    aside(move || inflate(&payload).map(Bytes::from)).await.unwrap_or_else(|error| Err(NotInflated::Damaged(error)))
}

pub fn deflate(plain: &[u8]) -> io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain)?;
    encoder.finish().map(Bytes::from)
}

/// The same without holding up other tasks.
pub async fn deflate_aside(plain: Bytes) -> io::Result<Bytes> {
    if plain.len() <= AT_ONCE_BYTES_MAX {
        return deflate(&plain);
    }
    aside(move || deflate(&plain)).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| format!("the work was broken off ({error})"))
}

impl fmt::Display for NotInflated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => write!(f, "inflates to more than the {CONFIG_BYTES_MAX} bytes that a configuration may have"),
            Self::Damaged(how) => write!(f, "is no whole gzip ({how})"),
        }
    }
}

impl std::error::Error for NotInflated {}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_deflated_comes_back_small_or_large() {
        for length in [0, 1, 10_000, 3 * AT_ONCE_BYTES_MAX] {
            let plain = Bytes::from((0..length).map(|at| (at * at % 251) as u8).collect::<Vec<_>>());
            let payload = deflate_aside(plain.clone()).await.unwrap();
            assert_eq!(inflate_aside(payload).await.unwrap(), plain, "{length}");
        }
    }

    #[test]
    fn the_bound_is_exact_and_a_bomb_costs_no_more_than_it() {
        let payload = deflate(&vec![b'a'; 100_000]).unwrap();
        assert_eq!(inflate_to(&payload, 100_000).unwrap().len(), 100_000);
        assert_eq!(inflate_to(&payload, 99_999), Err(NotInflated::TooLarge));
        assert_eq!(inflate_to(&payload, 10), Err(NotInflated::TooLarge));
    }

    #[test]
    fn what_is_cut_off_or_flipped_is_refused() {
        let payload = deflate(b"a configuration").unwrap();
        let cut = payload.get(..payload.len() - 3).unwrap();
        let mut flipped = payload.to_vec();
        let checksum = flipped.len() - 6;
        flipped[checksum] ^= 1;
        for damaged in [cut, &flipped, b"{}", b"", &[0x1f, 0x8b]] {
            assert!(matches!(inflate(damaged), Err(NotInflated::Damaged(_))), "{damaged:?}");
        }
    }
}
