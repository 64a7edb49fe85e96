//! Files that hold a private key: read only when the world may not read them, made so that nobody else can.
//!
//! Every error is the rest of a sentence about the file, and holds no byte of it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use zeroize::Zeroizing;

/// More than any file of keys.
pub const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;
/// The world may do nothing, and the group at most read: that is how Kubernetes hands a secret to a process (`fsGroup`).
const OTHERS: u32 = 0o037;

/// The text of a file that its owner, and at most its group, may read.
pub(crate) fn read_secret(path: &Path) -> Result<Zeroizing<String>, String> {
    let unreadable = |error: io::Error| format!("it cannot be read ({error}); name a key file that this process may read");
    let file = File::open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    if about.is_dir() {
        return Err("it is a folder; name the key file in it".into());
    }
    let mode = about.permissions().mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(format!("it holds a private key and its mode {mode:04o} lets too many at it; run: chmod 600 {}", path.display()));
    }
    let too_large = || format!("it has more than {KEY_FILE_BYTES_MAX} bytes; name a file that holds the key and nothing else");
    if about.size() > KEY_FILE_BYTES_MAX {
        return Err(too_large());
    }
    // Room for all of it at once: a text that grows would leave copies of itself behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(KEY_FILE_BYTES_MAX).unwrap_or_default() + 1));
    file.take(KEY_FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > KEY_FILE_BYTES_MAX {
        return Err(too_large());
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| "it is no text; name the file that `holdover keygen` wrote".to_owned())?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Writes a file that only its owner may read, and never over one that is there.
pub fn keep_private(path: &Path, text: &str) -> Result<(), String> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = opened.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => "it exists already and is left as it is; name a file that does not".to_owned(),
        _ => format!("it cannot be made ({error}); name a file in a folder that you may write"),
    })?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|error| format!("it cannot be written ({error}); remove what is there and see to the space"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use std::fs;

    use super::*;

    #[test]
    fn a_key_file_that_others_may_read_is_refused_with_its_mode_and_the_command() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "hunter2").unwrap();
        for mode in [0o644, 0o604, 0o660, 0o620, 0o601, 0o650] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let sentence = read_secret(&path).unwrap_err();
            assert!(sentence.contains(&format!("{mode:04o}")), "{sentence}");
            assert!(sentence.contains(&format!("chmod 600 {}", path.display())) && !sentence.contains("hunter2"), "{sentence}");
        }
        for mode in [0o600, 0o400, 0o640, 0o440] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read_secret(&path).unwrap().as_str(), "hunter2");
        }
    }

    #[test]
    fn a_folder_a_large_file_and_no_text_are_refused_and_nothing_of_them_is_said() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read_secret(folder.path()).unwrap_err().contains("folder"));
        assert!(read_secret(&folder.path().join("none")).unwrap_err().contains("cannot be read"));
        let path = folder.path().join("key");
        for bytes in [vec![b'x'; KEY_FILE_BYTES_MAX as usize + 1], vec![0xff; 10]] {
            fs::write(&path, &bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let sentence = read_secret(&path).unwrap_err();
            assert!(sentence.contains("name") && !sentence.contains("xxxx"), "{sentence}");
        }
    }

    #[test]
    fn what_is_kept_private_is_the_owners_alone_and_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        keep_private(&path, "one").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(keep_private(&path, "two").unwrap_err().contains("exists already"));
        assert_eq!(read_secret(&path).unwrap().as_str(), "one");
    }
}
