//! Station *seal*: a valid configuration becomes a snapshot, and its plain bytes are given back.
//!
//! ```text
//! ValidConfig ─ compress ─(encrypt)─► Unsigned ─ sign ─► Snapshot
//! ```

use std::io::Write;

use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

use super::encryption::{self, Wrapping};
use super::layout::Content;
use super::open::SKIPPABLE;
use super::signature::Signature;
use super::{About, Encryption, Manifest, Particulars};
use crate::config::ValidConfig;
use crate::model::Digest;

/// Sealed against accidents, and not yet signed.
#[derive(Debug)]
pub struct Unsigned {
    content: Content,
    manifest: Manifest,
    particulars: Particulars,
}

/// A sealed file, not yet anywhere.
#[derive(Debug)]
pub struct Snapshot {
    bytes: Vec<u8>,
    file_digest: Digest,
    manifest: Manifest,
    particulars: Particulars,
}

/// With a wrapping, only its recipients will read more than the manifest. The error is a sentence.
pub fn seal(config: ValidConfig, about: &About, wrapping: Option<&Wrapping>) -> Result<Unsigned, String> {
    let (plain, proof) = config.into_parts();
    let particulars = Particulars::new(about, &proof);
    let mut body = body(&plain, &particulars)?;
    drop(plain);
    let mut encryption = Encryption::None;
    if let Some(wrapping) = wrapping {
        body = encryption::encrypt(wrapping, &body)?;
        encryption = Encryption::Age;
    }
    let manifest = Manifest::new(about, proof.format(), encryption);
    let head = serde_json::to_vec(&manifest).map_err(|error| format!("the manifest cannot be written: {error}"))?;
    Ok(Unsigned { content: Content::new(&head, &body)?, manifest, particulars })
}

fn body(plain: &[u8], particulars: &Particulars) -> Result<Vec<u8>, String> {
    let json = serde_json::to_vec(particulars).map_err(|error| format!("the particulars cannot be written: {error}"))?;
    let mut body = Vec::with_capacity(8 + json.len() + plain.len() / 4);
    body.extend_from_slice(&SKIPPABLE);
    body.extend_from_slice(&(json.len() as u32).to_le_bytes());
    body.extend_from_slice(&json);
    // Linked blocks look back as far as LZ4 can, whatever their size; larger ones would only take more memory.
    let frame = FrameInfo::new().block_size(BlockSize::Max256KB).block_mode(BlockMode::Linked).content_size(Some(plain.len() as u64));
    let mut encoder = FrameEncoder::with_frame_info(frame, body);
    encoder.write_all(plain).map_err(|error| format!("the configuration cannot be compressed: {error}"))?;
    encoder.finish().map_err(|error| format!("the configuration cannot be compressed: {error}"))
}

impl Unsigned {
    /// What a signature is asked for.
    pub fn digest(&self) -> Digest {
        self.content.digest()
    }

    /// Without any, it is sealed against accidents only.
    pub fn sign(self, signatures: &[Signature]) -> Result<Snapshot, String> {
        let (bytes, file_digest) = self.content.finish(signatures)?;
        Ok(Snapshot { bytes, file_digest, manifest: self.manifest, particulars: self.particulars })
    }
}

impl Snapshot {
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub fn particulars(&self) -> &Particulars {
        &self.particulars
    }

    /// Of the whole file: what the head names.
    pub fn file_digest(&self) -> Digest {
        self.file_digest
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
