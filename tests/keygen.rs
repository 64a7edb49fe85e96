//! Key pairs and tokens as an operator has them: made with the binary, in files of their own.

// Support of tests: what cannot be set up stops the test, with a sentence.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use holdover_plugin::snapshot::head::Entry;
use serde_json::Value;

use crate::site::{VERSION, binary};

/// A key that signs.
pub struct Signing {
    pub file: PathBuf,
    pub public: String,
    pub id: String,
}

/// A key that opens what is encrypted to its recipient.
pub struct Identity {
    pub file: PathBuf,
    pub recipient: String,
}

impl Signing {
    pub fn generate(folder: &Path, name: &str) -> Self {
        let file = folder.join(name);
        let said = keygen("signing", &file);
        Self { public: text(&said, "public_key"), id: text(&said, "key_id"), file }
    }
}

impl Identity {
    pub fn generate(folder: &Path, name: &str) -> Self {
        let file = folder.join(name);
        let said = keygen("identity", &file);
        Self { recipient: text(&said, "recipient"), file }
    }
}

/// A token of this operator for one generation and one node.
pub fn break_glass(operator: &Signing, lineage: &str, entry: &Entry, node: &str, out: &Path) {
    let (operator, digest) = (operator.file.display().to_string(), entry.file_digest.to_string());
    let allows = ["--lineage", lineage, "--gateway-version", VERSION, "--file-digest", &digest, "--node", node];
    let why = ["--why", "the newest one broke the checkout", "--out"];
    let arguments = ["break-glass", "--operator-key", &operator].into_iter().chain(allows).chain(why);
    done(arguments.map(OsStr::new).chain([out.as_os_str()]));
}

fn keygen(kind: &str, file: &Path) -> Value {
    let arguments = ["keygen", kind, "--json", "--out"].map(OsStr::new);
    serde_json::from_str(&done(arguments.into_iter().chain([file.as_os_str()]))).unwrap()
}

fn done<'a>(arguments: impl IntoIterator<Item = &'a OsStr>) -> String {
    let ended = Command::new(binary()).env_clear().args(arguments).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).unwrap()
}

fn text(said: &Value, field: &str) -> String {
    said[field].as_str().unwrap_or_else(|| panic!("no {field} in {said}")).to_owned()
}
