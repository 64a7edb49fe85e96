//! docs/envoy.md, followed as an operator would: its settings and its command are read from the document and run as they stand.
//!
//! On a machine where nothing has a fixed port some of it must differ. Of the settings that is said in the environment, which comes before
//! the file; of the command by the management server's address and authority in its place, and by arguments more than it has.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use holdover_drill::process::free_address;
use holdover_drill::{SELDOM, until};
use holdover_tests::site::{BOUND, binary, compiled_folder};
use holdover_tests::third_party::Tied;
use serde_json::Value;

use crate::envoy::{Envoy, validated};
use crate::ground::{EXPORTER, Ground, IMPORTER, Place};
use crate::management::{ManagementServer, Tls};

/// What the document calls the management server, and whom it trusts.
const CONTROL_PLANE: &str = "xds.example.com:18000";
const AUTHORITY: &str = "/etc/ssl/certs/ca-certificates.crt";

#[tokio::test(flavor = "multi_thread")]
async fn what_the_document_tells_to_run_carries_an_envoy_through_an_outage() {
    let document = Document::read();
    let ground = Ground::start().await;
    let mut control_plane = ManagementServer::start_with(Some(pair()), ground.folder(), &ground.resources(1)).await;
    let [backup_node, node] = document.settings();
    let backup_node = Documented::start("backup-node", backup_node, Place::free(), control_plane.address, EXPORTER, &ground);
    let published = until(BOUND, SELDOM, "the publication", async || Ok((ground.generations() > 0).then_some(())));
    published.await.unwrap_or_else(|failure| panic!("{failure:#}; the backup node said: {}", backup_node.said()));
    control_plane.kill();

    let place = Place::free();
    let node = Documented::start("node", node, place, control_plane.address, IMPORTER, &ground);
    let admin = free_address().unwrap();
    let bootstrap = document.bootstrap_here(control_plane.address, place, admin, ground.folder());
    validated(&bootstrap, ground.folder()).unwrap();
    let envoy = Envoy::start_with("envoy", &bootstrap, admin, ground.folder());
    let served = envoy.served().await;
    println!("the first answer after {} ms", served.after.as_millis());
    assert_eq!((served.generation, envoy.state().await.as_str()), (1, "LIVE"), "{}", node.said());
    let bootstrap: Value = serde_json::from_str(&bootstrap).unwrap();
    let status = node.asked("status");
    assert!(status.contains(bootstrap["node"]["id"].as_str().unwrap()), "the status lists the Envoy: {status}");
    let why = node.asked("why");
    assert!(why.contains("from the storage, generation 1-1"), "the node says where its configuration came from: {why}");

    control_plane.again(&ground.resources(2)).await;
    envoy.goes_by(2).await;
}

#[test]
fn the_documented_command_names_the_documented_addresses() {
    let document = Document::read();
    let folder = tempfile::tempdir().unwrap();
    let bootstrap = run(&document.bootstrap, folder.path());
    let [_, node] = document.settings();
    let mut wanted = BTreeSet::from([CONTROL_PLANE.to_owned()]);
    for setting in ["holdover_ads_listen", "holdover_status_listen"] {
        let value = node.lines().find_map(|line| line.strip_prefix(setting)?.trim_start().strip_prefix('='));
        wanted.insert(value.unwrap_or_else(|| panic!("{setting} is documented")).trim().to_owned());
    }
    assert_eq!(addresses(&serde_json::from_str(&bootstrap).unwrap()), wanted);
}

/// What docs/envoy.md has to be run.
struct Document {
    settings: Vec<String>,
    bootstrap: String,
}

