//! What the world knows of keys: a real key ring, whom it trusts, and how often it was asked to open something.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use holdover_keys::{Identity, KeyRing, KeySettings, SigningKey};
use holdover_plugin::model::Digest;
use holdover_plugin::snapshot::{PayloadKey, Purpose, Signature, Trust, Wrapping};
use holdover_ports::{Gate, NotUnwrapped, Sealing, Unsealing};

#[derive(Default)]
pub struct VirtualKeys {
    ring: Mutex<KeyRing>,
    trusted: Mutex<Trust>,
    operators: Mutex<Trust>,
    unwraps: AtomicUsize,
}

impl VirtualKeys {
    pub fn has(&self, ring: KeyRing) {
        *self.ring.lock().unwrap() = ring;
    }

    /// Nobody else is believed from then on.
    pub fn trusts(&self, keys: &[&SigningKey]) {
        *self.trusted.lock().unwrap() = trust(keys);
    }

    pub fn obeys(&self, operators: &[&SigningKey]) {
        *self.operators.lock().unwrap() = trust(operators);
    }

    pub fn trusted(&self) -> Trust {
        self.trusted.lock().unwrap().clone()
    }

    pub fn operators(&self) -> Trust {
        self.operators.lock().unwrap().clone()
    }

    pub fn has_identity(&self) -> bool {
        self.ring.lock().unwrap().has_identity()
    }

    pub fn sealed_as(&self) -> String {
        self.ring.lock().unwrap().sealed_as()
    }

    /// How often something was to be opened.
    pub fn unwraps(&self) -> usize {
        self.unwraps.load(Ordering::Relaxed)
    }

    pub(super) fn gate(self: &Arc<Self>) -> Gate {
        Gate { trusted: self.trusted(), keys: self.clone(), has_identity: self.has_identity() }
    }
}

impl Sealing for VirtualKeys {
    fn sign(&self, purpose: Purpose, digest: Digest) -> Result<Vec<Signature>, String> {
        self.ring.lock().unwrap().sign(purpose, digest)
    }

    fn wrap(&self) -> Result<Option<Wrapping>, String> {
        self.ring.lock().unwrap().wrap()
    }
}

impl Unsealing for VirtualKeys {
    fn unwrap(&self, wrapped: &[u8]) -> Result<PayloadKey, NotUnwrapped> {
        self.unwraps.fetch_add(1, Ordering::Relaxed);
        self.ring.lock().unwrap().unwrap(wrapped)
    }
}

pub fn trust(keys: &[&SigningKey]) -> Trust {
    Trust::new(keys.iter().map(|key| key.public()).collect())
}

pub fn signing_key() -> SigningKey {
    SigningKey::generate().unwrap()
}

/// A ring as an exporter's or an importer's settings make it, through real files.
pub fn ring(signing: Option<&SigningKey>, recipients: &[&Identity], identity: Option<&Identity>) -> KeyRing {
    let folder = tempfile::tempdir().unwrap();
    let keep = |name: &str, text: &str| {
        let path = folder.path().join(name);
        holdover_keys::keep_private(&path, text).unwrap();
        path
    };
    let settings = KeySettings {
        signing_key: signing.map(|key| keep("signing", &key.expose())),
        recipients: recipients.iter().map(|identity| identity.recipient().to_string()).collect(),
        identity: identity.map(|identity| keep("identity", &identity.expose())),
    };
    KeyRing::open(&settings).unwrap()
}
