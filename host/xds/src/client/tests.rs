use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::*;
use crate::kit::{ENDPOINTS, Plain, ROUTE, SECRET, Scripted, any, cluster, endpoints, listener, resource};
use crate::message::{
    Any, DeltaDiscoveryRequest, DeltaDiscoveryResponse, DeltaResource, DiscoveryRequest, DiscoveryResponse, ResourceName,
};
use crate::{CLUSTER, LISTENER, PING_INTERVAL, RESOURCES_MAX, STEP};

type SotwServer = Scripted<DiscoveryRequest, DiscoveryResponse>;
type DeltaServer = Scripted<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

#[tokio::test(start_paused = true)]
async fn a_set_is_handed_over_once_everything_that_it_names_has_come() {
    let (mut connection, mut server) = sotw().await;
    let asked = server.asked().await;
    assert_eq!((asked.type_url.as_str(), asked.resource_names.len(), asked.version_info.as_str()), (CLUSTER, 0, ""));
    let node = asked.node.unwrap();
    assert_eq!((node.id.as_str(), node.cluster.as_str(), node.user_agent_name.as_str()), ("n1", "group", "holdover"));
    assert_eq!(server.asked().await.type_url, LISTENER);

    server.answer(answer("c1", "1", &[cluster("a", ""), cluster("b", "")])).await;
    assert_eq!(acknowledged(&server.asked().await), (CLUSTER, "c1", "1"));
    let asked = server.asked().await;
    assert_eq!((asked.type_url.as_str(), asked.resource_names), (ENDPOINTS, vec!["a".to_owned(), "b".to_owned()]));
    server.answer(answer("l1", "2", &[listener("l", "", &["r"])])).await;
    assert_eq!(acknowledged(&server.asked().await), (LISTENER, "l1", "2"));
    assert_eq!(server.asked().await.resource_names, ["r"]);
    // One of two endpoints, as a control plane may send them.
    server.answer(answer("e1", "3", &[endpoints("a", "")])).await;
    assert_eq!(acknowledged(&server.asked().await), (ENDPOINTS, "e1", "3"));
    server.answer(answer("r1", "4", &[resource(ROUTE, "r", "", &[])])).await;
    server.asked().await;
    assert!(none(&mut connection).await);
    assert_eq!(connection.missing(), [(ENDPOINTS.to_owned(), Some("b".to_owned()))]);

    server.answer(answer("e2", "5", &[endpoints("b", ""), endpoints("nobody asked", "")])).await;
    let set = connection.next().await.unwrap();
    let seen: Vec<_> = set.iter().map(|one| (one.type_url.as_str(), one.name.as_str(), one.version.as_str())).collect();
    let expected =
        [(CLUSTER, "a", "1"), (CLUSTER, "b", "1"), (ENDPOINTS, "a", "3"), (ENDPOINTS, "b", "5"), (LISTENER, "l", "2"), (ROUTE, "r", "4")];
    assert_eq!(seen, expected);
    assert_eq!(set[0].value, cluster("a", "").value, "bytes as they came");
    assert!(connection.missing().is_empty());
}

