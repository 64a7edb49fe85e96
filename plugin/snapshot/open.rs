//! Station *open*: the body of a verified snapshot becomes the configuration's exact bytes again, within the bounds that its
//! particulars promised.
//!
//! ```text
//! body ─(decrypt)─► skippable LZ4 frame: the particulars ─ LZ4 frame: the configuration
//! ```

use std::io::Read;

use lz4_flex::frame::FrameDecoder;

use super::encryption::{self, Chunks, PayloadKey};
use super::layout::PARTICULARS_BYTES_MAX;
use super::{Compression, Encryption, Particulars, Refusal, VerifiedSnapshot};
use crate::config::{self, CONFIG_BYTES_MAX, Format, Invalid, Strictness, ValidConfig};
use crate::model::Digest;
use crate::witness::{Station, passed};

/// How many times larger than its body a configuration may be, beyond a first part that may compress to nothing.
const RATIO_MAX: u64 = 200;
const RATIO_FREE_BYTES: u64 = 64 * 1024;
/// `lz4` passes over frames that begin so.
pub(super) const SKIPPABLE: [u8; 4] = 0x184D_2A50_u32.to_le_bytes();

/// A configuration as it was sealed, not yet validated here.
#[derive(Debug)]
pub struct OpenedConfig {
    bytes: Vec<u8>,
    format: Format,
    particulars: Particulars,
}

/// The body on its way to plain bytes.
enum Plain<'a> {
    AsItIs(&'a [u8]),
    Decrypted(Chunks<'a>),
}

impl VerifiedSnapshot<'_> {
    /// `key` is what the host unwrapped of [`VerifiedSnapshot::wrapped`].
    pub fn open(&self, key: Option<&PayloadKey>) -> Result<OpenedConfig, Refusal> {
        let mut body = self.plain(key)?;
        let particulars = particulars(&mut body)?;
        let plain_len = particulars.plain_bytes;
        if plain_len > CONFIG_BYTES_MAX as u64 {
            return Err(Refusal::OutOfBounds("configuration length"));
        }
        if plain_len > RATIO_FREE_BYTES + RATIO_MAX * self.body.len() as u64 {
            return Err(Refusal::OutOfBounds("compression ratio"));
        }
        let bytes = match particulars.compression {
            Compression::Lz4 => decompress(&mut body, plain_len)?,
        };
        if body.read(&mut [0]).map_err(|_| Refusal::Undecryptable)? != 0 {
            return Err(Refusal::BodyMismatch);
        }
        let found = Digest::of(&bytes);
        if found != particulars.digest {
            return Err(Refusal::DigestMismatch { said: particulars.digest, found });
        }
        Ok(OpenedConfig { bytes, format: self.manifest.format, particulars })
    }

    /// What the body says of the configuration, without opening the configuration.
    pub fn particulars(&self, key: Option<&PayloadKey>) -> Result<Particulars, Refusal> {
        particulars(&mut self.plain(key)?)
    }

    fn plain(&self, key: Option<&PayloadKey>) -> Result<Plain<'_>, Refusal> {
        passed(Station::Open);
        match (self.manifest.encryption, key) {
            (Encryption::None, _) => Ok(Plain::AsItIs(self.body)),
            (Encryption::Age, Some(key)) => Ok(Plain::Decrypted(Chunks::new(key, encryption::split(self.body)?.1))),
            (Encryption::Age, None) => Err(Refusal::NoKey),
        }
    }
}

fn particulars(body: &mut impl Read) -> Result<Particulars, Refusal> {
    let mut front = [0; 8];
    body.read_exact(&mut front).map_err(|_| Refusal::Undecryptable)?;
    let [m0, m1, m2, m3, l0, l1, l2, l3] = front;
    if [m0, m1, m2, m3] != SKIPPABLE {
        return Err(Refusal::BodyMismatch);
    }
    let len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if len > PARTICULARS_BYTES_MAX {
        return Err(Refusal::OutOfBounds("length of the particulars"));
    }
    let mut json = Vec::new();
    let read = body.take(len as u64).read_to_end(&mut json).map_err(|_| Refusal::Undecryptable)?;
    if read != len {
        return Err(Refusal::BodyMismatch);
    }
    serde_json::from_slice(&json).map_err(|error| Refusal::Unreadable(format!("particulars, {error}")))
}

fn decompress(body: &mut impl Read, plain_len: u64) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(plain_len as usize).map_err(|_| Refusal::OutOfBounds("configuration length"))?;
    // One byte more than promised is asked for, so that a longer body shows.
    let read = FrameDecoder::new(body).take(plain_len + 1).read_to_end(&mut bytes).map_err(|_| Refusal::BodyMismatch)?;
    if read as u64 != plain_len {
        return Err(Refusal::BodyMismatch);
    }
    Ok(bytes)
}

impl Read for Plain<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::AsItIs(bytes) => bytes.read(into),
            Self::Decrypted(chunks) => chunks.read(into),
        }
    }
}

impl OpenedConfig {
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn format(&self) -> Format {
        self.format
    }

    pub fn particulars(&self) -> &Particulars {
        &self.particulars
    }

    pub fn digest(&self) -> Digest {
        self.particulars.digest
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Station *validate*. The digest was found on opening, and is not computed again.
    pub fn validate(self) -> Result<ValidConfig, Invalid> {
        config::validate_digested(self.bytes, Some(self.particulars.digest), self.format, Strictness::Delivered)
    }
}
