//! Station *seal*: a valid configuration becomes a snapshot, and its plain bytes are given back.

use std::io::Write;

use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

use super::{About, Manifest, layout};
use crate::config::ValidConfig;
use crate::model::Digest;

/// A sealed file, not yet anywhere.
#[derive(Debug)]
pub struct Snapshot {
    bytes: Vec<u8>,
    manifest: Manifest,
}

pub fn seal(config: ValidConfig, about: About) -> Result<Snapshot, String> {
    let (plain, proof) = config.into_parts();
    let manifest = Manifest::new(about, &proof);
    let body = compress(&plain)?;
    drop(plain);
    let head = serde_json::to_vec(&manifest).map_err(|error| format!("the manifest cannot be written: {error}"))?;
    Ok(Snapshot { bytes: layout::assemble(&head, &body), manifest })
}

fn compress(plain: &[u8]) -> Result<Vec<u8>, String> {
    // Linked blocks look back as far as LZ4 can, whatever their size; larger ones would only take more memory.
    let frame = FrameInfo::new().block_size(BlockSize::Max256KB).block_mode(BlockMode::Linked).content_size(Some(plain.len() as u64));
    let mut encoder = FrameEncoder::with_frame_info(frame, Vec::with_capacity(plain.len() / 4));
    encoder.write_all(plain).map_err(|error| format!("the configuration cannot be compressed: {error}"))?;
    encoder.finish().map_err(|error| format!("the configuration cannot be compressed: {error}"))
}

impl Snapshot {
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Of the whole file: what the head names.
    pub fn file_digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
