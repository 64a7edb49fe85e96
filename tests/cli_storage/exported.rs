//! A folder as an exporter with keys leaves it, and the binary that is run on it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use holdover_keys::{Identity, KeyRing, KeySettings, SigningKey, keep_private};
use holdover_plugin::config::{self, Format, Strictness};
use holdover_plugin::model::{Epoch, Generation, Lineage, UnixMs};
use holdover_plugin::snapshot::cached::{self, CachedOrigin, Found, Header};
use holdover_plugin::snapshot::head::{Entry, Head};
use holdover_plugin::snapshot::{About, Publication, Purpose, keys, seal};
use holdover_ports::Sealing;
use serde_json::{Value, json};
use tempfile::TempDir;

pub const CLUSTER: &str = "shop";
pub const VERSION: &str = "3.9.1";
const API_KEY: &str = "api-key-that-nobody-may-see";
const CERTIFICATE_KEY: &str = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCprivate";
const REDIS_PASSWORD: &str = "redis-password-that-nobody-may-see";
const HOUR_MS: u64 = 3_600_000;

/// A folder as an exporter with keys leaves it.
pub struct Site {
    pub folder: TempDir,
    ring: KeyRing,
    pub lineage: Lineage,
}

pub enum Lock {
    None,
    Age,
}

#[derive(Clone, Copy)]
pub enum Flag {
    Storage,
    Trust,
    Identity,
}

#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Site {
    pub fn new(lock: Lock) -> Self {
        let folder = TempDir::new().unwrap();
        let (signing, identity) = (folder.path().join("signing"), folder.path().join("identity"));
        let own = Identity::generate().unwrap();
        keep_private(&signing, &SigningKey::generate().unwrap().expose()).unwrap();
        keep_private(&identity, &own.expose()).unwrap();
        let recipients = match lock {
            Lock::None => Vec::new(),
            Lock::Age => vec![own.recipient().to_string()],
        };
        let ring = KeyRing::open(&KeySettings { signing_key: Some(signing), recipients, identity: Some(identity) }).unwrap();
        let low = u64::from_be_bytes(ring.public().unwrap().as_bytes()[..8].try_into().unwrap());
        Self { folder, ring, lineage: Lineage::from_random(7, low) }
    }

    /// Three generations, signed and encrypted, the second damaged.
    pub fn sealed() -> Self {
        let site = Self::new(Lock::Age);
        for generation in 1..=3 {
            site.publish(generation as usize, generation);
        }
        site.damage(2);
        site
    }

    /// An hour ago, as generation `generation` with so many routes.
    pub fn publish(&self, routes: usize, generation: u64) -> Entry {
        self.publish_config(document(routes), Format::Kong, generation)
    }

    pub fn publish_config(&self, config: Vec<u8>, format: Format, generation: u64) -> Entry {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis() as u64;
        let sealed_at = UnixMs(now - HOUR_MS);
        let publication = Publication { lineage: self.lineage, epoch: Epoch(1), generation: Generation(generation) };
        let valid = config::validate(config, format, Strictness::Delivered).unwrap();
        let about = About {
            cluster: CLUSTER.parse().unwrap(),
            gateway_version: VERSION.parse().unwrap(),
            publication: Some(publication),
            captured_at: sealed_at,
            sealed_at,
            sealed_by: "backup-1".to_owned(),
        };
        let unsigned = seal(valid, &about, self.ring.wrap().unwrap().as_ref()).unwrap();
        let signatures = self.ring.sign(Purpose::Snapshot, unsigned.digest()).unwrap();
        let snapshot = unsigned.sign(&signatures).unwrap();
        let entry = Entry::of(&snapshot, self.ring.sealed_as()).unwrap();
        let mut head = self.head().unwrap_or_else(|| Head::first(CLUSTER.parse().unwrap(), self.lineage));
        (head.epoch, head.generation, head.confirmed_at, head.writer) =
            (Epoch(1), Generation(generation), sealed_at, "backup-1".to_owned());
        head.publish(VERSION.parse().unwrap(), entry.clone());
        let lines = head.lines().unwrap();
        let signatures = self.ring.sign(Purpose::Head, lines.digest()).unwrap();
        self.store(&entry.key, snapshot.bytes());
        self.store(keys::HEAD, &lines.sign(&signatures));
        entry
    }

    pub fn damage(&self, generation: u64) {
        let head = self.head().unwrap();
        let history = &head.views[&VERSION.parse().unwrap()].history;
        let entry = history.iter().find(|entry| entry.generation == Generation(generation)).unwrap();
        let path = self.storage().join(&entry.key);
        let mut file = fs::read(&path).unwrap();
        let middle = file.len() / 2;
        file[middle] ^= 1;
        fs::write(path, file).unwrap();
    }

    pub fn newest(&self) -> Entry {
        self.head().unwrap().newest(&VERSION.parse().unwrap()).unwrap().clone()
    }

    fn head(&self) -> Option<Head> {
        let file = fs::read(self.storage().join(keys::HEAD)).ok()?;
        Some(Head::read(&file, &holdover_plugin::snapshot::Trust::unasked()).unwrap())
    }

    fn store(&self, key: &str, bytes: &[u8]) {
        let path = self.storage().join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub fn storage(&self) -> PathBuf {
        self.folder.path().join("storage")
    }

    pub fn url(&self) -> String {
        format!("file://{}", self.storage().display())
    }

    pub fn key_id(&self) -> String {
        self.ring.public().unwrap().id().to_string()
    }

    /// A node's, with everything that its importer knows.
    pub fn settings(&self, more: &str) -> String {
        let settings = format!(
            "holdover_control_plane = http://127.0.0.1:9/config\nholdover_gateway_version = {VERSION}\nholdover_cluster = {CLUSTER}\n\
             cluster_fallback_config_import = on\ncluster_fallback_config_storage = {}\nholdover_trusted_keys = {}\n\
             holdover_identity = {}\n{more}",
            self.url(),
            self.ring.public().unwrap(),
            self.folder.path().join("identity").display(),
        );
        self.file("holdover.conf", &settings)
    }

    pub fn file(&self, name: &str, text: &str) -> String {
        self.file_bytes(name, text.as_bytes())
    }

    pub fn file_bytes(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    }

    pub fn run(&self, arguments: &[&str], flags: &[Flag]) -> Ended {
        let mut command = self.command(arguments);
        for flag in flags {
            match flag {
                Flag::Storage => command.arg("--storage").arg(self.url()),
                Flag::Trust => command.arg("--trusted-key").arg(self.ring.public().unwrap().to_string()),
                Flag::Identity => command.arg("--identity").arg(self.folder.path().join("identity")),
            };
        }
        self.searched(command.stdin(Stdio::null()).output().unwrap())
    }

    pub fn piped(&self, arguments: &[&str], stdin: &[u8]) -> Ended {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin).unwrap();
        self.searched(child.wait_with_output().unwrap())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdover"));
        command.env_clear().env("AWS_EC2_METADATA_DISABLED", "true").args(arguments);
        command
    }

    /// No secret of any configuration or key file is in what was printed.
    fn searched(&self, ended: Output) -> Ended {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let ended = Ended { code: ended.status.code().unwrap(), stdout: text(ended.stdout), stderr: text(ended.stderr) };
        let key_files = ["signing", "identity"].map(|name| fs::read_to_string(self.folder.path().join(name)).unwrap());
        let secrets = [API_KEY, CERTIFICATE_KEY, REDIS_PASSWORD].map(str::to_owned).into_iter();
        for secret in secrets.chain(key_files.map(|file| file.trim()[20..].to_owned())) {
            assert!(!ended.stdout.contains(&secret) && !ended.stderr.contains(&secret), "{secret} was printed: {ended:?}");
        }
        ended
    }
}

