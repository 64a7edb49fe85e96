//! What ends the start: exit code and sentence.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use holdover_drill::process::{Node, NodeSpec};
use holdover_tests::site::{BOUND, VERSION, binary};
use tempfile::TempDir;

/// The documented exit codes: `holdover help`.
const SETTINGS: i32 = 2;
const NOT_OPENED: i32 = 3;
const POLICY: i32 = 4;

#[tokio::test]
async fn an_unknown_setting_is_named_with_the_one_that_was_meant() {
    let folder = folder();
    let (code, sentence) = refused(good(&folder).set("holdover_gatway", "none")).await;
    assert_eq!(code, SETTINGS);
    let conf = folder.path().join("node/holdover.conf");
    assert!(sentence.starts_with(&format!("holdover_gatway ({}, line ", conf.display())), "{sentence}");
    assert!(sentence.ends_with("): there is no such setting; did you mean holdover_gateway?"), "{sentence}");
}

#[tokio::test]
async fn a_control_plane_that_is_to_import_is_refused() {
    let folder = folder();
    let spec = good(&folder).set("role", "control_plane").set("cluster_fallback_config_import", "on");
    let (code, sentence) = refused(spec.set("cluster_fallback_config_storage", "s3://bucket/prefix")).await;
    assert_eq!(code, SETTINGS);
    assert!(sentence.starts_with("cluster_fallback_config_import = 'on' ("), "{sentence}");
    let fix = "): a control plane has its configuration from its database; write off, or role = data_plane";
    assert!(sentence.ends_with(fix), "{sentence}");
}

#[tokio::test]
async fn an_export_without_a_storage_is_refused() {
    let folder = folder();
    let sentence = "cluster_fallback_config_storage: it is not set; cluster_fallback_config_export = on needs it: \
                    name the storage, for example s3://bucket/prefix or file:///dir";
    assert_eq!(refused(good(&folder).set("cluster_fallback_config_export", "on")).await, (SETTINGS, sentence.to_owned()));
}

/// Not by its mode, which stops no superuser: below a file, and in a tree where nobody can make a folder.
#[tokio::test]
async fn a_cache_folder_that_cannot_be_written_is_named() {
    let files = folder();
    let file = files.path().join("file");
    fs::write(&file, b"").unwrap();
    for (cache, why) in [
        (file.join("cache"), "Not a directory (os error 20)"),
        (Path::new("/proc/holdover").to_owned(), "No such file or directory (os error 2)"),
    ] {
        let (folder, cache) = (folder(), cache.display());
        let sentence = format!("holdover_cache_dir = {cache}: making the folder failed ({why}); name a folder that this process may write");
        assert_eq!(refused(good(&folder).set("holdover_cache_dir", &cache)).await, (NOT_OPENED, sentence));
    }
}

#[tokio::test]
async fn a_cache_folder_of_another_node_is_named_with_that_process() {
    let folder = folder();
    let cache = folder.path().join("cache");
    let waiting = good(&folder).set("holdover_cache_dir", cache.display());
    let mut first = Node::spawn(&waiting).unwrap();
    let taken = async || Ok(fs::read_to_string(cache.join("lock")).ok().filter(|pid| pid.ends_with('\n')));
    let pid = holdover_drill::until(BOUND, holdover_drill::OFTEN, "the lock of the first node", taken).await.unwrap();

    let second = NodeSpec::new(binary(), "second", folder.path()).unwrap();
    let (code, sentence) = refused(settings(second).set("holdover_cache_dir", cache.display())).await;
    assert_eq!(code, NOT_OPENED);
    let (cache, pid) = (cache.display(), pid.trim());
    let expected =
        format!("holdover_cache_dir = {cache}: another node (process {pid}) uses this folder; give each node a folder of its own");
    assert_eq!(sentence, expected);
    first.still_runs().unwrap();
}

#[tokio::test]
async fn a_port_of_the_gateway_that_is_taken_is_named() {
    let folder = folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let sentence = format!("proxy_listen = {address} is in use by another process: stop that one, or give another port");
    let spec = good(&folder).set("holdover_gateway", "builtin").set("proxy_listen", address);
    assert_eq!(refused(spec).await, (NOT_OPENED, sentence));
}

#[tokio::test]
async fn a_port_of_the_status_page_that_is_taken_is_named() {
    let folder = folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let sentence = format!(
        "holdover_status_listen = {address}: cannot be listened on (Address already in use (os error 98)); \
         name a free address of this machine"
    );
    assert_eq!(refused(good(&folder).set("holdover_status_listen", address)).await, (NOT_OPENED, sentence));
}

#[tokio::test]
async fn a_policy_file_that_is_no_component_is_named() {
    let [(_, importer), ..] = holdover_component::embedded();
    let whole_module = b"\0asm\x01\0\0\0".as_slice();
    let fix = "name a component that was built for wasm32-wasip2";
    for (bytes, what) in [
        (b"garbage".as_slice(), "it is no WebAssembly at all".to_owned()),
        (b"".as_slice(), "it is no WebAssembly at all".to_owned()),
        (whole_module, "it is a WebAssembly module, not a component".to_owned()),
        (importer.get(..1000).unwrap(), "it is no whole WebAssembly component (".to_owned()),
    ] {
        let folder = folder();
        let path = folder.path().join("policy.wasm");
        fs::write(&path, bytes).unwrap();
        let (code, sentence) = refused(good(&folder).set("holdover_policy", path.display())).await;
        assert_eq!(code, POLICY);
        assert!(sentence.starts_with(&format!("holdover_policy = {}: {what}", path.display())), "{sentence}");
        assert!(sentence.ends_with(&format!("; {fix}")), "{sentence}");
    }
}

#[tokio::test]
async fn a_component_that_is_no_policy_is_named_with_what_it_lacks() {
    let folder = folder();
    let path = folder.path().join("policy.wasm");
    fs::write(&path, b"\0asm\x0d\0\x01\0").unwrap();
    let (code, sentence) = refused(good(&folder).set("holdover_policy", path.display())).await;
    assert_eq!(code, POLICY);
    let what = format!("holdover_policy = {}: it is no importer policy (no exported instance named `holdover:policy/", path.display());
    assert!(sentence.starts_with(&what), "{sentence}");
    assert!(sentence.ends_with("); name one that was built for the world `importer`"), "{sentence}");
}

fn folder() -> TempDir {
    TempDir::new().unwrap()
}

/// Settings that would start.
fn good(folder: &TempDir) -> NodeSpec {
    settings(NodeSpec::new(binary(), "node", folder.path()).unwrap())
}

fn settings(spec: NodeSpec) -> NodeSpec {
    let control_plane = "http://127.0.0.1:1/config.json";
    spec.set("holdover_control_plane", control_plane).set("holdover_gateway_version", VERSION).set("holdover_gateway", "none")
}

/// How the process ended, and the one sentence that it left.
async fn refused(spec: NodeSpec) -> (i32, String) {
    let mut node = Node::spawn(&spec).unwrap();
    let status = node.ended(BOUND).await.unwrap();
    let said = node.log();
    let sentence = said.strip_prefix("holdover: ").unwrap_or_else(|| panic!("{said}"));
    let sentence = sentence.strip_prefix("one setting is wrong:\n  ").unwrap_or(sentence);
    let sentence = sentence.strip_suffix('\n').unwrap();
    assert_eq!(sentence.lines().count(), 1, "{said}");
    (status.code().unwrap(), sentence.to_owned())
}
