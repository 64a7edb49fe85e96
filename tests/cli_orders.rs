//! What operators order, on real storages and with real exporters: who may, what stands afterwards, and that leaders obey.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail by panicking")]

#[path = "cli_storage/exported.rs"]
#[allow(dead_code, reason = "a site of another test, of which a part is enough here")]
mod exported;
#[path = "cli_orders/exporter.rs"]
mod exporter;
#[path = "cli_orders/publishing.rs"]
mod publishing;
#[path = "cli_orders/rejoin.rs"]
mod rejoin;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use exported::{Ended, Flag, Lock, Site, VERSION, text};
use exporter::{BOUND, Cluster};
use holdover_keys::{SigningKey, keep_private};
use holdover_plugin::model::Position;
use holdover_plugin::snapshot::head::View;
use holdover_plugin::snapshot::orders::Orders;
use holdover_plugin::snapshot::{Trust, keys};
use serde_json::{Value, json};

const NOW: [&str; 2] = ["--wait", "0"];

#[test]
fn every_order_stands_with_who_when_and_why_and_the_audit_shows_them_newest_first() {
    let site = three_generations();
    let by = ["--by", "alice@desk", "--why", "a bad rollout"];
    for arguments in [&["pin", "2"][..], &["restore", "1-1"], &["unpin"]] {
        let given = site.run(&[arguments, &by, &NOW].concat(), &[Flag::Storage]);
        assert_eq!(given.code, 0, "{given:?}");
        let [line] = given.stdout.lines().collect::<Vec<_>>()[..] else { panic!("one audit line: {given:?}") };
        assert!(line.contains("alice@desk") && line.ends_with(": a bad rollout") && line.starts_with("20"), "{line}");
    }
    for arguments in [&["freeze"][..], &["unfreeze"], &["freeze"]] {
        let given = site.run(&[arguments, &by].concat(), &[Flag::Storage]);
        assert_eq!(given.code, 0, "{given:?}");
    }
    let orders = orders(&site);
    assert_eq!((orders.number, orders.pins.len(), orders.restores.len()), (6, 0, 1));
    assert_eq!(orders.freeze.as_ref().unwrap().by, "alice@desk");

    let audit = site.run(&["history", "--audit", "--json"], &[Flag::Storage]).json();
    let whats: Vec<&str> = audit["audit"].as_array().unwrap().iter().map(|one| one["what"].as_str().unwrap()).collect();
    let expected = [
        "exports are frozen",
        "exports go on, which alice@desk froze",
        "exports are frozen",
        "generation 1-2 is no longer pinned for 3.9.1",
        "generation 1-1 is published once more for 3.9.1",
        "generation 1-2 is pinned for 3.9.1",
    ];
    assert_eq!(whats, expected);
    let newest = &audit["audit"][0];
    assert_eq!((&newest["by"], &newest["why"]), (&json!("alice@desk"), &json!("a bad rollout")));
    assert!(newest["at"].as_str().unwrap().ends_with('Z') && newest["at_unix_ms"].is_u64());
    assert_eq!(
        (&audit["number"], &audit["freeze"]["by"], &audit["restores"][0]["position"]),
        (&json!(6), &json!("alice@desk"), &json!("1-1"))
    );
    let said = site.run(&["history", "--audit"], &[Flag::Storage]).stdout;
    assert!(said.lines().next().unwrap().ends_with("exports are frozen: a bad rollout"), "{said}");
    assert!(said.contains("restore      generation 1-1") && said.contains("frozen       by alice@desk"), "{said}");

    let listed = site.run(&["history"], &[Flag::Storage]).stdout;
    assert!(listed.contains("frozen       by alice@desk"), "{listed}");
    let listed = site.run(&["history", "--json"], &[Flag::Storage]).json();
    assert_eq!((&listed["freeze"]["by"], &listed["orders"]["number"]), (&json!("alice@desk"), &json!(6)));
}

