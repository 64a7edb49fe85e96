#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail by panicking")]

mod exporting;
mod front;
mod hybrid;
mod keys;
mod xds;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use holdover_plugin::config::Format;
use holdover_plugin::policy::OnRefusal;
use tempfile::TempDir;

use super::*;

const WHOLE: &str = "holdover_control_plane = http://127.0.0.1:9/config\nholdover_gateway_version = 3.9.1\n";
const STORED: &str = "cluster_fallback_config_storage = s3://bucket/prefix\n";

#[test]
fn kongs_own_page_works_to_the_letter() {
    let snippet = "cluster_fallback_config_import: on\ncluster_fallback_config_storage: $AWS_STORAGE_ENDPOINT\n";
    let settings = Given::config(&format!("{WHOLE}{snippet}")).variable("AWS_STORAGE_ENDPOINT", "s3://bucket/prefix").settings();
    assert!(settings.policy.import);
    assert_eq!(settings.storages, ["s3://bucket/prefix"]);

    let backup = "cluster_fallback_config_export = on\ncluster_fallback_config_storage = $AWS_STORAGE_ENDPOINT\n";
    let settings = Given::config(&format!("{WHOLE}{backup}")).variable("AWS_STORAGE_ENDPOINT", "s3://bucket/prefix").settings();
    assert_eq!(settings.export, Some(Export { s3_config: None, soak_watch: Vec::new(), janitor: true }));

    let off = "cluster_fallback_config_export = off\ncluster_fallback_config_import = off\n";
    assert_eq!(Given::config(&format!("{WHOLE}{off}")).settings().export, None);
}

#[test]
fn the_defaults_are_those_of_the_page() {
    let settings = Given::config(WHOLE).settings();
    assert_eq!(settings.role, Role::Traditional);
    let listen = vec!["0.0.0.0:8000".parse().unwrap()];
    let front = Front {
        certs: Vec::new(),
        cert_keys: Vec::new(),
        trusted_ips: Vec::new(),
        real_ip_header: "X-Real-IP".to_owned(),
        real_ip_recursive: false,
        verifies_upstreams: false,
        trusted_certificates: vec!["system".to_owned()],
        headers: ["server_tokens", "latency_tokens", "X-Kong-Request-Id"].map(str::to_owned).to_vec(),
    };
    assert_eq!(settings.gateway, Gateway::Builtin { listen, tls_listen: Vec::new(), unenforced: Unenforced::default(), front });
    assert_eq!(settings.status_listen, "127.0.0.1:8108".parse().unwrap());
    assert_eq!(settings.cache_dir, PathBuf::from("/var/lib/holdover"));
    assert_eq!(settings.compiled_dir, PathBuf::from("/var/lib/holdover/compiled"));
    assert_eq!(settings.log_level, LogLevel::Notice);
    assert_eq!(settings.policy.format, Format::Kong);
    assert_eq!(settings.policy.on_refusal, OnRefusal::Wait);
    assert_eq!(settings.policy.cluster.as_str(), "default");
    assert_eq!(settings.policy.node, "holdover");
    assert_eq!(settings.policy.give_up, Duration::from_secs(10));
    assert_eq!(settings.policy.first_fetch_jitter, Duration::ZERO);
    assert_eq!(settings.policy.export_delay, Duration::from_secs(60));
    assert_eq!(settings.policy.settle, Duration::from_secs(60));
    assert_eq!(settings.policy.staleness_warn, Duration::from_secs(24 * 60 * 60));
    assert!(!settings.policy.import && settings.export.is_none() && settings.storages.is_empty() && settings.notes.is_empty());
    assert!(matches!(settings.control_plane, ControlPlane::Http { poll_interval, .. } if poll_interval == Duration::from_secs(5)));
}

