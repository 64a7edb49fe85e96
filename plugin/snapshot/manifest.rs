//! What a snapshot says of itself, in two parts: the manifest, which everybody may read, and the particulars, which stand inside
//! the body and are as secret as the configuration.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::{Format, Need, Proof};
use crate::model::{Cluster, Digest, Epoch, GatewayVersion, Generation, Lineage, Position, UnixMs};

/// Members that this version does not know are passed over: what must not be passed over raises the format's number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub cluster: Cluster,
    /// Whose language the configuration is written in, and thereby the kind of gateway.
    pub format: Format,
    pub gateway_version: GatewayVersion,
    /// `None`: a node sealed it for its own cache, and it is believed nowhere else.
    pub publication: Option<Publication>,
    pub sealed_at: UnixMs,
    /// Who sealed it: a name for people.
    pub sealed_by: String,
    pub encryption: Encryption,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    pub lineage: Lineage,
    pub epoch: Epoch,
    pub generation: Generation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encryption {
    None,
    /// The body is an age v1 file.
    Age,
}

/// The part that an encrypted snapshot hides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Particulars {
    /// Of the configuration's exact bytes.
    pub digest: Digest,
    /// Equal exactly when two configurations configure the same.
    pub sameness: String,
    pub plain_bytes: u64,
    /// Entities per type.
    pub counts: BTreeMap<String, u64>,
    /// When the control plane delivered it, by the exporter's clock.
    pub captured_at: UnixMs,
    pub warnings: Vec<String>,
    /// What a node in fallback still lacks (boot-16).
    pub needs_control_plane: Vec<Need>,
    pub compression: Compression,
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

/// A list of warnings is cut here: it is for people.
const WARNINGS_MAX: usize = 100;

impl Publication {
    pub fn position(&self) -> Position {
        Position { epoch: self.epoch, generation: self.generation }
    }
}

impl Manifest {
    pub(super) fn new(about: &About, format: Format, encryption: Encryption) -> Self {
        Self {
            cluster: about.cluster.clone(),
            format,
            gateway_version: about.gateway_version.clone(),
            publication: about.publication,
            sealed_at: about.sealed_at,
            sealed_by: about.sealed_by.clone(),
            encryption,
        }
    }

    pub fn position(&self) -> Option<Position> {
        self.publication.map(|publication| publication.position())
    }
}

impl Particulars {
    pub(super) fn new(about: &About, proof: &Proof) -> Self {
        Self {
            digest: proof.digest(),
            sameness: proof.sameness().to_owned(),
            plain_bytes: proof.bytes_len(),
            counts: proof.counts().clone(),
            captured_at: about.captured_at,
            warnings: proof.warnings().iter().take(WARNINGS_MAX).cloned().collect(),
            needs_control_plane: proof.needs().to_vec(),
            compression: Compression::Lz4,
        }
    }
}
