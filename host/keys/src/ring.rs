//! A node's keys together: what the settings name, opened. Made again when they are to be read again.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use holdover_age::{self as age, Identity, Recipient};
use holdover_plugin::model::Digest;
use holdover_plugin::snapshot::{PayloadKey, PublicKey, Purpose, Signature, Wrapping};
use holdover_ports::{NotUnwrapped, Sealing, Unsealing};

use crate::identity::read_identities;
use crate::signing::SigningKey;

/// What the settings say of keys.
#[derive(Clone, Debug, Default)]
pub struct KeySettings {
    /// `holdover_signing_key`.
    pub signing_key: Option<PathBuf>,
    /// `holdover_recipients`, each as text.
    pub recipients: Vec<String>,
    /// `holdover_identity`.
    pub identity: Option<PathBuf>,
}

/// Empty by default: seals plainly, opens nothing.
#[derive(Clone, Default)]
pub struct KeyRing {
    signing: Option<SigningKey>,
    /// Sorted, each once: the order in which they were written is nobody's business.
    recipients: BTreeSet<Recipient>,
    identities: Vec<Identity>,
}

impl KeyRing {
    /// Reads the files. Each `Err` is a sentence that names its setting, and none holds a byte of a key.
    pub fn open(settings: &KeySettings) -> Result<Self, Vec<String>> {
        let mut wrong = Vec::new();
        let mut ring = Self::default();
        if let Some(path) = &settings.signing_key {
            match SigningKey::read(path) {
                Ok(key) => ring.signing = Some(key),
                Err(why) => wrong.push(format!("holdover_signing_key = '{}': {why}", path.display())),
            }
        }
        for text in &settings.recipients {
            match text.parse::<Recipient>() {
                Ok(recipient) => drop(ring.recipients.insert(recipient)),
                Err(why) => wrong.push(format!("holdover_recipients: {why}")),
            }
        }
        if let Some(path) = &settings.identity {
            match read_identities(path) {
                Ok(identities) => ring.identities = identities,
                Err(why) => wrong.push(format!("holdover_identity = '{}': {why}", path.display())),
            }
        }
        if wrong.is_empty() { Ok(ring) } else { Err(wrong) }
    }

    /// Of the key that seals, when there is one.
    pub fn public(&self) -> Option<PublicKey> {
        self.signing.as_ref().map(SigningKey::public)
    }

    pub fn has_identity(&self) -> bool {
        !self.identities.is_empty()
    }

    /// The node itself as a recipient: of its first identity, so that others may retire behind it.
    pub fn own_recipient(&self) -> Option<Recipient> {
        self.identities.first().map(Identity::recipient)
    }

    /// By which key and for whom this node seals; empty when neither. The same keys give the same text.
    pub fn sealed_as(&self) -> String {
        let mut parts = Vec::new();
        if let Some(key) = &self.signing {
            parts.push(format!("ed25519:{}", key.id()));
        }
        if !self.recipients.is_empty() {
            let texts: Vec<String> = self.recipients.iter().map(Recipient::to_string).collect();
            parts.push(format!("age:{}", Digest::of(texts.join("\n").as_bytes()).short()));
        }
        parts.join(" ")
    }
}

impl Sealing for KeyRing {
    fn sign(&self, purpose: Purpose, digest: Digest) -> Result<Vec<Signature>, String> {
        Ok(self.signing.iter().map(|key| key.sign(purpose, digest)).collect())
    }

    fn wrap(&self) -> Result<Option<Wrapping>, String> {
        if self.recipients.is_empty() {
            return Ok(None);
        }
        let recipients: Vec<Recipient> = self.recipients.iter().copied().collect();
        age::wrap(&recipients).map(Some)
    }
}

impl Unsealing for KeyRing {
    fn unwrap(&self, wrapped: &[u8]) -> Result<PayloadKey, NotUnwrapped> {
        age::unwrap(&self.identities, wrapped)
    }
}

