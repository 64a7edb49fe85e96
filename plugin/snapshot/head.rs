//! The head: the one small mutable object of a storage. It says what was published, per gateway version, newest first.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::lines::{UnsignedLines, read_lines};
use super::signature::{KeyId, Purpose, Trust};
use super::{Encryption, FORMAT, Particulars, Refusal, Snapshot, keys};
use crate::model::{Cluster, Digest, Epoch, GatewayVersion, Generation, Lineage, Position, UnixMs};

pub const HEAD_BYTES_MAX: u64 = 1024 * 1024;
/// How many generations the head lists per gateway version.
pub const HISTORY_MAX: usize = 20;

/// Members that this version does not know are passed over: what must not be passed over raises the format's number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The number of the orders that its writers obeyed so far.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub orders: u64,
    pub views: BTreeMap<GatewayVersion, View>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// The generation that a new node takes; older ones stand behind it.
    pub good: Option<Position>,
    /// Published, and still to prove itself (export-10).
    pub candidate: Option<Position>,
    /// What the operator wants taken whatever is newer (export-09).
    pub pinned: Option<Position>,
    /// Newest first, at most [`HISTORY_MAX`].
    pub history: Vec<Entry>,
}

/// One published generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub epoch: Epoch,
    pub generation: Generation,
    pub key: String,
    /// Of the snapshot file.
    pub file_digest: Digest,
    pub file_bytes: u64,
    pub sealed_at: UnixMs,
    /// By which keys, for whom: a change of either is a change (export-05). Empty: neither signed nor encrypted.
    pub sealed_as: String,
    /// What encryption hides.
    pub shown: Option<Shown>,
    /// With encryption: equal for two generations exactly when they configure the same, and to be made by the signer only.
    pub sameness_tag: Option<Digest>,
}

/// What the head of an unencrypted history says of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    pub digest: Digest,
    pub sameness: String,
    pub counts: BTreeMap<String, u64>,
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
            orders: 0,
            views: BTreeMap::new(),
        }
    }

    pub fn read(file: &[u8], trust: &Trust) -> Result<Self, Refusal> {
        Self::read_signed(file, trust).map(|(head, _)| head)
    }

    /// And whose signature was believed, if one was asked for.
    pub fn read_signed(file: &[u8], trust: &Trust) -> Result<(Self, Option<KeyId>), Refusal> {
        let (head, signer) = read_lines::<Self>(file, Purpose::Head, trust)?;
        if head.format != FORMAT {
            return Err(Refusal::UnknownFormat(head.format));
        }
        Ok((head, signer))
    }

    pub fn lines(&self) -> Result<UnsignedLines, String> {
        UnsignedLines::of(self)
    }

    /// Where its last writer stood.
    pub fn position(&self) -> Position {
        Position { epoch: self.epoch, generation: self.generation }
    }

    pub fn newest(&self, version: &GatewayVersion) -> Option<&Entry> {
        self.views.get(version)?.history.first()
    }

    /// Puts a generation in front of its version's history. It is good at once.
    pub fn publish(&mut self, version: GatewayVersion, entry: Entry) {
        let view = self.views.entry(version).or_default();
        view.good = Some(entry.position());
        view.candidate = None;
        view.insert(entry);
    }

    /// The same for one that has to prove itself; the first one ever is good at once, for there is no other.
    pub fn publish_candidate(&mut self, version: GatewayVersion, entry: Entry) {
        let view = self.views.entry(version).or_default();
        match view.good {
            None => view.good = Some(entry.position()),
            Some(_) => view.candidate = Some(entry.position()),
        }
        view.insert(entry);
    }

    pub fn view(&self, version: &GatewayVersion) -> Option<&View> {
        self.views.get(version)
    }
}

impl View {
    /// Lets the oldest go, but none that the view still points to.
    fn insert(&mut self, entry: Entry) {
        self.history.insert(0, entry);
        let pointed_to = [self.good, self.pinned];
        let mut nth = 0;
        self.history.retain(|entry| {
            nth += 1;
            nth <= HISTORY_MAX || pointed_to.contains(&Some(entry.position()))
        });
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl View {
    pub fn entry(&self, position: Position) -> Option<&Entry> {
        self.history.iter().find(|entry| entry.position() == position)
    }

    /// A candidate has proven itself, if it is still the one.
    pub fn promote(&mut self, position: Position) -> bool {
        let is_candidate = self.candidate == Some(position);
        if is_candidate {
            self.good = Some(position);
            self.candidate = None;
        }
        is_candidate
    }

    /// What a new node may take, in this order: the pinned one, then the good one and what stands behind it.
    pub fn offered(&self) -> impl Iterator<Item = &Entry> {
        let pinned = self.history.iter().filter(|entry| Some(entry.position()) == self.pinned);
        let good = self.history.iter().filter(|entry| Some(entry.position()) <= self.good && Some(entry.position()) != self.pinned);
        pinned.chain(good)
    }
}

impl Entry {
    /// What a head says of a snapshot; `None` for one that was sealed for no storage.
    pub fn of(snapshot: &Snapshot, sealed_as: String) -> Option<Self> {
        let manifest = snapshot.manifest();
        let position = manifest.position()?;
        let file_digest = snapshot.file_digest();
        let Particulars { digest, sameness, counts, .. } = snapshot.particulars();
        let shown = Shown { digest: *digest, sameness: sameness.clone(), counts: counts.clone() };
        Some(Self {
            epoch: position.epoch,
            generation: position.generation,
            key: keys::snapshot(&manifest.gateway_version, position, file_digest),
            file_digest,
            file_bytes: snapshot.bytes().len() as u64,
            sealed_at: manifest.sealed_at,
            sealed_as,
            shown: Some(shown).filter(|_| manifest.encryption == Encryption::None),
            sameness_tag: None,
        })
    }

    pub fn position(&self) -> Position {
        Position { epoch: self.epoch, generation: self.generation }
    }
}
