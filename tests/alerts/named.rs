//! What the rules name is there: the series on the pages of real nodes, the events in the policy, the explanation in the document.

use std::collections::BTreeSet;

use holdover_drill::control_plane::HttpControlPlane;
use holdover_drill::process::Node;
use holdover_drill::{SELDOM, until};
use holdover_ports::Name;
use holdover_tests::site::{BOUND, Site, away, says};

use crate::rules::{Alert, DOCUMENT, alerts, read};

/// Prometheus itself gives these to every series.
const OF_PROMETHEUS: [&str; 2] = ["job", "instance"];

#[tokio::test(flavor = "multi_thread")]
async fn every_series_that_a_rule_names_is_one_that_nodes_show() {
    let page = pages().await;
    let series: Vec<&str> = page.lines().filter(|line| !line.starts_with('#')).collect();
    for alert in alerts() {
        for selector in alert.selectors() {
            let of_metric: Vec<_> = series.iter().filter(|line| metric(line) == selector.metric).collect();
            assert!(!of_metric.is_empty(), "{}: no node shows {}:\n{page}", alert.name, selector.metric);
            for (label, value) in &selector.labels {
                let pair = format!("{label}=\"{value}\"");
                assert!(of_metric.iter().any(|line| line.contains(&pair)), "{}: no {} has {pair}:\n{page}", alert.name, selector.metric);
            }
        }
        for label in alert.grouped_by().iter().filter(|label| !OF_PROMETHEUS.contains(&label.as_str())) {
            let bears = |metric_name: &str| {
                series.iter().filter(|line| metric(line) == metric_name).all(|line| line.contains(&format!("{label}=\"")))
            };
            assert!(
                alert.selectors().iter().all(|selector| bears(&selector.metric)),
                "{}: a series has no label {label}:\n{page}",
                alert.name
            );
        }
    }
}

#[test]
fn every_event_that_a_rule_counts_is_one_of_the_policys() {
    let mut counted = 0;
    for alert in alerts() {
        for selector in alert.selectors().into_iter().filter(|selector| selector.metric == "holdover_events_total") {
            let (_, name) = selector.labels.iter().find(|(label, _)| label == "name").expect("an event is counted by its name");
            assert!(Name::ALL.iter().any(|known| known.as_str() == name), "{}: the policy says no '{name}'", alert.name);
            counted += 1;
        }
    }
    assert!(counted > 5, "the rules are read: {counted}");
}

#[test]
fn every_alert_says_how_bad_it_is_what_it_is_and_where_to_read_on() {
    let alerts = alerts();
    assert!(alerts.len() > 15, "the rules are read: {}", alerts.len());
    for alert in &alerts {
        let severity = alert.line("severity");
        assert!(matches!(severity, Some("warning" | "critical")), "{}: {severity:?}", alert.name);
        for annotation in ["summary", "description"] {
            assert!(alert.line(annotation).is_some_and(|text| text.len() > 20), "{} has no {annotation}", alert.name);
        }
        assert_eq!(alert.line("runbook"), Some(format!("{DOCUMENT}#{}", alert.name.to_lowercase()).as_str()), "{}", alert.name);
    }
}

#[test]
fn every_alert_is_explained_and_nothing_else_is() {
    let document = read(DOCUMENT);
    let sections: Vec<(&str, &str)> = document.split("\n## ").skip(1).filter_map(|section| section.split_once('\n')).collect();
    let explained: BTreeSet<&str> = sections.iter().map(|(heading, _)| heading.trim()).collect();
    let all = alerts();
    assert_eq!(explained, all.iter().map(|alert: &Alert| alert.name.as_str()).collect());
    for (heading, text) in sections {
        for line in ["- **Means:** ", "- **Do:** ", "- **Does not mean:** "] {
            assert_eq!(text.matches(line).count(), 1, "{heading} has no line '{line}'");
        }
    }
}

fn metric(line: &str) -> &str {
    line.split(['{', ' ']).next().unwrap_or_default()
}

/// What a leader, a node in fallback and a stranded one show, together.
async fn pages() -> String {
    let site = Site::start().await;
    let control_plane = HttpControlPlane::start(site.document()).await.unwrap();
    let mut leader = Node::spawn(&site.backup_node("leader", &control_plane)).unwrap();
    site.published(&mut leader, &site.document()).await;
    says(&mut leader, &["exported"]).await;
    let gone = away("").await;
    let mut fallen_back = Node::spawn(&site.importer("fallen-back", &gone).set("holdover_gateway", "none")).unwrap();
    says(&mut fallen_back, &["config-applied"]).await;
    let nowhere =
        site.importer("stranded", &gone).set("holdover_gateway", "none").set("cluster_fallback_config_storage", site.storage_at("nowhere"));
    let mut stranded = Node::spawn(&nowhere).unwrap();
    says(&mut stranded, &["stranded"]).await;
    let mut text = String::new();
    for (node, line) in [
        (&leader, "holdover_export_generation{"),
        (&fallen_back, "holdover_serving_generation{"),
        (&stranded, "holdover_standing{standing=\"stranded\"}"),
    ] {
        text.push_str(&shown(node, line).await);
    }
    text
}

/// The page once it has this line: a log line comes before the episode ends.
async fn shown(node: &Node, line: &str) -> String {
    let shown = until(BOUND, SELDOM, line, async || {
        let Ok(page) = node.status_page("/metrics").await else { return Ok(None) };
        let text = String::from_utf8(page.body.into())?;
        Ok(text.lines().any(|said| said.starts_with(line)).then_some(text))
    });
    shown.await.unwrap_or_else(|failure| panic!("{failure:#}"))
}
