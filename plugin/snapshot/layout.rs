//! The bytes of a snapshot file, and station *verify*. docs/format.md has the whole table.
//!
//! ```text
//! 0   8  magic "HOLDOVER"
//! 8   2  format number, little-endian like every number here: 1
//! 10  4  manifest length M
//! 14  8  body length B
//! 22  M  manifest, JSON
//!     B  body
//!     2  number of signatures S
//!  72 S  signatures: key id, 8 bytes; Ed25519 signature, 64 bytes
//!    32  BLAKE3-256 of everything before
//! ```
//!
//! What is signed is the BLAKE3-256 of everything before the number of signatures. Every length is bounded before it is believed,
//! and every byte stands under the digest. Nothing is parsed, decrypted or decompressed before digest and signature hold (boot-06).

use super::encryption;
use super::signature::{KeyId, Purpose, Signature, Trust};
use super::{Encryption, FORMAT, Manifest, Refusal};
use crate::config::CONFIG_BYTES_MAX;
use crate::model::Digest;
use crate::witness::{Station, passed};

const MAGIC: &[u8; 8] = b"HOLDOVER";
const MANIFEST_BYTES_MAX: usize = 64 * 1024;
pub(super) const PARTICULARS_BYTES_MAX: usize = 1024 * 1024;
/// LZ4 may grow what does not compress, and encryption grows it again, each by less than this.
const BODY_BYTES_MAX: usize = CONFIG_BYTES_MAX + 2 * (CONFIG_BYTES_MAX / 128) + PARTICULARS_BYTES_MAX;
const PREFIX_BYTES: usize = 22;
const SIGNATURES_MAX: usize = 16;
const SIGNATURE_BYTES: usize = 8 + 64;
const TRAILER_BYTES: usize = 2 + SIGNATURES_MAX * SIGNATURE_BYTES + 32;

/// The longest snapshot file that is ever fetched.
pub const FILE_BYTES_MAX: u64 = (PREFIX_BYTES + MANIFEST_BYTES_MAX + BODY_BYTES_MAX + TRAILER_BYTES) as u64;

/// A snapshot whose seal holds. Only [`verify`] makes one.
#[derive(Debug)]
pub struct VerifiedSnapshot<'a> {
    pub(super) manifest: Manifest,
    pub(super) body: &'a [u8],
    file_digest: Digest,
    signer: Option<KeyId>,
}

/// Whether a file begins as a snapshot of any format.
pub fn is_snapshot(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Everything before the signatures, and what is to be signed.
#[derive(Debug)]
pub(super) struct Content {
    bytes: Vec<u8>,
    hasher: blake3::Hasher,
}

impl Content {
    pub fn new(manifest: &[u8], body: &[u8]) -> Result<Self, String> {
        if manifest.len() > MANIFEST_BYTES_MAX || body.len() > BODY_BYTES_MAX {
            return Err(format!("the snapshot would have {} bytes, which no reader would believe", manifest.len() + body.len()));
        }
        let mut bytes = Vec::with_capacity(PREFIX_BYTES + manifest.len() + body.len() + 2 + SIGNATURE_BYTES + 32);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&(manifest.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
        bytes.extend_from_slice(manifest);
        bytes.extend_from_slice(body);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&bytes);
        Ok(Self { bytes, hasher })
    }

    pub fn digest(&self) -> Digest {
        digest(&self.hasher)
    }

    /// The whole file, and its digest.
    pub fn finish(mut self, signatures: &[Signature]) -> Result<(Vec<u8>, Digest), String> {
        let count = u16::try_from(signatures.len()).ok().filter(|count| usize::from(*count) <= SIGNATURES_MAX);
        let count = count.ok_or_else(|| format!("a snapshot carries at most {SIGNATURES_MAX} signatures"))?;
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(&count.to_le_bytes());
        for signature in signatures {
            self.bytes.extend_from_slice(signature.key.as_bytes());
            self.bytes.extend_from_slice(&signature.bytes);
        }
        self.hasher.update(self.bytes.get(begin..).unwrap_or_default());
        let seal = self.digest();
        self.bytes.extend_from_slice(seal.as_bytes());
        self.hasher.update(seal.as_bytes());
        let file_digest = self.digest();
        Ok((self.bytes, file_digest))
    }
}

fn digest(hasher: &blake3::Hasher) -> Digest {
    Digest::from_bytes(*hasher.finalize().as_bytes())
}

/// Checks lengths, digest and signature, and only then reads the manifest.
pub fn verify<'a>(file: &'a [u8], trust: &Trust) -> Result<VerifiedSnapshot<'a>, Refusal> {
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
    let content_len = file.len() - rest.len();
    let signatures = signatures(&mut rest)?;
    let sealed_len = file.len() - rest.len();
    let seal = take::<32>(&mut rest)?;
    if !rest.is_empty() {
        return Err(Refusal::Torn);
    }
    // One pass over the file gives all three: what was signed, what was sealed, and the name of the whole.
    let mut hasher = blake3::Hasher::new();
    hasher.update(file.get(..content_len).unwrap_or_default());
    let content = digest(&hasher);
    hasher.update(file.get(content_len..sealed_len).unwrap_or_default());
    if digest(&hasher).as_bytes() != seal {
        return Err(Refusal::Corrupt);
    }
    hasher.update(seal);
    let file_digest = digest(&hasher);
    let signer = trust.check(Purpose::Snapshot, content, &signatures)?;
    passed(Station::Parse);
    let manifest: Manifest = serde_json::from_slice(manifest).map_err(|error| Refusal::Unreadable(format!("manifest, {error}")))?;
    Ok(VerifiedSnapshot { manifest, body, file_digest, signer })
}

fn signatures(rest: &mut &[u8]) -> Result<Vec<Signature>, Refusal> {
    let count = usize::from(u16::from_le_bytes(*take(rest)?));
    if count > SIGNATURES_MAX {
        return Err(Refusal::OutOfBounds("number of signatures"));
    }
    let mut signatures = Vec::with_capacity(count);
    for _ in 0..count {
        let key = KeyId::from_bytes(*take(rest)?);
        signatures.push(Signature { key, bytes: *take(rest)? });
    }
    Ok(signatures)
}

impl VerifiedSnapshot<'_> {
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Of the whole file: what a head names.
    pub fn file_digest(&self) -> Digest {
        self.file_digest
    }

    /// Whose signature was believed; `None` when none was asked for.
    pub fn signer(&self) -> Option<KeyId> {
        self.signer
    }

    /// What the host unwraps for the payload's key; `None` for a body that everybody may read.
    pub fn wrapped(&self) -> Result<Option<&[u8]>, Refusal> {
        match self.manifest.encryption {
            Encryption::None => Ok(None),
            Encryption::Age => encryption::split(self.body).map(|(wrapped, _)| Some(wrapped)),
        }
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
