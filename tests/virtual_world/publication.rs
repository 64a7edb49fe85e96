//! What an exporter leaves in a storage: snapshots and a head, made with the plugin's own code, and forgeries of them.

use std::collections::BTreeMap;

use holdover_keys::KeyRing;
use holdover_plugin::config::{self, Format, Strictness};
use holdover_plugin::model::{Digest, Epoch, Lineage, Position, UnixMs};
use holdover_plugin::snapshot::head::{Entry, Head};
use holdover_plugin::snapshot::{self, About, Manifest, Particulars, Publication, Purpose, Snapshot, keys};
use holdover_ports::Sealing;

use super::{BEGINNING_UNIX_MS, VirtualStorage};

pub const CLUSTER: &str = "test";
pub const EXPORTER: &str = "exporter-1";

/// A head with the files that it names, newest last.
#[derive(Clone)]
pub struct Published {
    pub head: Head,
    ring: KeyRing,
    files: BTreeMap<String, Vec<u8>>,
}

/// What a forged snapshot says or holds that it should not.
pub struct Forgery {
    pub manifest: Manifest,
    pub particulars: Particulars,
    /// The LZ4 frame.
    pub body: Vec<u8>,
}

/// The lineage of everything that is published without another word.
pub fn lineage() -> Lineage {
    Lineage::from_random(1, 2)
}

impl Published {
    pub fn nothing() -> Self {
        Self::of(CLUSTER, lineage())
    }

    pub fn of(cluster: &str, lineage: Lineage) -> Self {
        let mut head = Head::first(cluster.parse().unwrap(), lineage);
        head.epoch = Epoch(1);
        head.confirmed_at = UnixMs(BEGINNING_UNIX_MS);
        head.writer = EXPORTER.to_owned();
        Self { head, ring: KeyRing::default(), files: BTreeMap::new() }
    }

    /// Whatever is published and whatever head is written from then on is signed, and encrypted, with these.
    pub fn with(mut self, ring: KeyRing) -> Self {
        self.ring = ring;
        self
    }

    /// The next generation, as an exporter would publish it.
    pub fn generation(&mut self, version: &str, document: &[u8]) -> Entry {
        let snapshot = self.seal(version, document);
        self.name(version, &snapshot, snapshot.bytes().to_vec())
    }

