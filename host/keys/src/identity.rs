//! Identities as a host has them: in files that nobody else may read. What an identity is and opens is `holdover-age`'s.

use std::borrow::Borrow;
use std::fmt;
use std::path::Path;

use holdover_age::Recipient;
use zeroize::Zeroizing;

use crate::file::read_secret;

/// Opens. Erased when it goes out of use, and never printed.
#[derive(Clone)]
pub struct Identity(holdover_age::Identity);

impl Identity {
    pub fn generate() -> Result<Self, String> {
        holdover_age::Identity::generate().map(Self)
    }

    /// Those of an identity file, as age writes it. `Err` is the rest of a sentence about the file.
    pub fn read(path: &Path) -> Result<Vec<Self>, String> {
        let identities = holdover_age::Identity::parse_file(&read_secret(path)?)?;
        Ok(identities.into_iter().map(Self).collect())
    }

    /// `AGE-SECRET-KEY-1…`.
    pub fn parse(text: &str) -> Option<Self> {
        holdover_age::Identity::parse(text).map(Self)
    }

    pub fn recipient(&self) -> Recipient {
        self.0.recipient()
    }

    /// The text of an identity file. It is the key: for a file that nobody else may read, and nowhere else.
    pub fn expose(&self) -> Zeroizing<String> {
        self.0.expose()
    }
}

/// So that `unwrap` takes them as they are, without a copy of any key.
impl Borrow<holdover_age::Identity> for Identity {
    fn borrow(&self) -> &holdover_age::Identity {
        &self.0
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::file::keep_private;

    #[test]
    fn an_identity_is_read_from_a_file_that_is_private_and_from_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity");
        let (one, two) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        keep_private(&path, &format!("# two of them\n{}\n{}\n", one.expose().as_str(), two.expose().as_str())).unwrap();
        let read: Vec<Recipient> = Identity::read(&path).unwrap().iter().map(Identity::recipient).collect();
        assert_eq!(read, [one.recipient(), two.recipient()]);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Identity::read(&path).unwrap_err().contains("chmod 600"));
    }

    #[test]
    fn no_formatting_prints_an_identity_of_a_file() {
        let identity = Identity::generate().unwrap();
        let secret = identity.expose();
        let printed = format!("{identity:?} {identity:#?}");
        assert!(printed.contains(&identity.recipient().to_string()) && !printed.to_uppercase().contains(&secret[16..40]), "{printed}");
    }
}
