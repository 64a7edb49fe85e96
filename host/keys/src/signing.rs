//! The key that seals: an Ed25519 private key, written as `ed25519-private:` and 64 hexadecimal digits.

use std::fmt::{self, Write};
use std::path::Path;

use ed25519_dalek::Signer;
use holdover_age::{key_lines, random_bytes};
use holdover_plugin::model::{Digest, hex};
use holdover_plugin::snapshot::{KeyId, PublicKey, Purpose, Signature};
use zeroize::Zeroizing;

use crate::file::read_secret;

const PREFIX: &str = "ed25519-private:";
const HOW: &str = "name a file with one line 'ed25519-private:' and 64 hexadecimal digits, as `holdover keygen signing` writes it";

/// Erased when it goes out of use, and never printed.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    pub fn generate() -> Result<Self, String> {
        let bytes = random_bytes()?;
        Ok(Self(ed25519_dalek::SigningKey::from_bytes(&bytes)))
    }

    /// `Err` is the rest of a sentence about the file.
    pub fn read(path: &Path) -> Result<Self, String> {
        Self::parse(&read_secret(path)?)
    }

    /// The text of a key file: one key, comments allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut keys = key_lines(text);
        let (first, second) = (keys.next(), keys.next());
        if second.is_some() {
            return Err("it holds more than one key or line, and a node signs with one; keep one line".into());
        }
        let digits = first.and_then(|line| line.strip_prefix(PREFIX));
        let bytes = digits.and_then(bytes_of).ok_or(HOW)?;
        Ok(Self(ed25519_dalek::SigningKey::from_bytes(&bytes)))
    }

    pub fn public(&self) -> PublicKey {
        PublicKey::from_bytes(self.0.verifying_key().to_bytes())
    }

    pub fn id(&self) -> KeyId {
        self.public().id()
    }

    pub fn sign(&self, purpose: Purpose, digest: Digest) -> Signature {
        Signature { key: self.id(), bytes: self.0.sign(&purpose.message(digest)).to_bytes() }
    }

    /// The text of a key file. It is the key: for a file that nobody else may read, and nowhere else.
    pub fn expose(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + 64));
        text.push_str(PREFIX);
        for byte in self.0.as_bytes() {
            let _infallible = write!(text, "{byte:02x}");
        }
        text
    }
}

fn bytes_of(digits: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut bytes = Zeroizing::new([0; 32]);
    hex::parse_into(digits, bytes.as_mut_slice())?;
    Some(bytes)
}

/// Says which key it is and nothing of it.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, …)", self.id())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use holdover_plugin::snapshot::{Refusal, Trust};

    use super::*;

    #[test]
    fn a_key_reads_back_from_its_own_text_and_from_a_file_with_comments() {
        let key = SigningKey::generate().unwrap();
        assert_eq!(SigningKey::parse(&key.expose()).unwrap().public(), key.public());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, format!("# made today\n\n{}\n", key.expose().as_str())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(SigningKey::read(&path).unwrap().id(), key.id());
        assert_ne!(SigningKey::generate().unwrap().public(), key.public());
    }

    #[test]
    fn what_is_no_single_key_is_refused_without_being_repeated() {
        let key = SigningKey::generate().unwrap().expose();
        let digits = key.strip_prefix(PREFIX).unwrap();
        for text in [
            String::new(),
            "# nothing".into(),
            digits.to_owned(),
            format!("{PREFIX}{}", &digits[1..]),
            format!("{}0", key.as_str()),
            format!("{PREFIX}{}", digits.to_uppercase().replace(char::is_numeric, "A")),
            format!("ed25519:{digits}"),
            format!("{}\n{}", key.as_str(), key.as_str()),
            format!("{}\n{}", key.as_str(), "rest"),
        ] {
            let sentence = SigningKey::parse(&text).unwrap_err();
            assert!(sentence.contains("line") && !sentence.contains(digits) && !sentence.contains(&digits[1..]), "{sentence}");
        }
    }

    #[test]
    fn a_signature_holds_for_its_purpose_and_digest_and_for_nothing_else() {
        let key = SigningKey::generate().unwrap();
        let trust = Trust::new(vec![key.public()]);
        let digest = Digest::of(b"manifest");
        let signature = key.sign(Purpose::Head, digest);
        assert_eq!(trust.check(Purpose::Head, digest, &[signature]), Ok(Some(key.id())));
        for purpose in Purpose::ALL.into_iter().filter(|purpose| *purpose != Purpose::Head) {
            assert_eq!(trust.check(purpose, digest, &[signature]), Err(Refusal::BadSignature(key.id())), "{purpose:?}");
        }
        assert_eq!(trust.check(Purpose::Head, Digest::of(b"another"), &[signature]), Err(Refusal::BadSignature(key.id())));
        let stranger = Trust::new(vec![SigningKey::generate().unwrap().public()]);
        assert_eq!(stranger.check(Purpose::Head, digest, &[signature]), Err(Refusal::UntrustedSigner(vec![key.id()])));
    }

    #[test]
    fn no_formatting_prints_a_key() {
        let key = SigningKey::generate().unwrap();
        let secret = key.expose();
        let printed = format!("{key:?} {key:#?} {:?}", Some(&key));
        assert!(!printed.contains(secret.strip_prefix(PREFIX).unwrap()), "{printed}");
    }
}
