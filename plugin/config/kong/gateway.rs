//! For which Kong a document is read: its version, role and router flavour, and what is installed on it.
//!
//! What a control plane delivered is read for [`Reading::delivered`]: a current Kong of which nothing else is known. A verdict is asked
//! for one [`Gateway`], of which everything is.

use std::fmt;
use std::str::FromStr;

use super::particular::Particular;
use super::path::Regexes;
use crate::model::UnixMs;

/// In which of Kong's roles a document is read: a data plane forgives unknown fields that are null.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    #[default]
    DbLess,
    DataPlane,
}

/// Kong's `router_flavor`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flavor {
    Traditional,
    #[default]
    TraditionalCompatible,
    Expressions,
}

/// A Kong 3. Patches never changed a verdict, so only the minor is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    minor: u8,
}

/// One gateway, of which a verdict is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    pub version: Version,
    pub role: Role,
    pub flavor: Flavor,
    /// As in Kong's `plugins`: names, of which `bundled` stands for all that this version brings along.
    pub plugins: Vec<String>,
    /// Against which CA certificates may have expired; `None`: none has.
    pub now: Option<UnixMs>,
}

/// A word for a gateway that is not understood, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotUnderstood(String);

/// What the checks ask of the gateway.
#[derive(Clone, Copy)]
pub struct Reading<'g> {
    pub role: Role,
    version: Version,
    flavor: Flavor,
    /// Checks for one particular gateway. A configuration that is only passed on is read without: they weigh too much in a component,
    /// and a control plane knows its gateways better.
    pub particular: Option<&'g dyn Particular>,
}

impl Version {
    const OLDEST_MINOR: u8 = 4;
    const NEWEST_MINOR: u8 = 10;
    /// The newest that Kong released with open source.
    pub const CURRENT: Self = Self { minor: 9 };

    pub(super) fn since(self, minor: u8) -> bool {
        self.minor >= minor
    }
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            version: Version::CURRENT,
            role: Role::default(),
            flavor: Flavor::default(),
            plugins: vec![super::particular::BUNDLED.to_owned()],
            now: None,
        }
    }
}

impl Gateway {
    pub(super) fn reading(&self) -> Reading<'_> {
        Reading { role: self.role, version: self.version, flavor: self.flavor, particular: Some(self) }
    }
}

impl Reading<'_> {
    pub fn delivered(role: Role) -> Self {
        Self { role, version: Version::CURRENT, flavor: Flavor::TraditionalCompatible, particular: None }
    }

    pub fn since(&self, minor: u8) -> bool {
        self.version.since(minor)
    }

    /// Whether routes may be written as expressions.
    pub fn has_expressions(&self) -> bool {
        self.flavor == Flavor::Expressions
    }

    /// Whether a route is turned into an expression, whatever its fields are: the flavour `traditional` has a router of its own.
    pub fn translates(&self) -> bool {
        self.flavor != Flavor::Traditional
    }

    /// Kong 3.6 compiles a route's expression only when it serves, and takes what the Rust crate refuses.
    pub fn regexes(&self) -> Regexes {
        if self.translates() && self.version.minor != 6 { Regexes::Rust } else { Regexes::Pcre }
    }
}

impl FromStr for Version {
    type Err = NotUnderstood;

    fn from_str(text: &str) -> Result<Self, NotUnderstood> {
        let mut numbers = text.split('.');
        let is_kong_3 = numbers.next() == Some("3");
        let minor = numbers.next().and_then(|minor| minor.parse::<u8>().ok());
        match minor.filter(|minor| is_kong_3 && (Self::OLDEST_MINOR..=Self::NEWEST_MINOR).contains(minor)) {
            Some(minor) => Ok(Self { minor }),
            None => Err(NotUnderstood(format!(
                "'{text}' is none of the versions whose verdicts are known: give one of 3.{} to 3.{}, for example 3.9.1",
                Self::OLDEST_MINOR,
                Self::NEWEST_MINOR
            ))),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "3.{}", self.minor)
    }
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DbLess => "dbless",
            Self::DataPlane => "data_plane",
        }
    }
}

impl FromStr for Role {
    type Err = NotUnderstood;

    fn from_str(text: &str) -> Result<Self, NotUnderstood> {
        match text {
            "dbless" => Ok(Self::DbLess),
            "data_plane" => Ok(Self::DataPlane),
            _ => Err(NotUnderstood(format!("'{text}' is no role of Kong that takes a configuration: give dbless or data_plane"))),
        }
    }
}

impl Flavor {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Traditional => "traditional",
            Self::TraditionalCompatible => "traditional_compatible",
            Self::Expressions => "expressions",
        }
    }
}

impl FromStr for Flavor {
    type Err = NotUnderstood;

    fn from_str(text: &str) -> Result<Self, NotUnderstood> {
        match text {
            "traditional" => Ok(Self::Traditional),
            "traditional_compatible" => Ok(Self::TraditionalCompatible),
            "expressions" => Ok(Self::Expressions),
            _ => Err(NotUnderstood(format!(
                "'{text}' is no flavour of Kong's router: give traditional_compatible, traditional or expressions"
            ))),
        }
    }
}

impl fmt::Display for NotUnderstood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotUnderstood {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_minor_decides_and_must_be_one_whose_verdicts_are_known() {
        for (text, minor) in [("3.4", 4), ("3.9.1", 9), ("3.9.1.2", 9), ("3.10.0", 10)] {
            assert_eq!(text.parse(), Ok(Version { minor }), "{text}");
        }
        for text in ["", "3", "2.8.1", "3.3.1", "3.11.0", "4.9", "3.x", "3.+9"] {
            let sentence = text.parse::<Version>().map(|version| version.to_string()).err();
            assert!(text == "3.+9" || sentence.is_some_and(|sentence| sentence.to_string().contains("3.4 to 3.10")), "{text}");
        }
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for role in [Role::DbLess, Role::DataPlane] {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        for flavor in [Flavor::Traditional, Flavor::TraditionalCompatible, Flavor::Expressions] {
            assert_eq!(flavor.as_str().parse(), Ok(flavor));
        }
        assert!("control_plane".parse::<Role>().unwrap_err().to_string().contains("dbless or data_plane"));
        assert!("atc".parse::<Flavor>().unwrap_err().to_string().contains("traditional_compatible"));
    }
}
