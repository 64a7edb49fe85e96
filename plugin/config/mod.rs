//! Station *validate*: foreign bytes become a [`ValidConfig`], or a list of findings.
//!
//! Each format is a folder that knows its gateway's document and nothing of snapshots or storages. The bytes are kept exactly
//! as they came: validation reads, and never rewrites.

mod certificates;
pub mod document;
mod finding;
pub mod kong;
pub mod needs;
pub mod tree;
pub mod xds;
pub mod yaml;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

pub use finding::{Finding, Findings, Invalid};
pub use needs::Need;

use crate::model::Digest;
use crate::witness::{Station, passed};

/// Which validator this is. What another one found is not believed: raise the number with every change of judgement.
pub const VALIDATOR: &str = concat!(env!("CARGO_PKG_VERSION"), "/2");

/// Among the counts of a configuration: plugins that ask who is there. Each is counted under its own type as well.
pub const AUTHENTICATION_PLUGINS: &str = "authentication-plugins";

/// Bounds of one configuration, checked before anything is believed.
pub const CONFIG_BYTES_MAX: usize = 256 * 1024 * 1024;
pub const ENTITIES_MAX: u64 = 2_000_000;
pub const JSON_DEPTH_MAX: usize = 256;

/// In whose language a configuration is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Kong's declarative configuration, or the hybrid protocol's reconfigure message around one.
    Kong,
    /// Any JSON or YAML object.
    Document,
    /// The resources of Envoy's xDS protocol that one node is sent, as one set.
    Xds,
}

/// How much a configuration has proven already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// A control plane sent it, so it was valid there: structural failures still refuse it, disagreements with the schema
    /// are warnings (export-02).
    Delivered,
    /// The same, to a node that serves: it may configure nothing. Whether that is taken is the rejoin guard's to say (boot-14).
    Live,
    /// Somebody wrote it by hand: every finding refuses it.
    HandWritten,
}

/// A configuration that was found valid. Only [`validate`] makes one.
#[derive(Debug)]
pub struct ValidConfig {
    bytes: Vec<u8>,
    proof: Proof,
}

/// What validation found of bytes that may have been given back since. Read back only by a cache entry's header, which says of
/// which file and by which validator it was found.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Proof {
    format: Format,
    digest: Digest,
    bytes_len: u64,
    sameness: String,
    counts: BTreeMap<String, u64>,
    warnings: Vec<String>,
    needs: Vec<Need>,
}

/// What a format's validator reports of a valid document.
pub(crate) struct Facts {
    /// Equal for two configurations exactly when they configure the same (export-05).
    pub sameness: String,
    /// Entities per type; only types that have any.
    pub counts: BTreeMap<String, u64>,
    pub warnings: Vec<String>,
    /// What of it a node can give only with its control plane (boot-16).
    pub needs: Vec<Need>,
}

pub fn validate(bytes: Vec<u8>, format: Format, strictness: Strictness) -> Result<ValidConfig, Invalid> {
    validate_digested(bytes, None, format, strictness)
}

/// The same, for bytes whose digest was computed a moment ago.
pub(crate) fn validate_digested(
    bytes: Vec<u8>,
    digest: Option<Digest>,
    format: Format,
    strictness: Strictness,
) -> Result<ValidConfig, Invalid> {
    passed(Station::Validate);
    if bytes.len() > CONFIG_BYTES_MAX {
        let size = bytes.len();
        return Err(Invalid::whole(format!("the configuration has {size} bytes; {CONFIG_BYTES_MAX} is the most that is taken")));
    }
    let facts = match format {
        Format::Kong => kong::validate(&bytes, strictness)?,
        Format::Document => document::validate(&bytes, strictness)?,
        Format::Xds => xds::validate(&bytes, strictness)?,
    };
    let proof = Proof {
        format,
        digest: digest.unwrap_or_else(|| Digest::of(&bytes)),
        bytes_len: bytes.len() as u64,
        sameness: facts.sameness,
        counts: facts.counts,
        warnings: facts.warnings,
        needs: facts.needs,
    };
    Ok(ValidConfig { bytes, proof })
}

impl ValidConfig {
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn proof(&self) -> &Proof {
        &self.proof
    }

    pub fn into_parts(self) -> (Vec<u8>, Proof) {
        (self.bytes, self.proof)
    }

    /// Gives the bytes' memory back and keeps what was found.
    pub fn into_proof(self) -> Proof {
        self.proof
    }
}

impl Proof {
    pub fn format(&self) -> Format {
        self.format
    }

    pub fn digest(&self) -> Digest {
        self.digest
    }

    pub fn bytes_len(&self) -> u64 {
        self.bytes_len
    }

    pub fn sameness(&self) -> &str {
        &self.sameness
    }

    pub fn counts(&self) -> &BTreeMap<String, u64> {
        &self.counts
    }

    /// Whether there is nothing in it that a gateway could serve.
    pub fn configures_nothing(&self) -> bool {
        match self.format {
            Format::Kong => kong::configures_nothing(&self.counts),
            Format::Document => self.counts.is_empty(),
            Format::Xds => xds::configures_nothing(&self.counts),
        }
    }

    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    pub fn needs(&self) -> &[Need] {
        &self.needs
    }
}

impl Format {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kong => "kong",
            Self::Document => "document",
            Self::Xds => "xds",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownFormat;

impl fmt::Display for UnknownFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the formats are 'kong', 'document' and 'xds'")
    }
}

impl std::error::Error for UnknownFormat {}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        match text {
            "kong" => Ok(Self::Kong),
            "document" => Ok(Self::Document),
            "xds" => Ok(Self::Xds),
            _ => Err(UnknownFormat),
        }
    }
}
