//! How requests are routed by the snapshot: rewritten, answered, or refused where Envoy cannot do as the configuration says.

use crate::bootstrap::Bootstrap;
use crate::configurations::configuration;
use crate::running::Envoy;
use crate::storage::{publish, seaweed};
use crate::upstream::Server;

#[tokio::test(flavor = "multi_thread")]
async fn envoy_routes_by_the_snapshot_while_its_control_plane_is_away() {
    let upstream = Server::echoing().await;
    let seaweed = seaweed().await;
    publish(seaweed, "snapshot", configuration(upstream.port)).await;
    let envoy = Envoy::start(&Bootstrap::over(seaweed, "snapshot"));
    envoy.until(200, "/orders/7?full=1").await;

    let seen = envoy
        .get("/orders/7?full=1", &[("x-forwarded-prefix", "/forged"), ("proxy", "http://evil"), ("x-holdover-upstream", "elsewhere")])
        .await;
    let head = seen.body.to_lowercase();
    assert!(head.starts_with("get /base/7?full=1 http/1.1"), "{head}");
    assert!(head.contains("x-forwarded-prefix: /orders") && head.contains("x-forwarded-host: shop.example"), "{head}");
    assert!(head.contains(&format!("\nhost: 127.0.0.1:{}\r\n", upstream.port)) && !head.contains("evil"), "{head}");
    assert!(!head.contains("x-holdover"), "{head}");

    let correlated = envoy.get("/correlated", &[]).await;
    let id = correlated.header("x-trace").unwrap_or_else(|| panic!("no id in {correlated:?}"));
    assert!(id.ends_with("#1") && correlated.body.contains(id), "{correlated:?}");
    let kept = envoy.get("/kept", &[("x-from", "\u{e9}t\u{e9}"), ("proxy", "\u{e9}vil")]).await;
    let head = kept.body.to_lowercase();
    assert!(head.contains("host: shop.example\r\n") && head.contains("x-from: ") && !head.contains("proxy: "), "{kept:?}");
    envoy.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_envoy_cannot_do_as_the_configuration_says_it_refuses() {
    let upstream = Server::echoing().await;
    let seaweed = seaweed().await;
    publish(seaweed, "refusals", configuration(upstream.port)).await;
    let envoy = Envoy::start(&Bootstrap::over(seaweed, "refusals"));
    envoy.until(200, "/orders").await;

    let guarded = envoy.get("/guarded", &[]).await;
    assert_eq!(guarded.status, 503, "{guarded:?}");
    assert!(guarded.body.contains("'key-auth'"), "{guarded:?}");
    let closed = envoy.get("/closed", &[]).await;
    assert_eq!((closed.status, closed.body.as_str()), (418, r#"{"message":"closed for tea"}"#));
    assert_eq!(envoy.get("/nowhere", &[]).await.status, 404);
    let secure = envoy.get("/secure", &[]).await;
    assert_eq!((secure.status, secure.header("location")), (302, Some("https://shop.example/secure")), "{secure:?}");
    envoy.end().await;
}
