//! Identities and recipients as age writes them, in Bech32: `AGE-SECRET-KEY-1…` opens what was encrypted to its `age1…`.

use std::fmt;
use std::str::FromStr;

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32, Hrp};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, Zeroizing};

use crate::key_lines::key_lines;
use crate::random::random_bytes;

const IDENTITY: &str = "age-secret-key-";
const RECIPIENT: &str = "age";
/// An identity that retires stays beside its successor for a while; more than a handful is a mistake.
const IDENTITIES_MAX: usize = 16;

/// Opens. Erased when it goes out of use, and never printed.
#[derive(Clone)]
pub struct Identity(StaticSecret);

/// May open: whom to encrypt to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recipient([u8; 32]);

impl Identity {
    pub fn generate() -> Result<Self, String> {
        Ok(Self(StaticSecret::from(*random_bytes()?)))
    }

    /// Those of an identity file's text, as age writes it. `Err` is the rest of a sentence about the file.
    pub fn parse_file(text: &str) -> Result<Vec<Self>, String> {
        const HOW: &str = "name a file with a line 'AGE-SECRET-KEY-1…', as `holdover keygen identity` writes it";
        let identities: Option<Vec<Self>> = key_lines(text).map(Self::parse).collect();
        let identities = identities.filter(|identities| !identities.is_empty()).ok_or(HOW)?;
        if identities.len() > IDENTITIES_MAX {
            return Err(format!("it holds more than {IDENTITIES_MAX} identities; keep those that are in use"));
        }
        Ok(identities)
    }

    /// `AGE-SECRET-KEY-1…`.
    pub fn parse(text: &str) -> Option<Self> {
        // Of one text only: Bech32 would take lower case as well.
        if text.bytes().any(|byte| byte.is_ascii_lowercase()) {
            return None;
        }
        bytes_of(text, IDENTITY).map(|bytes| Self(StaticSecret::from(*bytes)))
    }

    pub fn recipient(&self) -> Recipient {
        Recipient(PublicKey::from(&self.0).to_bytes())
    }

    pub(crate) fn shared_with(&self, share: &PublicKey) -> x25519_dalek::SharedSecret {
        self.0.diffie_hellman(share)
    }

    /// The text of an identity file. It is the key: for a file that nobody else may read, and nowhere else.
    pub fn expose(&self) -> Zeroizing<String> {
        let mut bytes = self.0.to_bytes();
        let text = Zeroizing::new(text_of(IDENTITY, &bytes));
        bytes.zeroize();
        Zeroizing::new(text.to_ascii_uppercase())
    }
}

impl Recipient {
    pub(crate) fn point(&self) -> PublicKey {
        PublicKey::from(self.0)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for Recipient {
    type Err = String;

    /// The error is what to write, without what was written: it may be an identity, pasted into the wrong place.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.get(..IDENTITY.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(IDENTITY)) {
            return Err("it is a private key, an identity; write its recipient, which begins with 'age1'".into());
        }
        let bytes = bytes_of(text, RECIPIENT).filter(|_| !text.bytes().any(|byte| byte.is_ascii_uppercase()));
        let recipient = bytes.map(|bytes| Self(*bytes));
        let recipient = recipient.ok_or("a recipient is 'age1' and 58 letters and digits, as `holdover keygen identity` prints it")?;
        // A point of small order gives the same secret to everybody.
        let anybody = StaticSecret::from([8; 32]);
        match anybody.diffie_hellman(&recipient.point()).was_contributory() {
            true => Ok(recipient),
            false => Err("the recipient is nobody's: what is encrypted to it, everybody can open; name another".into()),
        }
    }
}

/// Thirty-two bytes that have this one text (in either case) and no other.
fn bytes_of(text: &str, kind: &str) -> Option<Zeroizing<[u8; 32]>> {
    let checked = CheckedHrpstring::new::<Bech32>(text).ok()?;
    let found = checked.hrp();
    if !found.lowercase_char_iter().eq(kind.chars()) {
        return None;
    }
    let mut bytes = Zeroizing::new([0; 32]);
    let mut of_text = checked.byte_iter();
    if of_text.len() != bytes.len() {
        return None;
    }
    for byte in bytes.iter_mut() {
        *byte = of_text.next()?;
    }
    // The last letter has more bits than the last byte: only zeroes belong there.
    let again = Zeroizing::new(text_of(kind, bytes.as_slice()));
    again.eq_ignore_ascii_case(text).then_some(bytes)
}

