//! Clients that are broken, greedy or no clients at all, and those that ask for health.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::message::{HealthCheckRequest, HealthCheckResponse};

#[tokio::test]
async fn what_is_too_much_or_makes_no_sense_ends_its_own_stream_and_no_other() {
    let limits = Limits { request_bytes_max: 1000, names_max: 3, ..Limits::default() };
    let server = Running::within(Gate::Serving(snapshot(&seven())), limits).await;
    let mut good = server.sotw(sotw::first(CLUSTER, &[])).await;
    good.next().await.unwrap();

    let long = "x".repeat(2000);
    let nameless = DiscoveryRequest { node: None, ..sotw::first(CLUSTER, &[]) };
    let cases = [
        (sotw::first(CLUSTER, &[&long]), tonic::Code::OutOfRange),
        (sotw::first(ENDPOINTS, &["1", "2", "3", "4"]), tonic::Code::ResourceExhausted),
        (sotw::first("", &[]), tonic::Code::InvalidArgument),
        (nameless, tonic::Code::InvalidArgument),
    ];
    for (request, code) in cases {
        let mut node = server.sotw(request).await;
        assert_eq!(node.next().await.unwrap_err().code(), code);
    }
    let mut node = server.delta(delta::first(ENDPOINTS, &["1", "2"])).await;
    node.next().await.unwrap();
    node.ask(delta::first(ENDPOINTS, &["3", "4"])).await;
    assert_eq!(node.next().await.unwrap_err().code(), tonic::Code::ResourceExhausted);
    // Bytes that are no message: a request whose first field is cut off.
    let unreadable = message::Any { type_url: "t".into(), value: bytes::Bytes::from_static(b"v") };
    let mut node = Driven::<message::Any, DiscoveryResponse>::open(server.port, ADS_SOTW, Some(unreadable)).await.unwrap();
    assert_eq!(node.next().await.unwrap_err().code(), tonic::Code::InvalidArgument);

    good.ask(sotw::first(LISTENER, &[])).await;
    assert_eq!(good.next().await.unwrap().type_url, LISTENER);
}

#[tokio::test]
async fn a_node_whose_names_are_too_long_or_that_asks_for_too_many_types_is_sent_away() {
    let server = Running::serving(&seven()).await;
    let mut node = server.sotw(DiscoveryRequest { node: super::node(&"i".repeat(2000)), ..sotw::first(CLUSTER, &[]) }).await;
    assert_eq!(node.next().await.unwrap_err().code(), tonic::Code::InvalidArgument);
    let mut node = server.sotw(sotw::first(CLUSTER, &[])).await;
    node.next().await.unwrap();
    for number in 1..64 {
        node.ask(sotw::first(&format!("type/{number}"), &["x"])).await;
        node.next().await.unwrap();
    }
    node.ask(sotw::first("type/64", &["x"])).await;
    assert_eq!(node.next().await.unwrap_err().code(), tonic::Code::ResourceExhausted);
}

#[tokio::test]
async fn names_and_types_beyond_their_length_end_the_stream_in_both_variants() {
    let server = Running::serving(&seven()).await;
    let (longest, long) = ("n".repeat(4096), "n".repeat(4097));
    let (longest_type, long_type) = ("t".repeat(256), "t".repeat(257));
    server.sotw(sotw::first(&longest_type, &[&longest])).await.next().await.unwrap();
    server.delta(delta::first(&longest_type, &[&longest])).await.next().await.unwrap();
    for request in [sotw::first(ENDPOINTS, &["a", &long]), sotw::first(&long_type, &["a"])] {
        let ended = server.sotw(request).await.next().await.unwrap_err();
        assert_eq!(ended.code(), tonic::Code::InvalidArgument, "{ended}");
    }
    let letting_go = DeltaDiscoveryRequest { resource_names_unsubscribe: vec![long.clone()], ..delta::first(ENDPOINTS, &[]) };
    let brought = [delta::holding(ENDPOINTS, &[(&long, "7")]), delta::holding(ENDPOINTS, &[("a", &long)])];
    let asking = [delta::first(ENDPOINTS, &["a", &long]), delta::first(&long_type, &["a"])];
    for request in asking.into_iter().chain(brought).chain([letting_go]) {
        let ended = server.delta(request).await.next().await.unwrap_err();
        assert_eq!(ended.code(), tonic::Code::InvalidArgument, "{ended}");
    }
}

