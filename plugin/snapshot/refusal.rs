//! Why a file is not believed. One variant per reason, so that a skipped snapshot says which it was.

use std::fmt;

use super::signature::KeyId;
use crate::model::Digest;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It does not begin as one of our files.
    NotOurs,
    /// A format number that this reader does not know.
    UnknownFormat(u16),
    /// It ends before, or goes on after, where its own lengths say.
    Torn,
    /// A length in it is beyond what is ever believed.
    OutOfBounds(&'static str),
    /// Its bytes are not those that were sealed.
    Corrupt,
    /// Intact, and its manifest, head or header still cannot be read; the text says where.
    Unreadable(String),
    /// A line that is neither content, signature nor digest.
    UnknownLine,
    /// Keys are trusted, and nobody signed it.
    Unsigned,
    /// Signed, by nobody who is trusted here: a stranger, or a key that was retired.
    UntrustedSigner(Vec<KeyId>),
    /// It claims a trusted key, and its signature is not of that key.
    BadSignature(KeyId),
    /// An operator's word without a key to know operators by.
    NoOperatorKeys,
    /// It is to be an age file and is none.
    NotEncrypted,
    /// Encrypted, and no key was had to open it with.
    NoKey,
    /// Encrypted, and the key does not open it.
    Undecryptable,
    /// The body does not decompress to what its particulars say.
    BodyMismatch,
    /// The configuration inside has another digest than its particulars say.
    DigestMismatch { said: Digest, found: Digest },
}

impl Refusal {
    /// A stable word for events.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotOurs => "not-ours",
            Self::UnknownFormat(_) => "unknown-format",
            Self::Torn => "torn",
            Self::OutOfBounds(_) => "out-of-bounds",
            Self::Corrupt => "corrupt",
            Self::Unreadable(_) => "unreadable",
            Self::UnknownLine => "unknown-line",
            Self::Unsigned => "unsigned",
            Self::UntrustedSigner(_) => "untrusted-signer",
            Self::BadSignature(_) => "bad-signature",
            Self::NoOperatorKeys => "no-operator-keys",
            Self::NotEncrypted => "not-encrypted",
            Self::NoKey => "no-key",
            Self::Undecryptable => "undecryptable",
            Self::BodyMismatch => "body-mismatch",
            Self::DigestMismatch { .. } => "digest-mismatch",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOurs => f.write_str("it is not a file of Holdover"),
            Self::UnknownFormat(0) => f.write_str(
                "it has format 0, which no released version wrote or reads: let the backup node publish into an empty prefix once more",
            ),
            Self::UnknownFormat(number) => {
                write!(f, "it has format {number}, and this version reads format {}: update this node", super::FORMAT)
            }
            Self::Torn => f.write_str("it is torn: its length is not what it says itself"),
            Self::OutOfBounds(what) => write!(f, "its {what} is beyond what is believed"),
            Self::Corrupt => f.write_str("it is corrupt: its bytes are not those that were sealed"),
            Self::Unreadable(why) => write!(f, "it is intact, and cannot be read: {why}"),
            Self::UnknownLine => f.write_str("it has a line that is neither content, signature nor digest"),
            Self::Unsigned => f.write_str("nobody signed it, and holdover_trusted_keys asks for a signature"),
            Self::UntrustedSigner(keys) => {
                let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
                write!(f, "it is signed with {}, which is not trusted here (any more)", keys.join(", "))
            }
            Self::BadSignature(key) => write!(f, "its signature is not of the key {key} that it names: somebody changed it"),
            Self::NoOperatorKeys => f.write_str("it is an operator's word, and holdover_operator_keys names no operator"),
            Self::NotEncrypted => f.write_str("its body is to be an age file and is none"),
            Self::NoKey => f.write_str("it is encrypted, and this node has no holdover_identity to open it with"),
            Self::Undecryptable => f.write_str("it is encrypted, and the key does not open it"),
            Self::BodyMismatch => f.write_str("its body does not decompress to what it says itself"),
            Self::DigestMismatch { said, found } => {
                write!(f, "its configuration has digest {}, and it says {}", found.short(), said.short())
            }
        }
    }
}

impl std::error::Error for Refusal {}
