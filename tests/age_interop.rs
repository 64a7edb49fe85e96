//! What we encrypt, another age implementation opens, and the other way round: rage, through its Python binding `pyrage`.
//!
//! Ours is two halves that meet here: the header of `host/keys` and the chunks of `plugin/snapshot/encryption.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;

use holdover_keys::{Identity, Recipient, unwrap, wrap};
use holdover_plugin::snapshot::encryption::{decrypt, encrypt, split};
use holdover_tests::third_party;
use tempfile::TempDir;

const CHUNK_BYTES: usize = 64 * 1024;
const SIZES: [usize; 6] = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES];

/// Folder, then sizes: encrypts `<size>.plain` to all of `recipients`.
const ENCRYPT: &str = "
import pathlib, sys, pyrage
folder = pathlib.Path(sys.argv[1])
to = [pyrage.x25519.Recipient.from_str(line) for line in (folder / 'recipients').read_text().split()]
for size in sys.argv[2:]:
    (folder / f'{size}.age').write_bytes(pyrage.encrypt((folder / f'{size}.plain').read_bytes(), to))
";

/// Folder, then sizes: each of `identities` must open `<size>.age` and find what stands in `<size>.plain`.
const DECRYPT: &str = "
import pathlib, sys, pyrage
folder = pathlib.Path(sys.argv[1])
identities = [pyrage.x25519.Identity.from_str(line) for line in (folder / 'identities').read_text().split()]
assert [str(identity.to_public()) for identity in identities] == (folder / 'recipients').read_text().split(), 'recipients differ'
for size in sys.argv[2:]:
    for identity in identities:
        opened = pyrage.decrypt((folder / f'{size}.age').read_bytes(), [identity])
        assert opened == (folder / f'{size}.plain').read_bytes(), f'{size} bytes differ'
";

#[test]
fn what_we_encrypt_each_recipient_opens_with_rage() {
    let meeting = Meeting::of_three();
    for size in SIZES {
        let wrapping = wrap(&meeting.recipients()).unwrap();
        meeting.write(&format!("{size}.age"), &encrypt(&wrapping, &plain(size)).unwrap());
    }
    meeting.rage(DECRYPT);
}

#[test]
fn what_rage_encrypts_each_of_us_opens_and_nobody_else() {
    let meeting = Meeting::of_three();
    meeting.rage(ENCRYPT);
    let stranger = Identity::generate().unwrap();
    for size in SIZES {
        let file = fs::read(meeting.folder.path().join(format!("{size}.age"))).unwrap();
        let (wrapped, chunks) = split(&file).unwrap();
        for identity in &meeting.identities {
            let key = unwrap(std::slice::from_ref(identity), wrapped).unwrap();
            assert!(decrypt(&key, chunks).unwrap() == plain(size), "{size} bytes differ");
        }
        assert!(unwrap(std::slice::from_ref(&stranger), wrapped).is_err());
    }
}

/// Three identities and what is to be encrypted to them, in a folder that both sides know.
struct Meeting {
    folder: TempDir,
    identities: [Identity; 3],
}

impl Meeting {
    fn of_three() -> Self {
        let identities = std::array::from_fn(|_| Identity::generate().unwrap());
        let meeting = Self { folder: tempfile::tempdir().unwrap(), identities };
        let secrets: Vec<String> = meeting.identities.iter().map(|identity| identity.expose().to_string()).collect();
        meeting.write("identities", secrets.join("\n").as_bytes());
        let recipients: Vec<String> = meeting.recipients().iter().map(Recipient::to_string).collect();
        meeting.write("recipients", recipients.join("\n").as_bytes());
        for size in SIZES {
            meeting.write(&format!("{size}.plain"), &plain(size));
        }
        meeting
    }

    fn recipients(&self) -> Vec<Recipient> {
        self.identities.iter().map(Identity::recipient).collect()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.folder.path().join(name), bytes).unwrap();
    }

    fn rage(&self, script: &str) {
        python(&third_party::pyrage(), script, self.folder.path());
    }
}

fn python(packages: &Path, script: &str, folder: &Path) {
    let mut python = Command::new("python3");
    python.env("PYTHONPATH", packages).args(["-c", script]).arg(folder).args(SIZES.map(|size| size.to_string()));
    let output = python.output().expect("python3 is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn plain(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8).collect()
}
