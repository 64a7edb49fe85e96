//! The binary as an operator meets it: what it says of bad settings and bad files, and with which exit code it ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail by panicking")]

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

const WHOLE: &str = "holdover_control_plane = http://127.0.0.1:9/config\nholdover_gateway_version = 3.9.1\nproxy_listen = 127.0.0.1:0\n";
/// For a policy that is compiled by an unoptimised binary on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
const KONG: &str = r#"{"_format_version":"3.0","services":[{"name":"a","host":"127.0.0.1","routes":[{"name":"a","paths":["/a"]}]}]}"#;

#[test]
fn an_unknown_setting_ends_the_start_and_is_guessed() {
    let ended = Holdover::with(&format!("{WHOLE}holdover_gatway = none\n")).run(&["run"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stderr.contains("holdover_gatway") && ended.stderr.contains("did you mean holdover_gateway?"), "{ended:?}");
}

#[test]
fn a_control_plane_cannot_import() {
    let settings =
        format!("{WHOLE}role = control_plane\ncluster_fallback_config_import = on\ncluster_fallback_config_storage = s3://bucket\n");
    let ended = Holdover::with(&settings).run(&["run"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stderr.contains("cluster_fallback_config_import = 'on'") && ended.stderr.contains("role = data_plane"), "{ended:?}");
}

#[test]
fn an_export_needs_a_storage_and_every_other_problem_is_named_beside_it() {
    let ended = Holdover::with("cluster_fallback_config_export = on\nlog_level = loud\nholdover_cluster = a b\n").run(&["check", "--json"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    let report = ended.json();
    assert_eq!(report["ok"], false);
    let named = report["checks"].to_string();
    let wanted = ["cluster_fallback_config_storage", "log_level", "holdover_cluster", "holdover_control_plane", "holdover_gateway_version"];
    for setting in wanted {
        assert!(named.contains(&format!("\"{setting}")), "{setting} is not in {named}");
    }
    assert_eq!(report["checks"].as_array().unwrap().len(), wanted.len(), "{named}");
}

#[test]
fn a_storage_that_cannot_be_parsed_is_named_once_with_what_to_write() {
    let settings = format!("{WHOLE}cluster_fallback_config_import = on\ncluster_fallback_config_storage = s3:bucket\n");
    let ended = Holdover::with(&settings).run(&["run"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert_eq!(ended.stderr.matches("cluster_fallback_config_storage").count(), 1, "{ended:?}");
    assert!(ended.stderr.contains("s3://bucket/prefix"), "{ended:?}");
}

#[test]
fn no_secret_reaches_a_message() {
    let settings =
        "holdover_control_plane = http://me:hunter2@cp.example.com/?key=hunter2\nholdover_control_plane_token = hunter2\nhunter2\n";
    let holdover = Holdover::with(settings);
    for arguments in [&["run"][..], &["check"], &["check", "--json"]] {
        let ended = holdover.run(arguments);
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(!ended.stdout.contains("hunter2") && !ended.stderr.contains("hunter2"), "{ended:?}");
    }
}

#[test]
fn a_good_setup_passes_the_check_and_an_unwritable_cache_does_not() {
    let holdover = Holdover::with(WHOLE);
    let storage = holdover.folder.path().join("storage");
    fs::create_dir(&storage).unwrap();
    let cache = holdover.folder.path().join("cache");
    let imports = format!("cluster_fallback_config_import = on\ncluster_fallback_config_storage = file://{}\n", storage.display());
    holdover.set(&format!("{WHOLE}{imports}holdover_cache_dir = {}\n", cache.display()));
    let ended = holdover.run(&["check", "--json"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(ended.json()["ok"], true);
    assert!(!cache.exists(), "a check makes nothing");

    // A file where the folder should be: that stops even the superuser.
    holdover.set(&format!("{WHOLE}{imports}holdover_cache_dir = {}/holdover.conf/cache\n", holdover.folder.path().display()));
    let ended = holdover.run(&["check"]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.stdout.contains("failed   holdover_cache_dir"), "{ended:?}");
}

#[test]
fn a_status_port_that_is_taken_is_named_and_ends_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let holdover = Holdover::with(WHOLE);
    let cache = holdover.folder.path().join("cache");
    let address = taken.local_addr().unwrap();
    holdover.set(&format!("{WHOLE}holdover_status_listen = {address}\nholdover_cache_dir = {}\n", cache.display()));
    let ended = holdover.run(&["run"]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.stderr.contains("holdover_status_listen") && ended.stderr.contains(&address.to_string()), "{ended:?}");
}

#[test]
fn a_node_that_does_not_run_cannot_be_asked() {
    let holdover = Holdover::with(WHOLE);
    // Port 1 is nobody's here; the answer is a refusal at once.
    for command in ["status", "why"] {
        let ended = holdover.run(&[command, "--address", "127.0.0.1:1"]);
        assert_eq!(ended.code, 5, "{ended:?}");
        assert!(ended.stderr.contains("127.0.0.1:1"), "{ended:?}");
    }
}

#[test]
fn a_valid_configuration_passes_verify_with_its_counts() {
    let holdover = Holdover::with(WHOLE);
    let file = holdover.file("kong.json", KONG.as_bytes());
    let ended = holdover.run(&["verify", &file, "--json"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let judged = ended.json();
    assert_eq!((&judged["valid"], &judged["counts"]["services"], &judged["counts"]["routes"]), (&true.into(), &1.into(), &1.into()));
    assert_eq!(judged["digest"].as_str().unwrap().len(), 64);
}

#[test]
fn an_invalid_configuration_fails_verify_with_its_findings() {
    let holdover = Holdover::with(WHOLE);
    let file = holdover.file("kong.json", br#"{"_format_version":"3.0","services":[{"name":"a"}]}"#);
    let ended = holdover.run(&["verify", &file, "--json"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let judged = ended.json();
    assert_eq!(judged["valid"], false);
    assert!(judged["findings"][0].as_str().unwrap().contains("services[0]"), "{judged}");
    assert_eq!(holdover.run(&["verify", &file]).code, 1);
}

#[test]
fn one_configuration_is_judged_as_the_kong_that_is_named_would_judge_it() {
    let holdover = Holdover::with(WHOLE);
    // Kong takes wildcards among server names from 3.7 on, in every router but the old one.
    let file = holdover.file("sni.yml", b"_format_version: '3.0'\nroutes:\n- name: r\n  protocols: [https]\n  snis: ['*.a.com']\n");
    let cases: [(&[&str], i32); 6] = [
        (&["--kong-version", "3.9.1"], 0),
        (&["--kong-version", "3.7.1", "--role", "data_plane"], 0),
        (&["--kong-version", "3.9.1", "--router-flavor", "expressions"], 0),
        (&["--kong-version", "3.4.2"], 1),
        (&["--kong-version", "3.6.1", "--role", "data_plane"], 1),
        (&["--kong-version", "3.9.1", "--router-flavor", "traditional"], 1),
    ];
    for (asked, code) in cases {
        let ended = holdover.run(&[&["verify", &file, "--json"], asked].concat());
        assert_eq!(ended.code, code, "{asked:?} {ended:?}");
        let judged = ended.json();
        assert_eq!(judged["valid"], code == 0, "{asked:?} {judged}");
        if code == 1 {
            assert!(judged["findings"][0].as_str().unwrap().starts_with("routes[0].snis[0]: "), "{asked:?} {judged}");
            let flattened = &judged["flattened"]["flattened_errors"][0];
            assert_eq!((&flattened["entity_type"], &flattened["errors"][0]["field"]), (&"route".into(), &"snis.1".into()), "{judged}");
        }
    }
    let ended = holdover.run(&["verify", &file, "--kong-version", "3.4.2"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stdout.contains("routes[0].snis[0]: ") && ended.stdout.contains("as Kong 3.4 judges it"), "{ended:?}");
}

#[test]
fn a_role_and_a_flavour_change_the_verdict_of_the_same_version() {
    let holdover = Holdover::with(WHOLE);
    let unknown_null = holdover.file("null.yml", b"_format_version: '3.0'\nservices:\n- name: a\n  host: x\n  ws_id: null\n");
    let expression = holdover.file("expression.yml", b"_format_version: '3.0'\nroutes:\n- name: r\n  expression: 'http.path == \"/\"'\n");
    let cases = [
        (&unknown_null, "--role", "data_plane", 0, ""),
        (&unknown_null, "--role", "dbless", 1, "services[0].ws_id: unknown field"),
        (&expression, "--router-flavor", "expressions", 0, ""),
        (&expression, "--router-flavor", "traditional_compatible", 1, "routes[0].expression: unknown field"),
    ];
    for (file, argument, value, code, said) in cases {
        let ended = holdover.run(&["verify", file, "--kong-version", "3.9.1", argument, value]);
        assert_eq!(ended.code, code, "{argument} {value} {ended:?}");
        assert!(ended.stdout.contains(said), "{argument} {value} {ended:?}");
    }
}

#[test]
fn a_kong_whose_verdict_is_not_known_is_a_mistake_in_the_arguments() {
    let holdover = Holdover::with(WHOLE);
    let file = holdover.file("kong.json", KONG.as_bytes());
    let cases: [(&[&str], &str); 5] = [
        (&["--kong-version", "2.8.1"], "3.9.1"),
        (&["--kong-version", "3.9.1", "--role", "control_plane"], "dbless or data_plane"),
        (&["--kong-version", "3.9.1", "--router-flavor", "trad"], "traditional_compatible"),
        (&["--role", "data_plane"], "--kong-version"),
        (&["--kong-version", "3.9.1", "--format", "document"], "--format kong"),
    ];
    for (asked, said) in cases {
        let ended = holdover.run(&[&["verify", &file], asked].concat());
        assert_eq!(ended.code, 2, "{asked:?} {ended:?}");
        assert!(ended.stderr.contains(said), "{asked:?} {ended:?}");
    }
}

#[test]
fn a_torn_snapshot_fails_verify() {
    let holdover = Holdover::with(WHOLE);
    let file = holdover.file("snapshot", b"HOLDOVER\0\0 and then nothing of use");
    let ended = holdover.run(&["verify", &file, "--json"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert_eq!((&ended.json()["valid"], &ended.json()["kind"]), (&false.into(), &"snapshot".into()));
}

#[test]
fn a_document_is_held_against_its_schema() {
    let holdover = Holdover::with(WHOLE);
    let schema = holdover.file("schema.json", br#"{"required":["port"],"properties":{"port":{"type":"integer"}}}"#);
    for (document, code) in [("port: 80\n", 0), ("port: many\n", 1)] {
        let file = holdover.file("document.yaml", document.as_bytes());
        let ended = holdover.run(&["verify", &file, "--format", "document", "--schema", &schema]);
        assert_eq!(ended.code, code, "{document} {ended:?}");
    }
    let file = holdover.file("kong.json", KONG.as_bytes());
    assert_eq!(holdover.run(&["verify", &file, "--schema", &schema]).code, 2);
}

#[test]
fn what_is_not_there_is_not_called_invalid() {
    let holdover = Holdover::with(WHOLE);
    assert_eq!(holdover.run(&["verify", "/no/such/file"]).code, 3);
    assert_eq!(holdover.run(&["verify", "nonsense://x"]).code, 2);
    let folder = holdover.folder.path().display();
    let ended = holdover.run(&["verify", &format!("file://{folder}"), "--json"]);
    assert_eq!(ended.code, 1, "an empty storage holds nothing valid: {ended:?}");
    assert!(ended.json()["findings"][0].as_str().unwrap().contains("holdover/head"), "{ended:?}");
}

#[test]
fn an_importer_component_has_no_way_to_write_a_storage() {
    let ended = Holdover::with(WHOLE).run(&["policy", "inspect", "--json"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let components = ended.json();
    let imports = |name: &str| {
        let component = components.as_array().unwrap().iter().find(|component| component["name"] == name);
        component.unwrap()["imports"].to_string()
    };
    assert!(!imports("importer").contains("storage-write") && imports("exporter").contains("storage-write"), "{components}");
}

#[test]
fn usage_ends_with_two_and_help_lists_the_exit_codes() {
    let holdover = Holdover::with(WHOLE);
    assert_eq!(holdover.run(&["fly"]).code, 2);
    let help = holdover.run(&["--help"]);
    assert_eq!(help.code, 0);
    assert!(help.stdout.contains("Exit codes:") && help.stdout.contains("drill"), "{help:?}");
}

/// The binary with a settings file of its own and nothing of this process's environment.
struct Holdover {
    folder: TempDir,
}

#[derive(Debug)]
struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Holdover {
    fn with(settings: &str) -> Self {
        let holdover = Self { folder: TempDir::new().unwrap() };
        holdover.set(settings);
        holdover
    }

    fn set(&self, settings: &str) {
        let path = PathBuf::from(self.file("holdover.conf", settings.as_bytes()));
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = Command::new(binary());
        command.env_clear().env("AWS_EC2_METADATA_DISABLED", "true").args(arguments);
        if matches!(arguments, ["run" | "check", ..]) {
            command.arg("--config").arg(self.folder.path().join("holdover.conf"));
        }
        let (stdout, stderr) = (self.folder.path().join("stdout"), self.folder.path().join("stderr"));
        command.stdin(Stdio::null()).stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        let status = within(PATIENCE, command.spawn().unwrap());
        let text = |path: PathBuf| fs::read_to_string(path).unwrap();
        Ended { code: status.code().expect("it ended by itself"), stdout: text(stdout), stderr: text(stderr) }
    }
}

impl Ended {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A process that should have ended and runs on is a finding, not a hanging test.
fn within(patience: Duration, mut child: Child) -> ExitStatus {
    let began = Instant::now();
    while began.elapsed() < patience {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    panic!("it still ran after {patience:?}");
}

/// Beside `deps/`, where this test is: `holdover-cli` is built with the workspace.
fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_holdover"))
}
