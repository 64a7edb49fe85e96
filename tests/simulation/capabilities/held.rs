//! The two kinds of things the world holds for the policy, each with where it came from (host-01).

use std::rc::Rc;

use holdover_plugin::model::{Digest, GatewayVersion, Lineage, Position};
use holdover_plugin::policy::capabilities::{Body, Slot, StorageId};
use holdover_plugin::snapshot::cached::{self, CachedOrigin};
use holdover_plugin::snapshot::{self, Trust};

use super::super::documents::Said;
use super::super::storage::Bytes;

pub struct Config {
    pub bytes: Bytes,
    pub digest: Digest,
    pub source: Source,
}

/// Where a configuration came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Delivery,
    /// A snapshot that was opened here.
    Opened {
        from: Provenance,
        gateway_version: GatewayVersion,
        published: Option<(Lineage, Position)>,
    },
    /// A plain file that nobody sealed.
    KongPlace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    Storage(StorageId),
    Cache(Slot),
}

#[derive(Clone)]
pub struct Object {
    pub bytes: Bytes,
    /// As many as were promised; fewer may arrive.
    pub promised: u64,
    /// The source fails half-way.
    pub breaks_off: bool,
    pub from: Provenance,
}

impl Config {
    pub fn delivered(said: Said) -> Self {
        let document = said.document();
        Self { bytes: Rc::from(document.bytes.as_slice()), digest: document.digest, source: Source::Delivery }
    }

    /// The host's own gate: verified and opened natively, whatever the policy found.
    pub fn open(object: &Object, trusted: &Trust) -> Result<Self, String> {
        match object.from {
            Provenance::Storage(_) => Self::unseal(&object.bytes, trusted, object.from, true),
            Provenance::Cache(_) => {
                let cached = cached::unwrap(&object.bytes).map_err(|refusal| refusal.to_string())?;
                match cached.header.origin {
                    CachedOrigin::Storage => Self::unseal(cached.snapshot, trusted, object.from, true),
                    CachedOrigin::ControlPlane | CachedOrigin::KongPlace => {
                        Self::unseal(cached.snapshot, &Trust::unasked(), object.from, false)
                    }
                }
            }
        }
    }

    fn unseal(sealed: &[u8], trusted: &Trust, from: Provenance, published: bool) -> Result<Self, String> {
        let verified = snapshot::verify(sealed, trusted).map_err(|refusal| refusal.to_string())?;
        let manifest = verified.manifest();
        if manifest.publication.is_some() != published {
            return Err("the snapshot does not stand where it belongs".into());
        }
        let gateway_version = manifest.gateway_version.clone();
        let published = manifest.publication.map(|publication| (publication.lineage, publication.position()));
        let opened = verified.open(None).map_err(|refusal| refusal.to_string())?;
        let digest = opened.digest();
        Ok(Self { bytes: opened.into_bytes().into(), digest, source: Source::Opened { from, gateway_version, published } })
    }
}

impl Object {
    pub fn whole(bytes: Bytes, from: Provenance) -> Self {
        Self { promised: bytes.len() as u64, bytes, breaks_off: false, from }
    }
}

impl Body for Config {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    async fn read(&self) -> Result<Vec<u8>, String> {
        Ok(self.bytes.to_vec())
    }
}

impl Body for Object {
    fn size(&self) -> u64 {
        self.promised
    }

    async fn read(&self) -> Result<Vec<u8>, String> {
        if self.breaks_off { Err("the connection broke off".into()) } else { Ok(self.bytes.to_vec()) }
    }
}
