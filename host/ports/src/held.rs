//! What the host holds for the policy: configurations and fetched files, each with where it came from (host-01).

use bytes::Bytes;
use holdover_plugin::model::{Digest, UnixMs};
use holdover_plugin::policy::capabilities::Etag;
use holdover_plugin::snapshot;

/// A configuration that may be applied. There are two ways to one: a control plane delivered it, or the host opened a
/// snapshot itself.
#[derive(Clone, Debug)]
pub struct Config {
    bytes: Bytes,
    digest: Digest,
}

/// A file as fetched: nothing is known of it but its bytes and where they came from.
#[derive(Clone)]
pub struct Object {
    bytes: Bytes,
    provenance: Provenance,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    Storage,
    Cache,
    Bundle,
}

/// An object with what the storage said of it.
#[derive(Clone, Debug)]
pub struct Fetched {
    pub bytes: Bytes,
    pub etag: Option<Etag>,
    /// The storage's own clock, from its Date header.
    pub date: Option<UnixMs>,
}

impl Config {
    /// For control plane adapters: what the control plane sent, byte for byte.
    pub fn delivered(bytes: Bytes) -> Self {
        let digest = Digest::of(&bytes);
        Self { bytes, digest }
    }

    /// Verifies and opens a snapshot natively, whatever the policy already found. A cache entry is unwrapped first, and only
    /// a cache entry may hold a snapshot that this node sealed itself.
    pub fn open(object: &Object) -> Result<Self, String> {
        let sealed = match object.provenance {
            Provenance::Cache => snapshot::cached::unwrap(&object.bytes).map_err(|refusal| refusal.to_string())?.snapshot,
            Provenance::Storage | Provenance::Bundle => &object.bytes,
        };
        let verified = snapshot::verify(sealed).map_err(|refusal| refusal.to_string())?;
        if verified.manifest().publication.is_none() && object.provenance != Provenance::Cache {
            return Err("the snapshot was never published: a node sealed it for its own cache".into());
        }
        let opened = verified.open().map_err(|refusal| refusal.to_string())?;
        let digest = opened.digest();
        Ok(Self { bytes: Bytes::from(opened.into_bytes()), digest })
    }

    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub fn digest(&self) -> Digest {
        self.digest
    }
}

impl Object {
    pub fn new(bytes: Bytes, provenance: Provenance) -> Self {
        Self { bytes, provenance }
    }

    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}
