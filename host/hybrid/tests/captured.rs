//! A session of a real Kong 3.9.1 pair, byte by byte: our client meets the captured control plane, our server the captured data plane.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod kit;

use std::io::Cursor;

use bytes::Bytes;
use holdover_hybrid::{Connection, Limits, NO_HASH, Received, Reconfigure, State, gzip};
use kit::wire::{self, BINARY, PING, PONG, Seen};
use kit::{Running, Shelf, capture, offer, stage, target};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

#[tokio::test]
async fn our_client_pings_as_the_real_one_did_and_yields_what_the_real_control_plane_sent() {
    let (port, accepting) = stage().await;
    let (taken, mut may_go_on) = mpsc::channel::<()>(1);
    let player = tokio::spawn(async move {
        let (head, mut frames) = parsed("session-small.s2c.bin").await;
        let mut stream = accepting.await;
        assert_eq!(stream.get_ref().1.server_name(), Some("kong_clustering"));
        wire::read_head(&mut stream).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut pings = Vec::new();
        for step in script() {
            if step.from_data_plane {
                let seen = wire::read(&mut stream).await.unwrap();
                assert!(seen.masked && seen.opcode == step.opcode, "{seen:?}");
                pings.extend((seen.opcode == PING).then(|| String::from_utf8(seen.payload).unwrap()));
            } else {
                let captured = frames.remove(0);
                stream.write_all(&[captured.header, captured.payload].concat()).await.unwrap();
                stream.flush().await.unwrap();
                if step.opcode == BINARY {
                    may_go_on.recv().await.unwrap();
                }
            }
        }
        pings
    });
    let mut connection = Connection::open(&target(port), NO_HASH).await.unwrap();
    assert!(!connection.is_configured());
    let mut received: Vec<Received> = Vec::new();
    for _ in 0..3 {
        received.push(connection.next().await.unwrap());
        taken.send(()).await.unwrap();
    }
    assert!(connection.is_configured());
    let pings = player.await.unwrap();
    assert_eq!(pings, captured_pings().await);
    let last = received.pop().unwrap();
    assert_eq!(last.hash, pings[2]);
    assert_eq!(last.message, gzip::inflate(&capture("small.reconfigure.gz")).unwrap());
    assert!(received.iter().all(|received| received.hash == pings[1]));
}

#[tokio::test]
async fn our_server_sends_the_real_data_plane_what_the_real_one_sent() {
    let (head, mut captured) = parsed("session-small.s2c.bin").await;
    let (request, mut from_data_plane) = parsed("session-small.c2s.bin").await;
    let payloads: Vec<Bytes> = captured.iter().filter(|seen| seen.opcode == BINARY).map(|seen| Bytes::from(seen.payload.clone())).collect();
    let shelf = Shelf::new("3.9.1", Some(offer(payloads[0].clone())));
    // As Kong's own control plane, which sends the same again.
    let server = Running::with(&shelf, Limits { spare_reload: false, ..Limits::default() }).await;
    let mut stream = server.tls().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let ours = wire::read_head(&mut stream).await.unwrap();
    let without_date: String = head.split_inclusive("\r\n").filter(|line| !line.starts_with("Date: ")).collect();
    assert_eq!(ours, without_date);
    let (mut sent, mut offered) = (0, 1);
    for step in script() {
        if step.from_data_plane {
            // The mask is the captured one, so these are the captured bytes.
            let seen = from_data_plane.remove(0);
            let key = seen.header.last_chunk::<4>().copied();
            assert_eq!(step.opcode, seen.opcode);
            stream.write_all(&wire::frame(seen.opcode, &seen.payload, key)).await.unwrap();
            sent += 1;
            continue;
        }
        let expected = captured.remove(0);
        if expected.opcode == BINARY && payloads.get(offered).is_some_and(|payload| *payload == expected.payload) {
            shelf.put(offer(payloads[offered].clone()));
            offered += 1;
        }
        assert_eq!(wire::read(&mut stream).await.unwrap(), expected, "after {sent} frames of the data plane");
    }
    assert_eq!((offered, captured.len()), (3, 0));
    let hash = captured_pings().await[2].clone();
    let applied = shelf.until(|seen| seen.state == State::Applied { hash: hash.clone() }).await;
    assert_eq!((applied.hostname.as_str(), applied.version.as_str(), applied.running), ("vm", "3.9.1", hash));
    drop(stream);
    shelf.until_gone(1).await;
}

#[tokio::test]
async fn both_of_our_ends_agree_on_the_largest_capture() {
    let large = offer(capture("r5000.reconfigure.gz"));
    let shelf = Shelf::new("3.9.1", Some(large.clone()));
    let server = Running::with(&shelf, Limits::default()).await;
    let mut connection = Connection::open(&target(server.port), NO_HASH).await.unwrap();
    let received = connection.next().await.unwrap();
    assert_eq!((received.message.len(), &received.hash), (2_590_518, &large.hash));
    shelf.until(|seen| seen.state == State::Applied { hash: large.hash.clone() }).await;

    // Who runs it already is spared; the next one comes all the same.
    let mut warm = Connection::open(&target(server.port), &large.hash).await.unwrap();
    shelf.until(|seen| seen.connection == 2 && seen.state == State::Applied { hash: large.hash.clone() }).await;
    assert!(!warm.is_configured());
    let small = offer(capture("small.reconfigure.gz"));
    shelf.put(small.clone());
    assert_eq!(warm.next().await.unwrap().hash, small.hash);
}

struct Step {
    from_data_plane: bool,
    opcode: u8,
}

/// Who said what when, from the proxy that recorded it.
fn script() -> Vec<Step> {
    let lines = String::from_utf8(capture("session-small.frames.jsonl").to_vec()).unwrap();
    let frames = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()).filter(|line| line["op"].is_string());
    frames
        .map(|line| Step {
            from_data_plane: line["dir"] == "c2s",
            opcode: match line["op"].as_str() {
                Some("binary") => BINARY,
                Some("ping") => PING,
                Some("pong") => PONG,
                other => panic!("{other:?}"),
            },
        })
        .collect()
}

async fn parsed(name: &str) -> (String, Vec<Seen>) {
    let mut bytes = Cursor::new(capture(name).to_vec());
    let head = wire::read_head(&mut bytes).await.unwrap();
    let mut frames = Vec::new();
    while let Some(frame) = wire::read(&mut bytes).await {
        frames.push(frame);
    }
    (head, frames)
}

async fn captured_pings() -> Vec<String> {
    let (_, frames) = parsed("session-small.c2s.bin").await;
    let pings: Vec<_> =
        frames.into_iter().filter(|seen| seen.opcode == PING).map(|seen| String::from_utf8(seen.payload).unwrap()).collect();
    assert_eq!(pings[0], NO_HASH);
    assert_eq!(pings[2], Reconfigure::read(gzip::inflate(&capture("small.reconfigure.gz")).unwrap().into()).unwrap().unwrap().hash);
    pings
}
