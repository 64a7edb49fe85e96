//! Without Holdover: what docs/format.md tells to type restores the configuration, and decoders of others read the frames.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use holdover_plugin::snapshot::encryption;
use holdover_tests::third_party;
use lz4_flex::frame::FrameDecoder;

use crate::made::{config, file, path};

const SKIPPABLE: u32 = 0x184D_2A50;

/// What `age` does with these arguments, by rage through its Python binding: `age -d -i IDENTITY FILE`.
const AGE: &str = "#!/bin/sh
exec python3 -c '
import pathlib, sys, pyrage
assert sys.argv[1:3] == [\"-d\", \"-i\"]
lines = pathlib.Path(sys.argv[3]).read_text().split(\"\\n\")
identities = [pyrage.x25519.Identity.from_str(line) for line in lines if line.startswith(\"AGE-\")]
sys.stdout.buffer.write(pyrage.decrypt(pathlib.Path(sys.argv[4]).read_bytes(), identities))
' \"$@\"
";

#[test]
fn the_commands_of_the_document_restore_a_plain_snapshot() {
    for name in ["v1/snapshot-plain", "v1/snapshot-signed"] {
        restores(name, "plain");
    }
}

#[test]
fn the_commands_of_the_document_restore_an_encrypted_snapshot() {
    for name in ["v1/snapshot-encrypted", "v1/snapshot-signed-encrypted"] {
        restores(name, "encrypted");
    }
}

/// A frame decoder that knows nothing of us, behind the frame that every decoder passes over.
#[test]
fn the_body_is_a_skippable_frame_and_an_lz4_frame() {
    let file = file("v1/snapshot-plain");
    let number = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    let body = 22 + number(10) as usize;
    assert_eq!(number(body), SKIPPABLE);
    let particulars = number(body + 4) as usize;
    let mut plain = Vec::new();
    FrameDecoder::new(&file[body + 8 + particulars..]).read_to_end(&mut plain).unwrap();
    assert_eq!(plain, config());
}

#[test]
fn the_body_of_an_encrypted_snapshot_is_an_age_file_from_its_first_byte_to_its_last() {
    let file = file("v1/snapshot-signed-encrypted");
    let number = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
    let body = &file[22 + number(10)..22 + number(10) + number(14)];
    let (wrapped, _) = encryption::split(body).unwrap();
    assert!(body.starts_with(b"age-encryption.org/v1\n-> X25519 ") && wrapped.len() < body.len());
    assert_eq!(file.len(), 22 + number(10) + body.len() + 2 + 72 + 32, "and behind it one signature and the digest");
}

/// Types what the document says in a folder with a copy of the file.
fn restores(name: &str, how: &str) {
    if let Some(tool) = ["lz4", "od", "tail", "head"].into_iter().find(|tool| !is_there(tool)) {
        println!("not run: {tool} is not on this machine");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("snapshot"), file(name)).unwrap();
    fs::copy(path("test-key-identity.txt"), folder.path().join("identity.txt")).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", &commands(how)]).current_dir(folder.path());
    if how == "encrypted" && !is_there("age") {
        shell.env("PATH", with_age(folder.path())).env("PYTHONPATH", third_party::pyrage());
    }
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fs::read(folder.path().join("config.json")).unwrap(), config(), "{name}");
}

/// The block of docs/format.md that begins with this comment.
fn commands(how: &str) -> String {
    let document = fs::read_to_string(path("../../docs/format.md")).unwrap();
    let begin = format!("```sh\n# {how}");
    let block = document.split(&begin).nth(1).and_then(|rest| rest.split("```").next());
    format!("# {how}{}", block.unwrap_or_else(|| panic!("docs/format.md tells how to restore a snapshot that is {how}")))
}

fn with_age(folder: &Path) -> String {
    use std::os::unix::fs::PermissionsExt;

    let bin = folder.join("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("age"), AGE).unwrap();
    fs::set_permissions(bin.join("age"), fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", bin.display(), std::env::var("PATH").unwrap())
}

fn is_there(tool: &str) -> bool {
    Command::new("sh").args(["-c", &format!("command -v {tool}")]).output().is_ok_and(|output| output.status.success())
}
