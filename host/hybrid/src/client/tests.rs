use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{DuplexStream, duplex};
use tokio::time::timeout;

use super::*;
use crate::frames::{Frame, Kind, Side};
use crate::{BadFrame, NO_HASH, gzip};

const ONE: &str = "11111111111111111111111111111111";
const TWO: &str = "22222222222222222222222222222222";

#[tokio::test(start_paused = true)]
async fn it_pings_what_runs_every_half_minute_and_gives_up_on_silence() {
    let (mut connection, mut control_plane) = begun(Acknowledges::OnReceipt);
    let begun = Instant::now();
    assert_eq!(control_plane.read().await.unwrap(), ping(NO_HASH));
    assert_eq!(begun.elapsed(), Duration::from_secs(30));
    control_plane.write(Kind::Pong, &[]).await.unwrap();
    assert_eq!(control_plane.read().await.unwrap(), ping(NO_HASH));
    assert_eq!(connection.next().await, Err(Ended::Silent));
    assert_eq!(begun.elapsed(), Duration::from_secs(30 + 45));
    assert!(!connection.is_configured());
}

#[tokio::test(start_paused = true)]
async fn on_receipt_a_new_hash_is_pinged_at_once_and_a_known_one_is_not() {
    let (mut connection, mut control_plane) = begun(Acknowledges::OnReceipt);
    for (hash, pings) in [(ONE, true), (ONE, false), (TWO, true)] {
        control_plane.write(Kind::Binary, &config(hash)).await.unwrap();
        assert_eq!(connection.next().await.unwrap().hash, hash);
        let heard = timeout(Duration::from_secs(1), control_plane.read()).await;
        assert_eq!(heard.is_ok(), pings, "{hash}");
    }
}

#[tokio::test(start_paused = true)]
async fn by_the_caller_it_is_pinged_when_told_and_pings_go_on_meanwhile() {
    let (mut connection, mut control_plane) = begun(Acknowledges::ByCaller);
    control_plane.write(Kind::Binary, &config(ONE)).await.unwrap();
    assert_eq!(connection.next().await.unwrap().hash, ONE);
    assert_eq!(control_plane.read().await.unwrap(), ping(NO_HASH), "at half a minute");
    let before = Instant::now();
    connection.acknowledge(ONE);
    assert_eq!(control_plane.read().await.unwrap(), ping(ONE));
    assert_eq!(before.elapsed(), Duration::ZERO);
    connection.acknowledge("no hash");
    assert_eq!(control_plane.read().await.unwrap(), ping(NO_HASH));
}

#[tokio::test(start_paused = true)]
async fn of_what_is_not_taken_in_time_the_newest_is_kept_and_given_before_the_end() {
    let (mut connection, mut control_plane) = begun(Acknowledges::OnReceipt);
    control_plane.write(Kind::Binary, &config(ONE)).await.unwrap();
    control_plane.write(Kind::Text, b"passed over").await.unwrap();
    control_plane.write(Kind::Binary, &config(TWO)).await.unwrap();
    control_plane.close().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(connection.next().await.unwrap().hash, TWO);
    assert_eq!(connection.next().await, Err(Ended::Closed));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_used_ends_the_connection_by_its_name() {
    let deep = format!(r#"{{"type":"reconfigure","config_table":{{"a":{}{}}}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let of = |json: &[u8]| gzip::deflate(json).unwrap();
    for payload in [of(deep.as_bytes()), of(b"{\"type\":\"\xff\"}"), of(b"nothing"), Bytes::from_static(b"{}"), config(ONE).slice(..40)] {
        let (mut connection, mut control_plane) = begun(Acknowledges::OnReceipt);
        control_plane.write(Kind::Binary, &payload).await.unwrap();
        let ended = connection.next().await.unwrap_err();
        assert!(matches!(ended, Ended::BadMessage(_)), "{ended}");
    }
    let (mut connection, mut control_plane) = begun(Acknowledges::OnReceipt);
    control_plane.write(Kind::Binary, &of(br#"{"type":"another"}"#)).await.unwrap();
    control_plane.write(Kind::Binary, &config(ONE)).await.unwrap();
    assert_eq!(connection.next().await.unwrap().hash, ONE, "another type is passed over");
}

#[tokio::test(start_paused = true)]
async fn frames_out_of_bounds_end_the_connection_by_their_name() {
    let (mut connection, mut control_plane) = begun(Acknowledges::OnReceipt);
    control_plane.write(Kind::Binary, &vec![0; MAX + 1]).await.unwrap();
    let ended = connection.next().await.unwrap_err();
    assert_eq!(ended, Ended::TooLarge { bytes: MAX as u64 + 1, max: MAX });
    assert!(ended.to_string().contains("cluster_max_payload = 1000"), "{ended}");

    let (near, far) = duplex(1 << 20);
    let mut connection = Connection::begin(link(near, Side::DataPlane, MAX), NO_HASH.into(), Acknowledges::OnReceipt, Instant::now());
    // A data plane's frames are masked, and a control plane's must not be.
    link(far, Side::DataPlane, MAX).write(Kind::Binary, b"x").await.unwrap();
    assert_eq!(connection.next().await, Err(Ended::BadFrame(BadFrame::Masked)));
}

#[tokio::test(start_paused = true)]
async fn dropping_it_ends_the_stream() {
    let (connection, mut control_plane) = begun(Acknowledges::OnReceipt);
    drop(connection);
    assert!(control_plane.read().await.is_err());
}

const MAX: usize = 1000;

fn begun(acknowledges: Acknowledges) -> (Connection, Link<DuplexStream>) {
    let (near, far) = duplex(1 << 20);
    let connection = Connection::begin(link(near, Side::DataPlane, MAX), NO_HASH.into(), acknowledges, Instant::now());
    (connection, link(far, Side::ControlPlane, usize::MAX))
}

fn link(stream: DuplexStream, side: Side, max: usize) -> Link<DuplexStream> {
    Link::new(stream, side, BytesMut::new(), max)
}

fn ping(hash: &str) -> Frame {
    Frame { kind: Kind::Ping, payload: Bytes::copy_from_slice(hash.as_bytes()) }
}

fn config(hash: &str) -> Bytes {
    let message = format!(r#"{{"type":"reconfigure","config_hash":"{hash}","config_table":{{"_format_version":"3.0"}}}}"#);
    gzip::deflate(message.as_bytes()).unwrap()
}