impl Document {
    fn read() -> Self {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/envoy.md")).unwrap();
        let blocks = |language: &str| {
            let opened = format!("```{language}\n");
            let blocks = text.split(&opened).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned());
            blocks.collect::<Vec<_>>()
        };
        let bootstrap = blocks("sh").into_iter().find(|block| block.starts_with("holdover envoy bootstrap ")).unwrap();
        Self { settings: blocks("conf"), bootstrap: bootstrap.trim_end().to_owned() }
    }

    /// The backup node's, and those of the node beside an Envoy.
    fn settings(&self) -> [&str; 2] {
        let [backup_node, node] = self.settings.as_slice() else { panic!("two blocks of settings: {:?}", self.settings) };
        [backup_node, node]
    }

    /// What the command prints for an Envoy of this machine.
    fn bootstrap_here(&self, control_plane: SocketAddr, node: Place, admin: SocketAddr, folder: &Path) -> String {
        let (arguments, file) = self.bootstrap.rsplit_once(" > ").unwrap();
        for replaced in [CONTROL_PLANE, AUTHORITY] {
            assert!(arguments.contains(replaced), "{arguments} names {replaced}");
        }
        let arguments = arguments.replace(CONTROL_PLANE, &control_plane.to_string()).replace(AUTHORITY, &fixture("ca.crt.pem"));
        let Place { ads, status } = node;
        run(&format!("{arguments} --failover {ads} --health {status} --admin {admin} --server-name localhost > {file}"), folder)
    }
}

/// A node with documented settings. Ends with this value.
struct Documented {
    environment: Vec<String>,
    config: PathBuf,
    process: Tied,
}

impl Documented {
    fn start(name: &str, settings: &str, place: Place, control_plane: SocketAddr, key: (&str, &str), ground: &Ground) -> Self {
        let home = ground.folder().join(name);
        fs::create_dir_all(&home).unwrap();
        let config = home.join("holdover.conf");
        let written = File::options().write(true).create_new(true).mode(0o600).open(&config);
        written.unwrap().write_all(settings.as_bytes()).unwrap();
        let here = [
            ("HOLDOVER_CONTROL_PLANE", format!("xds+https://{control_plane}")),
            ("KONG_CLUSTER_CA_CERT", fixture("ca.crt.pem")),
            ("KONG_CLUSTER_FALLBACK_CONFIG_STORAGE", ground.storage()),
            ("HOLDOVER_ADS_LISTEN", place.ads.to_string()),
            ("HOLDOVER_STATUS_LISTEN", place.status.to_string()),
            ("HOLDOVER_CACHE_DIR", home.join("cache").display().to_string()),
            ("HOLDOVER_COMPILED_DIR", compiled_folder().display().to_string()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("HOME", home.display().to_string()),
        ];
        let here = here.into_iter().chain(ground.credentials(key));
        let environment: Vec<String> = here.map(|(name, value)| format!("{name}={value}")).collect();
        let process = Tied::start(Path::new("env"), &holdover("run", &environment, &config), &home);
        Self { environment, config, process }
    }

    /// What a command prints that asks this node.
    fn asked(&self, command: &str) -> String {
        printed(Command::new("env").args(holdover(command, &self.environment, &self.config)))
    }

    fn said(&self) -> String {
        self.process.said()
    }
}

/// The arguments of `env` for one of our commands, with this environment and nothing of the test's own.
fn holdover(command: &str, environment: &[String], config: &Path) -> Vec<String> {
    let ours = [binary().display().to_string(), command.to_owned(), "--config".to_owned(), config.display().to_string()];
    std::iter::once("-i".to_owned()).chain(environment.iter().cloned()).chain(ours).collect()
}

/// As in a shell where our binary is found. What it writes it writes into this folder.
fn run(command: &str, folder: &Path) -> String {
    let mut folders = vec![binary().parent().unwrap().to_owned()];
    folders.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    let path = std::env::join_paths(folders).unwrap();
    printed(Command::new("sh").args(["-ec", command]).current_dir(folder).env("PATH", path));
    let (_, file) = command.rsplit_once(" > ").unwrap();
    fs::read_to_string(folder.join(file)).unwrap()
}

fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// `address:port` of everybody that a bootstrap names.
fn addresses(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Object(members) => match (&value["address"], &value["port_value"]) {
            (Value::String(address), Value::Number(port)) => BTreeSet::from([format!("{address}:{port}")]),
            _ => members.values().flat_map(addresses).collect(),
        },
        Value::Array(elements) => elements.iter().flat_map(addresses).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => BTreeSet::new(),
    }
}

/// The management server's, for this machine.
fn pair() -> Tls {
    Tls { certificate: fixture("localhost.crt.pem"), key: fixture("localhost.key.pem") }
}

fn fixture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/control-plane/tests/fixtures").join(name).display().to_string()
}
