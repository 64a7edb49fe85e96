//! Identities as a host has them: in files that nobody else may read. What an identity is and opens is `holdover-age`'s.

use std::path::Path;

use holdover_age::Identity;

use crate::file::read_secret;

/// Those of an identity file, as age writes it. `Err` is the rest of a sentence about the file.
pub fn read_identities(path: &Path) -> Result<Vec<Identity>, String> {
    Identity::parse_file(&read_secret(path)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use holdover_age::Recipient;

    use super::*;
    use crate::file::keep_private;

    #[test]
    fn an_identity_is_read_from_a_file_that_is_private_and_from_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity");
        let (one, two) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        keep_private(&path, &format!("# two of them\n{}\n{}\n", one.expose().as_str(), two.expose().as_str())).unwrap();
        let read: Vec<Recipient> = read_identities(&path).unwrap().iter().map(Identity::recipient).collect();
        assert_eq!(read, [one.recipient(), two.recipient()]);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read_identities(&path).unwrap_err().contains("chmod 600"));
    }
}