    /// The next generation, with `damaged` where its file should be; the head names what was sealed.
    pub fn damaged(&mut self, version: &str, document: &[u8], damaged: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Entry {
        let snapshot = self.seal(version, document);
        self.name(version, &snapshot, damaged(snapshot.bytes().to_vec()))
    }

    /// The next generation, forged before it was published: the head names the forged file, which nobody signed.
    pub fn forged(&mut self, version: &str, document: &[u8], change: impl FnOnce(&mut Forgery)) -> Entry {
        let snapshot = seal(document, version, Some(self.next()), self.head.cluster.as_str());
        let file = forge(snapshot.bytes(), change);
        let mut entry = self.entry(&snapshot);
        entry.file_digest = Digest::of(&file);
        entry.file_bytes = file.len() as u64;
        self.publish(version, entry, file)
    }

    pub fn put_on(&self, storage: &VirtualStorage) {
        for (key, file) in &self.files {
            storage.hold(key, file.clone());
        }
        storage.hold(keys::HEAD, self.head_bytes());
    }

    pub fn file(&self, entry: &Entry) -> Vec<u8> {
        self.files.get(&entry.key).cloned().expect("the head names files that are there")
    }

    pub fn head_bytes(&self) -> Vec<u8> {
        let lines = self.head.lines().unwrap();
        let signatures = self.ring.sign(Purpose::Head, lines.digest()).unwrap();
        lines.sign(&signatures)
    }

    fn next(&self) -> Position {
        Position { epoch: self.head.epoch, generation: self.head.generation.next() }
    }

    fn seal(&self, version: &str, document: &[u8]) -> Snapshot {
        let Position { epoch, generation } = self.next();
        let publication = Publication { lineage: self.head.lineage, epoch, generation };
        seal_with(&self.ring, document, version, Some(publication), self.head.cluster.as_str())
    }

    fn name(&mut self, version: &str, snapshot: &Snapshot, file: Vec<u8>) -> Entry {
        let entry = self.entry(snapshot);
        self.publish(version, entry, file)
    }

    fn entry(&self, snapshot: &Snapshot) -> Entry {
        Entry::of(snapshot, self.ring.sealed_as()).expect("it was sealed for a place")
    }

    fn publish(&mut self, version: &str, entry: Entry, file: Vec<u8>) -> Entry {
        self.head.generation = entry.generation;
        self.files.insert(entry.key.clone(), file);
        self.head.publish(version.parse().unwrap(), entry.clone());
        entry
    }
}

/// Seals a Kong document plainly; without a position, as a node seals for its own cache.
pub fn seal(document: &[u8], version: &str, position: Option<Position>, cluster: &str) -> Snapshot {
    let publication = position.map(|Position { epoch, generation }| Publication { lineage: lineage(), epoch, generation });
    seal_with(&KeyRing::default(), document, version, publication, cluster)
}

pub fn seal_with(ring: &KeyRing, document: &[u8], version: &str, publication: Option<Publication>, cluster: &str) -> Snapshot {
    let valid = config::validate(document.to_vec(), Format::Kong, Strictness::Delivered);
    let about = About {
        cluster: cluster.parse().unwrap(),
        gateway_version: version.parse().unwrap(),
        publication,
        captured_at: UnixMs(BEGINNING_UNIX_MS),
        sealed_at: UnixMs(BEGINNING_UNIX_MS),
        sealed_by: EXPORTER.to_owned(),
    };
    let wrapping = ring.wrap().unwrap();
    let unsigned = snapshot::seal(valid.unwrap_or_else(|invalid| panic!("the document is invalid: {invalid}")), &about, wrapping.as_ref());
    let unsigned = unsigned.unwrap();
    let signatures = ring.sign(Purpose::Snapshot, unsigned.digest()).unwrap();
    unsigned.sign(&signatures).unwrap()
}

/// Takes an unsigned, unencrypted snapshot apart, changes it, and puts it together under a digest that holds.
pub fn forge(file: &[u8], change: impl FnOnce(&mut Forgery)) -> Vec<u8> {
    const PREFIX: usize = 22;
    const TRAILER: usize = 2 + 32;
    let length = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
    let body_at = PREFIX + length(10);
    let frame_at = body_at + 8 + length(body_at + 4);
    let mut forgery = Forgery {
        manifest: serde_json::from_slice(&file[PREFIX..body_at]).unwrap(),
        particulars: serde_json::from_slice(&file[body_at + 8..frame_at]).unwrap(),
        body: file[frame_at..file.len() - TRAILER].to_vec(),
    };
    change(&mut forgery);
    let manifest = serde_json::to_vec(&forgery.manifest).unwrap();
    let particulars = serde_json::to_vec(&forgery.particulars).unwrap();
    let body_bytes = 8 + particulars.len() + forgery.body.len();
    let mut forged = file[..10].to_vec();
    forged.extend_from_slice(&(manifest.len() as u32).to_le_bytes());
    forged.extend_from_slice(&(body_bytes as u64).to_le_bytes());
    forged.extend_from_slice(&manifest);
    forged.extend_from_slice(&file[body_at..body_at + 4]);
    forged.extend_from_slice(&(particulars.len() as u32).to_le_bytes());
    forged.extend_from_slice(&particulars);
    forged.extend_from_slice(&forgery.body);
    forged.extend_from_slice(&0u16.to_le_bytes());
    let digest = Digest::of(&forged);
    forged.extend_from_slice(digest.as_bytes());
    forged
}
