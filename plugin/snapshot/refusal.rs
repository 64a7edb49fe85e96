//! Why a file is not believed. One variant per reason, so that a skipped snapshot says which it was.

use std::fmt;

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
    /// It is encrypted, or carries signatures, and this format has neither.
    NotPlain,
    /// The body does not decompress to what the manifest says.
    BodyMismatch,
    /// The configuration inside has another digest than its manifest says.
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
            Self::NotPlain => "not-plain",
            Self::BodyMismatch => "body-mismatch",
            Self::DigestMismatch { .. } => "digest-mismatch",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOurs => f.write_str("it is not a file of Holdover"),
            Self::UnknownFormat(number) => write!(f, "it has format {number}; this version reads format {}", super::layout::FORMAT),
            Self::Torn => f.write_str("it is torn: its length is not what it says itself"),
            Self::OutOfBounds(what) => write!(f, "its {what} is beyond what is believed"),
            Self::Corrupt => f.write_str("it is corrupt: its bytes are not those that were sealed"),
            Self::Unreadable(why) => write!(f, "it is intact, and cannot be read: {why}"),
            Self::NotPlain => f.write_str("it is signed or encrypted, which format 0 does not know"),
            Self::BodyMismatch => f.write_str("its body does not decompress to what its manifest says"),
            Self::DigestMismatch { said, found } => {
                write!(f, "its configuration has digest {}, its manifest says {}", found.short(), said.short())
            }
        }
    }
}

impl std::error::Error for Refusal {}