fn text_of(kind: &str, bytes: &[u8]) -> String {
    // Both kinds are valid prefixes, and 32 bytes are far from too long; the test below reads either back.
    Hrp::parse(kind).ok().and_then(|kind| bech32::encode_lower::<Bech32>(kind, bytes).ok()).unwrap_or_default()
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text_of(RECIPIENT, &self.0))
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Says who may encrypt to it and nothing of it.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity(of {}, …)", self.recipient())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use super::*;

    #[test]
    fn an_identity_and_its_recipient_read_back_from_their_own_texts() {
        let identity = Identity::generate().unwrap();
        let secret = identity.expose();
        assert!(secret.starts_with("AGE-SECRET-KEY-1") && secret.len() == 74, "{}", secret.len());
        assert_eq!(Identity::parse(&secret).unwrap().recipient(), identity.recipient());
        let public = identity.recipient().to_string();
        assert!(public.starts_with("age1") && public.len() == 62, "{public}");
        assert_eq!(public.parse(), Ok(identity.recipient()));
        assert_ne!(Identity::generate().unwrap().recipient(), identity.recipient());
    }

    #[test]
    fn every_letter_of_a_recipient_counts() {
        let public = Identity::generate().unwrap().recipient().to_string();
        for at in 0..public.len() {
            let mut touched = public.clone().into_bytes();
            touched[at] = if touched[at] == b'q' { b'p' } else { b'q' };
            assert!(String::from_utf8(touched).unwrap().parse::<Recipient>().is_err(), "{at}");
        }
        let small_order = text_of(RECIPIENT, &[0; 32]);
        assert!(small_order.parse::<Recipient>().unwrap_err().contains("nobody's"));
        for text in [public.to_uppercase(), format!("{public}q"), public[1..].to_owned(), String::new(), "age1".into()] {
            assert!(text.parse::<Recipient>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_identity_in_a_recipients_place_is_named_and_not_repeated() {
        let secret = Identity::generate().unwrap().expose();
        for text in [secret.to_string(), secret.to_lowercase()] {
            let sentence = text.parse::<Recipient>().unwrap_err();
            assert!(sentence.contains("private key") && !sentence.contains(&secret[20..]), "{sentence}");
        }
        assert!(Identity::parse(&secret.to_lowercase()).is_none());
        assert!(Identity::parse(&Identity::generate().unwrap().recipient().to_string()).is_none());
    }

    #[test]
    fn a_file_holds_one_identity_or_several_and_nothing_else() {
        let (one, two) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        let file = format!("# created: today\n# public key: {}\n{}\n\n{}\n", one.recipient(), one.expose().as_str(), two.expose().as_str());
        let read: Vec<Recipient> = Identity::parse_file(&file).unwrap().iter().map(Identity::recipient).collect();
        assert_eq!(read, [one.recipient(), two.recipient()]);
        for file in ["", "# nothing\n", &format!("{}\nrest\n", one.expose().as_str()), &"x\n".repeat(3)] {
            assert!(Identity::parse_file(file).unwrap_err().contains("holdover keygen identity"));
        }
        let many = format!("{}\n", one.expose().as_str()).repeat(IDENTITIES_MAX + 1);
        assert!(Identity::parse_file(&many).unwrap_err().contains("more than 16"));
    }

    #[test]
    fn no_formatting_prints_an_identity() {
        let identity = Identity::generate().unwrap();
        let secret = identity.expose();
        let printed = format!("{identity:?} {identity:#?}");
        assert!(printed.contains(&identity.recipient().to_string()) && !printed.to_uppercase().contains(&secret[16..40]), "{printed}");
    }
}