#[test]
fn holdover_wins_over_kong_and_the_environment_over_files() {
    let level = |given: Given| given.settings().log_level;
    let kong = "log_level = error\n";
    let config = format!("{WHOLE}log_level = warn\n");
    assert_eq!(level(Given::config(WHOLE).kong_conf(kong)), LogLevel::Error);
    assert_eq!(level(Given::config(&config).kong_conf(kong)), LogLevel::Warn);
    assert_eq!(level(Given::config(&config).variable("KONG_LOG_LEVEL", "info")), LogLevel::Info);
    let both = Given::config(&config).variable("HOLDOVER_LOG_LEVEL", "debug").variable("KONG_LOG_LEVEL", "info");
    assert_eq!(level(both), LogLevel::Debug);
    assert_eq!(level(Given::config(&config).variable("KONG_LOG_LEVEL", "")), LogLevel::Warn);
    let ours = Given::config(WHOLE).variable("HOLDOVER_GATEWAY", "none").settings();
    assert_eq!(ours.gateway, Gateway::None);
}

#[test]
fn the_environment_alone_is_enough() {
    let given = Given::nothing().variable("HOLDOVER_CONTROL_PLANE", "file:///etc/kong.yml").variable("HOLDOVER_GATEWAY_VERSION", "3.9.1");
    assert!(matches!(given.settings().control_plane, ControlPlane::File { path } if path.as_path() == Path::new("/etc/kong.yml")));
}

#[test]
fn every_problem_is_named_at_once() {
    let given = Given::config(
        "holdover_gatway = none\nrole = leader\nholdover_settle = soon\ncluster_fallback_config_export = on\nlog_level = loud\n",
    );
    let problems = given.problems();
    let settings: Vec<&str> = problems.iter().map(|problem| problem.setting.as_str()).collect();
    let expected = [
        "holdover_gatway",
        "role",
        "holdover_control_plane",
        "cluster_fallback_config_storage",
        "holdover_settle",
        "holdover_gateway_version",
        "log_level",
    ];
    assert_eq!(settings, expected);
    assert!(problems.iter().all(|problem| !problem.fix.is_empty()));
}

#[test]
fn an_unknown_setting_is_an_error_that_guesses_what_was_meant() {
    assert_problem(&format!("{WHOLE}holdover_gatway = none"), "holdover_gatway", "did you mean holdover_gateway?");
    assert_problem(&format!("{WHOLE}holdover-cache-dir = /x"), "holdover-cache-dir", "did you mean holdover_cache_dir?");
    assert_problem(&format!("{WHOLE}database = off"), "database", "no such setting");
    assert_problem(&format!("{WHOLE}role = data_plane\nrole = traditional"), "role", "line 3 already");
}

#[test]
fn a_kong_conf_may_hold_whatever_kong_knows_but_no_near_miss_of_ours() {
    let kong = "database = off\nplugins = bundled\nrole = data_plane\npg_password = x # y\nnginx line without meaning\n";
    assert_eq!(Given::config(WHOLE).kong_conf(kong).settings().role, Role::DataPlane);
    for (line, setting) in [
        ("cluster_fallback_config_imports = on", "cluster_fallback_config_imports"),
        ("cluster_fallback_mode = on", "cluster_fallback_mode"),
        ("holdover_anything = 1", "holdover_anything"),
        ("proxy_lissten = 0.0.0.0:1", "proxy_lissten"),
    ] {
        let problems = Given::config(WHOLE).kong_conf(line).problems();
        assert_eq!(problems.first().unwrap().setting, setting);
    }
    let twice = Given::config(WHOLE).kong_conf("log_level = info\nlog_level = warn\n").settings();
    assert_eq!(twice.log_level, LogLevel::Warn);
}

