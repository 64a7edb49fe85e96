//! Station *open*: the body of a verified snapshot becomes the configuration's exact bytes again, within the bounds that its
//! manifest promised.

use std::io::Read;

use lz4_flex::frame::FrameDecoder;

use super::{Compression, Refusal, VerifiedSnapshot};
use crate::config::{CONFIG_BYTES_MAX, Format};
use crate::model::Digest;

/// How many times larger than its body a configuration may be, beyond a first part that may compress to nothing.
const RATIO_MAX: u64 = 200;
const RATIO_FREE_BYTES: u64 = 64 * 1024;

/// A configuration as it was sealed, not yet validated here.
#[derive(Debug)]
pub struct OpenedConfig {
    bytes: Vec<u8>,
    format: Format,
    digest: Digest,
}

impl VerifiedSnapshot<'_> {
    pub fn open(&self) -> Result<OpenedConfig, Refusal> {
        let plain_len = self.manifest.plain_bytes;
        let body_len = self.body.len() as u64;
        if plain_len > CONFIG_BYTES_MAX as u64 {
            return Err(Refusal::OutOfBounds("configuration length"));
        }
        if plain_len > RATIO_FREE_BYTES + RATIO_MAX * body_len {
            return Err(Refusal::OutOfBounds("compression ratio"));
        }
        let bytes = match self.manifest.compression {
            Compression::Lz4 => decompress(self.body, plain_len)?,
        };
        let found = Digest::of(&bytes);
        if found != self.manifest.digest {
            return Err(Refusal::DigestMismatch { said: self.manifest.digest, found });
        }
        Ok(OpenedConfig { bytes, format: self.manifest.format, digest: found })
    }
}

fn decompress(body: &[u8], plain_len: u64) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(plain_len as usize).map_err(|_| Refusal::OutOfBounds("configuration length"))?;
    // One byte more than promised is asked for, so that a longer body shows.
    let read = FrameDecoder::new(body).take(plain_len + 1).read_to_end(&mut bytes).map_err(|_| Refusal::BodyMismatch)?;
    if read as u64 != plain_len {
        return Err(Refusal::BodyMismatch);
    }
    Ok(bytes)
}

impl OpenedConfig {
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn format(&self) -> Format {
        self.format
    }

    pub fn digest(&self) -> Digest {
        self.digest
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