#[tokio::test]
async fn streams_are_counted_over_all_connections_and_given_back() {
    let server = Running::within(Gate::Serving(snapshot(&seven())), Limits { streams_max: 1, ..Limits::default() }).await;
    let mut only = server.sotw(sotw::first(CLUSTER, &[])).await;
    only.next().await.unwrap();
    let refused = Driven::<DiscoveryRequest, DiscoveryResponse>::open(server.port, ADS_SOTW, None).await.err().unwrap();
    assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
    drop(only);
    server.gone(1).await;
    let again = async {
        loop {
            if let Ok(mut node) = Driven::<_, DiscoveryResponse>::open(server.port, ADS_SOTW, Some(sotw::first(CLUSTER, &[]))).await {
                return node.next().await.unwrap();
            }
            tokio::task::yield_now().await;
        }
    };
    assert_eq!(tokio::time::timeout(PATIENCE, again).await.unwrap().type_url, CLUSTER);
}

#[tokio::test]
async fn connections_beyond_the_bound_and_other_protocols_are_closed_and_the_rest_is_served() {
    let server = Running::within(Gate::Serving(snapshot(&seven())), Limits { connections_max: 1, ..Limits::default() }).await;
    let mut http1 = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    http1.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    // What is left unread on the other side may come back as a reset.
    let _ = tokio::time::timeout(PATIENCE, http1.read_to_end(&mut rest)).await.expect("closed in time");

    let mut node = server.sotw(sotw::first(CLUSTER, &[])).await;
    node.next().await.unwrap();
    let mut second = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    let closed = tokio::time::timeout(PATIENCE, second.read(&mut [0; 1])).await.expect("closed in time");
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    node.ask(sotw::first(LISTENER, &[])).await;
    assert_eq!(node.next().await.unwrap().type_url, LISTENER);
}

#[tokio::test]
async fn an_unknown_method_is_said_to_be_unknown() {
    let server = Running::serving(&seven()).await;
    let outcome = Driven::<DiscoveryRequest, DiscoveryResponse>::open(server.port, "/other.Service/Method", None).await;
    assert_eq!(outcome.err().unwrap().code(), tonic::Code::Unimplemented);
}

#[tokio::test]
async fn health_is_the_gate_seen_from_both_sides() {
    let server = Running::with(Gate::Waiting).await;
    let mut ours = watched(&server, "").await;
    let mut theirs = watched(&server, "control-plane").await;
    let mut nobody = watched(&server, "other").await;
    assert_eq!((status(&mut ours).await, status(&mut theirs).await, status(&mut nobody).await), (2, 2, 3));
    assert_eq!((checked(&server, "").await, checked(&server, "control-plane").await), (Some(2), Some(2)));
    server.serve(&seven());
    assert_eq!(status(&mut ours).await, 1);
    let ads = "envoy.service.discovery.v3.AggregatedDiscoveryService";
    assert_eq!((checked(&server, ads).await, checked(&server, "control-plane").await), (Some(1), Some(2)));
    server.turn(Gate::ControlPlaneAnswers);
    assert_eq!((status(&mut ours).await, status(&mut theirs).await), (2, 1));
    assert_eq!(
        (checked(&server, "").await, checked(&server, "control-plane").await, checked(&server, "other").await),
        (Some(2), Some(1), None)
    );
}

type Health = Driven<HealthCheckRequest, HealthCheckResponse>;

async fn watched(server: &Running, service: &str) -> Health {
    Driven::open_and_close(server.port, health::WATCH, HealthCheckRequest { service: service.into() }).await.unwrap()
}

async fn status(health: &mut Health) -> i32 {
    health.next().await.unwrap().status
}

/// `None`: there is no such service.
async fn checked(server: &Running, service: &str) -> Option<i32> {
    let request = HealthCheckRequest { service: service.into() };
    match Driven::<_, HealthCheckResponse>::open_and_close(server.port, health::CHECK, request).await {
        Ok(mut answered) => Some(status(&mut answered).await),
        Err(status) => {
            assert_eq!(status.code(), tonic::Code::NotFound);
            None
        }
    }
}
