//! This crate's client against this crate's server, in both variants: what goes in comes out, and each says what the other did.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod kit;

use holdover_xds::{Code, Connection, Ended, Gate, Mode, Refusal, Stage, Target, Token, Told};
use kit::{PATIENCE, ROUTE, Running, serving, set, target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

const BOTH: [Mode; 2] = [Mode::StateOfTheWorld, Mode::Delta];

#[tokio::test]
async fn a_set_comes_through_unchanged_and_so_does_its_successor() {
    for mode in BOTH {
        let server = Running::with(serving(set("one", "7")), None).await;
        let mut connection = Connection::open(&target(server.port, mode)).await.unwrap();
        assert_eq!(next(&mut connection).await, Ok(set("one", "7")));
        server.turn(serving(set("two", "8")));
        assert_eq!(next(&mut connection).await, Ok(set("two", "8")), "{mode}");
        let mut seen = server.shelf.seen.subscribe();
        let acknowledged = |clients: &Vec<holdover_xds::Client>| {
            clients.iter().any(|client| client.types.len() == 4 && client.types.values().all(|told| *told == Told::Acknowledged))
        };
        let clients = timeout(PATIENCE, seen.wait_for(acknowledged)).await.unwrap().unwrap();
        let client = clients.last().unwrap();
        assert_eq!((client.mode, client.node.cluster.as_str(), client.node.user_agent_name.as_str()), (mode, "edge", "holdover"));
        assert!(client.types.contains_key(ROUTE));
    }
}

#[tokio::test]
async fn a_client_that_must_wait_waits_and_one_that_belongs_elsewhere_is_sent_there() {
    for mode in BOTH {
        let server = Running::with(Gate::ControlPlaneAnswers, None).await;
        let refused = Connection::open(&target(server.port, mode)).await.unwrap_err();
        assert!(matches!(&refused, Refusal::Status { code: Code::Unavailable, detail } if detail.contains("control plane")), "{refused}");
        server.turn(Gate::Waiting);
        let mut connection = Connection::open(&target(server.port, mode)).await.unwrap();
        server.turn(serving(set("one", "7")));
        assert_eq!(next(&mut connection).await, Ok(set("one", "7")));
        server.turn(Gate::ControlPlaneAnswers);
        let ended = next(&mut connection).await.unwrap_err();
        assert!(matches!(ended, Ended::Status { code: Code::Unavailable, .. }), "{ended}");
    }
}

#[tokio::test]
async fn many_nodes_are_served_at_once_and_each_is_told_of_a_change() {
    let server = Running::with(serving(set("one", "7")), None).await;
    let mut connections = Vec::new();
    for number in 0..50 {
        let target = target(server.port, BOTH[number % 2]);
        let node = holdover_xds::Node { id: format!("node-{number}"), ..target.node.clone() };
        connections.push(Connection::open(&Target { node, ..target }).await.unwrap());
    }
    for connection in &mut connections {
        assert_eq!(next(connection).await, Ok(set("one", "7")));
    }
    server.turn(serving(set("two", "8")));
    for connection in &mut connections {
        assert_eq!(next(connection).await, Ok(set("two", "8")));
    }
    drop(connections);
    let mut gone = server.shelf.gone.subscribe();
    timeout(PATIENCE, gone.wait_for(|gone| *gone == 50)).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_that_stops_ends_its_streams() {
    let server = Running::with(serving(set("one", "7")), None).await;
    let port = server.port;
    let mut connection = Connection::open(&target(port, Mode::Delta)).await.unwrap();
    next(&mut connection).await.unwrap();
    server.stop().await;
    assert_eq!(next(&mut connection).await, Err(Ended::ConnectionReset));
    assert_eq!(Connection::open(&target(port, Mode::Delta)).await.unwrap_err(), Refusal::ConnectionRefused);
}

#[tokio::test]
async fn who_is_not_there_and_who_is_another_have_their_names() {
    let bad = |endpoint: &str| Target { endpoint: endpoint.parse().unwrap(), ..target(1, Mode::Delta) };
    for endpoint in ["ftp://localhost:1", "localhost:1", "/path"] {
        assert!(matches!(Connection::open(&bad(endpoint)).await.unwrap_err(), Refusal::BadTarget(_)), "{endpoint}");
    }
    let refused = Connection::open(&bad("http://no..host:1")).await.unwrap_err();
    assert!(matches!(refused, Refusal::NameNotResolved { .. }), "{refused}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let playing = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        let _ = tcp.read_to_end(&mut Vec::new()).await;
        let (tcp, _) = listener.accept().await.unwrap();
        drop(tcp);
    });
    let refused = Connection::open(&target(port, Mode::Delta)).await.unwrap_err();
    assert!(matches!(refused, Refusal::Broken { .. } | Refusal::ConnectionReset { stage: Stage::Stream }), "{refused}");
    let refused = Connection::open(&target(port, Mode::Delta)).await.unwrap_err();
    assert!(matches!(refused, Refusal::ConnectionReset { .. }), "{refused}");
    playing.await.unwrap();
}

#[tokio::test]
async fn a_token_goes_with_the_stream() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = target(listener.local_addr().unwrap().port(), Mode::StateOfTheWorld);
    let target = Target { token: Token::new("s3cr3t"), ..target };
    let opening = tokio::spawn(async move { Connection::open(&target).await });
    let (tcp, _) = listener.accept().await.unwrap();
    let (heard, header) = tokio::sync::oneshot::channel();
    let heard = std::sync::Mutex::new(Some(heard));
    let service = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
        if let Some(heard) = heard.lock().unwrap().take() {
            heard.send(request.headers()["authorization"].to_str().unwrap().to_owned()).unwrap();
        }
        // As a proxy does it that knows no gRPC.
        let answer = http::Response::builder().status(401).body(String::new()).unwrap();
        async move { Ok::<_, std::convert::Infallible>(answer) }
    });
    let executor = hyper_util::rt::TokioExecutor::new();
    let connection = hyper::server::conn::http2::Builder::new(executor).serve_connection(hyper_util::rt::TokioIo::new(tcp), service);
    let serving = tokio::spawn(connection);
    assert_eq!(timeout(PATIENCE, header).await.unwrap().unwrap(), "Bearer s3cr3t");
    let code = match opening.await.unwrap() {
        Err(Refusal::Status { code, .. }) => code,
        Err(other) => panic!("{other}"),
        Ok(mut connection) => match next(&mut connection).await {
            Err(Ended::Status { code, .. }) => code,
            other => panic!("{other:?}"),
        },
    };
    assert_eq!(code, Code::Unauthenticated);
    serving.abort();
}

async fn next(connection: &mut Connection) -> Result<Vec<holdover_xds::Resource>, Ended> {
    timeout(PATIENCE, connection.next()).await.expect("in time")
}
