//! `approve --rejoin`: the operator's word in the folder of a node that runs.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use holdover_keys::{EncryptedCache, Identity, KeyRing, KeySettings, keep_private};
use holdover_node::FileCache;
use holdover_plugin::policy::rejoin::Approved;
use holdover_ports::{Cache, Slot};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Ended, ended, text};

const WHY: [&str; 4] = ["--why", "the database was emptied on purpose", "--by", "alice"];

#[tokio::test]
async fn the_word_of_the_operator_reaches_a_node_that_holds_its_folder() {
    let site = Node::new("");
    let cache = FileCache::open(site.cache()).unwrap();
    let given = site.approve(&["--sameness", "abc", "--json"]);
    assert_eq!(given.code, 0, "{given:?}");
    assert_eq!((&given.json()["sameness"], &given.json()["by"]), (&json!("abc"), &json!("alice")));
    let approved = Approved::read(&cache.read(Slot::Approval).await.unwrap().unwrap()).unwrap();
    assert_eq!((approved.sameness.as_str(), approved.by.as_str(), approved.why.as_str()), ("abc", "alice", WHY[1]));
    assert_eq!(fs::metadata(site.cache().join("approval")).unwrap().permissions().mode() & 0o777, 0o600);
    let files: Vec<_> = fs::read_dir(site.cache()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files.len(), 2, "the approval and the node's lock: {files:?}");
}

#[test]
fn what_is_held_is_read_off_the_nodes_own_page() {
    let site = Node::new("");
    fs::create_dir(site.cache()).unwrap();
    let entry = json!({"name": "rejoin-held", "sentence": "The control plane is back with nothing.", "fields": {"sameness": "def", "reason": "empty"}});
    let given = site.approve(&["--status", &page(json!({"recent": [entry]}))]);
    assert!(given.code == 0 && given.stderr.contains("The control plane is back with nothing."), "{given:?}");
    assert!(given.stdout.contains("alice") && given.stdout.contains("the rejoin guard holds may be applied"), "{given:?}");
    let approved = Approved::read(&fs::read(site.cache().join("approval")).unwrap()).unwrap();
    assert_eq!(approved.sameness, "def");

    let nothing = site.approve(&["--status", &page(json!({"recent": []}))]);
    assert!(nothing.code == 1 && nothing.stderr.contains("--sameness"), "{nothing:?}");
}

#[tokio::test]
async fn a_node_with_an_encrypted_cache_reads_the_word_too() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("identity");
    keep_private(&path, &Identity::generate().unwrap().expose()).unwrap();
    let site = Node::new(&format!("holdover_cache_encryption = on\nholdover_identity = {}\n", path.display()));
    let cache = Arc::new(FileCache::open(site.cache()).unwrap());
    assert_eq!(site.approve(&["--sameness", "abc"]).code, 0);
    let ring = Arc::new(KeyRing::open(&KeySettings { identity: Some(path), ..KeySettings::default() }).unwrap());
    let opened = EncryptedCache::new(cache, ring).unwrap().read(Slot::Approval).await.unwrap().unwrap();
    assert_eq!(Approved::read(&opened).unwrap().sameness, "abc");
}

#[test]
fn without_the_nodes_folder_and_settings_there_is_nobody_to_tell() {
    let site = Node::new("");
    let none = site.approve(&["--sameness", "abc"]);
    assert!(none.code == 3 && none.stderr.contains("holdover_cache_dir"), "no node was ever there: {none:?}");
    assert_eq!(ended(["approve", "--rejoin", "--sameness", "abc", "--why", "x"]).code, 2, "no settings");
    assert_eq!(site.approve(&["--sameness", "abc", "--base", "1-1"]).code, 2, "a word for the guard of exports");
}

struct Node(TempDir);

impl Node {
    fn new(more: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let settings = format!(
            "holdover_control_plane = file:///none\nholdover_gateway_version = 3.9.1\nholdover_cache_dir = {}\n{more}",
            folder.path().join("cache").display()
        );
        fs::write(folder.path().join("holdover.conf"), settings).unwrap();
        Self(folder)
    }

    fn cache(&self) -> PathBuf {
        self.0.path().join("cache")
    }

    fn approve(&self, more: &[&str]) -> Ended {
        let config = self.0.path().join("holdover.conf");
        ended([&["approve", "--rejoin", "--config", text(&config)], &WHY[..], more].concat())
    }
}

/// Answers one request with this, whatever is asked.
fn page(body: Value) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _asked = stream.read(&mut [0; 4096]).unwrap();
        let body = body.to_string();
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()).unwrap();
    });
    format!("http://{address}")
}
