//! Every command that reads a configuration, a snapshot or a storage, for people and as JSON.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use holdover_drill::control_plane::HttpControlPlane;
use holdover_drill::process::Node;
use holdover_plugin::snapshot::head::Entry;
use holdover_tests::keygen::{Identity, Signing};
use holdover_tests::site::{BOUND, CLUSTER, GETTER, PREFIX, Site, VERSION, binary};
use serde_json::Value;

use crate::documents::{document, planted, wrong};
use crate::scanner::Scanner;

/// Two generations in which every secret differs, plain under one prefix, encrypted under the other.
struct Published {
    site: Site,
    scanner: Scanner,
    signing: Signing,
    identity: Identity,
    running: Node,
    _live: HttpControlPlane,
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_says_a_secret_of_a_storage_a_node_or_a_file() {
    let mut published = Published::start().await;
    published.asks_the_storages();
    published.asks_the_node();
    published.asks_of_files();
    published.running.kill_9().await.unwrap();
}

impl Published {
    async fn start() -> Self {
        let site = Site::start().await;
        let mut scanner = Scanner::of_captures();
        let signing = Signing::generate(site.folder(), "signing");
        let identity = Identity::generate(site.folder(), "identity");
        scanner.learn_key_file(&signing.file);
        scanner.learn_key_file(&identity.file);
        scanner.learn("site-exporter-secret");
        scanner.learn(GETTER.1);
        let live = HttpControlPlane::start(document(site.upstream.address(), 1).to_string()).await.unwrap();
        let sealed = site
            .backup_node("sealing", &live)
            .set("cluster_fallback_config_storage", site.storage_at("sealed"))
            .set("holdover_signing_key", signing.file.display())
            .set("holdover_recipients", &identity.recipient);
        let mut sealing = Node::spawn(&sealed).unwrap();
        let mut running = Node::spawn(&site.exporter("running", &live).with_builtin_gateway().unwrap()).unwrap();
        for generation in [1, 2] {
            live.set_document(document(site.upstream.address(), generation).to_string());
            site.generation(&mut sealing, "sealed", generation.into()).await;
            site.generation(&mut running, PREFIX, generation.into()).await;
        }
        sealing.terminate(BOUND).await.unwrap();
        running.wait_ready(BOUND).await.unwrap();
        Self { site, scanner, signing, identity, running, _live: live }
    }

    fn asks_the_storages(&self) {
        let (plain, sealed) = (self.site.storage_at(PREFIX), self.site.storage_at("sealed"));
        let identity = self.identity.file.display().to_string();
        let with_keys = ["--trusted-key", &self.signing.public, "--identity", &identity];
        for (storage, keys) in [(plain.as_str(), &[][..]), (sealed.as_str(), &with_keys[..])] {
            let place = ["--storage", storage, "--cluster", CLUSTER, "--gateway-version", VERSION];
            let place = || place.iter().chain(keys).map(OsStr::new);
            for command in [&["history"][..], &["show", "newest"], &["diff", "1", "2"], &["verify"], &["check", "--as", "importer"]] {
                let said = self.both_ways(command.iter().map(OsStr::new).chain(place()));
                assert!(!said.contains("error: unexpected argument"), "{said}");
            }
            for generation in ["newest", "1"] {
                let out = self.site.folder().join(format!("fetched-{}-{generation}", keys.len()));
                let fetch = [OsStr::new("fetch"), OsStr::new(generation), OsStr::new("--out"), out.as_os_str(), OsStr::new("--force")];
                self.both_ways(fetch.into_iter().chain(place()));
                assert!(out.is_file());
            }
        }
        // Without the key nothing is opened, and what is said of it holds nothing.
        for command in [&["show"][..], &["diff", "1", "2"], &["verify"], &["check", "--as", "importer"]] {
            let place = ["--storage", &sealed, "--cluster", CLUSTER, "--gateway-version", VERSION];
            self.both_ways(command.iter().chain(&place).map(OsStr::new));
        }
        let differences =
            self.said(["diff", "1", "2", "--storage", &plain, "--cluster", CLUSTER, "--gateway-version", VERSION].map(OsStr::new));
        for kind in ["keyauth_credentials", "basicauth_credentials", "jwt_secrets", "consumers", "plugins"] {
            assert!(differences.contains(kind), "the changed {kind} is not named: {differences}");
        }
    }

