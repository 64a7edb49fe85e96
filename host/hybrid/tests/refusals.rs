//! How Kong 3.9.1 refuses, as it was captured: our server does the same, and our client calls each by its name.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod kit;

use std::time::Duration;

use holdover_hybrid::{BasicInfo, Connection, Ended, Limits, NO_HASH, Refusal, ServerTls, Stage, State, Target};
use kit::wire::{self, BINARY, CLOSE, PING, PONG};
use kit::{PATIENCE, Running, Shelf, capture, identity, offer, stage, target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What a capture shows.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Status(u16),
    /// A close frame after the introduction, and before anything else.
    ClosedAfterIntroduction,
    Configured,
    /// Open and answering pings, and never configured.
    NeverConfigured,
    NoAnswer,
}

#[tokio::test]
async fn our_server_does_what_kong_did() {
    let shelf = Shelf::new("3.9.1", Some(offer(capture("small.reconfigure.gz"))));
    let server = Running::with(&shelf, Limits::default()).await;
    let full = capture("basic_info.json").to_vec();
    let path = |query: &str| format!("/v1/outlet?{query}");
    let id = "node_id=5fa8d9ea-98ef-4353-a13b-9ce20aa86a3a";
    for (name, path, introduction) in [
        ("bad-basic-info-type", recorded_path("bad-basic-info-type"), br#"{"type": "hello"}"#.to_vec()),
        ("bad-node-id-not-uuid", recorded_path("bad-node-id-not-uuid"), full.clone()),
        ("no-node-id", path("node_hostname=fake-dp&node_version=3.9.1"), full.clone()),
        ("no-plugins-key", recorded_path("no-plugins-key"), br#"{"type": "basic_info"}"#.to_vec()),
        ("no-plugins", recorded_path("no-plugins"), br#"{"type": "basic_info", "plugins": [], "labels": {}}"#.to_vec()),
        ("no-version", path(&format!("{id}&node_hostname=fake-dp")), full.clone()),
        ("unknown-path", format!("/v9/outlet?{id}&node_hostname=fake-dp&node_version=3.9.1"), full.clone()),
        ("v-enterprise-3.9.1.2", recorded_path("v-enterprise-3.9.1.2"), full.clone()),
        ("v2.8.0", recorded_path("v2.8.0"), full.clone()),
        ("v3.10.0", recorded_path("v3.10.0"), full.clone()),
        ("v3.9.0", recorded_path("v3.9.0"), full.clone()),
        ("v4.0.0", recorded_path("v4.0.0"), full.clone()),
    ] {
        let mut stream = server.tls().await;
        stream.write_all(wire::request(&path).as_bytes()).await.unwrap();
        let head = wire::read_head(&mut stream).await.unwrap();
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        let outcome = if status == 101 {
            stream.write_all(&wire::masked(BINARY, &introduction)).await.unwrap();
            // A server that has closed already takes no more.
            let _ = stream.write_all(&[wire::masked(PING, NO_HASH.as_bytes()), wire::masked(PING, NO_HASH.as_bytes())].concat()).await;
            after_introduction(&mut stream).await
        } else {
            assert!(String::from_utf8(wire::read_rest(&mut stream).await).unwrap().contains(&format!("{status} ")));
            Outcome::Status(status)
        };
        assert_eq!(outcome, recorded(name), "{name}");
    }
    let vetoed = shelf.until(|seen| matches!(seen.state, State::Incompatible(_)) && seen.version == "3.9.1").await;
    let State::Incompatible(why) = vetoed.state else { panic!() };
    assert!(why.contains("'key-auth'") && why.contains("'rate-limiting'"), "{why}");
    shelf.until(|seen| matches!(&seen.state, State::Incompatible(why) if why.contains("4.0.0"))).await;
}

#[tokio::test]
async fn our_client_tells_a_status_from_a_silent_end() {
    for (status, reason) in [(400, "Bad Request"), (404, "Not Found"), (502, "Bad Gateway")] {
        let (port, accepting) = stage().await;
        let player = tokio::spawn(async move {
            let mut stream = accepting.await;
            wire::read_head(&mut stream).await.unwrap();
            stream.write_all(format!("HTTP/1.1 {status} {reason}\r\nContent-Length: 2\r\n\r\nno").as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        });
        assert_eq!(Connection::open(&target(port), NO_HASH).await.unwrap_err(), Refusal::Status(status));
        player.await.unwrap();
    }
    // The captured client saw no answer; server/tests.rs has our server do the same.
    assert_eq!(recorded("wrong-cert"), Outcome::NoAnswer);
    // As nginx does it in order, and as a socket is closed before the request has come.
    for reads_request in [true, false] {
        let (port, accepting) = stage().await;
        let player = tokio::spawn(async move {
            let mut stream = accepting.await;
            if reads_request {
                wire::read_head(&mut stream).await.unwrap();
                stream.shutdown().await.unwrap();
            }
        });
        assert_eq!(Connection::open(&target(port), NO_HASH).await.unwrap_err(), Refusal::ClosedAfterTls);
        player.await.unwrap();
    }
    let (port, accepting) = stage().await;
    let player = tokio::spawn(async move {
        let mut stream = accepting.await;
        stream.write_all(b"SSH-2.0-OpenSSH\r\n").await.unwrap();
        stream.read_u8().await.unwrap();
    });
    assert!(matches!(Connection::open(&target(port), NO_HASH).await.unwrap_err(), Refusal::NotHttp(_)));
    player.await.unwrap();
}

#[tokio::test]
async fn our_client_tells_a_veto_of_its_version_from_one_of_its_plugins() {
    let shelf = Shelf::new("3.9.1", Some(offer(capture("small.reconfigure.gz"))));
    let server = Running::with(&shelf, Limits::default()).await;
    let newer = Target { version: "3.10.0".into(), ..target(server.port) };
    let mut connection = Connection::open(&newer, NO_HASH).await.unwrap();
    assert_eq!(connection.next().await, Err(Ended::ClosedAfterIntroduction));
    assert_eq!(connection.next().await, Err(Ended::ClosedAfterIntroduction), "it says so again");

    let bare = Target { introduction: BasicInfo::default().encode().unwrap().into(), ..target(server.port) };
    let mut connection = Connection::open(&bare, NO_HASH).await.unwrap();
    shelf.until(|seen| matches!(&seen.state, State::Incompatible(why) if why.contains("key-auth"))).await;
    assert!(tokio::time::timeout(Duration::from_millis(50), connection.next()).await.is_err());
    assert!(!connection.is_configured());
}

#[tokio::test]
async fn our_client_tells_who_is_not_there_from_who_is_another() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepting = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let other = ServerTls::shared(&identity("other")).unwrap();
        assert!(TlsAcceptor::from(other.config()).accept(tcp).await.is_err());
        let (tcp, _) = listener.accept().await.unwrap();
        drop(tcp);
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.write_all(b"HTTP/1.1 400 The plain HTTP request was sent to HTTPS port\r\n\r\n").await.unwrap();
        tcp.read_u8().await.unwrap();
    });
    let refused = Connection::open(&target(port), NO_HASH).await.unwrap_err();
    assert!(matches!(&refused, Refusal::TheirCertificate(why) if why.contains("cluster_cert")), "{refused}");
    let refused = Connection::open(&target(port), NO_HASH).await.unwrap_err();
    assert_eq!(refused, Refusal::ConnectionReset { stage: Stage::Tls });
    let refused = Connection::open(&target(port), NO_HASH).await.unwrap_err();
    assert!(matches!(refused, Refusal::Tls(_)), "{refused}");
    accepting.await.unwrap();
    // The listener went with its task.
    assert_eq!(Connection::open(&target(port), NO_HASH).await.unwrap_err(), Refusal::ConnectionRefused);
    let mut nowhere = target(port);
    nowhere.control_plane.host = "no..host".into();
    assert!(matches!(Connection::open(&nowhere, NO_HASH).await.unwrap_err(), Refusal::NameNotResolved { .. }));
    let odd = Target { hostname: "a b".into(), ..target(port) };
    let shelf = Shelf::new("3.9.1", None);
    let server = Running::with(&shelf, Limits::default()).await;
    let odd = Target { control_plane: target(server.port).control_plane, ..odd };
    assert!(matches!(Connection::open(&odd, NO_HASH).await.unwrap_err(), Refusal::BadTarget(_)));
}

/// Whatever is sent because of the first ping comes before the second pong.
async fn after_introduction(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Outcome {
    let mut pongs = 0;
    while pongs < 2 {
        let next = tokio::time::timeout(PATIENCE, wire::read(stream)).await.expect("an answer in time");
        match next.map(|seen| (seen.opcode, seen.payload.len())) {
            Some((BINARY, _)) => return Outcome::Configured,
            Some((PONG, 0)) => pongs += 1,
            Some((CLOSE, 0)) if pongs == 0 => return Outcome::ClosedAfterIntroduction,
            other => panic!("{other:?} after {pongs} pongs"),
        }
    }
    Outcome::NeverConfigured
}

fn recorded_path(name: &str) -> String {
    lines(name)[0]["path"].as_str().unwrap().to_owned()
}

fn recorded(name: &str) -> Outcome {
    let lines = lines(name);
    let error = lines.iter().filter_map(|line| line["err"].as_str()).next().unwrap_or_default();
    if lines.iter().any(|line| line["ev"] == "message") {
        Outcome::Configured
    } else if let Some((_, status)) = error.split_once("status_code=") {
        Outcome::Status(status[..3].parse().unwrap())
    } else if error.starts_with("InvalidMessage") {
        Outcome::NoAnswer
    } else if error.starts_with("ConnectionClosedOK") {
        Outcome::ClosedAfterIntroduction
    } else if error.starts_with("TimeoutError") {
        // The library that recorded it does not count an empty pong.
        Outcome::NeverConfigured
    } else {
        panic!("{name}: {error}")
    }
}

fn lines(name: &str) -> Vec<serde_json::Value> {
    let text = String::from_utf8(capture(&format!("refusals/{name}.log.jsonl")).to_vec()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
