//! The manifest: what a snapshot says of itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::{Format, Proof};
use crate::model::{Cluster, Digest, Epoch, GatewayVersion, Generation, Lineage, Position, UnixMs};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub cluster: Cluster,
    pub format: Format,
    pub gateway_version: GatewayVersion,
    /// `None`: a node sealed it for its own cache, and it is believed nowhere else.
    pub publication: Option<Publication>,
    /// Of the configuration's exact bytes.
    pub digest: Digest,
    /// Equal exactly when two configurations configure the same.
    pub sameness: String,
    pub plain_bytes: u64,
    /// Entities per type.
    pub counts: BTreeMap<String, u64>,
    /// When the control plane delivered it, by the exporter's clock.
    pub captured_at: UnixMs,
    pub sealed_at: UnixMs,
    /// Who sealed it: a name for people.
    pub sealed_by: String,
    pub warnings: Vec<String>,
    pub compression: Compression,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publication {
    pub lineage: Lineage,
    pub epoch: Epoch,
    pub generation: Generation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// The LZ4 frame format; `lz4 -d` reads it.
    Lz4,
}

/// What the sealer knows besides the configuration.
#[derive(Clone, Debug)]
pub struct About {
    pub cluster: Cluster,
    pub gateway_version: GatewayVersion,
    pub publication: Option<Publication>,
    pub captured_at: UnixMs,
    pub sealed_at: UnixMs,
    pub sealed_by: String,
}

impl Publication {
    pub fn position(&self) -> Position {
        Position { epoch: self.epoch, generation: self.generation }
    }
}

impl Manifest {
    pub(super) fn new(about: About, proof: &Proof) -> Self {
        Self {
            cluster: about.cluster,
            format: proof.format(),
            gateway_version: about.gateway_version,
            publication: about.publication,
            digest: proof.digest(),
            sameness: proof.sameness().to_owned(),
            plain_bytes: proof.bytes_len(),
            counts: proof.counts().clone(),
            captured_at: about.captured_at,
            sealed_at: about.sealed_at,
            sealed_by: about.sealed_by,
            warnings: proof.warnings().to_vec(),
            compression: Compression::Lz4,
        }
    }
}
