//! `publish` and `check --storage`: the exporting policy without a node around it.

use std::fs;
use std::time::{Duration, Instant};

use holdover_drill::store::{AccessKey, Store, StoreOptions};
use holdover_plugin::snapshot::Trust;
use holdover_plugin::snapshot::orders::Orders;
use serde_json::{Value, json};

use super::exporter::{Cluster, VERSION, document};
use super::{Ended, command, text};

const KEY: (&str, &str) = ("orders-operator", "orders-operator-secret");

#[test]
fn a_file_is_published_once_and_the_lease_is_given_back() {
    let cluster = Cluster::new();
    let first = cluster.publish(20, &["--json"]);
    assert_eq!((first.code, &first.json()["outcome"]), (0, &json!("published")), "{first:?}");
    let (position, head) = (first.json()["position"].clone(), cluster.head().unwrap());
    assert_eq!((&position, &first.json()["candidate"]), (&json!(head.position().to_string()), &json!(false)));
    assert!(head.writer.ends_with("(publish)"), "{}", head.writer);
    assert!(cluster.lease().released, "whoever comes next need not wait");

    let again = cluster.publish(20, &["--json"]);
    assert_eq!((again.code, &again.json()["outcome"], &again.json()["position"]), (0, &json!("already"), &position), "{again:?}");
    let said = cluster.publish(21, &[]);
    assert!(said.code == 0 && said.stdout.contains(&format!("is published for {VERSION}")), "{said:?}");
    assert_eq!(cluster.view().history.len(), 2);
}

#[test]
fn what_a_guard_holds_is_published_after_an_approval_that_names_it() {
    let cluster = Cluster::new();
    assert_eq!(cluster.publish(20, &[]).code, 0);
    let held = cluster.publish(3, &["--json"]);
    assert_eq!((held.code, &held.json()["outcome"]), (7, &json!("held")), "{held:?}");
    let approvable = held.json()["approvable"].clone();
    let said = cluster.publish(3, &[]);
    assert!(said.code == 7 && said.stdout.contains("holdover approve --gateway-version 3.9.1 --base"), "{said:?}");
    assert!(cluster.lease().released && cluster.view().history.len() == 1);

    // The office that was taken to find out moved no generation, so what was held is held after the same one.
    let (base, sameness) = (approvable["base"].as_str().unwrap(), approvable["sameness"].as_str().unwrap());
    let approved = cluster.run(&["approve", "--base", base, "--sameness", sameness, "--why", "a clean-up"]);
    assert_eq!(approved.code, 0, "{approved:?}");
    let published = cluster.publish(3, &["--json"]);
    assert_eq!((published.code, &published.json()["outcome"]), (0, &json!("published")), "{published:?}");
    assert_eq!(cluster.publish(20, &[]).code, 0, "what was is published again");
    assert_eq!(cluster.publish(3, &[]).code, 7, "an approval is used once");
}

#[test]
fn a_freeze_holds_what_is_published_by_hand_as_well() {
    let cluster = Cluster::new();
    assert_eq!(cluster.publish(20, &[]).code, 0);
    assert_eq!(cluster.run(&["freeze", "--why", "an audit", "--by", "bob"]).code, 0);
    let held = cluster.publish(21, &["--json"]);
    assert_eq!((held.code, &held.json()["outcome"], &held.json()["approvable"]), (7, &json!("held"), &Value::Null), "{held:?}");
    assert!(held.json()["sentence"].as_str().unwrap().contains("bob: an audit"), "{held:?}");
}

