//! What goes wrong: no storage, a snapshot that was tampered with, one of a stranger, a VM that breaks.

use holdover_keys::SigningKey;
use serde_json::Value;

use crate::bootstrap::{Bootstrap, nobody};
use crate::configurations::configuration;
use crate::module;
use crate::running::{Answer, Envoy, STORAGE_REQUESTS};
use crate::storage::{publish, publish_as, seaweed};
use crate::upstream::Server;

#[tokio::test(flavor = "multi_thread")]
async fn without_a_snapshot_envoy_answers_503_with_a_reason_and_takes_the_first_one_that_is_published() {
    let (upstream, seaweed) = (Server::echoing().await, seaweed().await);
    let envoy = Envoy::start(&Bootstrap::over(seaweed, "empty"));
    envoy.until_log("event=stranded").await;
    is_stranded(&envoy.get("/orders/7", &[]).await);

    publish(seaweed, "empty", configuration(upstream.port)).await;
    envoy.until(200, "/orders/7").await;
    envoy.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_held_for_so_long_and_then_answered_503_with_a_reason() {
    let brief = [(r#""hold_ms": 15000"#, r#""hold_ms": 300"#), (r#""give_up_ms": 10000"#, r#""give_up_ms": 20000"#)];
    // It takes a connection and says nothing, so that nothing is known for twenty seconds.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let control_plane = silent.local_addr().unwrap().to_string();
    let envoy = Envoy::start(&Bootstrap { control_plane, otherwise: &brief, ..Bootstrap::alone() });
    envoy.listens().await;
    let answer = envoy.get("/orders/7", &[]).await;
    assert_eq!((answer.status, reason(&answer).as_str()), (503, "undecided"), "{answer:?}");
    assert_eq!(envoy.statistic("holdover_held_total").await, 1);
    envoy.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_was_tampered_with_is_refused_and_so_is_a_strangers() {
    let (upstream, seaweed) = (Server::echoing().await, seaweed().await);
    let published = publish(seaweed, "tampered", configuration(upstream.port)).await;
    published.change_a_byte().await;
    publish_as(seaweed, "strange", configuration(upstream.port), &SigningKey::generate().unwrap(), None).await;
    for (prefix, why) in [("tampered", "reason=corrupt"), ("strange", "not trusted here")] {
        let envoy = Envoy::start(&Bootstrap::over(seaweed, prefix));
        envoy.until_log("event=stranded").await;
        is_stranded(&envoy.get("/orders/7", &[]).await);
        let said = envoy.process.said();
        assert!(said.contains(why), "{why}: {said}");
        envoy.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filters_vm_that_breaks_is_made_anew_and_goes_on_by_the_shared_table() {
    let (upstream, seaweed) = (Server::echoing().await, seaweed().await);
    publish(seaweed, "breaks", configuration(upstream.port)).await;
    let envoy = Envoy::start(&Bootstrap { module: module::breakable(), ..Bootstrap::over(seaweed, "breaks") });
    envoy.until(200, "/orders/7").await;
    let before = envoy.statistic(STORAGE_REQUESTS).await;
    assert!(before > 0);
    for _ in 0..2 {
        assert_eq!(envoy.get("/crash-this-vm", &[]).await.status, 503);
        envoy.until(200, "/orders/7").await;
    }
    assert_eq!(envoy.statistic(STORAGE_REQUESTS).await, before, "the storage is not read again: {}", envoy.process.said());
    envoy.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_nodes_vm_breaks_the_filters_go_on_by_what_it_said_and_say_that_it_is_silent() {
    let (own, upstream, seaweed) = (Server::echoing().await, Server::echoing().await, seaweed().await);
    publish(seaweed, "silent", configuration(upstream.port)).await;
    let away = nobody();
    let bootstrap =
        Bootstrap { module: module::breakable(), own: own.authority(), control_plane: away.clone(), ..Bootstrap::over(seaweed, "silent") };
    let envoy = Envoy::start(&bootstrap);
    envoy.until(200, "/orders/7").await;
    let (_, port) = away.rsplit_once(':').unwrap();
    let _broken = Server::saying_at(port.parse().unwrap(), "crash-this-vm").await;
    envoy.until_log("nothing was heard of the node").await;
    assert_eq!(envoy.get("/orders/7", &[]).await.status, 200);
    envoy.end().await;
}

fn is_stranded(answer: &Answer) {
    assert_eq!((answer.status, reason(answer).as_str()), (503, "stranded"), "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(answer.header("retry-after"), Some("1"));
}

fn reason(answer: &Answer) -> String {
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    body["reason"].as_str().unwrap().to_owned()
}