#[test]
fn an_order_as_json_says_what_stands() {
    let site = three_generations();
    let given = site.run(&["pin", "good", "--json", "--by", "alice", "--why", "slow", "--wait", "0"], &[Flag::Storage]).json();
    assert_eq!(
        (&given["what"], &given["by"], &given["why"]),
        (&json!("generation 1-3 is pinned for 3.9.1"), &json!("alice"), &json!("slow"))
    );
    assert_eq!((&given["number"], &given["storage"], &given["obeyed"]), (&json!(1), &json!(site.url()), &Value::Null));
    assert!(given["signer"].is_null() && given["at_unix_ms"].is_u64(), "{given}");
}

#[test]
fn what_cannot_be_ordered_is_refused_with_its_reason_and_nothing_stands() {
    let site = three_generations();
    let refused = |arguments: &[&str], code: i32, sentence: &str| {
        let ended = site.run(arguments, &[Flag::Storage]);
        assert!(ended.code == code && ended.stderr.contains(sentence), "{arguments:?}, {sentence}: {ended:?}");
    };
    refused(&["pin", "9", "--why", "x", "--wait", "0"], 1, "the head lists for 3.9.1 1-3, 1-2, 1-1");
    refused(&["restore", "2-1", "--why", "x", "--wait", "0"], 1, "the head lists for 3.9.1 1-3, 1-2, 1-1");
    refused(&["pin", "2-1", "--gateway-version", "3.9.1", "--why", "x"], 1, "there is no generation 2-1 for 3.9.1; the head lists 1-3");
    refused(&["restore", "3", "--why", "x", "--wait", "0"], 1, "nothing to restore");
    refused(&["unpin", "--wait", "0"], 1, "nothing to unpin");
    refused(&["unfreeze"], 1, "not frozen");
    refused(&["approve", "--sameness", "s", "--base", "1-2", "--why", "x"], 1, "the head moved since");
    refused(&["approve", "--sameness", "s", "--base", "none", "--why", "x"], 1, "the newest for 3.9.1 is generation 1-3");
    refused(&["approve", "--sameness", "s", "--why", "x"], 2, "--base");
    refused(&["approve", "--base", "1-3", "--why", "x"], 2, "--sameness");
    refused(&["unpin", "--gateway-version", "3.8.0", "--wait", "0"], 1, "nothing is published for gateway version 3.8.0");
    for command in [&["pin", "3"][..], &["restore", "1"], &["freeze"], &["approve", "--sameness", "s", "--base", "1-3"]] {
        refused(command, 2, "--why");
        refused(&[command, &["--why", "  "]].concat(), 2, "--why");
        refused(&[command, &["--why", "two\nlines"]].concat(), 2, "one line");
    }
    refused(&["pin", "latest", "--why", "x"], 2, "'newest' or 'good'");
    refused(&["freeze", "--why", "x", "--by", ""], 2, "--by");
    assert!(!site.storage().join(keys::ORDERS).exists(), "nothing was ordered");

    assert_eq!(site.run(&["freeze", "--why", "first", "--by", "bob"], &[Flag::Storage]).code, 0);
    refused(&["freeze", "--why", "second"], 1, "frozen already, by bob: first");

    let empty = Site::new(Lock::None);
    fs::create_dir(empty.storage()).unwrap();
    let nothing = empty.run(&["freeze", "--why", "x"], &[Flag::Storage]);
    assert!(nothing.code == 1 && nothing.stderr.contains("no storage has a head"), "{nothing:?}");
    let mirror = site.run(&["freeze", "--why", "x", "--storage", "mirror+https://127.0.0.1/x"], &[]);
    assert!(mirror.code == 2 && mirror.stderr.contains("no storage to write to"), "{mirror:?}");
    assert_eq!(site.run(&["freeze", "--why", "x"], &[]).code, 2, "no storage was named");
}

