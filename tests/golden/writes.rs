//! What is deterministic is written as it was: the same inputs give the same bytes.
//!
//! A compressor that finds another way to say the same is noticed here. The files of before stay readable and stay where they are; what
//! is written otherwise is then compared from a folder of its own.

use crate::made::{FILE_BYTES_MAX, FILES, file, make};

/// Encryption takes chance, and a cache entry names the version that looked into it.
const NEVER_TWICE_THE_SAME: [&str; 4] =
    ["v1/snapshot-encrypted", "v1/snapshot-signed-encrypted", "v1/cache-storage", "v1/cache-control-plane"];

#[test]
fn the_same_inputs_give_the_golden_bytes() {
    for name in FILES.into_iter().filter(|name| !NEVER_TWICE_THE_SAME.contains(name)) {
        assert!(file(name) == make(name), "{name} is written otherwise");
    }
}

#[test]
fn golden_files_are_small() {
    for name in FILES {
        let bytes = file(name).len();
        assert!(bytes > 0 && bytes <= FILE_BYTES_MAX, "{name}: {bytes} bytes");
    }
}