#[test]
fn a_variable_that_nearly_names_a_setting_is_an_error_and_kubernetes_own_are_not() {
    let kubernetes = Given::config(WHOLE).variable("HOLDOVER_PORT", "tcp://10.0.0.1:80").variable("HOLDOVER_SERVICE_HOST", "10.0.0.1");
    let _ = kubernetes.variable("KONG_DATABASE", "off").settings();
    for (variable, meant) in [
        ("HOLDOVER_GATEWAY_VERSON", "HOLDOVER_GATEWAY_VERSION"),
        ("KONG_CLUSTER_FALLBACK_CONFIG_IMPORTS", "cluster_fallback_config_import"),
        ("HOLDOVER_HOLDOVER_BUNDLE", "holdover_bundle"),
    ] {
        let problems = Given::config(WHOLE).variable(variable, "x").problems();
        assert!(problems.iter().any(|problem| problem.setting == variable), "{problems:?}");
        assert!(variable.starts_with("HOLDOVER_HOLDOVER") || problems.iter().any(|problem| problem.fix.contains(meant)), "{problems:?}");
    }
}

#[test]
fn contradictions_between_settings_are_refused() {
    let stored = format!("{WHOLE}{STORED}");
    let fallback = "cluster_fallback_config_storage";
    for (config, setting, sentence) in [
        (
            format!("{stored}role = control_plane\ncluster_fallback_config_import = on"),
            "cluster_fallback_config_import",
            "role = data_plane",
        ),
        (format!("{WHOLE}cluster_fallback_config_import = on"), fallback, "cluster_fallback_config_import = on needs it"),
        (format!("{WHOLE}cluster_fallback_config_export = on"), fallback, "cluster_fallback_config_export = on needs it"),
        (format!("{WHOLE}holdover_format = document"), "holdover_gateway", "file:///path"),
        (format!("{WHOLE}holdover_schema = /x.json"), "holdover_schema", "holdover_format = document"),
        (format!("{WHOLE}holdover_gateway_reload = true"), "holdover_gateway_reload", "holdover_gateway = file:///path"),
        ("holdover_gateway_version = 3.9.1\n".into(), "holdover_control_plane", "it is not set"),
        ("holdover_control_plane = http://127.0.0.1\n".into(), "holdover_gateway_version", "it is not set"),
    ] {
        assert_problem(&config, setting, sentence);
    }
}

#[test]
fn plain_http_to_another_machine_is_refused_where_it_would_give_something_away() {
    let version = "holdover_gateway_version = 3.9.1\n";
    let remote = format!("{version}holdover_control_plane = http://cp.example.com/config\n");
    assert_problem(&format!("{remote}holdover_control_plane_token = {{file:TOKEN}}"), "holdover_control_plane", "write https://");
    let _ = Given::config(&remote).settings();
    let import = "cluster_fallback_config_import = on\n";
    let storage = format!("{WHOLE}{import}cluster_fallback_config_storage = http://minio:9000/bucket\n");
    assert_problem(&storage, "cluster_fallback_config_storage", "write https://");
    let endpoint = Given::config(&format!("{WHOLE}{import}{STORED}")).variable("AWS_CONFIG_STORAGE_ENDPOINT", "http://minio:9000/");
    assert_eq!(endpoint.problems().first().unwrap().setting, "AWS_CONFIG_STORAGE_ENDPOINT");
    let loopback = Given::config(&format!("{WHOLE}{import}{STORED}")).variable("AWS_CONFIG_STORAGE_ENDPOINT", "http://127.0.0.1:9000/");
    assert_eq!(loopback.settings().storages.len(), 1);
}

