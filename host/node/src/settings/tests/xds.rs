//! xDS: what it asks for in place of a gateway version, whose certificates it takes, and when it asks for them.

use super::*;

const NODE: &str = "holdover_format = xds\nholdover_node_group = edge\nholdover_gateway = envoy\n";
const PAIR: &str = "cluster_cert = /etc/holdover/node.crt\ncluster_cert_key = /etc/holdover/node.key\n";

#[test]
fn a_management_server_and_a_group_are_enough() {
    let settings = Given::config(&format!("{NODE}holdover_control_plane = xds+https://xds.example.com:18000\n")).settings();
    assert!(matches!(&settings.control_plane, ControlPlane::Xds { url, token: None, protocol: XdsProtocol::Delta }
        if url == "https://xds.example.com:18000"));
    assert!(matches!(settings.gateway, Gateway::Envoy { listen } if listen.to_string() == "127.0.0.1:18000"));
    assert_eq!(settings.policy.gateway_version.as_str(), "edge");
    let xds = settings.xds.unwrap();
    assert_eq!((xds.node_group.as_str(), xds.identity.is_none(), xds.ca_cert), ("edge", true, None));
    assert_eq!(settings.notes, Vec::<String>::new());
}

#[test]
fn certificates_are_taken_where_they_are_given_and_the_token_is_a_secret() {
    let config = format!(
        "{NODE}{PAIR}holdover_control_plane = xds+https://xds:443\nholdover_xds_protocol = sotw\nholdover_control_plane_token = hunter2\n\
         holdover_node_description = {{\"metadata\": {{\"A\": \"b\"}}}}\ncluster_ca_cert = /etc/holdover/ca.pem\ncluster_server_name = xds.example.com\n"
    );
    let settings = Given::config(&config).settings();
    assert!(!format!("{settings:?}").contains("hunter2"));
    let xds = settings.xds.unwrap();
    assert_eq!((xds.ca_cert.as_deref(), xds.server_name.as_deref()), (Some("/etc/holdover/ca.pem"), Some("xds.example.com")));
    assert_eq!(xds.node_description.as_deref(), Some(r#"{"metadata": {"A": "b"}}"#));
    assert_eq!(xds.identity.map(|(cert, _)| cert).as_deref(), Some("/etc/holdover/node.crt"));
    assert_eq!(settings.notes, Vec::<String>::new());
}

#[test]
fn a_backup_node_of_a_group_carries_no_traffic() {
    let config =
        "holdover_format = xds\nholdover_node_group = edge\nholdover_control_plane = xds+http://127.0.0.1:18000\nproxy_listen = off\n";
    assert!(matches!(Given::config(config).settings().gateway, Gateway::None));
}

#[test]
fn what_is_missing_or_cannot_be_is_named() {
    let follows = "holdover_control_plane = xds+http://127.0.0.1:18000\n";
    let whole = format!("{NODE}{follows}");
    for (config, setting, sentence) in [
        (whole.replace("holdover_node_group = edge\n", ""), "holdover_node_group", "node.cluster"),
        (whole.replace("= edge", "= ed/ge"), "holdover_node_group", "1 to 64 characters"),
        (whole.replace("holdover_format = xds", "holdover_format = kong"), "holdover_gateway", "holdover_format = xds"),
        (format!("holdover_gateway_version = 3.9.1\n{follows}"), "holdover_format", "holdover_format = xds"),
        (whole.replace("holdover_gateway = envoy", "holdover_gateway = builtin"), "holdover_gateway", "holdover_gateway = envoy"),
        (whole.replace(":18000\n", ":18000/path\n"), "holdover_control_plane", "no path"),
        (whole.replace(":18000\n", "\n"), "holdover_control_plane", "a host and a port"),
        (format!("{whole}holdover_node_description = x\n"), "holdover_node_description", "write it as JSON"),
        (format!("{whole}holdover_xds_protocol = grpc\n"), "holdover_xds_protocol", "delta, sotw"),
        (format!("{whole}cluster_cert = /etc/holdover/node.crt\n"), "cluster_cert_key", "give the key"),
        (format!("{whole}cluster_ca_cert = /no/such.pem\n"), "cluster_ca_cert", "there is no such file"),
        (format!("{whole}holdover_control_plane_user = me\nholdover_control_plane_password = x\n"), "holdover_control_plane_user", "token"),
        (format!("{whole}holdover_schema = /etc/schema.json\n"), "holdover_schema", "the format is xds"),
        (
            whole.replace("127.0.0.1:18000", "xds.example.com:18000") + "holdover_control_plane_token = hunter2\n",
            "holdover_control_plane",
            "in the clear",
        ),
    ] {
        assert_problem(&config, setting, sentence);
    }
}

#[test]
fn a_failover_that_other_machines_reach_asks_for_certificates() {
    let open = format!("{NODE}holdover_control_plane = xds+http://127.0.0.1:1\nholdover_ads_listen = 0.0.0.0:18000\n");
    for setting in ["cluster_cert", "cluster_cert_key", "cluster_ca_cert"] {
        assert_problem(&open, setting, "is open to other machines");
    }
    Given::config(&format!("{open}{PAIR}cluster_ca_cert = /etc/holdover/ca.pem\n")).settings();
}

#[test]
fn what_belongs_to_xds_is_idle_elsewhere_and_the_other_way_round() {
    let elsewhere = format!(
        "{WHOLE}holdover_ads_listen = 127.0.0.1:1\nholdover_node_group = edge\nholdover_xds_protocol = sotw\nholdover_node_description = {{}}\n"
    );
    assert_eq!(Given::config(&elsewhere).settings().notes.len(), 4);
    let here =
        format!("{NODE}holdover_control_plane = xds+http://127.0.0.1:1\nholdover_gateway_version = 3.9.1\nholdover_poll_interval = 1s\n");
    assert_eq!(Given::config(&here).settings().notes.len(), 2);
}