/// In real time: who listens where, the machine's own network says.
#[tokio::test]
async fn somebody_appears_only_where_nobody_was() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let target = Target { endpoint: format!("http://{address}").parse().unwrap(), ..target(Mode::StateOfTheWorld) };
    let bound = Duration::from_secs(1);
    assert!(timeout(bound, target.appears()).await.is_err(), "it was there all along");

    drop(listener);
    let mut appears = Box::pin(target.appears());
    assert!(timeout(bound, &mut appears).await.is_err(), "nobody is there");
    let _listener = TcpListener::bind(address).await.unwrap();
    timeout(4 * bound, appears).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_node_is_described_by_goes_with_its_name() {
    let described = Described::parse(r#"{"id": "other", "locality": {"zone": "z"}, "metadata": {"A": "b"}}"#).unwrap();
    let (near, far) = tokio::io::duplex(1 << 16);
    let mut server = SotwServer::over(far);
    let target = Target { described, ..target(Mode::StateOfTheWorld) };
    let _connection = Connection::over(near, target.endpoint.clone(), &target).await.unwrap();
    let node = server.asked().await.node.unwrap();
    assert_eq!((node.id.as_str(), node.cluster.as_str()), ("other", "group"));
    assert_eq!(node.locality.unwrap().zone, "z");
    assert!(node.metadata.unwrap().fields.contains_key("A"));
}

#[tokio::test(start_paused = true)]
async fn a_change_is_handed_over_when_it_is_whole_and_a_repetition_is_not() {
    let (mut connection, mut server) = sotw().await;
    settle_sotw(&mut server).await;
    let first = connection.next().await.unwrap();

    server.answer(answer("c2", "1", &[cluster("a", "")])).await;
    assert!(none(&mut connection).await, "the same again");
    server.answer(answer("c3", "2", &[cluster("a", ""), cluster("b", "")])).await;
    assert!(none(&mut connection).await, "the endpoints of b are not there");
    server.answer(answer("e2", "2", &[endpoints("b", "")])).await;
    let second = connection.next().await.unwrap();
    assert_eq!((first.len(), second.len()), (3, 5));

    server.answer(answer("c4", "3", &[cluster("b", "")])).await;
    let third = connection.next().await.unwrap();
    assert_eq!(third.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["b", "b", "l"], "what nobody names is let go");
    let mut last = server.asked().await;
    while let Ok(request) = server.requests.try_recv() {
        last = if request.type_url == ENDPOINTS { request } else { last };
    }
    assert_eq!((last.type_url.as_str(), last.resource_names), (ENDPOINTS, vec!["b".to_owned()]), "and no longer asked for");
}

#[tokio::test(start_paused = true)]
async fn what_comes_in_quick_succession_is_one_change() {
    let (mut connection, mut server) = sotw().await;
    settle_sotw(&mut server).await;
    connection.next().await.unwrap();
    server.answer(answer("l2", "2", &[listener("l", "", &[]), listener("m", "", &[])])).await;
    server.answer(answer("e2", "2", &[endpoints("a", "")])).await;
    let set = connection.next().await.unwrap();
    let versions: Vec<_> = set.iter().map(|one| one.version.as_str()).collect();
    assert_eq!(versions, ["1", "2", "2", "2"]);
    assert!(none(&mut connection).await);
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_clusters_or_listeners_ends_the_stream_and_is_no_set() {
    for type_url in [CLUSTER, LISTENER] {
        let (mut connection, mut server) = sotw().await;
        settle_sotw(&mut server).await;
        connection.next().await.unwrap();
        server.answer(DiscoveryResponse { type_url: type_url.into(), nonce: "x".into(), ..answer("", "9", &[]) }).await;
        let ended = Ended::Empty { type_url: type_url.into() };
        assert_eq!(connection.next().await, Err(ended.clone()));
        assert_eq!(connection.next().await, Err(ended), "it says so again");
    }
    let (mut connection, mut server) = delta().await;
    settle_delta(&mut server).await;
    connection.next().await.unwrap();
    server.answer(DeltaDiscoveryResponse { removed_resources: vec!["l".into()], ..changes(LISTENER, "x", &[]) }).await;
    assert_eq!(connection.next().await, Err(Ended::Empty { type_url: LISTENER.into() }));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_read_is_turned_down_and_ends_nothing() {
    let (mut connection, mut server) = sotw().await;
    settle_sotw(&mut server).await;
    connection.next().await.unwrap();
    let broken = Any { type_url: CLUSTER.into(), value: bytes::Bytes::from_static(b"!") };
    let alien = any(&endpoints("a", ""));
    for (nonce, resources) in [("b1", vec![broken]), ("b2", vec![alien]), ("b3", vec![any(&cluster("a", "")), any(&cluster("a", ""))])] {
        server.answer(DiscoveryResponse { resources, type_url: CLUSTER.into(), ..answer(nonce, "2", &[]) }).await;
        let turned_down = loop {
            let request = server.asked().await;
            if request.error_detail.is_some() {
                break request;
            }
        };
        assert_eq!((turned_down.version_info.as_str(), turned_down.response_nonce.as_str()), ("1", nonce));
        assert!(!turned_down.error_detail.unwrap().message.is_empty());
        // What is held is not what the control plane means any more.
        server.answer(answer("e9", nonce, &[endpoints("a", "")])).await;
        assert!(none(&mut connection).await);
    }
    server.answer(answer("c3", "3", &[cluster("a", "")])).await;
    assert_eq!(connection.next().await.unwrap()[0].version, "3");
}

#[tokio::test(start_paused = true)]
async fn in_delta_changes_and_removals_are_applied_and_names_come_and_go() {
    let (mut connection, mut server) = delta().await;
    settle_delta(&mut server).await;
    let first = connection.next().await.unwrap();
    assert_eq!(first.iter().map(|one| one.version.as_str()).collect::<Vec<_>>(), ["c-a", "e-a", "l-l"], "each has its own version");

    let secret = [(ENDPOINTS, "b"), (SECRET, "s")];
    server.answer(changes(CLUSTER, "2", &[resource(CLUSTER, "b", "c-b", &secret)])).await;
    let accepted = server.asked().await;
    assert_eq!((accepted.type_url.as_str(), accepted.response_nonce.as_str()), (CLUSTER, "2"));
    assert!(accepted.resource_names_subscribe.is_empty() && accepted.initial_resource_versions.is_empty());
    let asked = server.asked().await;
    assert_eq!((asked.type_url.as_str(), asked.resource_names_subscribe), (ENDPOINTS, vec!["b".to_owned()]));
    assert_eq!(server.asked().await.resource_names_subscribe, ["s"]);
    server.answer(changes(ENDPOINTS, "3", &[endpoints("b", "e-b")])).await;
    // It says that there is no such secret, which does not make the set whole.
    server.answer(DeltaDiscoveryResponse { removed_resources: vec!["s".into()], ..changes(SECRET, "4", &[]) }).await;
    assert!(none(&mut connection).await);
    assert_eq!(connection.missing(), [(SECRET.to_owned(), Some("s".to_owned()))]);
    let heartbeat = DeltaResource { name: "a".into(), version: "c-a".into(), ..DeltaResource::default() };
    server.answer(DeltaDiscoveryResponse { resources: vec![heartbeat], ..changes(CLUSTER, "5", &[]) }).await;
    server.answer(changes(SECRET, "6", &[resource(SECRET, "s", "s-1", &[])])).await;
    assert_eq!(connection.next().await.unwrap().len(), 6);

    while server.requests.try_recv().is_ok() {}
    let long = ResourceName { name: "b".into() };
    server.answer(DeltaDiscoveryResponse { removed_resource_names: vec![long], ..changes(CLUSTER, "7", &[]) }).await;
    assert_eq!(connection.next().await.unwrap(), first);
    assert_eq!(server.asked().await.response_nonce, "7");
    let (endpoints, secrets) = (server.asked().await, server.asked().await);
    assert_eq!((endpoints.resource_names_unsubscribe, secrets.resource_names_unsubscribe), (vec!["b".to_owned()], vec!["s".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn in_delta_a_broken_resource_turns_down_the_whole_answer() {
    let (mut connection, mut server) = delta().await;
    settle_delta(&mut server).await;
    connection.next().await.unwrap();
    let mut broken = changes(CLUSTER, "2", &[cluster("a", "c-2"), cluster("b", "c-b")]);
    broken.resources[1].resource = Some(Any { type_url: CLUSTER.into(), value: bytes::Bytes::from_static(b"!") });
    server.answer(broken).await;
    let turned_down = loop {
        let request = server.asked().await;
        if request.error_detail.is_some() {
            break request;
        }
    };
    assert_eq!(turned_down.response_nonce, "2");
    assert!(none(&mut connection).await);
    server.answer(changes(CLUSTER, "3", &[cluster("a", "c-3")])).await;
    assert!(none(&mut connection).await, "what b is meant to be is not known yet");
    assert_eq!(connection.missing(), [(CLUSTER.to_owned(), Some("b".to_owned()))]);
    server.answer(DeltaDiscoveryResponse { removed_resources: vec!["b".into()], ..changes(CLUSTER, "4", &[]) }).await;
    let set = connection.next().await.unwrap();
    assert_eq!((set.len(), set[0].version.as_str()), (3, "c-3"));
}

#[tokio::test(start_paused = true)]
async fn a_wrapped_resource_is_taken_out_and_what_nobody_asked_for_is_passed_over() {
    let (mut connection, mut server) = sotw().await;
    settle_sotw(&mut server).await;
    connection.next().await.unwrap();
    server.answer(DiscoveryResponse { type_url: "type.googleapis.com/other".into(), ..answer("x", "1", &[]) }).await;
    let wrapped = DeltaResource { name: "a".into(), resource: Some(any(&cluster("a", ""))), ..DeltaResource::default() };
    let type_url = "type.googleapis.com/envoy.service.discovery.v3.Resource".to_owned();
    let wrapped = Any { type_url, value: prost::Message::encode_to_vec(&wrapped).into() };
    server.answer(DiscoveryResponse { resources: vec![wrapped], type_url: CLUSTER.into(), ..answer("c2", "2", &[]) }).await;
    let set = connection.next().await.unwrap();
    assert_eq!((set[0].version.as_str(), &set[0].value), ("2", &cluster("a", "").value));
}

#[tokio::test(start_paused = true)]
async fn how_a_control_plane_ends_the_stream_has_a_name() {
    let cases = [
        (tonic::Status::unavailable("going"), Ended::Status { code: Code::Unavailable, detail: "going".into() }),
        (tonic::Status::unauthenticated("who"), Ended::Status { code: Code::Unauthenticated, detail: "who".into() }),
        (tonic::Status::permission_denied("no"), Ended::Status { code: Code::PermissionDenied, detail: "no".into() }),
        (tonic::Status::unimplemented("what"), Ended::Status { code: Code::Unimplemented, detail: "what".into() }),
        (tonic::Status::aborted("x".repeat(5000)), Ended::Status { code: Code::Other(10), detail: "x".repeat(256) }),
    ];
    for (status, ended) in cases {
        let (mut connection, mut server) = sotw().await;
        settle_sotw(&mut server).await;
        connection.next().await.unwrap();
        server.answers.send(Err(status)).await.unwrap();
        assert_eq!(connection.next().await, Err(ended));
    }
    let (mut connection, mut server) = sotw().await;
    server.asked().await;
    server.connection.abort();
    assert_eq!(connection.next().await, Err(Ended::ConnectionReset));
}

#[tokio::test(start_paused = true)]
async fn who_is_silent_is_waited_for_and_who_does_not_answer_a_ping_is_gone() {
    let (mut connection, mut server) = sotw().await;
    server.asked().await;
    let hour = tokio::time::timeout(Duration::from_secs(3600), connection.next()).await;
    assert!(hour.is_err(), "a control plane that answers pings may take its time");
    assert_eq!(connection.missing(), [(CLUSTER.to_owned(), None), (LISTENER.to_owned(), None)]);

    let (near, _far) = tokio::io::duplex(1 << 16);
    let begun = Instant::now();
    let mut connection = over(near, Mode::StateOfTheWorld).await.unwrap();
    assert_eq!(connection.next().await, Err(Ended::Silent));
    assert!((15..=16).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn more_bytes_than_allowed_end_the_stream_in_one_answer_and_in_all() {
    let big = |name: &str, bytes: usize| Any { type_url: CLUSTER.into(), value: format!("{name}\n{}", "x".repeat(bytes)).into() };
    let (mut connection, mut server) = sotw().await;
    server.asked().await;
    server.answer(DiscoveryResponse { resources: vec![big("a", BYTES_MAX)], ..answer_of(CLUSTER, "1") }).await;
    assert_eq!(connection.next().await, Err(Ended::TooLarge { bytes_max: BYTES_MAX }));

    let (mut connection, mut server) = delta().await;
    server.asked().await;
    for name in ["a", "b", "c"] {
        let one = DeltaResource { name: name.into(), resource: Some(big(name, BYTES_MAX / 3)), ..DeltaResource::default() };
        server.answer(DeltaDiscoveryResponse { resources: vec![one], ..changes(CLUSTER, name, &[]) }).await;
    }
    assert_eq!(connection.next().await, Err(Ended::TooLarge { bytes_max: BYTES_MAX }));
}

#[tokio::test(start_paused = true)]
async fn more_resources_than_allowed_end_the_stream_before_they_are_decoded() {
    let (near, far) = tokio::io::duplex(1 << 16);
    let mut server = DeltaServer::over(far);
    let target = Target { payload_bytes_max: 8 << 20, ..target(Mode::Delta) };
    let mut connection = Connection::over(near, target.endpoint.clone(), &target).await.unwrap();
    server.asked().await;
    let removed_resources = vec![String::new(); RESOURCES_MAX + 1];
    server.answer(DeltaDiscoveryResponse { removed_resources, ..changes(CLUSTER, "1", &[]) }).await;
    assert_eq!(connection.next().await, Err(Ended::TooMany { resources_max: RESOURCES_MAX }));
}

#[tokio::test(start_paused = true)]
async fn a_set_that_stays_incomplete_after_a_whole_one_ends_the_stream_and_says_what_is_missing() {
    let (mut connection, mut server) = sotw().await;
    settle_sotw(&mut server).await;
    connection.next().await.unwrap();
    let begun = Instant::now();
    server.answer(answer("c2", "2", &[cluster("a", ""), cluster("b", "")])).await;
    // Other answers are no whole set.
    for version in ["2", "3", "4"] {
        assert!(none(&mut connection).await);
        server.answer(answer("e", version, &[endpoints("a", "")])).await;
    }
    let missing = vec![(ENDPOINTS.to_owned(), Some("b".to_owned()))];
    let ended = connection.next().await.unwrap_err();
    assert_eq!(ended, Ended::Incomplete { missing });
    assert!((30..=31).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    assert!(ended.to_string().ends_with(&format!("it has yet to send b of {ENDPOINTS}")), "{ended}");

    let (mut connection, mut server) = delta().await;
    settle_delta(&mut server).await;
    connection.next().await.unwrap();
    let mut broken = changes(LISTENER, "2", &[listener("l", "2", &[])]);
    broken.resources[0].resource = Some(Any { type_url: LISTENER.into(), value: bytes::Bytes::from_static(b"!") });
    server.answer(broken).await;
    assert_eq!(connection.next().await, Err(Ended::Incomplete { missing: vec![(LISTENER.to_owned(), Some("l".to_owned()))] }));
}

#[tokio::test(start_paused = true)]
async fn a_set_that_becomes_whole_in_time_is_handed_over_and_the_next_has_as_long() {
    let (mut connection, mut server) = sotw().await;
    settle_sotw(&mut server).await;
    connection.next().await.unwrap();
    for (place, name) in ["b", "c"].into_iter().enumerate() {
        server.answer(answer("c", name, &[cluster("a", ""), cluster("b", ""), cluster(name, "x")][..2 + place])).await;
        assert!(tokio::time::timeout(Duration::from_secs(29), connection.next()).await.is_err());
        server.answer(answer("e", name, &[endpoints(name, "")])).await;
        assert_eq!(connection.next().await.unwrap().len(), 5 + 2 * place);
    }
    assert!(tokio::time::timeout(Duration::from_secs(3600), connection.next()).await.is_err(), "a whole set is waited upon for ever");
}

#[tokio::test(start_paused = true)]
async fn before_the_first_set_it_is_the_callers_to_say_how_long_is_too_long() {
    let (mut connection, mut server) = sotw().await;
    server.answer(answer("c1", "1", &[cluster("a", "")])).await;
    server.answer(answer("l1", "1", &[listener("l", "", &[])])).await;
    assert!(tokio::time::timeout(Duration::from_secs(3600), connection.next()).await.is_err());
    assert_eq!(connection.missing(), [(ENDPOINTS.to_owned(), Some("a".to_owned()))]);
    server.answer(answer("e1", "1", &[endpoints("a", "")])).await;
    assert_eq!(connection.next().await.unwrap().len(), 3);
    server.asked().await;
}

#[tokio::test(start_paused = true)]
async fn waiting_may_be_given_up_and_taken_up_again() {
    let (mut connection, mut server) = sotw().await;
    for _ in 0..3 {
        assert!(none(&mut connection).await);
    }
    settle_sotw(&mut server).await;
    assert_eq!(connection.next().await.unwrap().len(), 3);
}

#[test]
fn a_token_is_never_printed() {
    let token = Token::new("s3cr3t").unwrap();
    let target = Target { token: Some(token), ..target(Mode::Delta) };
    assert!(format!("{target:?}").contains("token: Some(***)"), "{target:?}");
    assert!(Token::new("").is_none() && Token::new("two words").is_none() && Token::new("line\n").is_none());
}

const BYTES_MAX: usize = 10_000;

async fn sotw() -> (Connection, SotwServer) {
    let (near, far) = tokio::io::duplex(1 << 16);
    let server = SotwServer::over(far);
    (over(near, Mode::StateOfTheWorld).await.unwrap(), server)
}

async fn delta() -> (Connection, DeltaServer) {
    let (near, far) = tokio::io::duplex(1 << 16);
    let server = DeltaServer::over(far);
    (over(near, Mode::Delta).await.unwrap(), server)
}

async fn over(link: DuplexStream, mode: Mode) -> Result<Connection, Refusal> {
    let target = target(mode);
    Connection::over(link, target.endpoint.clone(), &target).await
}

fn target(mode: Mode) -> Target {
    let node = Node { id: "n1".into(), cluster: "group".into(), user_agent_name: "holdover".into(), version: "1".into() };
    Target {
        endpoint: http::Uri::from_static("http://control-plane:18000"),
        tls: None,
        token: None,
        node,
        described: Described::default(),
        mode,
        payload_bytes_max: BYTES_MAX,
        connect_timeout: STEP,
        ping_interval: PING_INTERVAL,
        reads: Arc::new(Plain),
    }
}

/// One cluster with its endpoints, one listener.
async fn settle_sotw(server: &mut SotwServer) {
    server.answer(answer("c1", "1", &[cluster("a", "")])).await;
    server.answer(answer("l1", "1", &[listener("l", "", &[])])).await;
    while server.asked().await.type_url != ENDPOINTS {}
    server.answer(answer("e1", "1", &[endpoints("a", "")])).await;
    while acknowledged(&server.asked().await) != (ENDPOINTS, "e1", "1") {}
}

async fn settle_delta(server: &mut DeltaServer) {
    server.answer(changes(CLUSTER, "1", &[cluster("a", "c-a")])).await;
    while server.asked().await.type_url != ENDPOINTS {}
    server.answer(changes(ENDPOINTS, "1", &[endpoints("a", "e-a")])).await;
    server.answer(changes(LISTENER, "1", &[listener("l", "l-l", &[])])).await;
    while server.asked().await.type_url != LISTENER {}
}

/// The type is that of the first resource.
fn answer(nonce: &str, version: &str, resources: &[Resource]) -> DiscoveryResponse {
    DiscoveryResponse {
        version_info: version.into(),
        resources: resources.iter().map(any).collect(),
        type_url: resources.first().map(|first| first.type_url.clone()).unwrap_or_default(),
        nonce: nonce.into(),
    }
}

fn answer_of(type_url: &str, version: &str) -> DiscoveryResponse {
    DiscoveryResponse { type_url: type_url.into(), ..answer("n", version, &[]) }
}

fn changes(type_url: &str, nonce: &str, resources: &[Resource]) -> DeltaDiscoveryResponse {
    let whole = |one: &Resource| DeltaResource {
        name: one.name.clone(),
        version: one.version.clone(),
        resource: Some(any(one)),
        ..DeltaResource::default()
    };
    DeltaDiscoveryResponse {
        resources: resources.iter().map(whole).collect(),
        type_url: type_url.into(),
        nonce: nonce.into(),
        ..DeltaDiscoveryResponse::default()
    }
}

fn acknowledged(request: &DiscoveryRequest) -> (&str, &str, &str) {
    assert_eq!(request.error_detail, None);
    (&request.type_url, &request.response_nonce, &request.version_info)
}

/// Longer than any set waits to be quiet.
async fn none(connection: &mut Connection) -> bool {
    tokio::time::timeout(Duration::from_secs(5), connection.next()).await.is_err()
}
