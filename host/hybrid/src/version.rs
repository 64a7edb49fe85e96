//! Kong's version numbers, and who is compatible with whom (KONG.md A.4).
//!
//! Pure. The text is kept as it was given: a configuration is stored for the exact version that asked for it.

use std::fmt;

use crate::message::Plugin;

/// A version that begins with three numbers, such as `3.9.1` or `3.9.1.2-enterprise-edition`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KongVersion {
    text: String,
    major: u32,
    minor: u32,
}

impl KongVersion {
    /// `None` for what Kong itself takes for no version: it must begin with `digits.digits.digits`.
    pub fn parse(text: &str) -> Option<Self> {
        let (major, rest) = number(text)?;
        let (minor, rest) = number(rest.strip_prefix('.')?)?;
        number(rest.strip_prefix('.')?)?;
        Some(Self { text: text.to_owned(), major, minor })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn major(&self) -> u32 {
        self.major
    }

    pub fn minor(&self) -> u32 {
        self.minor
    }

    /// Whether a control plane of this version serves a data plane of that one. The patch is not asked for.
    pub fn serves(&self, data_plane: &Self) -> bool {
        self.major == data_plane.major && self.minor >= data_plane.minor
    }
}

impl fmt::Display for KongVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether a data plane that calls itself `node_version` is admitted. `Err` is a sentence.
pub fn admit(control_plane: &KongVersion, node_version: &str) -> Result<(), String> {
    let shown: String = node_version.chars().take(64).collect();
    let Some(data_plane) = KongVersion::parse(node_version) else {
        return Err(format!("the data plane calls its version '{shown}', which does not begin with three numbers"));
    };
    if control_plane.serves(&data_plane) {
        return Ok(());
    }
    let (major, minor) = (control_plane.major, control_plane.minor);
    Err(format!(
        "the data plane has Kong {shown} and the configuration is for {control_plane}; it can go to versions {major}.0 to {major}.{minor}"
    ))
}

/// Whether a data plane has what a configuration asks for: each configured plugin, in a version that is not too far off. The version
/// beside a configured plugin is the control plane's, `None` where it is not known: that leaves only the name to be asked for.
pub fn check_plugins<'a>(configured: impl IntoIterator<Item = (&'a str, Option<&'a str>)>, data_plane: &[Plugin]) -> Result<(), String> {
    let mut refused = Vec::new();
    for (name, theirs) in configured {
        let Some(plugin) = data_plane.iter().find(|plugin| plugin.name == name) else {
            refused.push(format!("it has no plugin '{name}'"));
            continue;
        };
        let versions = (theirs.and_then(KongVersion::parse), plugin.version.as_deref().and_then(KongVersion::parse));
        // A telemetry plugin of the 0.1 line is let through by Kong, whatever the other side has.
        let is_let_through = |had: &KongVersion| name == "opentelemetry" && had.major == 0 && had.minor == 1;
        if let (Some(wanted), Some(had)) = versions
            && !wanted.serves(&had)
            && !is_let_through(&had)
        {
            refused.push(format!("its plugin '{name}' is {had}, and the configuration is for {wanted}"));
        }
    }
    if refused.is_empty() { Ok(()) } else { Err(refused.join("; ")) }
}

/// The number that the text begins with, and the rest.
fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugin(name: &str, version: Option<&str>) -> Plugin {
        Plugin { name: name.into(), version: version.map(str::to_owned) }
    }

    #[test]
    fn a_version_begins_with_three_numbers_and_is_kept_as_it_came() {
        for (text, major, minor) in [("3.9.1", 3, 9), ("3.9.1.2-enterprise-edition", 3, 9), ("3.10.0-rc1", 3, 10)] {
            let version = KongVersion::parse(text).unwrap();
            assert_eq!((version.major(), version.minor(), version.as_str()), (major, minor, text));
        }
        for text in ["", "3", "3.9", "3.9.", "v3.9.1", " 3.9.1", "3..1", "99999999999.1.1", "3.9.x"] {
            assert_eq!(KongVersion::parse(text), None, "{text}");
        }
    }

    #[test]
    fn majors_are_equal_and_the_control_plane_is_not_older_by_a_minor() {
        let ours = KongVersion::parse("3.9.1").unwrap();
        for text in ["3.9.1", "3.9.0", "3.9.7", "3.4.2", "3.9.1.2-enterprise-edition"] {
            assert_eq!(admit(&ours, text), Ok(()), "{text}");
        }
        for text in ["2.8.0", "4.0.0", "3.10.0"] {
            assert!(admit(&ours, text).unwrap_err().contains("3.0 to 3.9"), "{text}");
        }
        assert!(admit(&ours, "nightly").unwrap_err().contains("'nightly'"));
    }

    #[test]
    fn a_configured_plugin_must_be_there_and_its_version_counts_only_where_both_are_known() {
        let theirs = [plugin("cors", Some("3.9.1")), plugin("mine", None), plugin("opentelemetry", Some("0.1.3"))];
        assert_eq!(check_plugins([("cors", None), ("mine", Some("1.0.0"))], &theirs), Ok(()));
        assert_eq!(check_plugins([("cors", Some("3.9.0")), ("opentelemetry", Some("3.9.0"))], &theirs), Ok(()));
        assert!(check_plugins([("cors", Some("3.8.0"))], &theirs).unwrap_err().contains("'cors' is 3.9.1"));
        assert!(check_plugins([("cors", Some("4.0.0"))], &theirs).is_err());
        let missing = check_plugins([("acl", None), ("cors", None), ("jwt", None)], &theirs).unwrap_err();
        assert!(missing.contains("'acl'") && missing.contains("'jwt'") && !missing.contains("'cors'"), "{missing}");
    }
}
