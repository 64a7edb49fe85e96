use super::*;
use tokio::io::duplex;

const MAX: usize = 70_000;

#[tokio::test]
async fn frames_of_every_length_form_arrive_whole_on_both_sides() {
    for length in [0, 1, 125, 126, 65_535, 65_536, MAX] {
        for (writer, reader) in [(Side::DataPlane, Side::ControlPlane), (Side::ControlPlane, Side::DataPlane)] {
            let (near, far) = duplex(256);
            let payload: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let (mut writing, mut reading) = (link(near, writer, MAX), link(far, reader, MAX));
            let (written, read) = tokio::join!(writing.write(Kind::Binary, &payload), reading.read());
            written.unwrap();
            assert_eq!(read.unwrap(), Frame { kind: Kind::Binary, payload: payload.into() });
        }
    }
}

#[tokio::test]
async fn the_examples_of_the_rfc_are_read() {
    // RFC 6455 5.7, with 64 KiB cut to its header.
    let masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    let frame = read_from(&masked, Side::ControlPlane).await.unwrap();
    assert_eq!(frame, Frame { kind: Kind::Text, payload: Bytes::from_static(b"Hello") });
    let ping = [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    assert_eq!(read_from(&ping, Side::DataPlane).await.unwrap().kind, Kind::Ping);
    let kib64 = [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0];
    let header = Header::parse(&kib64, Side::DataPlane).unwrap().unwrap();
    assert_eq!((header.payload_len, header.header_len), (65_536, 10));
    assert_eq!(Header::encode(Kind::Binary, 65_536, None), kib64);
}

#[tokio::test]
async fn what_the_protocol_has_no_use_for_is_told_by_its_first_bytes() {
    for (bytes, reader, expected) in [
        (&[0x02, 0x05][..], Side::DataPlane, BadFrame::Fragmented),
        (&[0x80, 0x05], Side::DataPlane, BadFrame::Fragmented),
        (&[0x00, 0x05], Side::DataPlane, BadFrame::Fragmented),
        (&[0x09, 0x00], Side::DataPlane, BadFrame::Fragmented),
        (&[0xc2, 0x05], Side::DataPlane, BadFrame::ReservedBits),
        (&[0x92, 0x05], Side::DataPlane, BadFrame::ReservedBits),
        (&[0x83, 0x05], Side::DataPlane, BadFrame::UnknownOpcode(3)),
        (&[0x82, 0x85], Side::DataPlane, BadFrame::Masked),
        (&[0x82, 0x05], Side::ControlPlane, BadFrame::Unmasked),
        (&[0x89, 0x7e, 0x00, 0x7e], Side::DataPlane, BadFrame::ControlTooLong),
        (&[0x82, 0x7f, 0x80, 0, 0, 0, 0, 0, 0, 0], Side::DataPlane, BadFrame::LengthOutOfRange),
    ] {
        let error = read_from(bytes, reader).await.unwrap_err();
        assert!(matches!(error, LinkError::Bad(bad) if bad == expected), "{bytes:x?}: {error}");
    }
}

#[tokio::test]
async fn a_frame_beyond_the_bound_is_neither_read_nor_written_and_the_setting_is_named() {
    let announced = [0x82, 0x7f, 0, 0, 0xff, 0xff, 0, 0, 0, 0];
    let error = read_from(&announced, Side::DataPlane).await.unwrap_err();
    assert!(error.to_string().contains("cluster_max_payload = 70000"), "{error}");
    let (near, _far) = duplex(64);
    let error = link(near, Side::ControlPlane, 10).write(Kind::Binary, &[0; 11]).await.unwrap_err();
    assert!(matches!(error, LinkError::TooLarge { bytes: 11, max: 10 }));
}

#[tokio::test]
async fn an_announced_length_reserves_nothing() {
    let (near, far) = duplex(64);
    let mut reading = link(far, Side::DataPlane, usize::MAX);
    let mut near = near;
    near.write_all(&[0x82, 0x7f, 0, 0, 0, 0xff, 0, 0, 0, 0, b'x']).await.unwrap();
    let waiting = timeout(Duration::from_millis(10), reading.read()).await;
    assert!(waiting.is_err(), "the rest is still waited for");
    assert!(reading.buffer.capacity() <= 2 * READ_BYTES, "{}", reading.buffer.capacity());
}

#[tokio::test]
async fn a_read_that_is_cancelled_loses_nothing() {
    let (mut near, far) = duplex(64);
    let mut reading = link(far, Side::DataPlane, MAX);
    for byte in [0x82, 0x7e, 0x00] {
        near.write_all(&[byte]).await.unwrap();
        assert!(timeout(Duration::from_millis(1), reading.read()).await.is_err());
    }
    near.write_all(&[0x02, b'o', b'k', 0x8a]).await.unwrap();
    assert_eq!(&reading.read().await.unwrap().payload[..], b"ok");
    near.write_all(&[0x00]).await.unwrap();
    assert_eq!(reading.read().await.unwrap(), Frame { kind: Kind::Pong, payload: Bytes::new() });
    drop(near);
    assert!(matches!(reading.read().await, Err(LinkError::Closed)));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_nothing_is_given_up_and_a_slow_one_is_not() {
    let (near, far) = duplex(64);
    let mut writing = link(near, Side::ControlPlane, MAX);
    let begun = tokio::time::Instant::now();
    assert!(matches!(writing.write(Kind::Binary, &[0; 1000]).await, Err(LinkError::Stalled)));
    assert_eq!(begun.elapsed(), STEP);
    drop(far);

    let (near, mut far) = duplex(64);
    let slow = async {
        let mut total = 0;
        while total < 1004 {
            tokio::time::sleep(STEP - Duration::from_secs(1)).await;
            total += far.read(&mut [0; 64]).await.unwrap();
        }
    };
    let mut writing = link(near, Side::ControlPlane, MAX);
    tokio::join!(async { writing.write(Kind::Binary, &[0; 1000]).await.unwrap() }, slow);
}

fn link<S: AsyncRead + AsyncWrite + Unpin>(stream: S, side: Side, max: usize) -> Link<S> {
    Link::new(stream, side, BytesMut::new(), max)
}

async fn read_from(bytes: &[u8], reader: Side) -> Result<Frame, LinkError> {
    let (near, _far) = duplex(64);
    Link::new(near, reader, BytesMut::from(bytes), MAX).read().await
}
