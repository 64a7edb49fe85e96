//! What is damaged: one configuration, sealed in each of the four ways, with the keys of one that publishes and one that reads.

use std::fmt::Write;
use std::sync::Arc;

use holdover_keys::{Identity, KeyRing, SigningKey};
use holdover_plugin::config::{self, Format, Strictness};
use holdover_plugin::model::{Digest, UnixMs};
use holdover_plugin::policy::capabilities::NotUnwrapped;
use holdover_plugin::snapshot::cached::{self, CachedOrigin, Found, Header};
use holdover_plugin::snapshot::{self, OpenedConfig, Refusal, Trust};
use holdover_ports::Gate;
use holdover_tests::virtual_world::keys::{ring, signing_key, trust};
use holdover_tests::virtual_world::{BEGINNING_UNIX_MS, Published, documents, seal};

/// Of the snapshot that every bit of is flipped.
const BYTES_WANTED: std::ops::RangeInclusive<usize> = 18_000..=22_000;
pub const HISTORY: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    pub signed: bool,
    pub encrypted: bool,
}

pub const KINDS: [Kind; 4] = [
    Kind { signed: false, encrypted: false },
    Kind { signed: true, encrypted: false },
    Kind { signed: false, encrypted: true },
    Kind { signed: true, encrypted: true },
];

pub struct Specimen {
    pub kind: Kind,
    pub exporter: SigningKey,
    pub reader: Identity,
    pub document: Vec<u8>,
    /// Of about 20 kB, and the newest that the head names.
    pub snapshot: Vec<u8>,
    /// It names [`HISTORY`] generations.
    pub head: Vec<u8>,
}

/// Why a file was not used. The host's key ring has its own word for what it cannot unwrap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    Refused(Refusal),
    NotUnwrapped(NotUnwrapped),
}

impl Kind {
    pub fn name(self) -> &'static str {
        match (self.signed, self.encrypted) {
            (false, false) => "plain",
            (true, false) => "signed",
            (false, true) => "encrypted",
            (true, true) => "signed+encrypted",
        }
    }

    pub fn specimen(self) -> Specimen {
        let (exporter, reader) = (signing_key(), Identity::generate().unwrap());
        let mut published = Published::nothing().with(exporting(self, &exporter, &reader));
        for generation in 1..HISTORY {
            published.generation(documents::VERSION, &documents::kong(&format!("generation-{generation}")));
        }
        let document = document();
        let entry = published.generation(documents::VERSION, &document);
        let snapshot = published.file(&entry);
        assert!(BYTES_WANTED.contains(&snapshot.len()), "{}: {} bytes", self.name(), snapshot.len());
        let history = &published.head.views[&documents::VERSION.parse().unwrap()].history;
        assert_eq!(history.len(), HISTORY);
        Specimen { kind: self, exporter, reader, document, snapshot, head: published.head_bytes() }
    }
}

impl Specimen {
    /// What a reader of this kind's files asks of them.
    pub fn trusted(&self) -> Trust {
        if self.kind.signed { trust(&[&self.exporter]) } else { Trust::unasked() }
    }

    pub fn gate(&self) -> Gate {
        let keys = ring(None, &[], Some(&self.reader).filter(|_| self.kind.encrypted));
        Gate { trusted: self.trusted(), has_identity: keys.has_identity(), keys: Arc::new(keys) }
    }

    /// As a node keeps this snapshot in its cache.
    pub fn cached(&self) -> Vec<u8> {
        cache_entry(CachedOrigin::Storage, &self.snapshot, &self.document)
    }
}

/// What an exporter of this kind seals with.
pub fn exporting(kind: Kind, exporter: &SigningKey, reader: &Identity) -> KeyRing {
    let recipients: &[&Identity] = if kind.encrypted { &[reader] } else { &[] };
    ring(Some(exporter).filter(|_| kind.signed), recipients, None)
}

/// As a node keeps what its control plane delivered: sealed by itself, signed by nobody.
pub fn own_cache_entry() -> Vec<u8> {
    let document = document();
    let sealed = seal(&document, documents::VERSION, None, "test");
    cache_entry(CachedOrigin::ControlPlane, sealed.bytes(), &document)
}

pub fn cache_entry(origin: CachedOrigin, snapshot: &[u8], document: &[u8]) -> Vec<u8> {
    let proof = config::validate(document.to_vec(), Format::Kong, Strictness::Delivered).unwrap().into_proof();
    let found = Found::now(Digest::of(snapshot), proof);
    let mut entry = cached::wrap(&Header { origin, kept_at: UnixMs(BEGINNING_UNIX_MS), found }).unwrap();
    entry.extend_from_slice(snapshot);
    entry
}

/// All stations up to *open*, as the policy goes through them.
pub fn open(file: &[u8], gate: &Gate) -> Result<OpenedConfig, Why> {
    let verified = snapshot::verify(file, &gate.trusted).map_err(Why::Refused)?;
    let key = match verified.wrapped().map_err(Why::Refused)? {
        None => None,
        Some(wrapped) => Some(gate.keys.unwrap(wrapped).map_err(Why::NotUnwrapped)?),
    };
    verified.open(key.as_ref()).map_err(Why::Refused)
}

/// Names that look random do not compress: the snapshot is nearly as long as they are.
fn document() -> Vec<u8> {
    let mut services = String::new();
    for number in 0u32..222 {
        let name = Digest::of(&number.to_le_bytes());
        let comma = if number == 0 { "" } else { "," };
        let (host, path) = (&name.to_string()[..40], &name.to_string()[40..]);
        write!(services, r#"{comma}{{"name":"{name}","host":"{host}.internal","routes":[{{"name":"r{number}","paths":["/{path}"]}}]}}"#)
            .unwrap();
    }
    format!(r#"{{"_format_version":"3.0","services":[{services}]}}"#).into_bytes()
}
