//! The snapshot baked into the image: the last rung. Reads a file; judges nothing in it.

use std::io::Read;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use holdover_ports::Bundle;

use crate::cache::FILE_BYTES_MAX;

/// A file, or none when `holdover_bundle` is not set.
pub struct FileBundle {
    path: Option<PathBuf>,
}

impl FileBundle {
    pub fn new(path: Option<PathBuf>) -> Self {
        Self { path }
    }
}

#[async_trait]
impl Bundle for FileBundle {
    async fn bundle(&self) -> Result<Option<Bytes>, String> {
        let Some(path) = self.path.clone() else { return Ok(None) };
        tokio::task::spawn_blocking(move || read(&path).map(Some))
            .await
            .map_err(|error| format!("reading the bundle broke off: {error}"))?
    }
}

fn read(path: &Path) -> Result<Bytes, String> {
    let sentence = |what: String| format!("holdover_bundle = {}: {what}; give the path of a snapshot file, or unset it", path.display());
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| sentence(format!("cannot be opened ({error})")))?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| sentence(format!("cannot be read ({error})")))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(sentence(format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    Ok(Bytes::from(bytes))
}

#[cfg(test)]
mod tests {
    // A test says what went wrong by panicking.
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[tokio::test]
    async fn no_bundle_is_no_failure_and_a_missing_one_is() {
        assert_eq!(FileBundle::new(None).bundle().await, Ok(None));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bundle");
        let sentence = FileBundle::new(Some(path.clone())).bundle().await.unwrap_err();
        assert!(sentence.contains("holdover_bundle = /"), "{sentence}");
        std::fs::write(&path, "sealed").unwrap();
        assert_eq!(FileBundle::new(Some(path)).bundle().await, Ok(Some(Bytes::from_static(b"sealed"))));
    }
}
