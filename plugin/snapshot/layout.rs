//! The bytes of a snapshot file, and station *verify*.
//!
//! ```text
//! 0   8  magic "HOLDOVER"
//! 8   2  format number, little-endian like every number here: 0
//! 10  4  manifest length M
//! 14  8  body length B
//! 22  M  manifest, JSON
//!     B  body, compressed
//!     4  signature block length: 0 in this format
//!    32  BLAKE3-256 of everything before
//! ```
//!
//! Every length is bounded before it is believed, and every byte stands under the digest.

use super::{Manifest, Refusal};
use crate::config::CONFIG_BYTES_MAX;
use crate::model::Digest;

pub(super) const FORMAT: u16 = 0;
const MAGIC: &[u8; 8] = b"HOLDOVER";
const MANIFEST_BYTES_MAX: usize = 1024 * 1024;
/// LZ4 may grow what does not compress, by less than this.
const BODY_BYTES_MAX: usize = CONFIG_BYTES_MAX + CONFIG_BYTES_MAX / 128;
const PREFIX_BYTES: usize = 22;
const TRAILER_BYTES: usize = 4 + 32;

/// The longest snapshot file that is ever fetched.
pub const FILE_BYTES_MAX: u64 = (PREFIX_BYTES + MANIFEST_BYTES_MAX + BODY_BYTES_MAX + TRAILER_BYTES) as u64;

/// A snapshot whose seal holds. Only [`verify`] makes one.
#[derive(Debug)]
pub struct VerifiedSnapshot<'a> {
    pub(super) manifest: Manifest,
    pub(super) body: &'a [u8],
}

/// Whether a file begins as a snapshot of any format.
pub fn is_snapshot(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

pub(super) fn assemble(manifest: &[u8], body: &[u8]) -> Vec<u8> {
    let mut file = Vec::with_capacity(PREFIX_BYTES + manifest.len() + body.len() + TRAILER_BYTES);
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&FORMAT.to_le_bytes());
    file.extend_from_slice(&(manifest.len() as u32).to_le_bytes());
    file.extend_from_slice(&(body.len() as u64).to_le_bytes());
    file.extend_from_slice(manifest);
    file.extend_from_slice(body);
    file.extend_from_slice(&0u32.to_le_bytes());
    let digest = Digest::of(&file);
    file.extend_from_slice(digest.as_bytes());
    file
}

/// Checks lengths and digest, and only then reads the manifest.
pub fn verify(file: &[u8]) -> Result<VerifiedSnapshot<'_>, Refusal> {
    let mut rest = file;
    if take::<8>(&mut rest)? != MAGIC {
        return Err(Refusal::NotOurs);
    }
    let format = u16::from_le_bytes(*take(&mut rest)?);
    if format != FORMAT {
        return Err(Refusal::UnknownFormat(format));
    }
    let manifest_len = u32::from_le_bytes(*take(&mut rest)?) as usize;
    if manifest_len > MANIFEST_BYTES_MAX {
        return Err(Refusal::OutOfBounds("manifest length"));
    }
    let body_len = u64::from_le_bytes(*take(&mut rest)?);
    let body_len = usize::try_from(body_len).ok().filter(|len| *len <= BODY_BYTES_MAX).ok_or(Refusal::OutOfBounds("body length"))?;
    let manifest = split(&mut rest, manifest_len)?;
    let body = split(&mut rest, body_len)?;
    let signatures_len = u32::from_le_bytes(*take(&mut rest)?);
    if signatures_len != 0 {
        return Err(Refusal::NotPlain);
    }
    let digest = take::<32>(&mut rest)?;
    if !rest.is_empty() {
        return Err(Refusal::Torn);
    }
    let sealed = file.len() - digest.len();
    if Digest::of(file.get(..sealed).unwrap_or_default()).as_bytes() != digest {
        return Err(Refusal::Corrupt);
    }
    let manifest = serde_json::from_slice(manifest).map_err(|error| Refusal::Unreadable(format!("manifest, {error}")))?;
    Ok(VerifiedSnapshot { manifest, body })
}

impl VerifiedSnapshot<'_> {
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }
}

pub(super) fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], Refusal> {
    let (head, tail) = rest.split_first_chunk().ok_or(Refusal::Torn)?;
    *rest = tail;
    Ok(head)
}

pub(super) fn split<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8], Refusal> {
    let (head, tail) = rest.split_at_checked(len).ok_or(Refusal::Torn)?;
    *rest = tail;
    Ok(head)
}