    fn asks_the_node(&self) {
        let config = self.site.folder().join("running/holdover.conf").display().to_string();
        for command in ["status", "why"] {
            let said = self.both_ways([command, "--config", &config].map(OsStr::new));
            assert!(said.contains("control"), "{said}");
        }
        self.both_ways(["check", "--config", &config].map(OsStr::new));
    }

    fn asks_of_files(&self) {
        let folder = self.site.folder().join("files");
        fs::create_dir(&folder).unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.join(name);
            fs::write(&path, bytes).unwrap();
            path
        };
        let upstream = self.site.upstream.address();
        let (old, new) = (document(upstream, 1).to_string(), document(upstream, 2).to_string());
        let (old, new) = (file("old.json", old.as_bytes()), file("new.json", new.as_bytes()));
        self.both_ways([OsStr::new("verify"), new.as_os_str()]);
        self.both_ways([OsStr::new("diff"), OsStr::new("--files"), old.as_os_str(), new.as_os_str()]);
        let newest: Entry = self.site.head().unwrap().newest(&VERSION.parse().unwrap()).unwrap().clone();
        let snapshot = file("snapshot", &self.site.object(&newest.key).unwrap());
        let cached = self.site.folder().join("running/cache/applied.snapshot");
        for path in [&snapshot, &cached] {
            self.both_ways([OsStr::new("verify"), path.as_os_str()]);
            self.both_ways([OsStr::new("diff"), OsStr::new("--files"), old.as_os_str(), path.as_os_str()]);
        }
        for (nth, (_, bytes)) in wrong(upstream).into_iter().enumerate() {
            let bad = file(&format!("wrong-{nth}.json"), &bytes);
            self.said([OsStr::new("verify"), bad.as_os_str()]);
            self.said([OsStr::new("diff"), OsStr::new("--files"), old.as_os_str(), bad.as_os_str()]);
        }
        self.bad_settings(&folder);
    }

    /// Settings that hold secrets and are wrong.
    fn bad_settings(&self, folder: &Path) {
        let path = folder.join("holdover.conf");
        let lines = [
            format!("holdover_control_plane_token = {}", planted("token", 0)),
            format!("holdover_control_plane_password = {}", planted("password", 0)),
            format!("holdover_control_plane = http://u:{}@127.0.0.1:9/?key={}", planted("url", 0), planted("query", 0)),
            format!("cluster_fallback_config_storage = s3://u:{}@bucket/prefix", planted("storage", 0)),
            format!("cluster_fallback_export_s3_config = {{\"SSECustomerKey\": \"{}\"}}", planted("put", 0)),
            "holdover_gateway_version = 3.9.1".to_owned(),
            "holdover_no_such_setting = 1".to_owned(),
        ];
        fs::write(&path, lines.join("\n")).unwrap();
        let said = self.both_ways([OsStr::new("check"), OsStr::new("--config"), path.as_os_str()]);
        assert!(said.contains("holdover_no_such_setting"), "{said}");
    }

    /// What it says to people, then what it says as JSON.
    fn both_ways<'a>(&self, arguments: impl IntoIterator<Item = &'a OsStr>) -> String {
        let arguments: Vec<&OsStr> = arguments.into_iter().collect();
        let said = self.said(arguments.iter().copied().chain([OsStr::new("--json")]));
        let document = said.find('{').map(|at| serde_json::Deserializer::from_str(&said[at..]).into_iter::<Value>().next());
        assert!(document.is_none_or(|document| document.is_some_and(|document| document.is_ok())), "{arguments:?}: {said}");
        self.said(arguments)
    }

    fn said<'a>(&self, arguments: impl IntoIterator<Item = &'a OsStr>) -> String {
        let mut command = Command::new(binary());
        command.env_clear().args(arguments);
        command.env("AWS_CONFIG_STORAGE_ENDPOINT", self.site.store.endpoint()).env("AWS_REGION", "us-east-1");
        command.env("AWS_ACCESS_KEY_ID", GETTER.0).env("AWS_SECRET_ACCESS_KEY", GETTER.1).env("AWS_EC2_METADATA_DISABLED", "true");
        self.scanner.holds_against_command(&mut command)
    }
}
