//! Keys and tokens as an operator makes them with the binary: who may read the files, what is said, and what is never said.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use holdover_keys::{KeyRing, KeySettings};
use holdover_plugin::snapshot::break_glass::{TOKEN_LIFE_MAX_MS, Token};
use holdover_plugin::snapshot::{PublicKey, Refusal, Trust};
use serde_json::Value;
use tempfile::TempDir;

const LINEAGE: &str = "00112233445566778899aabbccddeeff";

#[test]
fn a_signing_key_is_its_owners_alone_and_only_its_public_part_is_said() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("signing");
    let said = done(&["keygen", "signing", "--out", text(&path)]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let ring = KeyRing::open(&KeySettings { signing_key: Some(path.clone()), ..KeySettings::default() }).unwrap();
    assert!(said.contains(&ring.public().unwrap().to_string()) && said.contains(text(&path)), "{said}");
    assert!(said.contains(&ring.public().unwrap().id().to_string()), "{said}");
    assert!(!said.contains("ed25519-private"), "{said}");
}

#[test]
fn a_file_that_is_there_is_never_written_over() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("key");
    done(&["keygen", "identity", "--out", text(&path)]);
    let before = fs::read(&path).unwrap();
    for kind in ["identity", "signing"] {
        let ended = holdover(&["keygen", kind, "--out", text(&path)]);
        assert_eq!(ended.status.code(), Some(3), "{ended:?}");
        assert!(String::from_utf8(ended.stderr).unwrap().contains("exists already"));
    }
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(holdover(&["keygen", "signing", "--out", "/no/such/folder/key"]).status.code(), Some(3));
}

#[test]
fn what_stands_on_stdout_is_the_file_itself() {
    let folder = TempDir::new().unwrap();
    for (kind, mark) in [("signing", "ed25519-private:"), ("identity", "AGE-SECRET-KEY-1")] {
        let path = folder.path().join(kind);
        let said = done(&["keygen", kind]);
        assert!(said.contains(mark) && said.starts_with("# public key: "), "{kind}");
        fs::write(&path, said).unwrap();
        // A shell's redirection leaves others at it.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let settings = || match kind {
            "signing" => KeySettings { signing_key: Some(path.clone()), ..KeySettings::default() },
            _ => KeySettings { identity: Some(path.clone()), ..KeySettings::default() },
        };
        let wrong = KeyRing::open(&settings()).unwrap_err();
        assert!(wrong[0].contains("0644") && wrong[0].contains("chmod 600"), "{wrong:?}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        KeyRing::open(&settings()).unwrap();
    }
}

#[test]
fn json_has_the_public_part_and_where_the_private_one_is() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("identity");
    let said: Value = serde_json::from_str(&done(&["keygen", "identity", "--json", "--out", text(&path)])).unwrap();
    assert_eq!((&said["kind"], &said["private_key_file"]), (&"identity".into(), &text(&path).into()));
    let ring = KeyRing::open(&KeySettings { identity: Some(path), ..KeySettings::default() }).unwrap();
    assert_eq!(said["recipient"], ring.own_recipient().unwrap().to_string());
    let said: Value = serde_json::from_str(&done(&["keygen", "signing", "--json"])).unwrap();
    assert!(said["public_key"].as_str().unwrap().parse::<PublicKey>().is_ok());
    assert!(said["private_key_file_content"].as_str().unwrap().contains("ed25519-private:"), "without --out it is nowhere else");
}

