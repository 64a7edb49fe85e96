//! Signatures: who sealed a file, and whom a reader believes. Ed25519 over a message that names its purpose, so that a signature
//! of one kind of file is none of another kind.
//!
//! Knows public keys only. Whoever has a private one signs in the host's hands.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::VerifyingKey;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Refusal;
use crate::model::{Digest, hex};

/// An Ed25519 public key. Its text is `ed25519:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

/// The first eight bytes of a public key's BLAKE3 digest: tells keys apart, proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 8]);

/// A signature, and whose it says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    pub key: KeyId,
    pub bytes: [u8; 64],
}

/// What a signature is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    Snapshot,
    Head,
    Lease,
    Orders,
    BreakGlass,
    /// Of no file: the signer's own way to a number that nobody else can make (`policy/export/publish.rs`).
    Sameness,
}

/// The public keys a reader believes. Without any, files are believed as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust(Vec<PublicKey>);

/// A text that is no public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKeyError;

const KEY_PREFIX: &str = "ed25519:";

impl PublicKey {
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub fn id(&self) -> KeyId {
        let mut id = [0; 8];
        for (byte, of_digest) in id.iter_mut().zip(Digest::of(&self.0).as_bytes()) {
            *byte = *of_digest;
        }
        KeyId(id)
    }

    fn holds(&self, message: &[u8], signature: &Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.bytes);
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }
}

impl KeyId {
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    pub fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl Purpose {
    pub const ALL: [Self; 6] = [Self::Snapshot, Self::Head, Self::Lease, Self::Orders, Self::BreakGlass, Self::Sameness];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Head => "head",
            Self::Lease => "lease",
            Self::Orders => "orders",
            Self::BreakGlass => "break-glass",
            Self::Sameness => "sameness",
        }
    }

    /// What is signed: the purpose, then the digest of what the file says.
    pub fn message(self, digest: Digest) -> Vec<u8> {
        let mut message = format!("holdover v1 {}\n", self.as_str()).into_bytes();
        message.extend_from_slice(digest.as_bytes());
        message
    }
}

impl Trust {
    pub fn new(keys: Vec<PublicKey>) -> Self {
        Self(keys)
    }

    /// Believes what it reads: for files that this node wrote itself.
    pub fn unasked() -> Self {
        Self::default()
    }

    pub fn is_configured(&self) -> bool {
        !self.0.is_empty()
    }

    pub fn keys(&self) -> &[PublicKey] {
        &self.0
    }

    /// Whose signature it is that is believed; `None` when none is asked for. One that claims a trusted key and is not of it spoils
    /// the others: somebody tampered.
    pub fn check(&self, purpose: Purpose, digest: Digest, signatures: &[Signature]) -> Result<Option<KeyId>, Refusal> {
        if !self.is_configured() {
            return Ok(None);
        }
        if signatures.is_empty() {
            return Err(Refusal::Unsigned);
        }
        let message = purpose.message(digest);
        let mut signer = None;
        for signature in signatures {
            let Some(key) = self.0.iter().find(|key| key.id() == signature.key) else { continue };
            if !key.holds(&message, signature) {
                return Err(Refusal::BadSignature(signature.key));
            }
            signer = signer.or(Some(signature.key));
        }
        match signer {
            Some(signer) => Ok(Some(signer)),
            None => Err(Refusal::UntrustedSigner(signatures.iter().map(|signature| signature.key).collect())),
        }
    }
}

impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<Self, PublicKeyError> {
        let bytes = text.strip_prefix(KEY_PREFIX).and_then(hex::parse).ok_or(PublicKeyError)?;
        // A text that is no point of the curve verifies nothing: better said at once.
        VerifyingKey::from_bytes(&bytes).map_err(|_| PublicKeyError)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(KEY_PREFIX)?;
        hex::write(f, &self.0)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(f, &self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key:{self}")
    }
}

impl fmt::Display for PublicKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a public key is 'ed25519:' and 64 hexadecimal digits, as `holdover keygen` prints it")
    }
}

impl std::error::Error for PublicKeyError {}

/// As it stands in the last lines of a head: `ed25519:<key id>:<signature>`.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{KEY_PREFIX}{}:", self.key)?;
        hex::write(f, &self.bytes)
    }
}

impl Signature {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (key, bytes) = text.strip_prefix(KEY_PREFIX)?.split_once(':')?;
        Some(Self { key: KeyId(hex::parse(key)?), bytes: hex::parse(bytes)? })
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        hex::parse(&text).map(Self).ok_or_else(|| serde::de::Error::custom("a key id is 16 hexadecimal digits"))
    }
}
