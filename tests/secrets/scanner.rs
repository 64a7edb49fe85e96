//! Knows the secrets, and finds them in what was said.

use std::collections::{BTreeSet, HashMap};
use std::io::Read;
use std::path::Path;
use std::process::Command;

use flate2::read::GzDecoder;
use holdover_drill::process::Node;
use serde_json::Value;

/// In every planted secret, and nowhere else.
pub const MARK: &str = "5ecre7";
/// What is shorter is found everywhere.
const SECRET_BYTES_MIN: usize = 8;
const KEY_LINE_BYTES: usize = 40;

/// Fields of Kong's entities whose values are secret.
const SECRET_FIELDS: [&str; 9] =
    ["key", "key_alt", "password", "secret", "client_secret", "custom_id", "rsa_public_key", "session_secret", "hash_secret"];
/// Entities in which a `key` is none.
const KEYS_OF_PUBLIC_ENTITIES: [&str; 2] = ["parameters", "tags"];
const CAPTURES: [&[u8]; 3] = [
    include_bytes!("../fixtures/kong-captures/small.reconfigure.gz"),
    include_bytes!("../fixtures/kong-captures/r100.reconfigure.gz"),
    include_bytes!("../fixtures/kong-captures/r5000.reconfigure.gz"),
];

#[derive(Default)]
pub struct Scanner {
    /// By their first eight bytes.
    known: HashMap<[u8; SECRET_BYTES_MIN], BTreeSet<String>>,
}

impl Scanner {
    /// Knows every secret of the captured configurations.
    pub fn of_captures() -> Self {
        let mut scanner = Self::default();
        for captured in captures() {
            let message: Value = serde_json::from_slice(&captured).unwrap();
            scanner.learn_entities(&message["config_table"]);
        }
        scanner
    }

    pub fn known(&self) -> usize {
        self.known.values().map(BTreeSet::len).sum()
    }

    pub fn learn(&mut self, secret: &str) {
        if let Some(begin) = secret.as_bytes().first_chunk::<SECRET_BYTES_MIN>() {
            self.known.entry(*begin).or_default().insert(secret.to_owned());
        }
    }

    /// The private part of a key file.
    pub fn learn_key_file(&mut self, path: &Path) {
        let text = std::fs::read_to_string(path).unwrap();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let private = line.split_once(':').map_or(line, |(_, private)| private);
            self.learn(private.get(..KEY_LINE_BYTES).unwrap_or(private));
        }
    }

    fn learn_entities(&mut self, table: &Value) {
        for (kind, entities) in table.as_object().unwrap() {
            if !KEYS_OF_PUBLIC_ENTITIES.contains(&kind.as_str()) {
                self.learn_fields(entities);
            }
        }
    }

    fn learn_fields(&mut self, value: &Value) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| self.learn_fields(value)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value.as_str() {
                        Some(text) if SECRET_FIELDS.contains(&name.as_str()) => self.learn_text(text),
                        Some(_) => {}
                        None => self.learn_fields(value),
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Of a private key the beginning of each line; anything else whole.
    fn learn_text(&mut self, text: &str) {
        for line in text.lines().filter(|line| !line.starts_with("-----")) {
            self.learn(line.get(..KEY_LINE_BYTES).unwrap_or(line));
        }
    }

    /// What stands in a text and must not: each with the words around it.
    pub fn found(&self, text: &str) -> Vec<String> {
        let marked = text.match_indices(MARK).map(|(at, _)| around(text, at));
        let begins = text.as_bytes().windows(SECRET_BYTES_MIN).enumerate();
        let known = begins.filter_map(|(at, begin)| {
            let secrets = self.known.get(begin)?;
            let rest = text.as_bytes().get(at..)?;
            secrets.iter().any(|secret| rest.starts_with(secret.as_bytes())).then(|| around(text, at))
        });
        marked.chain(known).collect()
    }

    pub fn holds_against(&self, whence: &str, text: &str) {
        let found = self.found(text);
        assert!(
            found.is_empty(),
            "{whence} says {} secrets, the first ones here: {:#?}",
            found.len(),
            found.iter().take(5).collect::<Vec<_>>()
        );
    }

    /// Every page and the whole log of a node; asked while it runs.
    pub async fn holds_against_node(&self, situation: &str, node: &Node) {
        for path in ["/", "/status", "/why", "/ready", "/metrics"] {
            let page = node.status_page(path).await.unwrap();
            self.holds_against(&format!("{situation}: {path} of the {}", node.name()), &String::from_utf8_lossy(&page.body));
        }
        let log = node.log();
        assert!(!log.is_empty(), "{situation}: the {} wrote no log", node.name());
        self.holds_against(&format!("{situation}: the log of the {}", node.name()), &log);
    }

    /// Both streams of a command, whatever it ended with. Returns them.
    pub fn holds_against_command(&self, command: &mut Command) -> String {
        let ended = command.output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        assert!(!said.is_empty(), "{command:?} said nothing");
        self.holds_against(&format!("{command:?}"), &said);
        said
    }
}

/// Reconfigure messages as a Kong 3.9.1 control plane sent them.
pub fn captures() -> Vec<Vec<u8>> {
    let inflated = |captured: &[u8]| {
        let mut bytes = Vec::new();
        GzDecoder::new(captured).read_to_end(&mut bytes).unwrap();
        bytes
    };
    CAPTURES.into_iter().map(inflated).collect()
}

fn around(text: &str, at: usize) -> String {
    let begin = text.floor_char_boundary(at.saturating_sub(200));
    let end = text.ceil_char_boundary((at + 100).min(text.len()));
    text[begin..end].to_owned()
}

#[test]
fn the_scanner_finds_what_is_planted_captured_or_read_from_a_key() {
    let mut scanner = Scanner::of_captures();
    assert!(scanner.known() >= 4, "of the captures {} secrets are known", scanner.known());
    assert_eq!(scanner.found("a plain sentence of holdover"), Vec::<String>::new());
    assert_eq!(scanner.found(&format!("see '{MARK}-key-auth'")).len(), 1);
    // The first line of the small capture's certificate key.
    assert_eq!(scanner.found("key MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg3He1Si9x4Qgz90kJ").len(), 1);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, "# public\ned25519-private:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n").unwrap();
    scanner.learn_key_file(&path);
    assert_eq!(scanner.found("0123456789abcdef0123456789abcdef01234567").len(), 1);
}
