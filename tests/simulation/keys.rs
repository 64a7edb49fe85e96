//! Signing keys of a seed: fixed ones, for a seed is the same everywhere. A rotation is the exporters signing with the next key, which
//! everybody trusts already.

use std::cell::Cell;
use std::sync::LazyLock;

use holdover_keys::SigningKey;
use holdover_plugin::model::Digest;
use holdover_plugin::snapshot::{Purpose, Signature, Trust};

pub struct Keys {
    signing: bool,
    rotated: Cell<bool>,
}

static EXPORTERS: LazyLock<[SigningKey; 2]> = LazyLock::new(|| [key(1), key(2)]);
static OPERATOR: LazyLock<SigningKey> = LazyLock::new(|| key(3));

impl Keys {
    pub fn new(signing: bool) -> Self {
        Self { signing, rotated: Cell::new(false) }
    }

    pub fn rotate(&self) {
        self.rotated.set(true);
    }

    pub fn is_signing(&self) -> bool {
        self.signing
    }

    pub fn sign(&self, purpose: Purpose, digest: Digest) -> Vec<Signature> {
        if self.signing { vec![EXPORTERS[usize::from(self.rotated.get())].sign(purpose, digest)] } else { Vec::new() }
    }

    pub fn sign_as_operator(&self, purpose: Purpose, digest: Digest) -> Vec<Signature> {
        if self.signing { vec![OPERATOR.sign(purpose, digest)] } else { Vec::new() }
    }

    pub fn trusted(&self) -> Trust {
        match self.signing {
            true => Trust::new(EXPORTERS.iter().map(SigningKey::public).collect()),
            false => Trust::default(),
        }
    }

    pub fn operators(&self) -> Trust {
        if self.signing { Trust::new(vec![OPERATOR.public()]) } else { Trust::default() }
    }

    pub fn sealed_as(&self) -> String {
        match (self.signing, self.rotated.get()) {
            (false, _) => String::new(),
            (true, false) => "first".into(),
            (true, true) => "second".into(),
        }
    }
}

fn key(nth: u8) -> SigningKey {
    SigningKey::parse(&format!("ed25519-private:{}", format!("{nth:02x}").repeat(32))).expect("64 hexadecimal digits are a key")
}