#[test]
fn a_bad_value_is_refused_with_what_to_write() {
    for (line, setting, sentence) in [
        ("role = leader", "role", "write one of traditional, control_plane, data_plane"),
        ("cluster_fallback_config_import = yes", "cluster_fallback_config_import", "write one of on, off"),
        ("cluster_fallback_config_export_delay = often", "cluster_fallback_config_export_delay", "a bare number is seconds"),
        ("cluster_max_payload = big", "cluster_max_payload", "write a number of bytes"),
        ("cluster_mtls = none", "cluster_mtls", "write one of shared"),
        ("cluster_fallback_export_s3_config = [1]", "cluster_fallback_export_s3_config", "write a JSON object"),
        ("holdover_poll_interval = 0", "holdover_poll_interval", "write at least 100ms"),
        ("holdover_give_up = 0", "holdover_give_up", "write at least 1ms"),
        ("holdover_gateway = nginx", "holdover_gateway", "write builtin, kong, envoy, none"),
        ("holdover_gateway = file://etc/x", "holdover_gateway", "file:///path"),
        ("holdover_cluster = a/b", "holdover_cluster", "1 to 64 characters"),
        ("holdover_on_refusal = panic", "holdover_on_refusal", "write one of wait, fallback"),
        ("holdover_status_listen = 8108", "holdover_status_listen", "write ip:port"),
        ("proxy_listen = unix:/run/kong.sock", "proxy_listen", "or 0.0.0.0:8443 ssl"),
        ("holdover_unenforced_plugins = ignore:key-auth", "holdover_unenforced_plugins", "'key-auth' cannot be ignored"),
        ("holdover_bundle = $NOT_SET", "holdover_bundle", "NOT_SET is not set"),
        ("holdover_bundle = {file:/no/such/file}", "holdover_bundle", "/no/such/file cannot be read"),
        ("cluster_fallback_config_storage = ftp://x", "cluster_fallback_config_storage", "no storage"),
        ("cluster_fallback_config_storage = s3://a, s3://a", "cluster_fallback_config_storage", "named twice"),
        ("nonsense", "holdover.conf, line 3", "name = value"),
    ] {
        assert_problem(&format!("{WHOLE}{line}\n"), setting, sentence);
    }
    for url in ["cp:8001", "ftp://cp/config", "http://", "file://relative", "file:///folder/"] {
        assert_problem(&format!("holdover_gateway_version = 3.9.1\nholdover_control_plane = {url}"), "holdover_control_plane", "file:///");
    }
    assert_problem(
        "holdover_control_plane = http://[::1]\nholdover_gateway_version = a b",
        "holdover_gateway_version",
        "for example 3.9.1",
    );
}

#[test]
fn a_request_carries_one_kind_of_credentials() {
    let token = "holdover_control_plane_token = $TOKEN\n";
    let user = "holdover_control_plane_user = me\n";
    let password = "holdover_control_plane_password = ${PASSWORD}\n";
    let given = |lines: &str| Given::config(&format!("{WHOLE}{lines}")).variable("TOKEN", "t0ken").variable("PASSWORD", "hunter2");
    let credentials = |lines: &str| match given(lines).settings().control_plane {
        ControlPlane::Http { credentials, .. } => credentials,
        ControlPlane::File { .. } | ControlPlane::Kong { .. } | ControlPlane::Xds { .. } => panic!("the control plane is no file"),
    };
    assert!(matches!(credentials(token), Some(Credentials::Token(secret)) if secret.expose() == "t0ken"));
    let both = format!("{user}{password}");
    assert!(matches!(credentials(&both), Some(Credentials::Basic { user, password }) if user == "me" && password.expose() == "hunter2"));
    for (lines, setting) in [
        (format!("{token}{user}"), "holdover_control_plane_token"),
        (format!("{token}{password}"), "holdover_control_plane_token"),
        (user.to_owned(), "holdover_control_plane_password"),
        (password.to_owned(), "holdover_control_plane_user"),
    ] {
        assert_eq!(given(&lines).problems().first().unwrap().setting, setting);
    }
}

#[test]
fn a_secret_that_everybody_may_read_is_refused() {
    let literal = format!("{WHOLE}holdover_control_plane_token = hunter2\n");
    assert_eq!(Given::config(&literal).mode(0o644).problems().first().unwrap().setting, "holdover_control_plane_token");
    let _ = Given::config(&literal).mode(0o640).settings();
    let _ = Given::config(&format!("{WHOLE}holdover_control_plane_token = $TOKEN\n")).variable("TOKEN", "x").mode(0o644).settings();

    let referring = format!("{WHOLE}holdover_control_plane_token = {{file:TOKEN}}\n");
    assert!(Given::config(&referring).token_mode(0o604).problems().first().unwrap().fix.contains("chmod o-r"));
    let settings = Given::config(&referring).token_mode(0o600).settings();
    assert!(
        matches!(settings.control_plane, ControlPlane::Http { credentials: Some(Credentials::Token(token)), .. } if token.expose() == "hunter2")
    );
}