#[test]
fn what_is_not_valid_is_named_before_any_storage_is_asked() {
    let cluster = Cluster::new();
    // What a live control plane sent may be so; what a person wrote may not.
    let file = cluster.path("wrong.json");
    fs::write(&file, br#"{"_format_version": "3.0", "services": [{"name": "a"}]}"#).unwrap();
    let wrong = cluster.run(&["publish", text(&file)]);
    assert!(wrong.code == 1 && wrong.stderr.contains("is not published:") && wrong.stderr.contains("host"), "{wrong:?}");
    assert_eq!(cluster.run(&["publish", text(&cluster.path("none.json"))]).code, 3);
    let importer = Cluster::new().set("cluster_fallback_config_export", "off");
    let refused = importer.publish(20, &[]);
    assert!(refused.code == 2 && refused.stderr.contains("cluster_fallback_config_export"), "{refused:?}");
    for cluster in [&cluster, &importer] {
        assert_eq!(fs::read_dir(cluster.path("storage")).unwrap().count(), 0, "nothing was written");
    }
}

#[test]
fn what_soaks_is_a_candidate_that_somebody_must_see_through() {
    let cluster = Cluster::new().set("holdover_soak", "5m");
    assert_eq!(cluster.publish(20, &["--json"]).json()["candidate"], json!(false), "the first one ever is good");
    let second = cluster.publish(21, &[]);
    assert!(second.code == 0 && second.stdout.contains("it is a candidate"), "{second:?}");
    let view = cluster.view();
    assert_eq!((view.candidate, view.good), (Some(view.history[0].position()), Some(view.history[1].position())));
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_an_exporter_that_leads_nothing_is_published_and_it_is_named() {
    let cluster = Cluster::new();
    let first = cluster.delivers(20);
    let mut exporter = cluster.exporter("exporter");
    cluster.published(&mut exporter, first).await;
    let began = Instant::now();
    let standing_by = cluster.publish(21, &["--json", "--wait", "600"]);
    assert_eq!((standing_by.code, &standing_by.json()["outcome"]), (8, &json!("stands-by")), "{standing_by:?}");
    assert!(standing_by.json()["sentence"].as_str().unwrap().contains("'exporter' leads"), "{standing_by:?}");
    assert!(began.elapsed() < Duration::from_secs(300), "a living lease is seen to live: {:?}", began.elapsed());
    assert_eq!(cluster.view().history.len(), 1);

    exporter.kill_9().await.unwrap();
    let taken_over = cluster.publish(21, &["--json"]);
    assert_eq!((taken_over.code, &taken_over.json()["outcome"]), (0, &json!("published")), "{taken_over:?}");
    let head = cluster.head().unwrap();
    assert!(head.epoch > cluster.view().history[1].epoch, "the dead leader's lease was taken over");
}

#[test]
fn a_folder_does_what_an_election_needs() {
    let cluster = Cluster::new();
    let storage = cluster.storage();
    let sound = super::ended(["check", "--json", "--storage", storage.as_str()]);
    assert_eq!((sound.code, &sound.json()["ok"], &sound.json()["storage"]), (0, &json!(true), &json!(storage)), "{sound:?}");
    let names: Vec<String> = checks(&sound).iter().map(|check| check["check"].as_str().unwrap().to_owned()).collect();
    for name in ["creates-once", "creates-one-of-many", "swaps-one-of-many", "refuses-stale"] {
        assert!(names.iter().any(|known| known == name), "{names:?}");
    }
    assert!(checks(&sound).iter().all(|check| check["holds"] == json!(true) && check["found"].is_null()));
    let said = cluster.run(&["check", "--storage"]);
    assert!(said.code == 0 && said.stdout.contains("exporters can elect a leader there"), "{said:?}");
    assert_eq!(super::ended(["check", "--storage", "file:///a", "--storage", "file:///b"]).code, 2, "exporters elect in one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_ignores_conditions_is_none_to_elect_in_and_the_failing_check_is_named() {
    let store = Store::start(StoreOptions { bucket: "orders".to_owned(), keys: vec![AccessKey::read_write(KEY.0, KEY.1)] }).await.unwrap();
    assert_eq!(of_store(&store, &["check", "--storage", "s3://orders/a"]).code, 0);
    store.faults().ignore_if_none_match(true);
    let unsound = of_store(&store, &["check", "--json", "--storage", "s3://orders/a"]);
    assert_eq!((unsound.code, &unsound.json()["ok"]), (1, &json!(false)), "{unsound:?}");
    let failing: Vec<Value> = checks(&unsound).into_iter().filter(|check| check["holds"] == json!(false)).collect();
    assert!(failing.iter().any(|check| check["check"] == json!("creates-once")), "{failing:?}");
    let said = of_store(&store, &["check", "--storage", "s3://orders/a"]);
    assert!(said.stdout.contains("If-None-Match is ignored") && said.stdout.contains("holdover_single_exporter"), "{said:?}");

    let cluster = Cluster::new().set("cluster_fallback_config_storage", "s3://orders/b");
    let declined = publish_to(&store, &cluster, 20);
    assert_eq!((declined.code, &declined.json()["outcome"]), (3, &json!("declined")), "{declined:?}");
    assert!(declined.json()["sentence"].as_str().unwrap().contains("creates-once"), "{declined:?}");
    store.faults().ignore_if_none_match(false);
    let single = publish_to(&store, &cluster, 20);
    assert_eq!(single.code, 0, "{single:?}");

    drop(store);
    let mut away = command(["check", "--storage", "http://127.0.0.1:9/bucket/prefix"]);
    let away = away.env("AWS_ACCESS_KEY_ID", "a").env("AWS_SECRET_ACCESS_KEY", "b").env("AWS_REGION", "us-east-1").output().unwrap();
    assert_eq!(away.status.code(), Some(3), "{away:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_answer_is_lost_is_given_once() {
    let store = Store::start(StoreOptions { bucket: "orders".to_owned(), keys: vec![AccessKey::read_write(KEY.0, KEY.1)] }).await.unwrap();
    let cluster = Cluster::new().set("cluster_fallback_config_storage", "s3://orders/a");
    assert_eq!(publish_to(&store, &cluster, 20).code, 0);
    for (order, lost) in [(&["freeze", "--why", "x"][..], 1), (&["unfreeze"], 3)] {
        store.faults().lose_answers(lost);
        let given = of_store(&store, &[order, &["--storage", "s3://orders/a"]].concat());
        store.faults().lose_answers(0);
        assert_eq!(given.code, 0, "{given:?}");
    }
    let orders = Orders::read(&store.get("a/holdover/orders").unwrap(), &Trust::unasked()).unwrap();
    assert_eq!((orders.number, orders.audit.len(), orders.freeze), (2, 2, None));
}

impl Cluster {
    fn publish(&self, routes: usize, more: &[&str]) -> Ended {
        let file = self.path("by-hand.json");
        fs::write(&file, document(routes)).unwrap();
        self.run(&[&["publish", text(&file)], more].concat())
    }
}

fn publish_to(store: &Store, cluster: &Cluster, routes: usize) -> Ended {
    let (file, config) = (cluster.path("by-hand.json"), cluster.config(None));
    fs::write(&file, document(routes)).unwrap();
    of_store(store, &["publish", text(&file), "--json", "--config", &config])
}

fn of_store(store: &Store, arguments: &[&str]) -> Ended {
    let mut command = command(arguments);
    command.env("AWS_CONFIG_STORAGE_ENDPOINT", store.endpoint()).env("AWS_REGION", "us-east-1");
    let output = command.env("AWS_ACCESS_KEY_ID", KEY.0).env("AWS_SECRET_ACCESS_KEY", KEY.1).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn checks(ended: &Ended) -> Vec<Value> {
    ended.json()["checks"].as_array().unwrap().clone()
}
