//! A cache entry: a snapshot's bytes as they are, behind a header that says where they came from (boot-03) and what was found of
//! them, so that an unchanged configuration is not looked through again at every start.
//!
//! ```text
//! 0   8  magic "HOLDCACH"
//! 8   2  format number: 1
//! 10  4  header length H
//! 14  H  header, JSON
//!    32  BLAKE3-256 of everything before
//!     …  the snapshot, which carries its own digest
//! ```

use serde::{Deserialize, Serialize};

use super::layout::{split, take};
use super::{FORMAT, Refusal};
use crate::config::{Proof, VALIDATOR};
use crate::model::{Digest, UnixMs};
use crate::witness::{Station, passed};

const MAGIC: &[u8; 8] = b"HOLDCACH";
const HEADER_BYTES_MAX: usize = 1024 * 1024;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub origin: CachedOrigin,
    pub kept_at: UnixMs,
    pub found: Found,
}

/// Who sealed the snapshot in a cache entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CachedOrigin {
    /// An exporter: these are the published bytes.
    Storage,
    /// This node, of what its control plane delivered.
    ControlPlane,
    /// This node, of what it found in Kong's documented place (export-13).
    KongPlace,
}

/// What a validator found of the snapshot behind the header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Which validator it was: another one's word does not count.
    validator: String,
    /// Of the snapshot file that it looked into.
    file_digest: Digest,
    proof: Proof,
}

#[derive(Debug)]
pub struct Cached<'a> {
    pub header: Header,
    pub snapshot: &'a [u8],
}

impl Found {
    pub fn now(file_digest: Digest, proof: Proof) -> Self {
        Self { validator: VALIDATOR.to_owned(), file_digest, proof }
    }

    /// Of the configuration inside.
    pub fn digest(&self) -> Digest {
        self.proof.digest()
    }

    /// Whoever found it and of whichever file: to compare with, not to believe.
    pub fn proof(&self) -> &Proof {
        &self.proof
    }

    /// What is still known of this snapshot, if this very validator looked into this very file.
    pub fn covers(self, file_digest: Digest) -> Option<Proof> {
        (self.validator == VALIDATOR && self.file_digest == file_digest).then_some(self.proof)
    }
}

/// Whether a file begins as a cache entry of any format.
pub fn is_cache_entry(file: &[u8]) -> bool {
    file.starts_with(MAGIC)
}

/// The bytes that go in front of the snapshot.
pub fn wrap(header: &Header) -> Result<Vec<u8>, String> {
    let json = serde_json::to_vec(header).map_err(|error| error.to_string())?;
    let mut front = Vec::with_capacity(14 + json.len() + 32);
    front.extend_from_slice(MAGIC);
    front.extend_from_slice(&FORMAT.to_le_bytes());
    front.extend_from_slice(&(json.len() as u32).to_le_bytes());
    front.extend_from_slice(&json);
    let digest = Digest::of(&front);
    front.extend_from_slice(digest.as_bytes());
    Ok(front)
}

pub fn unwrap(file: &[u8]) -> Result<Cached<'_>, Refusal> {
    let mut rest = file;
    if take::<8>(&mut rest)? != MAGIC {
        return Err(Refusal::NotOurs);
    }
    let format = u16::from_le_bytes(*take(&mut rest)?);
    if format != FORMAT {
        return Err(Refusal::UnknownFormat(format));
    }
    let header_len = u32::from_le_bytes(*take(&mut rest)?) as usize;
    if header_len > HEADER_BYTES_MAX {
        return Err(Refusal::OutOfBounds("header length"));
    }
    let header = split(&mut rest, header_len)?;
    let front_len = file.len() - rest.len();
    let digest = take::<32>(&mut rest)?;
    if Digest::of(file.get(..front_len).unwrap_or_default()).as_bytes() != digest {
        return Err(Refusal::Corrupt);
    }
    passed(Station::Parse);
    let header = serde_json::from_slice(header).map_err(|error| Refusal::Unreadable(format!("header, {error}")))?;
    Ok(Cached { header, snapshot: rest })
}
