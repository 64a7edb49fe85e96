//! Input that means harm, over real connections: each ends its own, and the next is served.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod kit;

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use holdover_hybrid::{BadFrame, Connection, Ended, Limits, NO_HASH, PAYLOAD_MAX_MIN, Proxy, Refusal, Target};
use kit::wire::{self, BINARY, OUTLET, PING};
use kit::{PATIENCE, Running, Shelf, capture, offer, stage, target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

#[tokio::test]
async fn a_hostile_client_ends_its_own_connection_and_the_next_is_served() {
    let shelf = Shelf::new("3.9.1", Some(offer(capture("small.reconfigure.gz"))));
    let server = Running::with(&shelf, Limits::default()).await;
    let deep = format!(r#"{{"type":"basic_info","plugins":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let intro = wire::masked(BINARY, &capture("basic_info.json"));
    let fragment = [&[0x02, 0x81, 0, 0, 0, 0, b'{'][..], &[0x80, 0x81, 0, 0, 0, 0, b'}']].concat();
    let after = |bytes: Vec<u8>| [intro.clone(), bytes].concat();
    let before_upgrade = [("no HTTP", b"\x00\x01\x02\r\n\r\n".to_vec()), ("an endless header", huge_header())];
    let after_upgrade = [
        ("a fragment", fragment),
        ("a reserved bit", vec![0xc2, 0x80, 0, 0, 0, 0]),
        ("no mask", wire::frame(BINARY, b"{}", None)),
        ("text", wire::masked(1, &capture("basic_info.json"))),
        ("no UTF-8", wire::masked(BINARY, b"{\"type\":\"basic_info\",\"plugins\":[\"\xff\"]}")),
        ("depth", wire::masked(BINARY, deep.as_bytes())),
        ("a huge frame", vec![0x82, 0xff, 0, 0, 0, 0, 0xff, 0, 0, 0, 1, 2, 3, 4]),
        ("an impossible frame", vec![0x82, 0xff, 0xff, 0, 0, 0, 0xff, 0, 0, 0, 1, 2, 3, 4]),
        ("text after the introduction", after(wire::masked(1, b"hello"))),
        ("a second introduction", after(intro.clone())),
        ("a ping of 31 bytes", after(wire::masked(PING, &[b'0'; 31]))),
        ("a ping of bytes", after(wire::masked(PING, &[0xff; 32]))),
        ("a broken frame", after(vec![0x89])),
    ];
    for (upgrades, (what, bytes)) in before_upgrade.into_iter().map(|case| (false, case)).chain(after_upgrade.map(|case| (true, case))) {
        let mut stream = server.tls().await;
        if upgrades {
            wire::upgrade(&mut stream, OUTLET).await;
        }
        // The server may have closed before it has read everything.
        let _ = stream.write_all(&bytes).await;
        if what == "a broken frame" {
            let _ = stream.shutdown().await;
        }
        let ended = timeout(PATIENCE, wire::read_rest(&mut stream)).await;
        assert!(ended.is_ok(), "{what} does not end the connection");
        drop(stream);
        let mut connection = Connection::open(&target(server.port), NO_HASH).await.unwrap();
        assert!(connection.next().await.is_ok(), "after {what}");
    }
}

#[tokio::test]
async fn a_hostile_server_ends_the_connection_by_its_name() {
    let bomb = bomb();
    let large = vec![0; PAYLOAD_MAX_MIN + 1];
    for (bytes, expected) in [
        (vec![0x02, 0x01, b'{'], Ended::BadFrame(BadFrame::Fragmented)),
        (vec![0xc2, 0x00], Ended::BadFrame(BadFrame::ReservedBits)),
        (wire::masked(BINARY, b"x"), Ended::BadFrame(BadFrame::Masked)),
        (wire::frame(BINARY, &large, None), Ended::TooLarge { bytes: large.len() as u64, max: PAYLOAD_MAX_MIN }),
        (wire::frame(BINARY, b"\x1f\x8bnothing", None), Ended::BadMessage(String::new())),
        (wire::frame(BINARY, &bomb, None), Ended::BadMessage(String::new())),
    ] {
        let (port, accepting) = stage().await;
        let player = tokio::spawn(async move {
            let mut stream = accepting.await;
            wire::read_head(&mut stream).await.unwrap();
            let answer = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";
            // Text is passed over, whatever comes next.
            let _ = stream.write_all(&[&answer[..], &wire::frame(1, b"hello", None), &bytes].concat()).await;
            wire::read_rest(&mut stream).await
        });
        let dialled = Target { payload_max: PAYLOAD_MAX_MIN, ..target(port) };
        let ended = Connection::open(&dialled, NO_HASH).await.unwrap().next().await.unwrap_err();
        match expected {
            Ended::BadMessage(_) => assert!(matches!(ended, Ended::BadMessage(_)), "{ended}"),
            expected => assert_eq!(ended, expected),
        }
        player.await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_without_an_end_is_no_answer() {
    let (port, accepting) = stage().await;
    let player = tokio::spawn(async move {
        let mut stream = accepting.await;
        let _ = stream.write_all(&[&b"HTTP/1.1 101 "[..], &huge_header()].concat()).await;
    });
    assert!(matches!(Connection::open(&target(port), NO_HASH).await.unwrap_err(), Refusal::NotHttp(_)));
    player.await.unwrap();
}

#[tokio::test]
async fn there_are_no_more_connections_than_allowed() {
    let shelf = Shelf::new("3.9.1", Some(offer(capture("small.reconfigure.gz"))));
    let server = Running::with(&shelf, Limits { connections_max: 1, ..Limits::default() }).await;
    let mut first = Connection::open(&target(server.port), NO_HASH).await.unwrap();
    assert!(first.next().await.is_ok());
    assert!(Connection::open(&target(server.port), NO_HASH).await.is_err());
    drop(first);
    shelf.until_gone(1).await;
    // The place is free once the server has seen its task end, which is after it was told.
    let reopened = async {
        loop {
            if let Ok(connection) = Connection::open(&target(server.port), NO_HASH).await {
                return connection;
            }
        }
    };
    assert!(timeout(PATIENCE, reopened).await.unwrap().next().await.is_ok());
}

#[tokio::test]
async fn a_proxy_is_asked_for_the_way_with_the_password_and_its_refusal_is_told() {
    let shelf = Shelf::new("3.9.1", Some(offer(capture("small.reconfigure.gz"))));
    let server = Running::with(&shelf, Limits::default()).await;
    let (listener, control_plane) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), server.port);
    let proxy_port = listener.local_addr().unwrap().port();
    let proxy = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let head = wire::read_head(&mut client).await.unwrap();
        assert!(head.starts_with(&format!("CONNECT 127.0.0.1:{control_plane} HTTP/1.1\r\n")), "{head}");
        assert!(head.contains("\r\nProxy-Authorization: Basic dXNlcjpwYXNz\r\n"), "{head}");
        client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await.unwrap();
        let (mut client, _) = listener.accept().await.unwrap();
        wire::read_head(&mut client).await.unwrap();
        client.write_all(b"HTTP/1.0 200 Connection established\r\n\r\n").await.unwrap();
        let mut server = tokio::net::TcpStream::connect(("127.0.0.1", control_plane)).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    });
    let proxied = Proxy::parse(&format!("http://user:pass@127.0.0.1:{proxy_port}")).unwrap();
    let dialled = Target { proxy: Some(proxied), ..target(server.port) };
    assert_eq!(Connection::open(&dialled, NO_HASH).await.unwrap_err(), Refusal::Proxy { status: Some(407) });
    let mut connection = Connection::open(&dialled, NO_HASH).await.unwrap();
    assert!(connection.next().await.is_ok());
    drop(connection);
    proxy.await.unwrap();
}

#[tokio::test]
async fn a_client_that_breaks_off_within_a_handshake_is_no_matter() {
    let shelf = Shelf::new("3.9.1", Some(offer(capture("small.reconfigure.gz"))));
    let server = Running::with(&shelf, Limits::default()).await;
    let mut plain = tokio::net::TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut scrap = Vec::new();
    let _ = timeout(PATIENCE, plain.read_to_end(&mut scrap)).await.unwrap();
    let mut connection = Connection::open(&target(server.port), NO_HASH).await.unwrap();
    assert!(connection.next().await.is_ok());
}

/// One byte more than a configuration may have, in a quarter of a megabyte.
fn bomb() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    for _ in 0..256 {
        encoder.write_all(&vec![b' '; 1024 * 1024]).unwrap();
    }
    encoder.write_all(b" ").unwrap();
    encoder.finish().unwrap()
}

fn huge_header() -> Vec<u8> {
    [&b"GET /v1/outlet HTTP/1.1\r\nX: "[..], &[b'a'; 64 * 1024]].concat()
}
