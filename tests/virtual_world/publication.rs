//! What an exporter leaves in a storage: snapshots and a head, made with the plugin's own code, and forgeries of them.

use std::collections::BTreeMap;

use holdover_plugin::config::{self, Format, Strictness};
use holdover_plugin::model::{Digest, Epoch, Lineage, Position, UnixMs};
use holdover_plugin::snapshot::head::{Entry, Head};
use holdover_plugin::snapshot::{self, About, Manifest, Publication, Snapshot, keys};

use super::{BEGINNING_UNIX_MS, VirtualStorage};

pub const CLUSTER: &str = "test";
pub const EXPORTER: &str = "exporter-1";

/// A head with the files that it names, newest last.
#[derive(Clone)]
pub struct Published {
    pub head: Head,
    files: BTreeMap<String, Vec<u8>>,
}

/// What a forged snapshot says or holds that it should not.
pub struct Forgery {
    pub manifest: Manifest,
    pub body: Vec<u8>,
}

impl Published {
    pub fn nothing() -> Self {
        Self::of_cluster(CLUSTER)
    }

    pub fn of_cluster(cluster: &str) -> Self {
        let mut head = Head::first(cluster.parse().unwrap(), Lineage::from_random(1, 2));
        head.epoch = Epoch(1);
        head.confirmed_at = UnixMs(BEGINNING_UNIX_MS);
        head.writer = EXPORTER.to_owned();
        Self { head, files: BTreeMap::new() }
    }

    /// The next generation, as an exporter would publish it.
    pub fn generation(&mut self, version: &str, document: &[u8]) -> Entry {
        let snapshot = seal(document, version, Some(self.next()), self.head.cluster.as_str());
        self.name(version, &snapshot, snapshot.bytes().to_vec())
    }

    /// The next generation, with `damaged` where its file should be; the head names what was sealed.
    pub fn damaged(&mut self, version: &str, document: &[u8], damaged: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Entry {
        let snapshot = seal(document, version, Some(self.next()), self.head.cluster.as_str());
        self.name(version, &snapshot, damaged(snapshot.bytes().to_vec()))
    }

    /// The next generation, forged before it was published: the head names the forged file.
    pub fn forged(&mut self, version: &str, document: &[u8], change: impl FnOnce(&mut Forgery)) -> Entry {
        let snapshot = seal(document, version, Some(self.next()), self.head.cluster.as_str());
        let file = forge(snapshot.bytes(), change);
        let mut entry = self.entry(version, &snapshot);
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
        self.head.write().unwrap()
    }

    fn next(&self) -> Position {
        Position { epoch: self.head.epoch, generation: self.head.generation.next() }
    }

    fn name(&mut self, version: &str, snapshot: &Snapshot, file: Vec<u8>) -> Entry {
        let entry = self.entry(version, snapshot);
        self.publish(version, entry, file)
    }

    fn entry(&self, version: &str, snapshot: &Snapshot) -> Entry {
        let position = self.next();
        let manifest = snapshot.manifest();
        Entry {
            epoch: position.epoch,
            generation: position.generation,
            key: keys::snapshot(&version.parse().unwrap(), position, snapshot.file_digest()),
            file_digest: snapshot.file_digest(),
            file_bytes: snapshot.bytes().len() as u64,
            digest: manifest.digest,
            sameness: manifest.sameness.clone(),
            counts: manifest.counts.clone(),
            sealed_at: manifest.sealed_at,
        }
    }

    fn publish(&mut self, version: &str, entry: Entry, file: Vec<u8>) -> Entry {
        self.head.generation = entry.generation;
        self.files.insert(entry.key.clone(), file);
        self.head.publish(version.parse().unwrap(), entry.clone());
        entry
    }
}

/// Seals a Kong document; without a position, as a node seals for its own cache.
pub fn seal(document: &[u8], version: &str, position: Option<Position>, cluster: &str) -> Snapshot {
    let valid = config::validate(document.to_vec(), Format::Kong, Strictness::Delivered);
    let lineage = Lineage::from_random(1, 2);
    let about = About {
        cluster: cluster.parse().unwrap(),
        gateway_version: version.parse().unwrap(),
        publication: position.map(|Position { epoch, generation }| Publication { lineage, epoch, generation }),
        captured_at: UnixMs(BEGINNING_UNIX_MS),
        sealed_at: UnixMs(BEGINNING_UNIX_MS),
        sealed_by: EXPORTER.to_owned(),
    };
    snapshot::seal(valid.unwrap_or_else(|invalid| panic!("the document is invalid: {invalid}")), about).unwrap()
}

/// Takes a snapshot apart, changes it, and puts it together under a digest that holds.
pub fn forge(file: &[u8], change: impl FnOnce(&mut Forgery)) -> Vec<u8> {
    const PREFIX: usize = 22;
    const TRAILER: usize = 36;
    let manifest_bytes = u32::from_le_bytes(file[10..14].try_into().unwrap()) as usize;
    let mut forgery = Forgery {
        manifest: serde_json::from_slice(&file[PREFIX..PREFIX + manifest_bytes]).unwrap(),
        body: file[PREFIX + manifest_bytes..file.len() - TRAILER].to_vec(),
    };
    change(&mut forgery);
    let manifest = serde_json::to_vec(&forgery.manifest).unwrap();
    let mut forged = file[..10].to_vec();
    forged.extend_from_slice(&(manifest.len() as u32).to_le_bytes());
    forged.extend_from_slice(&(forgery.body.len() as u64).to_le_bytes());
    forged.extend_from_slice(&manifest);
    forged.extend_from_slice(&forgery.body);
    forged.extend_from_slice(&0u32.to_le_bytes());
    let digest = Digest::of(&forged);
    forged.extend_from_slice(digest.as_bytes());
    forged
}
