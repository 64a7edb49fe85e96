//! A snapshot file taken apart and put together otherwise: the hands of somebody who knows the format.

use holdover_keys::SigningKey;
use holdover_plugin::model::Digest;
use holdover_plugin::snapshot::{Purpose, Signature};
use serde_json::Value;

pub const DIGEST_BYTES: usize = 32;
pub const MANIFEST_LENGTH_AT: usize = 10;
pub const BODY_LENGTH_AT: usize = 14;
pub const MANIFEST_AT: usize = 22;

/// What stands in a file, free of its lengths, signatures and digest.
#[derive(Clone, Debug)]
pub struct Parts {
    pub manifest: Vec<u8>,
    pub body: Vec<u8>,
}

/// What stands in a body that is not encrypted.
#[derive(Clone, Debug)]
pub struct Body {
    pub magic: [u8; 4],
    pub particulars: Vec<u8>,
    /// The LZ4 frame.
    pub frame: Vec<u8>,
}

impl Parts {
    pub fn of(file: &[u8]) -> Self {
        let body_at = MANIFEST_AT + number(&file[MANIFEST_LENGTH_AT..BODY_LENGTH_AT]);
        Self { manifest: file[MANIFEST_AT..body_at].to_vec(), body: file[body_at..content_end(file)].to_vec() }
    }

    /// Everything that is signed.
    pub fn content(&self) -> Vec<u8> {
        let mut content = b"HOLDOVER\x01\x00".to_vec();
        content.extend_from_slice(&(self.manifest.len() as u32).to_le_bytes());
        content.extend_from_slice(&(self.body.len() as u64).to_le_bytes());
        content.extend_from_slice(&self.manifest);
        content.extend_from_slice(&self.body);
        content
    }

    pub fn signature(&self, key: &SigningKey, purpose: Purpose) -> Signature {
        key.sign(purpose, Digest::of(&self.content()))
    }

    pub fn signed(&self, key: &SigningKey) -> Vec<u8> {
        self.file(&[self.signature(key, Purpose::Snapshot)])
    }

    pub fn file(&self, signatures: &[Signature]) -> Vec<u8> {
        self.file_counting(signatures.len() as u16, signatures)
    }

    /// With this for the number of signatures.
    pub fn file_counting(&self, count: u16, signatures: &[Signature]) -> Vec<u8> {
        let mut file = self.content();
        file.extend_from_slice(&count.to_le_bytes());
        for signature in signatures {
            file.extend_from_slice(signature.key.as_bytes());
            file.extend_from_slice(&signature.bytes);
        }
        file.extend_from_slice(Digest::of(&file).as_bytes());
        file
    }
}

impl Body {
    pub fn of(body: &[u8]) -> Self {
        let frame_at = 8 + number(&body[4..8]);
        Self { magic: body[..4].try_into().unwrap(), particulars: body[8..frame_at].to_vec(), frame: body[frame_at..].to_vec() }
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.bytes_counting(self.particulars.len() as u32)
    }

    /// With this for the length of the particulars.
    pub fn bytes_counting(&self, length: u32) -> Vec<u8> {
        let mut bytes = self.magic.to_vec();
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&self.particulars);
        bytes.extend_from_slice(&self.frame);
        bytes
    }

    /// Says something else in the particulars.
    pub fn say(&mut self, member: &str, value: Value) {
        let mut particulars: Value = serde_json::from_slice(&self.particulars).unwrap();
        particulars[member] = value;
        self.particulars = serde_json::to_vec(&particulars).unwrap();
    }
}

/// Where the signatures begin.
pub fn content_end(file: &[u8]) -> usize {
    let (manifest, body) = (number(&file[MANIFEST_LENGTH_AT..BODY_LENGTH_AT]), number(&file[BODY_LENGTH_AT..MANIFEST_AT]));
    MANIFEST_AT + manifest + body
}

/// Writes the digest at the end anew.
pub fn reseal(file: &mut [u8]) {
    let (before, digest) = file.split_at_mut(file.len() - DIGEST_BYTES);
    digest.copy_from_slice(Digest::of(before).as_bytes());
}

fn number(little_endian: &[u8]) -> usize {
    little_endian.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
}
