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
    /// The same or an older patch: 3.9.1 takes 3.9.0.
    Patch,
    /// The same or an older minor: 3.9.1 takes 3.8.2.
    Minor,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionError;

impl GatewayVersion {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `3.9.1` as 3, 9, 1; `None` for a version that is not a row of numbers.
    pub fn numbers(&self) -> Option<Vec<u64>> {
        self.0.split('.').map(|part| part.parse().ok()).collect()
    }
}

impl VersionRule {
    pub fn accepts(self, producer: &GatewayVersion, consumer: &GatewayVersion) -> bool {
        let alike = match self {
            Self::Exact => return producer == consumer,
            Self::Patch => 2,
            Self::Minor => 1,
        };
        if producer == consumer {
            return true;
        }
        match (producer.numbers(), consumer.numbers()) {
            (Some(made), Some(here)) => made.len() > alike && made.get(..alike) == here.get(..alike) && made <= here,
            // What is no row of numbers has no older and newer.
            (Some(_) | None, Some(_) | None) => false,
        }
    }
}

impl fmt::Display for VersionRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exact => "exact",
            Self::Patch => "patch",
            Self::Minor => "minor",
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

#[cfg(test)]
// A test stops at the first thing that is not as it says.
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_accepts_what_is_older_within_its_reach_and_nothing_newer() {
        let accepts = |rule: VersionRule, producer: &str| rule.accepts(&producer.parse().unwrap(), &"3.9.1".parse().unwrap());
        for (producer, exact, patch, minor) in [
            ("3.9.1", true, true, true),
            ("3.9.0", false, true, true),
            ("3.9.2", false, false, false),
            ("3.8.7", false, false, true),
            ("3.10.0", false, false, false),
            ("2.9.1", false, false, false),
            ("3.9", false, false, true),
            ("3.9.1-rc.1", false, false, false),
        ] {
            let found =
                (accepts(VersionRule::Exact, producer), accepts(VersionRule::Patch, producer), accepts(VersionRule::Minor, producer));
            assert_eq!(found, (exact, patch, minor), "{producer}");
        }
    }
}
