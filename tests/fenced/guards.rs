//! What takes too much away is held until an operator says so (export-03), with a real exporter and a real `holdover approve`: one word
//! releases one export, once, and none once the head moved.

use std::time::Duration;

use holdover_drill::control_plane::HttpControlPlane;
use holdover_plugin::model::Digest;
use serde_json::{Value, json};

use crate::alone;
use crate::exporter::Exporter;
use crate::ground::{Ground, LEASE_RENEW, PREFIX, StoreKind, VERSION, numbered};

/// Many looks of the leader at its orders.
const LOOKS: Duration = LEASE_RENEW.saturating_mul(5);

struct Stage {
    ground: Ground,
    control_plane: HttpControlPlane,
    exporter: Exporter,
}

/// What the status page says that an approval must name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    base: String,
    sameness: String,
    sentence: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_configuration_is_never_published_whatever_the_operator_says() {
    let _alone = alone().await;
    let stage = Stage::with(whole(0)).await;
    let before = stage.newest().await;
    stage.says(br#"{"_format_version":"3.0"}"#.to_vec());
    let invalid = stage.exporter.says("export-invalid", "").await.unwrap();
    let sentence = stage.exporter.shows("what is held", |status| {
        let sentence = status.pointer("/export/held")?.as_str()?;
        invalid.text.contains(sentence).then(|| (sentence.to_owned(), status.pointer("/export/approvable").cloned()))
    });
    let (sentence, approvable) = sentence.await.unwrap();
    assert!(sentence.contains("configures nothing") && approvable.is_none_or(|approvable| approvable.is_null()), "{sentence}");
    let (approved, said) = stage.approve(&["--status", &stage.exporter.page()]).await;
    assert!(!approved, "{said}");
    tokio::time::sleep(LOOKS).await;
    assert_eq!(stage.newest().await, before);
    // The control plane comes to its senses: nothing is to be published, and nothing is held.
    stage.says(whole(0));
    stage.exporter.shows("nothing held", |status| status.pointer("/export/held")?.is_null().then_some(())).await.unwrap();
    assert_eq!(stage.exporter.counted("exported"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_fifths_of_the_routes_are_held_and_an_approval_releases_that_one_only_once_and_not_after_the_head_moved() {
    let _alone = alone().await;
    let stage = Stage::with(whole(0)).await;
    stage.says(shrunk(40));
    let first = stage.held("routes shrank from 100 to 40").await;
    let why: Value = stage.exporter.json("/why").await.unwrap();
    assert!(why["sentences"].to_string().contains("routes shrank from 100 to 40"), "{why}");

    // The head moves, and what was held on the old one is held anew.
    stage.published(whole(1)).await;
    stage.says(shrunk(40));
    let second = stage.held("routes shrank").await;
    assert!(first.base != second.base && first.sameness == second.sameness, "{first:?} {second:?}");
    let (approved, said) = stage.approve(&["--sameness", &first.sameness, "--base", &first.base]).await;
    assert!(!approved && said.contains("the head moved"), "{said}");
    stage.stays_held(&second).await;

    // An approval that stands when the head moves is worth nothing from then on.
    stage.says(whole(1));
    stage.exporter.shows("nothing held", |status| status.pointer("/export/held")?.is_null().then_some(())).await.unwrap();
    let (approved, said) = stage.approve(&["--sameness", &second.sameness, "--base", &second.base]).await;
    assert!(approved, "{said}");
    stage.published(whole(2)).await;
    stage.says(shrunk(40));
    let third = stage.held("routes shrank").await;
    assert_ne!(third.base, second.base);
    stage.stays_held(&third).await;

    // Of two that are held on one head, the one that was named is released.
    stage.says(shrunk(30));
    let other = stage.held("routes shrank from 100 to 30").await;
    let (approved, said) = stage.approve(&["--sameness", &third.sameness, "--base", &third.base]).await;
    assert!(approved, "{said}");
    stage.stays_held(&other).await;
    stage.published(shrunk(40)).await;
    stage.exporter.says("export-approved", "routes shrank from 100 to 40").await.unwrap();

    // Once.
    stage.published(whole(3)).await;
    stage.says(shrunk(40));
    let again = stage.held("routes shrank").await;
    stage.stays_held(&again).await;
    assert_eq!(stage.exporter.counted("export-approved"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_that_ask_nobody_any_more_are_held_until_that_is_approved() {
    let _alone = alone().await;
    let stage = Stage::with(whole(0)).await;
    let mut open = document(100, 0);
    open["plugins"].as_array_mut().unwrap().retain(|plugin| plugin["name"] != "key-auth");
    let open = open.to_string().into_bytes();
    stage.says(open.clone());
    let held = stage.held("authentication plugins are gone").await;
    stage.stays_held(&held).await;
    let (approved, said) = stage.approve(&["--status", &stage.exporter.page()]).await;
    assert!(approved, "{said}");
    stage.published(open).await;
    stage.exporter.says("export-approved", "authentication plugins are gone").await.unwrap();
}

impl Stage {
    async fn with(first: Vec<u8>) -> Self {
        let ground = Ground::new(StoreKind::Embedded).await.unwrap();
        let control_plane = HttpControlPlane::start(first.clone()).await.unwrap();
        let spec = ground.exporter("guarded", &control_plane, &ground.storage(PREFIX)).unwrap();
        let stage = Self { exporter: Exporter::start(spec).unwrap(), ground, control_plane };
        stage.published(first).await;
        stage
    }

    fn says(&self, document: Vec<u8>) {
        self.control_plane.set_document(document);
    }

    async fn published(&self, document: Vec<u8>) {
        self.says(document.clone());
        let published = format!("{} is published", Digest::of(&document));
        let shown = holdover_drill::until(crate::ground::BOUND, LEASE_RENEW / 10, &published, async || {
            self.exporter.still_runs()?;
            Ok((self.newest().await == Some(Digest::of(&document))).then_some(()))
        });
        shown.await.unwrap_or_else(|failure| panic!("{failure:#}\n{}", self.exporter.said()));
    }

    async fn newest(&self) -> Option<Digest> {
        let head = self.ground.eyes(PREFIX).await.unwrap().head().await.unwrap()?;
        head.newest(&VERSION.parse().unwrap()).and_then(|entry| entry.shown.as_ref()).map(|shown| shown.digest)
    }

    /// Waits until something that an approval would release is held for this reason, by a leader who compared it with the newest.
    async fn held(&self, part: &str) -> Held {
        let base = self.newest_position().await;
        let held = self.exporter.shows(part, |status| {
            let text = |pointer: &str| Some(status.pointer(pointer)?.as_str()?.to_owned());
            let sentence = text("/export/held").filter(|sentence| sentence.contains(part))?;
            let held = Held { base: text("/export/approvable/base")?, sameness: text("/export/approvable/sameness")?, sentence };
            (status.pointer("/export/office/kind")? == "leader" && held.base == base).then_some(held)
        });
        held.await.unwrap()
    }

    async fn stays_held(&self, held: &Held) {
        tokio::time::sleep(LOOKS).await;
        assert_eq!(self.held(&held.sentence).await, *held);
        assert_eq!(self.newest_position().await, held.base);
    }

    async fn newest_position(&self) -> String {
        let head = self.ground.eyes(PREFIX).await.unwrap().head().await.unwrap().unwrap();
        head.newest(&VERSION.parse().unwrap()).unwrap().position().to_string()
    }

    async fn approve(&self, arguments: &[&str]) -> (bool, String) {
        let storage = self.ground.storage(PREFIX);
        let always = ["approve", "--storage", &storage, "--gateway-version", VERSION, "--by", "a test", "--why", "it is meant"];
        self.ground.command(&[&always, arguments].concat()).await.unwrap()
    }
}

fn whole(number: u64) -> Vec<u8> {
    document(100, number).to_string().into_bytes()
}

fn shrunk(routes: usize) -> Vec<u8> {
    document(routes, 0).to_string().into_bytes()
}

/// So many routes; five of them ask for a key, and twenty bound a request's size.
fn document(routes: usize, number: u64) -> Value {
    let mut document = numbered(routes, number);
    let names = (0..25).map(|nth| if nth < 5 { "key-auth" } else { "request-size-limiting" });
    let plugin = |(nth, name): (usize, &str)| {
        let route = &document["routes"][nth]["id"];
        json!({"id": format!("97061000-0000-4000-8000-{nth:012x}"), "name": name, "route": route, "protocols": ["http"], "enabled": true, "config": {}})
    };
    let plugins: Vec<Value> = names.enumerate().map(plugin).collect();
    document["plugins"] = Value::Array(plugins);
    document
}
