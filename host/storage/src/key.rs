//! Keys as every storage here takes them: relative, `/` between the parts, and no part that could lead out of the prefix.

use holdover_ports::{StorageFailure, StorageFailureKind};

use crate::failure::failure;

/// What S3 allows for a whole key; the prefix is counted by the storage itself.
const KEY_BYTES_MAX: usize = 1024;

/// Refuses keys that are not plain relative paths. Parts that begin with a dot are kept for the storage's own files.
pub(crate) fn checked(key: &str) -> Result<&str, StorageFailure> {
    match key.len() <= KEY_BYTES_MAX && key.split('/').all(is_plain) {
        true => Ok(key),
        false => Err(refused(key, "key")),
    }
}

/// The same for the beginning of keys: its last part may be half a name, or none.
pub(crate) fn checked_prefix(prefix: &str) -> Result<&str, StorageFailure> {
    let whole_parts_and_half_a_name = || match prefix.rsplit_once('/') {
        Some((parts, half)) => parts.split('/').all(is_plain) && (half.is_empty() || is_plain(half)),
        None => prefix.is_empty() || is_plain(prefix),
    };
    match prefix.len() <= KEY_BYTES_MAX && whole_parts_and_half_a_name() {
        true => Ok(prefix),
        false => Err(refused(prefix, "prefix")),
    }
}

fn refused(text: &str, what: &str) -> StorageFailure {
    let shown: String = text.chars().take(80).filter(|character| !character.is_control()).collect();
    let detail = format!(
        "'{shown}' is no {what} of a storage: a {what} is at most {KEY_BYTES_MAX} bytes of parts with '/' between them, \
         each of a-z A-Z 0-9 . _ - + and none beginning with a dot"
    );
    failure(StorageFailureKind::Other, detail, None)
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

    #[test]
    fn a_prefix_may_end_in_the_middle_of_a_name_and_leads_nowhere_else() {
        for prefix in ["", "holdover/", "holdover/snapshots/", "holdover/snap", "holdover/snapshots/3.9.1/7-4", "h"] {
            assert_eq!(checked_prefix(prefix).ok(), Some(prefix));
        }
        let long = "a/".repeat(600);
        for prefix in ["/", "/holdover", "a//", "..", "../", "a/../", "a/..", "a/.b", ".", "a b", "a\0", &long] {
            let failure = checked_prefix(prefix).expect_err(prefix);
            assert_eq!(failure.kind, StorageFailureKind::Other, "{prefix}");
            assert!(failure.detail.contains("is no prefix of a storage"), "{failure:?}");
        }
    }
}