#[test]
fn no_secret_is_printed_whether_settings_are_good_or_bad() {
    let secrets = "holdover_control_plane_token = hunter2\nholdover_control_plane_password = hunter2\n";
    let bad = format!("{secrets}holdover_control_plane = http://me:hunter2@cp.example.com/c?key=hunter2\nhunter2\n");
    let problems = Given::config(&bad).mode(0o644).problems();
    let json = serde_json::to_string(&problems).unwrap();
    let printed = format!("{json} {problems:?} {}", Problems(problems.clone()));
    assert!(problems.len() >= 4 && !printed.contains("hunter2"), "{printed}");

    let good = Given::config(&format!("{WHOLE}holdover_control_plane_token = hunter2\n")).settings();
    assert!(!format!("{good:?}").contains("hunter2"));
}

#[test]
fn what_has_no_effect_is_noted() {
    let config = format!("{WHOLE}{STORED}cluster_fallback_config_export_delay = 30\nproxy_listen = 127.0.0.1:1, unix:/run/kong.sock\n");
    let notes = Given::config(&config).settings().notes;
    assert_eq!(notes.len(), 3, "{notes:?}");
    assert!(notes.iter().any(|note| note.starts_with("cluster_fallback_config_storage (") && note.contains("line 3")), "{notes:?}");
}

#[test]
fn a_backup_node_and_a_file_gateway_are_settings_like_any_other() {
    let config = format!("{WHOLE}proxy_listen = off\n");
    assert_eq!(Given::config(&config).settings().gateway, Gateway::None);
    let config =
        format!("{WHOLE}holdover_format = document\nholdover_gateway = file:///etc/x.json\nholdover_gateway_reload = nginx -s reload\n");
    let gateway = Gateway::File { path: "/etc/x.json".into(), reload_command: Some("nginx -s reload".into()) };
    assert_eq!(Given::config(&config).settings().gateway, gateway);
}

#[test]
fn the_way_to_a_storage_is_set_and_a_bad_one_refused() {
    let settings = Given::config(WHOLE).settings();
    assert_eq!((settings.s3_addressing, settings.shared_fetch_dir), (S3Addressing::Auto, None));
    let ways = "holdover_s3_addressing = virtual\nholdover_shared_fetch_dir = /run/holdover\n";
    let import = "cluster_fallback_config_import = on\n";
    let settings = Given::config(&format!("{WHOLE}{STORED}{import}{ways}")).settings();
    assert_eq!((settings.s3_addressing, settings.shared_fetch_dir), (S3Addressing::Virtual, Some(PathBuf::from("/run/holdover"))));
    assert_problem(&format!("{WHOLE}holdover_s3_addressing = host\n"), "holdover_s3_addressing", "auto, path, virtual");
    assert_problem(&format!("{WHOLE}holdover_shared_fetch_dir = shared\n"), "holdover_shared_fetch_dir", "whole path");
    let notes = Given::config(&format!("{WHOLE}holdover_shared_fetch_dir = /run/holdover\n")).settings().notes;
    assert!(notes.iter().any(|note| note.contains("holdover_shared_fetch_dir") && note.contains("import is off")), "{notes:?}");
}

#[test]
fn a_settings_file_that_is_not_there_is_named() {
    let sources = Sources { config: Some("/no/such/holdover.conf".into()), ..Sources::default() };
    let problems = load(&sources, &JUDGES).unwrap_err();
    assert!(problems.to_string().starts_with("/no/such/holdover.conf: the file cannot be read"), "{problems}");
}

#[test]
fn the_status_address_is_known_even_where_other_settings_are_not() {
    let given = Given::config("holdover_control_plane_token = $NOT_HERE\nholdover_status_listen = 127.0.0.1:9\n");
    assert_eq!(status_address(&given.sources), Ok("127.0.0.1:9".parse().unwrap()));
    assert_eq!(status_address(&Sources::default()), Ok("127.0.0.1:8108".parse().unwrap()));
}

