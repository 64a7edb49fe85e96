//! What the host holds for the policy: configurations and fetched files, each with where it came from (host-01).

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use holdover_plugin::model::{Digest, UnixMs};
use holdover_plugin::policy::capabilities::Etag;
use holdover_plugin::snapshot::cached::CachedOrigin;
use holdover_plugin::snapshot::{self, Trust};

use crate::Unsealing;

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

/// What the host itself asks of a snapshot before it makes a configuration of it, whatever the policy found (host-01).
#[derive(Clone)]
pub struct Gate {
    /// Who may seal what comes from outside.
    pub trusted: Trust,
    pub keys: Arc<dyn Unsealing>,
    pub has_identity: bool,
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

    /// For an exporter's own disk: what the control plane delivered to an earlier process and is not yet published. It is never applied.
    pub fn delivered_earlier(bytes: Bytes) -> Self {
        Self::delivered(bytes)
    }

    /// Verifies and opens a snapshot natively, whatever the policy already found. A cache entry is unwrapped first, and only
    /// a cache entry may hold a snapshot that this node sealed itself, which nobody signs.
    pub fn open(object: &Object, gate: &Gate) -> Result<Self, String> {
        match object.provenance {
            Provenance::Storage | Provenance::Bundle => Self::unseal(&object.bytes, &gate.trusted, gate, true),
            Provenance::Cache => {
                let cached = snapshot::cached::unwrap(&object.bytes).map_err(|refusal| refusal.to_string())?;
                match cached.header.origin {
                    CachedOrigin::Storage => Self::unseal(cached.snapshot, &gate.trusted, gate, true),
                    CachedOrigin::ControlPlane => Self::unseal(cached.snapshot, &Trust::unasked(), gate, false),
                    CachedOrigin::KongPlace => {
                        gate.knows_no_key()?;
                        Self::unseal(cached.snapshot, &Trust::unasked(), gate, false)
                    }
                }
            }
        }
    }

    /// A plain object in Kong's documented place: there is no seal to check, so it is taken only where no key is known.
    pub fn adopt(object: &Object, gate: &Gate) -> Result<Self, String> {
        gate.knows_no_key()?;
        match object.provenance {
            Provenance::Storage => Ok(Self::delivered(object.bytes.clone())),
            Provenance::Cache | Provenance::Bundle => Err("only a storage has Kong's documented place".into()),
        }
    }

    fn unseal(sealed: &[u8], trust: &Trust, gate: &Gate, published: bool) -> Result<Self, String> {
        let verified = snapshot::verify(sealed, trust).map_err(|refusal| refusal.to_string())?;
        if verified.manifest().publication.is_some() != published {
            return Err("the snapshot does not stand where it belongs: a node's own is for its cache, a published one for all".into());
        }
        let key = match verified.wrapped().map_err(|refusal| refusal.to_string())? {
            None => None,
            Some(wrapped) => Some(gate.keys.unwrap(wrapped).map_err(|failure| failure.to_string())?),
        };
        let opened = verified.open(key.as_ref()).map_err(|refusal| refusal.to_string())?;
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

impl Gate {
    fn knows_no_key(&self) -> Result<(), String> {
        match self.trusted.is_configured() || self.has_identity {
            true => Err("legacy-would-downgrade: what nobody sealed is not taken by a node that has keys".into()),
            false => Ok(()),
        }
    }
}

/// Keys are not printed.
impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("trusted", &self.trusted).field("has_identity", &self.has_identity).finish_non_exhaustive()
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
