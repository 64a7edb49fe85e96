//! Kong's hybrid protocol: whose settings it needs, which of them contradict each other, and that no key is shown.

use super::*;

const VERSION: &str = "holdover_gateway_version = 3.9.1\n";
const PAIR: &str = "cluster_cert = /etc/kong/cluster.crt\ncluster_cert_key = /etc/kong/cluster.key\n";

#[test]
fn kongs_own_names_are_enough_to_follow_its_control_plane() {
    let kong_conf = format!("role = data_plane\ncluster_control_plane = cp.example.com:8005\n{PAIR}plugins = bundled,my-plugin\n");
    let settings = Given::config(VERSION).kong_conf(&kong_conf).settings();
    assert!(matches!(&settings.control_plane, ControlPlane::Kong { address, setting }
        if address == "cp.example.com:8005" && *setting == "cluster_control_plane"));
    let hybrid = settings.hybrid.unwrap();
    assert_eq!((hybrid.mtls, hybrid.payload_bytes_max), (ClusterMtls::Shared, 16_777_216));
    assert_eq!((hybrid.bundled_plugins, hybrid.custom_plugins), (true, vec!["my-plugin".to_owned()]));
    assert_eq!(settings.notes, Vec::<String>::new());
}

#[test]
fn ours_goes_before_kongs() {
    let config = format!(
        "{VERSION}{PAIR}holdover_control_plane = kong://real:8005\ncluster_control_plane = 127.0.0.1:8005\nholdover_gateway = kong"
    );
    let settings = Given::config(&config).settings();
    assert!(matches!(&settings.control_plane, ControlPlane::Kong { address, setting }
        if address == "real:8005" && *setting == "holdover_control_plane"));
    assert!(matches!(settings.gateway, Gateway::Kong { listen } if listen.port() == 8005));
    assert!(settings.notes.iter().any(|note| note.starts_with("cluster_control_plane (")), "{:?}", settings.notes);
}

#[test]
fn where_nobody_speaks_it_its_settings_are_idle() {
    let settings = Given::config(&format!("{WHOLE}{PAIR}holdover_stand_in_listen = 127.0.0.1:9005")).settings();
    assert!(settings.hybrid.is_none());
    assert_eq!(settings.notes.len(), 3, "{:?}", settings.notes);
}

#[test]
fn what_is_missing_or_cannot_be_is_named() {
    let kong = format!("{VERSION}{PAIR}cluster_control_plane = cp:8005\n");
    for (config, setting, sentence) in [
        (format!("{VERSION}cluster_control_plane = cp:8005\n"), "cluster_cert", "it is not set"),
        (format!("{VERSION}cluster_control_plane = cp:8005\n"), "cluster_cert_key", "it is not set"),
        (format!("{VERSION}{PAIR}cluster_control_plane = cp\n"), "cluster_control_plane", "write host:port"),
        (format!("{VERSION}{PAIR}holdover_control_plane = kong://cp\n"), "holdover_control_plane", "write host:port"),
        (format!("{kong}cluster_mtls = pki\n"), "cluster_ca_cert", "it is not set"),
        (format!("{kong}cluster_mtls = pki_check_cn\n"), "cluster_mtls", "write shared or pki"),
        (format!("{kong}cluster_max_payload = 1000\n"), "cluster_max_payload", "from 4194304"),
        (format!("{kong}cluster_use_proxy = on\n"), "proxy_server", "cluster_use_proxy = on needs it"),
        (format!("{kong}holdover_format = document\nholdover_gateway = none\n"), "holdover_format", "holdover_format = kong"),
        (
            format!("{VERSION}{PAIR}holdover_gateway = kong\ncluster_control_plane = 127.0.0.1:8005\n"),
            "cluster_control_plane",
            "dial itself",
        ),
        (kong.replace("/etc/kong/cluster.crt", "/no/such.pem"), "cluster_cert", "there is no such file; correct the path"),
    ] {
        assert_problem(&config, setting, sentence);
    }
}

#[test]
fn no_key_is_shown_however_it_is_given() {
    let base64 = "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0taHVudGVyMg==";
    let config =
        format!("{VERSION}cluster_control_plane = cp:8005\ncluster_cert = {base64}\ncluster_cert_key = {base64}\nholdover_soak = x\n");
    let problems = format!("{:?}", Given::config(&config).problems());
    assert!(!problems.contains(base64), "{problems}");
    let settings = Given::config(&config.replace("holdover_soak = x\n", "")).settings();
    assert!(!format!("{settings:?}").contains("cert_key: \"LS0"), "the key is a secret");
}

#[test]
fn a_key_that_everybody_may_read_is_said_and_not_refused() {
    let given = Given::nothing();
    let key = given.folder.path().join("cluster.key");
    fs::write(&key, "a key").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let config = format!("{VERSION}cluster_control_plane = cp:8005\ncluster_cert = /c.pem\ncluster_cert_key = {}\n", key.display());
    let settings = Given::config(&config).settings();
    assert!(settings.notes.iter().any(|note| note.contains("chmod o-r")), "{:?}", settings.notes);
}