#[test]
fn orders_are_signed_by_those_whom_leaders_believe_and_by_nobody_else() {
    let site = three_generations();
    let (operator, stranger) = (key(&site, "operator"), key(&site, "stranger"));
    let public = SigningKey::read(Path::new(&operator)).unwrap().public();
    let settings = site.settings(&format!("holdover_operator_keys = {public}\n"));
    let freeze = |more: &[&str]| site.run(&[&["freeze", "--why", "x", "--config", &settings], more].concat(), &[]);
    let unsigned = freeze(&[]);
    assert!(unsigned.code == 2 && unsigned.stderr.contains("holdover_operator_keys is set"), "{unsigned:?}");
    let strange = freeze(&["--operator-key", &stranger]);
    assert!(strange.code == 2 && strange.stderr.contains("not in holdover_operator_keys"), "{strange:?}");
    assert_eq!(freeze(&["--operator-key", "/no/such/key"]).code, 3);
    assert!(!site.storage().join(keys::ORDERS).exists());

    let given = freeze(&["--operator-key", &operator, "--json"]);
    assert_eq!((given.code, &given.json()["signer"]), (0, &json!(public.id().to_string())), "{given:?}");
    let file = fs::read(site.storage().join(keys::ORDERS)).unwrap();
    assert_eq!(Orders::read(&file, &Trust::new(vec![public])).unwrap().number, 1);
    let audit = site.run(&["history", "--audit", "--config", &settings], &[]);
    assert!(audit.code == 0 && audit.stdout.contains("exports are frozen"), "{audit:?}");

    // Without settings nobody says that a signature is needed; that there is one says it.
    let over = site.run(&["unfreeze"], &[Flag::Storage]);
    assert!(over.code == 2 && over.stderr.contains("--operator-key"), "{over:?}");
    let over = site.run(&["unfreeze", "--operator-key", &operator], &[Flag::Storage]);
    assert!(over.code == 0 && over.stderr.contains("no holdover_operator_keys are known here"), "{over:?}");
    let file = fs::read(site.storage().join(keys::ORDERS)).unwrap();
    assert_eq!(Orders::read(&file, &Trust::new(vec![public])).unwrap().freeze, None);
}

#[test]
fn orders_that_nobody_believes_are_not_written_over_and_the_way_out_is_said() {
    let site = three_generations();
    assert_eq!(site.run(&["freeze", "--why", "x"], &[Flag::Storage]).code, 0);
    let path = site.storage().join(keys::ORDERS);
    let unsigned = fs::read(&path).unwrap();
    let operator = key(&site, "operator");
    let settings = site.settings(&format!("holdover_operator_keys = {}\n", SigningKey::read(Path::new(&operator)).unwrap().public()));
    for (file, reason) in [(unsigned, "unsigned"), (b"{\"format\":1}\n".to_vec(), "torn")] {
        fs::write(&path, &file).unwrap();
        let refused = site.run(&["unfreeze", "--config", &settings, "--operator-key", &operator], &[]);
        assert!(
            refused.code == 1 && refused.stderr.contains(reason) && refused.stderr.contains("remove the object holdover/orders"),
            "{refused:?}"
        );
        let audit = site.run(&["history", "--audit", "--config", &settings], &[]);
        assert!(audit.code == 1 && audit.stderr.contains(reason), "{audit:?}");
        let listed = site.run(&["history", "--config", &settings], &[]);
        assert!(listed.code == 0 && listed.stdout.contains("orders       not believed"), "{listed:?}");
        assert_eq!(fs::read(&path).unwrap(), file);
    }
}