/// Public parts and counts only.
impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("signs_as", &self.signing.as_ref().map(SigningKey::id))
            .field("recipients", &self.recipients.len())
            .field("identities", &self.identities.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use std::path::Path;

    use holdover_plugin::snapshot::Trust;

    use super::*;
    use crate::file::keep_private;

    #[test]
    fn a_ring_without_keys_signs_nothing_wraps_nothing_and_opens_nothing() {
        let ring = KeyRing::open(&KeySettings::default()).unwrap();
        assert_eq!(ring.sign(Purpose::Head, Digest::of(b"head")), Ok(Vec::new()));
        assert!(ring.wrap().unwrap().is_none() && !ring.has_identity() && ring.own_recipient().is_none());
        assert_eq!(Unsealing::unwrap(&ring, b"age-encryption.org/v1\n"), Err(NotUnwrapped::NoIdentity));
        assert_eq!((ring.sealed_as(), ring.public()), (String::new(), None));
    }

    #[test]
    fn a_ring_signs_wraps_and_opens_with_the_keys_of_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let ring = KeyRing::open(&settings(folder.path())).unwrap();
        let digest = Digest::of(b"head");
        let signatures = ring.sign(Purpose::Head, digest).unwrap();
        let trust = Trust::new(vec![ring.public().unwrap()]);
        assert_eq!(trust.check(Purpose::Head, digest, &signatures), Ok(Some(ring.public().unwrap().id())));
        let wrapping = ring.wrap().unwrap().unwrap();
        assert_eq!(Unsealing::unwrap(&ring, &wrapping.wrapped), Ok(wrapping.key));
    }

    #[test]
    fn how_a_node_seals_is_one_text_whatever_the_order_of_recipients() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(folder.path());
        let other = Identity::generate().unwrap().recipient().to_string();
        settings.recipients.push(other.clone());
        let sealed_as = |settings: &KeySettings| KeyRing::open(settings).unwrap().sealed_as();
        let both = sealed_as(&settings);
        settings.recipients.reverse();
        settings.recipients.push(other);
        assert_eq!(sealed_as(&settings), both);
        settings.recipients.truncate(1);
        assert_ne!(sealed_as(&settings), both);
        settings.recipients.clear();
        let signed_only = sealed_as(&settings);
        assert_eq!(signed_only, format!("ed25519:{}", KeyRing::open(&settings).unwrap().public().unwrap().id()));
        settings.signing_key = None;
        assert_eq!(sealed_as(&settings), "");
    }

    #[test]
    fn every_bad_key_is_named_at_once_and_none_is_printed() {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::generate().unwrap().expose();
        let path = folder.path().join("swapped");
        keep_private(&path, &identity).unwrap();
        let settings =
            KeySettings { signing_key: Some(path), recipients: vec![identity.to_string()], identity: Some("/no/such/file".into()) };
        let wrong = KeyRing::open(&settings).unwrap_err();
        let expected = ["holdover_signing_key = '/", "holdover_recipients: ", "holdover_identity = '/no/such/file': "];
        assert!(wrong.len() == 3 && wrong.iter().zip(expected).all(|(wrong, begin)| wrong.starts_with(begin)), "{wrong:?}");
        assert!(!wrong.concat().contains(&identity[16..]), "{wrong:?}");
    }

    #[test]
    fn no_formatting_prints_a_key_of_the_ring() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        let ring = KeyRing::open(&settings).unwrap();
        let printed = format!("{ring:?}{ring:#?}");
        for file in [settings.signing_key.unwrap(), settings.identity.unwrap()] {
            let secret = std::fs::read_to_string(file).unwrap();
            assert!(!printed.contains(secret.get(16..40).unwrap()), "{printed}");
        }
    }

    fn settings(folder: &Path) -> KeySettings {
        let (signing_key, identity) = (folder.join("signing"), folder.join("identity"));
        let own = Identity::generate().unwrap();
        keep_private(&signing_key, &SigningKey::generate().unwrap().expose()).unwrap();
        keep_private(&identity, &own.expose()).unwrap();
        KeySettings { signing_key: Some(signing_key), recipients: vec![own.recipient().to_string()], identity: Some(identity) }
    }
}
