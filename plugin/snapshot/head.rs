//! The head: the one small mutable object of a storage. It says what was published, per gateway version, newest first.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Refusal, read_lines, write_lines};
use crate::model::{Cluster, Digest, Epoch, GatewayVersion, Generation, Lineage, Position, UnixMs};

pub const HEAD_BYTES_MAX: u64 = 1024 * 1024;
/// How many generations the head lists per gateway version.
pub const HISTORY_MAX: usize = 20;
const FORMAT: u16 = 0;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    format: u16,
    pub cluster: Cluster,
    pub lineage: Lineage,
    /// Of the leader that wrote last.
    pub epoch: Epoch,
    /// The last one given, over all versions.
    pub generation: Generation,
    /// When a leader last knew that this is what the control plane says.
    pub confirmed_at: UnixMs,
    /// Who wrote it: a name for people.
    pub writer: String,
    /// Of this write: tells one's own lost answer from somebody else's write.
    pub nonce: u64,
    pub views: BTreeMap<GatewayVersion, View>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// Newest first, at most [`HISTORY_MAX`].
    pub history: Vec<Entry>,
}

/// One published generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub epoch: Epoch,
    pub generation: Generation,
    pub key: String,
    /// Of the snapshot file.
    pub file_digest: Digest,
    pub file_bytes: u64,
    /// Of the configuration inside.
    pub digest: Digest,
    pub sameness: String,
    pub counts: BTreeMap<String, u64>,
    pub sealed_at: UnixMs,
}

impl Head {
    pub fn first(cluster: Cluster, lineage: Lineage) -> Self {
        Self {
            format: FORMAT,
            cluster,
            lineage,
            epoch: Epoch::default(),
            generation: Generation::default(),
            confirmed_at: UnixMs::default(),
            writer: String::new(),
            nonce: 0,
            views: BTreeMap::new(),
        }
    }

    pub fn read(file: &[u8]) -> Result<Self, Refusal> {
        let head: Self = read_lines(file)?;
        if head.format != FORMAT {
            return Err(Refusal::UnknownFormat(head.format));
        }
        Ok(head)
    }

    pub fn write(&self) -> Result<Vec<u8>, String> {
        write_lines(self)
    }

    pub fn newest(&self, version: &GatewayVersion) -> Option<&Entry> {
        self.views.get(version)?.history.first()
    }

    /// Puts a generation in front of its version's history and lets the oldest go.
    pub fn publish(&mut self, version: GatewayVersion, entry: Entry) {
        let history = &mut self.views.entry(version).or_default().history;
        history.insert(0, entry);
        history.truncate(HISTORY_MAX);
    }
}

impl Entry {
    pub fn position(&self) -> Position {
        Position { epoch: self.epoch, generation: self.generation }
    }
}