#[test]
fn without_a_leader_the_orders_stand_and_the_command_says_that_nobody_obeyed() {
    let site = three_generations();
    let pinned = site.run(&["pin", "1", "--why", "x", "--wait", "1", "--json"], &[Flag::Storage]);
    assert_eq!((pinned.code, &pinned.json()["obeyed"]), (6, &json!(false)), "{pinned:?}");
    assert!(pinned.stderr.contains("the orders stand"), "{pinned:?}");
    assert_eq!(orders(&site).pins.len(), 1);
    assert_eq!(site.run(&["freeze", "--why", "x", "--by", "bob"], &[Flag::Storage]).code, 0);
    let restored = site.run(&["restore", "1", "--why", "x", "--wait", "1"], &[Flag::Storage]);
    assert!(restored.code == 6 && restored.stderr.contains("unfrozen, which bob froze"), "{restored:?}");
}

#[test]
fn of_operators_who_order_at_the_same_time_nobody_is_lost() {
    let site = three_generations();
    let storage = site.url();
    // The reasons differ: one person's same order for the same reason in the same millisecond is one order.
    let order = |(generation, why)| {
        let arguments = ["restore", generation, "--why", why, "--wait", "0", "--storage", storage.as_str()];
        command(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<_> = [("1-1", "a"), ("1-2", "b"), ("1-1", "c"), ("1-2", "d")].map(order).into_iter().collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let orders = orders(&site);
    assert_eq!((orders.number, orders.restores.len(), orders.audit.len()), (4, 4, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exporter_obeys_a_pin_a_restore_and_a_freeze() {
    let cluster = Cluster::new();
    let first = cluster.delivers(20);
    let mut exporter = cluster.exporter("exporter");
    let first = cluster.published(&mut exporter, first).await.position();
    let second = cluster.delivers(21);
    let second = cluster.published(&mut exporter, second).await;

    let pinned = cluster.run(&["pin", &first.to_string(), "--why", "the second is slow", "--json"]);
    assert_eq!(pinned.code, 0, "{pinned:?}");
    assert_eq!((&pinned.json()["obeyed"]["by"], &pinned.json()["obeyed"]["epoch"]), (&json!("exporter"), &json!(first.epoch.0)));
    assert_eq!(cluster.view().pinned, Some(first));
    let listed = cluster.run(&["history"]).stdout;
    assert!(listed.lines().any(|line| line.contains(&first.to_string()) && line.contains("pinned")), "{listed}");
    let unpinned = cluster.run(&["unpin"]);
    assert!(unpinned.code == 0 && unpinned.stdout.contains("obeyed by 'exporter'"), "{unpinned:?}");
    assert_eq!(cluster.view().pinned, None);

    let restored = cluster.run(&["restore", &first.to_string(), "--why", "the second is broken"]);
    assert_eq!(restored.code, 0, "{restored:?}");
    let view = cluster.view();
    assert!(is_newest(&view, |newest| newest > second.position()), "{view:?}");
    let shown = |nth: usize| view.history[nth].shown.as_ref().unwrap().digest;
    assert_eq!((shown(0), shown(1)), (shown(2), second.shown.as_ref().unwrap().digest), "an old body as a new generation");

    assert_eq!(cluster.run(&["freeze", "--why", "an audit", "--by", "bob"]).code, 0);
    let third = cluster.delivers(22);
    let held =
        cluster.says(&mut exporter, "the freeze", |export| export["held"].as_str().is_some_and(|held| held.contains("frozen"))).await;
    assert!(held["held"].as_str().unwrap().contains("bob: an audit"), "{held}");
    assert_eq!(cluster.view().history.len(), view.history.len());
    assert_eq!(cluster.run(&["unfreeze"]).code, 0);
    cluster.published(&mut exporter, third).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_releases_what_a_guard_holds_and_nothing_after_it() {
    let cluster = Cluster::new();
    let whole = cluster.delivers(20);
    let mut exporter = cluster.exporter("exporter");
    let base = cluster.published(&mut exporter, whole).await.position();
    let shrunk = cluster.delivers(3);
    let held = cluster.says(&mut exporter, "the guard", |export| !export["approvable"].is_null()).await;
    assert_eq!((&held["approvable"]["base"], &held["approvable"]["gateway_version"]), (&json!(base.to_string()), &json!(VERSION)));

    let approved = cluster.run_beside(Some("exporter"), &["approve", "--why", "a clean-up", "--json"]);
    assert_eq!(approved.code, 0, "{approved:?}");
    assert!(approved.stderr.contains("routes shrank from 20 to 3"), "what it releases is said: {approved:?}");
    assert!(approved.json()["what"].as_str().unwrap().contains(&format!("after generation {base} is released for {VERSION}")));
    cluster.published(&mut exporter, shrunk).await;
    cluster.says(&mut exporter, "nothing held", |export| export["approvable"].is_null()).await;
    let again = cluster.run_beside(Some("exporter"), &["approve", "--why", "once more"]);
    assert!(again.code == 1 && again.stderr.contains("nothing that an approval would release"), "{again:?}");
    // What was approved stands for an hour, and for this one only.
    let approval = cluster.orders().approvals.first().cloned().unwrap();
    assert_eq!((approval.base, approval.sameness.as_str()), (Some(base), held["approvable"]["sameness"].as_str().unwrap()));
    assert_eq!(approval.not_after.0 - approval.act.at.0, 3_600_000);

    let away = cluster.run(&["approve", "--why", "x", "--status", "http://127.0.0.1:9"]);
    assert_eq!(away.code, 5, "{away:?}");
    assert_eq!(cluster.run(&["approve", "--why", "x", "--status", "https://127.0.0.1:9"]).code, 2);
    exporter.terminate(BOUND).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_obeys_its_operators_and_nobody_else() {
    let keys_of = Site::new(Lock::None);
    let operator = key(&keys_of, "operator");
    let public = SigningKey::read(Path::new(&operator)).unwrap().public();
    let cluster = Cluster::new().set("holdover_operator_keys", public);
    let first = cluster.delivers(20);
    let mut exporter = cluster.exporter("exporter");
    let first = cluster.published(&mut exporter, first).await.position().to_string();
    let pinned = cluster.run(&["pin", &first, "--why", "x", "--operator-key", &operator]);
    assert_eq!(pinned.code, 0, "{pinned:?}");
    assert!(cluster.view().pinned.is_some());

    // Somebody who may write the storage and is no operator.
    let forged = Command::new("rm").arg(cluster.path("storage").join(keys::ORDERS)).status().unwrap();
    assert!(forged.success());
    let storage = cluster.storage();
    assert_eq!(ended(["freeze", "--why", "x", "--storage", storage.as_str()]).code, 0);
    cluster.delivers(21);
    let held = |export: &Value| export["held"].as_str().is_some_and(|held| held.contains("not believed"));
    cluster.says(&mut exporter, "the refusal of a forged order", held).await;
}

fn three_generations() -> Site {
    let site = Site::new(Lock::None);
    for generation in 1..=3 {
        site.publish(generation as usize, generation);
    }
    site
}

fn is_newest(view: &View, is_it: impl Fn(Position) -> bool) -> bool {
    view.history.first().is_some_and(|entry| is_it(entry.position()))
}

fn orders(site: &Site) -> Orders {
    Orders::read(&fs::read(site.storage().join(keys::ORDERS)).unwrap(), &Trust::unasked()).unwrap()
}

/// The file of a key that signs.
fn key(site: &Site, name: &str) -> String {
    let path = site.folder.path().join(name);
    keep_private(&path, &SigningKey::generate().unwrap().expose()).unwrap();
    text(&path).to_owned()
}

fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_holdover"))
}

fn command<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(binary());
    command.env_clear().env("AWS_EC2_METADATA_DISABLED", "true").env("USER", "carol").env("HOSTNAME", "desk").args(arguments);
    command.stdin(Stdio::null());
    command
}

fn ended<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Ended {
    let output = command(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}