impl Ended {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// So many routes, and a secret of every kind, another one with every number.
pub fn document(routes: usize) -> Vec<u8> {
    let routes_of = |n: usize| json!({"name": format!("route-{n}"), "paths": [format!("/{n}")]});
    let certificate = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmg\n-----END CERTIFICATE-----";
    let document = json!({
        "_format_version": "3.0",
        "services": [{"name": "a", "host": "127.0.0.1", "routes": (0..routes).map(routes_of).collect::<Vec<_>>()}],
        "consumers": [{"username": "alice", "keyauth_credentials": [{"key": format!("{API_KEY}-{routes}")}]}],
        "plugins": [
            {"name": "key-auth"},
            {"name": "rate-limiting", "config": {"minute": routes, "policy": "cluster", "redis": {"password": format!("{REDIS_PASSWORD}-{routes}")}}},
        ],
        "certificates": [{"id": "aaaaaaaa-0000-4000-8000-000000000001", "cert": certificate,
            "key": format!("-----BEGIN PRIVATE KEY-----\n{CERTIFICATE_KEY}{routes}\n-----END PRIVATE KEY-----")}],
    });
    serde_json::to_vec(&document).unwrap()
}

/// As a node keeps what it took from a storage.
pub fn cache_entry(entry: &Entry, snapshot: &[u8], document: &[u8]) -> Vec<u8> {
    let proof = config::validate(document.to_vec(), Format::Kong, Strictness::Delivered).unwrap().into_proof();
    let header = Header { origin: CachedOrigin::Storage, kept_at: entry.sealed_at, found: Found::now(entry.file_digest, proof) };
    [cached::wrap(&header).unwrap(), snapshot.to_vec()].concat()
}

pub fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_else(|| panic!("no array: {value}"))
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
