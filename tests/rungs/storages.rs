//! Several storages that do not say the same (export-15), and snapshots that are broken in some of them or in all.

use holdover_drill::process::Node;
use holdover_plugin::snapshot::head::Entry;
use holdover_tests::site::{Site, counted, event, says};
use serde_json::Value;

use crate::history::{History, after, ends_on_sigterm, serves, strands};

const IMPORTER: &str = "site-importer";

#[tokio::test(flavor = "multi_thread")]
async fn of_three_storages_the_highest_generation_is_served() {
    let history = History::of(3).await;
    for (nth, order) in [[1, 3, 2], [3, 1, 2], [2, 1, 3]].into_iter().enumerate() {
        let prefixes = order.map(after);
        let spec = history.newborn(&format!("new-node-{nth}"), &prefixes.each_ref().map(String::as_str));
        let before = history.site.store.requests().len();
        let mut node = Node::spawn(&spec).unwrap();
        history.serves(&mut node, 3, "storage").await;
        let gets = gets_since(&history.site, before);
        assert_eq!(gets.len(), 4, "three heads and one snapshot: {gets:?}");
        ends_on_sigterm(&mut node).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_lineages_are_named_and_neither_is_taken() {
    let history = History::of(1).await;
    let stranger = History::of(1).await;
    for key in stranger.site.store.keys() {
        let relative = key.split_once('/').filter(|(prefix, _)| *prefix == after(1)).map(|(_, relative)| relative);
        if let Some(relative) = relative {
            history.site.overwrite_at("stranger", relative, stranger.site.store.get(&key).unwrap()).await;
        }
    }
    let (one, other) = (history.lineage(), stranger.lineage());
    let mut node = Node::spawn(&history.newborn("new-node", &[&after(1), "stranger"])).unwrap();
    strands(&mut node).await;
    says(&mut node, &["two-lineages", &one, &other, &history.site.storage_at("stranger")]).await;
    let why: Value = serde_json::from_slice(&node.status_page("/why").await.unwrap().body).unwrap();
    let recent = why["recent"].to_string();
    assert!(recent.contains(&one) && recent.contains(&other), "{why:#}");
    assert!(counted(&node, "two-lineages").await >= 1);
    ends_on_sigterm(&mut node).await;

    // Whoever says which one it is, gets it.
    let spec = history.newborn("told", &["stranger", &after(1)]).set("holdover_accept_lineage", &one);
    let mut node = Node::spawn(&spec).unwrap();
    history.serves(&mut node, 1, "storage").await;
    event(&mut node, "head-refused", ("reason", "foreign-lineage")).await;
    ends_on_sigterm(&mut node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newest_that_is_broken_in_one_storage_is_had_from_the_other() {
    let history = History::of(3).await;
    history.site.copy(&after(3), "copy").await;
    break_it(&history.site, &after(3), history.entry(3));
    let before = history.site.store.requests().len();
    let mut node = Node::spawn(&history.newborn("new-node", &[&after(3), "copy"])).unwrap();
    history.serves(&mut node, 3, "storage").await;
    event(&mut node, "snapshot-skipped", ("reason", "corrupt")).await;
    let gets = gets_since(&history.site, before);
    assert_eq!(gets.len(), 2 + 1 + 1, "two heads, the broken one, and the same once more: {gets:?}");
    ends_on_sigterm(&mut node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_broken_generation_costs_one_get_and_the_next_older_good_one_serves() {
    let history = History::of(3).await;
    for skipped in 0..=2 {
        let prefix = format!("broken-{skipped}");
        history.site.copy(&after(3), &prefix).await;
        for nth in 0..skipped {
            break_it(&history.site, &prefix, history.entry(3 - nth));
        }
        let before = history.site.store.requests().len();
        let mut node = Node::spawn(&history.newborn(&format!("new-node-{skipped}"), &[&prefix])).unwrap();
        history.serves(&mut node, 3 - skipped, "storage").await;
        let gets = gets_since(&history.site, before);
        assert_eq!(gets.len(), 2 + skipped, "{gets:?}");
        assert_eq!(counted(&node, "snapshot-skipped").await, skipped as u64);
        ends_on_sigterm(&mut node).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newest_that_is_broken_everywhere_gives_way_to_the_one_before_it() {
    let history = History::of(2).await;
    history.site.copy(&after(2), "copy").await;
    for prefix in [after(2).as_str(), "copy"] {
        break_it(&history.site, prefix, history.entry(2));
    }
    let before = history.site.store.requests().len();
    let mut node = Node::spawn(&history.newborn("new-node", &[&after(2), "copy"])).unwrap();
    history.serves(&mut node, 1, "storage").await;
    let gets = gets_since(&history.site, before);
    assert_eq!(gets.len(), 2 + 2 + 1, "two heads, the broken one of each, the one before: {gets:?}");
    assert_eq!(counted(&node, "snapshot-skipped").await, 2);
    ends_on_sigterm(&mut node).await;

    // While it ran, its cache was filled: the storage is asked nothing at the next start.
    let before = history.site.store.requests().len();
    let mut node = Node::spawn(&history.newborn("new-node", &[&after(2), "copy"])).unwrap();
    serves(&history.site, &mut node, "cache").await;
    assert_eq!(gets_since(&history.site, before), Vec::<String>::new());
    ends_on_sigterm(&mut node).await;
}

/// Flips a bit in the middle of the body.
fn break_it(site: &Site, prefix: &str, entry: &Entry) {
    assert!(site.store.corrupt(&format!("{prefix}/{}", entry.key), entry.file_bytes as usize / 2));
}

/// What importers were answered since then; they did nothing but GET.
fn gets_since(site: &Site, before: usize) -> Vec<String> {
    let requests = site.store.requests().into_iter().skip(before).filter(|request| request.access_key == IMPORTER);
    requests
        .map(|request| {
            assert_eq!(request.method, "GET");
            request.key
        })
        .collect()
}