#[test]
fn a_token_says_what_it_allows_and_is_believed_by_those_who_know_the_operator() {
    let glass = Glass::new();
    let path = glass.folder.path().join("token");
    let said = done(&glass.arguments(&["--node", "edge-7", "--hours", "2", "--out", text(&path)]));
    assert!(said.contains("edge-7") && said.contains("2 h") && said.contains(&glass.public.to_string()), "{said}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let file = fs::read(&path).unwrap();
    let signed = Token::read(&file, &Trust::new(vec![glass.public])).unwrap();
    assert_eq!(signed.signer(), glass.public.id());
    let token = signed.token();
    assert_eq!((token.lineage.to_string().as_str(), token.gateway_version.as_str()), (LINEAGE, "3.9.1"));
    assert_eq!((token.file_digest.to_string(), token.node.as_deref()), ("ab".repeat(32), Some("edge-7")));
    assert_eq!((token.not_after.0 - token.issued_at.0, token.why.as_str()), (2 * 60 * 60 * 1000, "a bad rollout"));
    assert_eq!(Token::read(&file, &Trust::default()).unwrap_err(), Refusal::NoOperatorKeys);
    let stranger = Glass::new();
    assert!(matches!(Token::read(&file, &Trust::new(vec![stranger.public])), Err(Refusal::UntrustedSigner(_))));
}

#[test]
fn two_tokens_are_never_one_and_a_day_is_the_longest() {
    let glass = Glass::new();
    let token = |more: &[&str]| {
        let file = done(&glass.arguments(more));
        Token::read(file.as_bytes(), &Trust::new(vec![glass.public])).unwrap().token().clone()
    };
    let (one, other) = (token(&[]), token(&[]));
    assert_ne!(one.nonce, other.nonce);
    assert_eq!((one.node, one.not_after.0 - one.issued_at.0), (None, 4 * 60 * 60 * 1000));
    let longest = token(&["--hours", "24"]);
    assert_eq!(longest.not_after.0 - longest.issued_at.0, TOKEN_LIFE_MAX_MS);
    for wrong in [&["--hours", "25"][..], &["--hours", "0"], &["--why", " "], &["--lineage", "x"], &["--file-digest", "ab"]] {
        assert_eq!(holdover(&glass.replacing(wrong)).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn an_operators_key_that_others_may_read_signs_nothing() {
    let glass = Glass::new();
    fs::set_permissions(&glass.key, fs::Permissions::from_mode(0o644)).unwrap();
    let ended = holdover(&glass.arguments(&[]));
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(ended.status.code() == Some(3) && ended.stdout.is_empty(), "{said}");
    assert!(said.contains("--operator-key") && said.contains("0644") && said.contains("chmod 600"), "{said}");
}

#[test]
fn bad_key_files_of_a_node_are_named_at_once_by_the_check_and_never_printed() {
    let folder = TempDir::new().unwrap();
    let (readable, swapped) = (folder.path().join("readable"), folder.path().join("swapped"));
    done(&["keygen", "signing", "--out", text(&readable)]);
    fs::set_permissions(&readable, fs::Permissions::from_mode(0o604)).unwrap();
    done(&["keygen", "signing", "--out", text(&swapped)]);
    let settings = folder.path().join("holdover.conf");
    let pasted = done(&["keygen", "identity"]).lines().last().unwrap().to_owned();
    let lines = format!(
        "holdover_control_plane = http://127.0.0.1:9/config\nholdover_gateway_version = 3.9.1\nholdover_signing_key = {}\n\
         holdover_identity = {}\nholdover_recipients = {pasted}\n",
        readable.display(),
        swapped.display(),
    );
    fs::write(&settings, lines).unwrap();
    let ended = holdover(&["check", "--config", text(&settings)]);
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    let said = String::from_utf8(ended.stdout).unwrap() + &String::from_utf8(ended.stderr).unwrap();
    for part in ["holdover_signing_key = '", "0604", "holdover_identity = '", "AGE-SECRET-KEY-1…", "holdover_recipients = (secret)"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    let secrets = [fs::read_to_string(&readable).unwrap(), fs::read_to_string(&swapped).unwrap(), pasted];
    for secret in secrets.iter().map(|file| file.lines().last().unwrap()) {
        assert!(!said.contains(&secret[20..]), "{said}");
    }
}

/// An operator with a key, about to allow something.
struct Glass {
    folder: TempDir,
    key: PathBuf,
    public: PublicKey,
}

impl Glass {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let key = folder.path().join("operator");
        let said: Value = serde_json::from_str(&done(&["keygen", "signing", "--json", "--out", text(&key)])).unwrap();
        Self { folder, key, public: said["public_key"].as_str().unwrap().parse().unwrap() }
    }

    fn arguments<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        const DIGEST: &str = "abababababababababababababababababababababababababababababababab";
        let mut arguments = vec!["break-glass", "--operator-key", text(&self.key), "--lineage", LINEAGE, "--gateway-version", "3.9.1"];
        arguments.extend(["--file-digest", DIGEST, "--why", "a bad rollout"]);
        arguments.extend(more);
        arguments
    }

    /// The same with another value for one option.
    fn replacing<'a>(&'a self, option: &[&'a str]) -> Vec<&'a str> {
        let mut arguments = self.arguments(&[]);
        match arguments.iter().position(|argument| argument == &option[0]) {
            Some(at) => arguments[at + 1] = option[1],
            None => arguments.extend(option),
        }
        arguments
    }
}

fn done(arguments: &[&str]) -> String {
    let ended = holdover(arguments);
    assert!(ended.status.success(), "{arguments:?}: {ended:?}");
    String::from_utf8(ended.stdout).unwrap()
}

fn holdover(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_holdover")).env_clear().args(arguments).output().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
