//! Keys as every storage here takes them: relative, `/` between the parts, and no part that could lead out of the prefix.

use holdover_ports::{StorageFailure, StorageFailureKind};

use crate::failure::failure;

/// What S3 allows for a whole key; the prefix is counted by the storage itself.
const KEY_BYTES_MAX: usize = 1024;

/// Refuses keys that are not plain relative paths. Parts that begin with a dot are kept for the storage's own files.
pub(crate) fn checked(key: &str) -> Result<&str, StorageFailure> {
    if key.len() <= KEY_BYTES_MAX && key.split('/').all(is_plain) {
        return Ok(key);
    }
    let shown: String = key.chars().take(80).filter(|character| !character.is_control()).collect();
    let detail = format!(
        "'{shown}' is no key of a storage: a key is at most {KEY_BYTES_MAX} bytes of parts with '/' between them, \
         each of a-z A-Z 0-9 . _ - + and none beginning with a dot"
    );
    Err(failure(StorageFailureKind::Other, detail, None))
}

pub(crate) fn is_plain(part: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte);
    !part.is_empty() && part.len() <= 255 && !part.starts_with('.') && part.bytes().all(allowed)
}

#[cfg(test)]
// A test stops at the first thing that is not as it says.
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_the_layout_are_taken() {
        for key in ["holdover/head", "holdover/snapshots/3.9.1/7-41-0123456789abcdef", "3.9.1.2/config.json", "v1+build_2/x"] {
            assert_eq!(checked(key).ok(), Some(key));
        }
    }

    #[test]
    fn no_key_leads_out_of_its_prefix() {
        let long = "a/".repeat(600) + "a";
        for key in ["", "/", "/head", "head/", "a//b", "..", "a/../b", ".", "a/./b", ".holdover.lock", "a\\b", "a\0b", "a b", "ü", &long] {
            let failure = checked(key).expect_err(key);
            assert_eq!(failure.kind, StorageFailureKind::Other, "{key}");
            assert!(!failure.detail.contains('\0'));
        }
    }
}
