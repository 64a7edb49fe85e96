//! The gateway's version: kept as it was written, compared by its numbers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

/// A gateway version, for example `3.9.1` or `3.9.1.2`. It is part of storage keys, so its text is 1 to 64 characters of
/// `a-z A-Z 0-9 . _ - +`, and is never normalised: Kong's three-part and four-part versions name different places.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct GatewayVersion(String);

/// Which producer versions a consumer accepts (boot-08).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VersionRule {
    /// The same text.
    #[default]
    Exact,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionError;

impl GatewayVersion {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl VersionRule {
    pub fn accepts(self, producer: &GatewayVersion, consumer: &GatewayVersion) -> bool {
        match self {
            Self::Exact => producer == consumer,
        }
    }
}

impl fmt::Display for VersionRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exact => "exact",
        })
    }
}

impl FromStr for GatewayVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte);
        let dots_only = text.bytes().all(|byte| byte == b'.');
        if text.is_empty() || text.len() > 64 || dots_only || !text.bytes().all(allowed) {
            return Err(VersionError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for GatewayVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for VersionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a gateway version is 1 to 64 characters of a-z A-Z 0-9 . _ - +, for example 3.9.1")
    }
}

impl std::error::Error for VersionError {}

impl<'de> Deserialize<'de> for GatewayVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