const JUDGES: Judges<'static> = Judges {
    storage: &|url| match url.starts_with("ftp") {
        true => Err("no storage".into()),
        false => Ok(()),
    },
    s3_put: &|_| Ok(()),
    signing_key: &|path| match path.ends_with("signing") {
        true => keys::OWN.parse().map_err(|error: holdover_plugin::snapshot::PublicKeyError| error.to_string()),
        false => Err("it cannot be read".into()),
    },
    identity: &|path| match path.ends_with("identity") {
        true => Ok(()),
        false => Err("it cannot be read".into()),
    },
    recipient: &|text| match text.starts_with("age1") {
        true => Ok(()),
        false => Err("a recipient is 'age1' and more".into()),
    },
    hybrid: &|hybrid| match hybrid.cert.starts_with("/no/") {
        true => Err("cluster_cert = /no/such.pem: there is no such file; correct the path".into()),
        false => Ok(()),
    },
    front: &|front| match front {
        Front { certs, .. } if certs.iter().any(|cert| cert.starts_with("/no/")) => {
            Err("ssl_cert = /no/such.pem: there is no such file; correct the path".into())
        }
        Front { cert_keys, .. } if cert_keys.iter().any(|key| key.expose() == "other") => {
            Err("ssl_cert_key: its key belongs to another certificate; give it another".into())
        }
        Front { trusted_ips, .. } if trusted_ips.iter().any(|ip| ip == "x") => Err("trusted_ips: 'x' is no address; write one".into()),
        _ => Ok(()),
    },
    xds: &|xds| match (xds.ca_cert.as_deref(), xds.node_description.as_deref()) {
        (Some(path), _) if path.starts_with("/no/") => Err("cluster_ca_cert: there is no such file; correct the path".into()),
        (_, Some("x")) => Err("holdover_node_description: it cannot be read; write it as JSON".into()),
        _ => Ok(()),
    },
};

/// Settings on their way into [`load`], in a folder of their own. `{file:TOKEN}` in the file is a file there that holds
/// `hunter2`.
struct Given {
    folder: TempDir,
    sources: Sources,
    variables: Vec<(String, String)>,
}

impl Given {
    fn nothing() -> Self {
        Self { folder: TempDir::new().unwrap(), sources: Sources::default(), variables: Vec::new() }
    }

    fn config(text: &str) -> Self {
        let mut given = Self::nothing();
        let token = given.folder.path().join("token");
        fs::write(&token, "hunter2\n").unwrap();
        let path = given.folder.path().join("holdover.conf");
        fs::write(&path, text.replace("{file:TOKEN}", &format!("{{file:{}}}", token.display()))).unwrap();
        given.sources.config = Some(path);
        given.mode(0o600).token_mode(0o600)
    }

    fn mode(self, mode: u32) -> Self {
        fs::set_permissions(self.folder.path().join("holdover.conf"), fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    fn token_mode(self, mode: u32) -> Self {
        fs::set_permissions(self.folder.path().join("token"), fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    fn kong_conf(mut self, text: &str) -> Self {
        let path = self.folder.path().join("kong.conf");
        fs::write(&path, text).unwrap();
        self.sources.kong_conf = Some(path);
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    fn load(mut self) -> Result<Settings, Problems> {
        self.sources.environment = Environment::of(self.variables.drain(..));
        load(&self.sources, &JUDGES)
    }

    fn settings(self) -> Settings {
        self.load().unwrap_or_else(|problems| panic!("{problems}"))
    }

    fn problems(self) -> Vec<Problem> {
        self.load().expect_err("the settings are bad").0
    }
}

fn assert_problem(config: &str, setting: &str, sentence: &str) {
    let problems = Given::config(config).problems();
    let found = problems.iter().any(|problem| problem.setting.ends_with(setting) && problem.fix.contains(sentence));
    assert!(found, "no problem with {setting} says '{sentence}': {problems:#?}");
}
