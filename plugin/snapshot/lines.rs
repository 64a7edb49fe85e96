//! The shape of small mutable files: one line of JSON, a line per signature, and one line with the BLAKE3 digest of all lines before
//! it. Anything else is refused.
//!
//! ```text
//! {"format":1,…}
//! ed25519:<key id>:<signature of the first line's digest>
//! blake3:<digest of everything above>
//! ```

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Refusal;
use super::signature::{KeyId, Purpose, Signature, Trust};
use crate::model::Digest;
use crate::witness::{Station, passed};

const DIGEST_PREFIX: &str = "blake3:";
/// `blake3:`, 64 digits and the end of the line.
const DIGEST_LINE_BYTES: usize = 7 + 64 + 1;
const SIGNATURES_MAX: usize = 16;

/// The first line, not yet signed.
#[derive(Debug)]
pub struct UnsignedLines(Vec<u8>);

impl UnsignedLines {
    pub fn of<T: Serialize>(value: &T) -> Result<Self, String> {
        serde_json::to_vec(value).map(Self).map_err(|error| error.to_string())
    }

    /// What a signature is asked for.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }

    /// The whole file.
    pub fn sign(self, signatures: &[Signature]) -> Vec<u8> {
        let mut file = self.0;
        file.push(b'\n');
        for signature in signatures {
            file.extend_from_slice(format!("{signature}\n").as_bytes());
        }
        let digest = Digest::of(&file);
        file.extend_from_slice(format!("{DIGEST_PREFIX}{digest}\n").as_bytes());
        file
    }
}

/// A file of this node's own, which nobody signs.
pub(crate) fn write_own_lines<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
    Ok(UnsignedLines::of(value)?.sign(&[]))
}

/// Checks the digest, then the signature, and only then reads the first line.
pub(crate) fn read_lines<T: DeserializeOwned>(file: &[u8], purpose: Purpose, trust: &Trust) -> Result<(T, Option<KeyId>), Refusal> {
    if file.first() != Some(&b'{') {
        return Err(Refusal::NotOurs);
    }
    let (above, digest_line) = file.len().checked_sub(DIGEST_LINE_BYTES).and_then(|at| file.split_at_checked(at)).ok_or(Refusal::Torn)?;
    let said = std::str::from_utf8(digest_line).ok().and_then(|line| line.strip_suffix('\n')?.strip_prefix(DIGEST_PREFIX)?.parse().ok());
    if said != Some(Digest::of(above)) {
        return Err(Refusal::Corrupt);
    }
    let (line, rest) = split_line(above).ok_or(Refusal::Torn)?;
    let signatures = signatures(rest)?;
    let signer = trust.check(purpose, Digest::of(line), &signatures)?;
    passed(Station::Parse);
    let value = serde_json::from_slice(line).map_err(|error| Refusal::Unreadable(error.to_string()))?;
    Ok((value, signer))
}

/// A file of this node's own.
pub(crate) fn read_own_lines<T: DeserializeOwned>(file: &[u8]) -> Result<T, Refusal> {
    read_lines(file, Purpose::Head, &Trust::unasked()).map(|(value, _)| value)
}

fn signatures(mut rest: &[u8]) -> Result<Vec<Signature>, Refusal> {
    let mut signatures = Vec::new();
    while !rest.is_empty() {
        let (line, after) = split_line(rest).ok_or(Refusal::Torn)?;
        let signature = std::str::from_utf8(line).ok().and_then(Signature::parse).ok_or(Refusal::UnknownLine)?;
        if signatures.len() == SIGNATURES_MAX {
            return Err(Refusal::OutOfBounds("number of signatures"));
        }
        signatures.push(signature);
        rest = after;
    }
    Ok(signatures)
}

fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((bytes.get(..end)?, bytes.get(end + 1..)?))
}
