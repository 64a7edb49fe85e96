//! An Envoy that is born in an outage, and the way back to its control plane.

use std::time::Instant;

use holdover_keys::Identity;

use crate::bootstrap::{Bootstrap, IMPATIENT, ROUTE, nobody};
use crate::configurations::{ROUTES_PER_SERVICE, configuration, of_bytes, of_routes};
use crate::running::{Envoy, STORAGE_REQUESTS};
use crate::storage::{exporter_key, publish, publish_as, seaweed};
use crate::upstream::Server;

/// Both workers have a table of their own: each is asked.
const REQUESTS: usize = 24;

#[tokio::test(flavor = "multi_thread")]
async fn one_route_is_served_out_of_the_snapshot_by_two_workers() {
    is_served(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_routes_are_served_out_of_the_snapshot_by_two_workers() {
    is_served(1_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_thousand_routes_are_served_out_of_the_snapshot_by_two_workers() {
    is_served(50_000).await;
}

async fn is_served(routes: usize) {
    let (upstream, seaweed) = (Server::echoing().await, seaweed().await);
    let prefix = format!("routes-{routes}");
    publish(seaweed, &prefix, of_routes(routes, upstream.port)).await;
    let began = Instant::now();
    let envoy = Envoy::start_with(&Bootstrap::over(seaweed, &prefix), 2);
    envoy.listens().await;
    // Sent before anything is known, and held until it is.
    let first = envoy.get("/r0/first", &[]).await;
    assert_eq!(first.status, 200, "{first:?}; Envoy said: {}", envoy.process.said());
    println!("{routes} routes: first answer after {} ms, {} MiB", began.elapsed().as_millis(), envoy.process.resident_bytes() >> 20);
    for request in 0..REQUESTS {
        let route = request * (routes - 1) / (REQUESTS - 1);
        let answer = envoy.get(&format!("/r{route}/x"), &[]).await;
        let begin = format!("get /of-{}/x http/1.1", route / ROUTES_PER_SERVICE);
        assert!(answer.status == 200 && answer.body.to_lowercase().starts_with(&begin), "{begin}: {answer:?}");
    }
    assert_eq!(envoy.get(&format!("/r{routes}/x"), &[]).await.status, 404);
    println!("{routes} routes: {} MiB after {REQUESTS} requests", envoy.process.resident_bytes() >> 20);
    envoy.end().await;
}

/// Envoy buffers 32 MiB of an answer and no more: it is read in parts.
#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_beyond_envoys_buffer_is_read_in_parts() {
    let (upstream, seaweed) = (Server::echoing().await, seaweed().await);
    publish(seaweed, "large", of_bytes(34 << 20, upstream.port)).await;
    let envoy = Envoy::start(&Bootstrap::over(seaweed, "large"));
    envoy.until(200, "/").await;
    envoy.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_snapshot_is_opened_with_the_identity_in_the_vms_environment() {
    let (upstream, seaweed, reader) = (Server::echoing().await, seaweed().await, Identity::generate().unwrap());
    publish_as(seaweed, "encrypted", configuration(upstream.port), exporter_key(), Some(&reader.recipient())).await;
    let without = Envoy::start(&Bootstrap::over(seaweed, "encrypted"));
    without.until_log("event=stranded").await;
    without.end().await;

    let vm = "        configuration: { \"@type\": type.googleapis.com/google.protobuf.StringValue, value: node }\n";
    let identity = reader.expose();
    let with = format!("{vm}        environment_variables: {{ key_values: {{ HOLDOVER_IDENTITY: {} }} }}\n", identity.as_str());
    let envoy = Envoy::start(&Bootstrap { otherwise: &[IMPATIENT, (vm, &with)], ..Bootstrap::over(seaweed, "encrypted") });
    envoy.until(200, "/orders/7").await;
    assert!(!envoy.process.said().contains(identity.as_str()));
    envoy.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_control_plane_answers_requests_are_left_to_envoys_own_routes() {
    let (own, fallback, seaweed) = (Server::echoing().await, Server::echoing().await, seaweed().await);
    let live = configuration(fallback.port);
    publish(seaweed, "idle", live.clone()).await;
    let control_plane = Server::saying(&live).await;
    let bootstrap = Bootstrap { own: own.authority(), control_plane: control_plane.authority(), ..Bootstrap::over(seaweed, "idle") };
    let envoy = Envoy::start(&bootstrap);
    envoy.listens().await;
    let answer = envoy.get("/orders/7", &[("x-holdover-upstream", "http")]).await;
    assert_eq!(answer.status, 200, "{answer:?}; {}", envoy.process.said());
    let head = answer.body.to_lowercase();
    assert!(head.starts_with("get /orders/7 http/1.1") && !head.contains("x-holdover"), "untouched, but for the forged mark: {head}");
    assert_eq!(fallback.sent(), 0);
    assert_eq!(envoy.statistic(STORAGE_REQUESTS).await, 0, "the storage is not asked: {}", envoy.process.said());
    // It is asked again and again, and sends its configuration once.
    envoy.comes("another poll", async || control_plane.asked() > 2).await;
    assert_eq!(control_plane.sent(), 1);
    envoy.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filter_steps_aside_when_the_control_plane_returns_and_no_request_fails() {
    let (own, fallback, seaweed) = (Server::echoing().await, Server::echoing().await, seaweed().await);
    let live = configuration(fallback.port);
    publish(seaweed, "returns", live.clone()).await;
    let away = nobody();
    let bootstrap = Bootstrap { own: own.authority(), control_plane: away.clone(), ..Bootstrap::over(seaweed, "returns") };
    let envoy = Envoy::start(&bootstrap);
    envoy.until(200, "/orders/7").await;
    assert_eq!((own.sent(), envoy.statistic("holdover_serving").await), (0, 1));

    let (_, port) = away.rsplit_once(':').unwrap();
    let _control_plane = Server::saying_at(port.parse().unwrap(), &live).await;
    let mut asked = 0;
    while own.sent() == 0 {
        let answer = envoy.get("/orders/7", &[]).await;
        asked += 1;
        assert_eq!(answer.status, 200, "request {asked}: {answer:?}");
    }
    assert_eq!(envoy.statistic("holdover_serving").await, 0);
    envoy.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_envoy_has_no_routes_of_its_own_the_control_planes_configuration_is_routed_by() {
    let upstream = Server::echoing().await;
    let control_plane = Server::saying(&configuration(upstream.port)).await;
    let bootstrap = Bootstrap { control_plane: control_plane.authority(), otherwise: &[IMPATIENT, ROUTE], ..Bootstrap::alone() };
    let envoy = Envoy::start(&bootstrap);
    envoy.until(200, "/orders/7").await;
    let said = envoy.process.said();
    assert!(said.contains("origin=control-plane") && !said.contains("storage_cluster"), "{said}");
    envoy.end().await;
}
