//! SIGTERM, whatever the module is doing: Envoy must not crash over it.

use crate::bootstrap::Bootstrap;
use crate::configurations::configuration;
use crate::running::Envoy;
use crate::storage::{publish, seaweed};
use crate::upstream::Server;

#[tokio::test(flavor = "multi_thread")]
async fn envoy_ends_on_sigterm_while_the_module_dials() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let control_plane = silent.local_addr().unwrap().to_string();
    let envoy = Envoy::start(&Bootstrap { control_plane, ..Bootstrap::alone() });
    envoy.listens().await;
    envoy.terminate().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_ends_on_sigterm_while_requests_are_held() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let control_plane = silent.local_addr().unwrap().to_string();
    let long = [(r#""give_up_ms": 10000"#, r#""give_up_ms": 60000"#)];
    let envoy = Envoy::start(&Bootstrap { control_plane, otherwise: &long, ..Bootstrap::alone() });
    envoy.listens().await;
    let held = async { envoy.try_get("/orders/7", &[]).await };
    let until_held = async {
        envoy.comes("a request that is held", async || envoy.statistic("holdover_held_total").await > 0).await;
        envoy.process.terminate();
    };
    tokio::join!(held, until_held);
    envoy.terminated().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_ends_on_sigterm_while_the_filter_serves() {
    let (upstream, seaweed) = (Server::echoing().await, seaweed().await);
    publish(seaweed, "ends", configuration(upstream.port)).await;
    let envoy = Envoy::start(&Bootstrap::over(seaweed, "ends"));
    envoy.until(200, "/orders/7").await;
    envoy.terminate().await;
}
