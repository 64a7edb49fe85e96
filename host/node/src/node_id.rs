//! This node's name with a control plane that keeps a list of who asked: a UUID that stays as long as the node's own folder does, so that
//! a restart is not one node more.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use holdover_ports::Random;

const FILE: &str = "node-id";

/// The one that was kept, or a new one that is kept from here on. `folder` exists and is this process's own. `Err` is a sentence.
pub fn node_id(folder: &Path, random: &dyn Random) -> Result<String, String> {
    let path = folder.join(FILE);
    let failed = |error| format!("holdover_cache_dir = {}: the file {FILE} cannot be kept ({error})", folder.display());
    match fs::read_to_string(&path) {
        Ok(text) if is_uuid(text.trim()) => return Ok(text.trim().to_owned()),
        // Nothing depends on the old one but a row in a list.
        Ok(_) => fs::remove_file(&path).map_err(failed)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let id = new_id(random);
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    file.and_then(|mut file| file.write_all(id.as_bytes()).and_then(|()| file.sync_all())).map_err(failed)?;
    Ok(id)
}

/// RFC 9562, version 4.
pub fn new_id(random: &dyn Random) -> String {
    let (high, low) = (random.random(), random.random());
    let (high, low) = ((high & !0xF000) | 0x4000, (low & !(0b11 << 62)) | (0b10 << 62));
    format!("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, (high >> 16) & 0xFFFF, high & 0xFFFF, low >> 48, low & 0xFFFF_FFFF_FFFF)
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    lengths == [8, 4, 4, 4, 12] && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use super::*;
    use crate::SystemRandom;

    #[test]
    fn it_stays_and_a_file_that_is_none_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let first = node_id(folder.path(), &SystemRandom).unwrap();
        assert!(is_uuid(&first) && first.as_bytes()[14] == b'4' && b"89ab".contains(&first.as_bytes()[19]), "{first}");
        assert_eq!(node_id(folder.path(), &SystemRandom).unwrap(), first);
        fs::write(folder.path().join(FILE), "torn").unwrap();
        let second = node_id(folder.path(), &SystemRandom).unwrap();
        assert!(is_uuid(&second) && second != first);
    }
}
