use std::sync::Mutex;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::frames::{Frame, Kind, Link, LinkError, Side};
use crate::tls::tests::{careless_client, of_cluster};
use crate::{BasicInfo, ClientTls, NO_HASH, Plugin, upgrade};

const ONE: &str = "11111111111111111111111111111111";
const TWO: &str = "22222222222222222222222222222222";

#[tokio::test(start_paused = true)]
async fn every_step_up_to_the_introduction_has_five_seconds() {
    let begun = Instant::now();
    let (_near, conversation) = conversing(&Shelf::with(ONE, true));
    conversation.await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 5, "no TLS");

    let (near, conversation) = conversing(&Shelf::with(ONE, true));
    let begun = Instant::now();
    let mut stream = tls(near, &ClientTls::shared(&of_cluster("cluster")).unwrap()).await;
    let dripping = async {
        for byte in upgrade::request("cp:8005", "id", "host", "3.9.1").bytes() {
            tokio::time::sleep(Duration::from_millis(700)).await;
            if stream.write_all(&[byte]).await.is_err() || stream.flush().await.is_err() {
                break;
            }
        }
    };
    tokio::join!(dripping, async { conversation.await.unwrap() });
    assert!((5..10).contains(&begun.elapsed().as_secs()), "a slow request: {:?}", begun.elapsed());

    let (near, conversation) = conversing(&Shelf::with(ONE, true));
    let mut link = upgraded(near, "3.9.1").await;
    let begun = Instant::now();
    assert_eq!(link.read().await.unwrap().kind, Kind::Close);
    assert_eq!(begun.elapsed().as_secs(), 5, "no introduction");
    drop(link);
    conversation.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_wrong_certificate_is_not_answered() {
    let shelf = Shelf::with(ONE, true);
    let (near, conversation) = conversing(&shelf);
    let mut stream = tls(near, &careless_client(&of_cluster("other"))).await;
    stream.write_all(upgrade::request("cp:8005", "id", "host", "3.9.1").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.is_empty(), "{answer:?}");
    drop(stream);
    conversation.await.unwrap();
    assert!(shelf.states().is_empty(), "it was never seen");
}

#[tokio::test(start_paused = true)]
async fn who_is_silent_is_dropped_after_45_seconds_and_who_pings_is_kept() {
    let shelf = Shelf::with(ONE, true);
    let (near, conversation) = conversing(&shelf);
    let mut link = introduced(near).await;
    link.write(Kind::Ping, ONE.as_bytes()).await.unwrap();
    for _ in 0..100 {
        assert_eq!(link.read().await.unwrap(), pong());
        tokio::time::sleep(Duration::from_secs(30)).await;
        link.write(Kind::Ping, ONE.as_bytes()).await.unwrap();
    }
    assert_eq!(link.read().await.unwrap(), pong());
    let begun = Instant::now();
    assert_eq!(link.read().await.unwrap().kind, Kind::Close);
    assert_eq!(begun.elapsed().as_secs(), 45);
    drop(link);
    conversation.await.unwrap();
    assert_eq!(*shelf.gone.lock().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_push_is_applied_when_its_hash_comes_back_and_rejected_when_it_has_not_after_a_minute() {
    let shelf = Shelf::with(ONE, true);
    let (near, _conversation) = conversing(&shelf);
    let mut link = introduced(near).await;
    link.write(Kind::Ping, NO_HASH.as_bytes()).await.unwrap();
    assert_eq!(link.read().await.unwrap(), pong());
    assert_eq!(link.read().await.unwrap(), payload(ONE));
    assert_eq!(shelf.last(), State::Served { hash: ONE.into() });
    for expected in [State::Served { hash: ONE.into() }, State::Rejected { hash: ONE.into() }] {
        tokio::time::sleep(Duration::from_secs(31)).await;
        link.write(Kind::Ping, NO_HASH.as_bytes()).await.unwrap();
        assert_eq!(link.read().await.unwrap(), pong());
        assert_eq!(shelf.last(), expected);
    }
    link.write(Kind::Ping, ONE.as_bytes()).await.unwrap();
    assert_eq!(link.read().await.unwrap(), pong());
    assert_eq!(shelf.last(), State::Applied { hash: ONE.into() });

    shelf.put(TWO);
    assert_eq!(link.read().await.unwrap(), payload(TWO));
    assert_eq!(shelf.last(), State::Served { hash: TWO.into() });
    tokio::time::sleep(Duration::from_secs(40)).await;
    link.write(Kind::Ping, ONE.as_bytes()).await.unwrap();
    assert_eq!(link.read().await.unwrap(), pong());
    tokio::time::sleep(Duration::from_secs(21)).await;
    assert_eq!(shelf.last(), State::Rejected { hash: TWO.into() }, "without a further ping");
}

#[tokio::test(start_paused = true)]
async fn who_runs_the_offer_is_spared_it_and_kong_sends_it_all_the_same() {
    for spare_reload in [true, false] {
        let shelf = Shelf::with(ONE, spare_reload);
        let (near, _conversation) = conversing(&shelf);
        let mut link = introduced(near).await;
        link.write(Kind::Ping, ONE.as_bytes()).await.unwrap();
        if !spare_reload {
            assert_eq!(link.read().await.unwrap(), payload(ONE));
        }
        assert_eq!(link.read().await.unwrap(), pong());
        link.write(Kind::Ping, ONE.as_bytes()).await.unwrap();
        assert_eq!(link.read().await.unwrap(), pong());
        assert_eq!(shelf.last(), State::Applied { hash: ONE.into() });
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_ping_at_once_is_sent_the_offer_after_a_second() {
    let shelf = Shelf::with(ONE, true);
    let (near, _conversation) = conversing(&shelf);
    let mut link = introduced(near).await;
    let begun = Instant::now();
    assert_eq!(link.read().await.unwrap(), payload(ONE));
    assert_eq!(begun.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_an_offer_a_data_plane_waits_or_is_sent_away_as_the_offers_say() {
    let shelf = Shelf::empty(true);
    let (near, _conversation) = conversing(&shelf);
    let mut link = introduced(near).await;
    link.write(Kind::Ping, NO_HASH.as_bytes()).await.unwrap();
    assert_eq!(link.read().await.unwrap(), pong());
    assert_eq!(shelf.last(), State::Connected);
    shelf.put(ONE);
    assert_eq!(link.read().await.unwrap(), payload(ONE));

    let (near, _conversation) = conversing(&Shelf::empty(false));
    assert_eq!(introduced(near).await.read().await.unwrap().kind, Kind::Close);
}

#[tokio::test(start_paused = true)]
async fn a_payload_beyond_the_bound_is_not_sent_and_the_setting_is_named() {
    let shelf = Shelf::with(&"x".repeat(2000), true);
    let (near, _conversation) = conversing(&shelf);
    let mut link = introduced(near).await;
    for _ in 0..2 {
        link.write(Kind::Ping, NO_HASH.as_bytes()).await.unwrap();
        assert_eq!(link.read().await.unwrap(), pong());
    }
    assert!(matches!(shelf.last(), State::Incompatible(why) if why.contains("cluster_max_payload = 1000")));
}

#[tokio::test(start_paused = true)]
async fn anything_but_a_ping_with_a_hash_ends_the_session() {
    for (kind, payload) in
        [(Kind::Text, NO_HASH), (Kind::Binary, NO_HASH), (Kind::Pong, ""), (Kind::Ping, ""), (Kind::Ping, &NO_HASH[1..]), (Kind::Close, "")]
    {
        let (near, conversation) = conversing(&Shelf::empty(true));
        let mut link = introduced(near).await;
        link.write(kind, payload.as_bytes()).await.unwrap();
        assert_eq!(link.read().await.unwrap().kind, Kind::Close, "{kind:?}");
        assert!(matches!(link.read().await, Err(LinkError::Closed)));
        drop(link);
        conversation.await.unwrap();
    }
}

struct Shelf {
    offer: Mutex<Option<Offer>>,
    changes: watch::Sender<u64>,
    spare_reload: bool,
    keeps: bool,
    states: Mutex<Vec<State>>,
    gone: Mutex<u64>,
}

impl Shelf {
    fn with(hash: &str, spare_reload: bool) -> Arc<Self> {
        let shelf = Self { spare_reload, ..Self::bare(true) };
        *shelf.offer.lock().unwrap() = Some(of(hash));
        Arc::new(shelf)
    }

    fn empty(keeps: bool) -> Arc<Self> {
        Arc::new(Self::bare(keeps))
    }

    fn bare(keeps: bool) -> Self {
        let (changes, _) = watch::channel(0);
        Self { offer: Mutex::default(), changes, spare_reload: true, keeps, states: Mutex::default(), gone: Mutex::default() }
    }

    fn put(&self, hash: &str) {
        *self.offer.lock().unwrap() = Some(of(hash));
        self.changes.send_modify(|count| *count += 1);
    }

    fn states(&self) -> Vec<State> {
        self.states.lock().unwrap().clone()
    }

    fn last(&self) -> State {
        self.states().pop().unwrap()
    }
}

impl Offers for Shelf {
    fn version(&self) -> Option<KongVersion> {
        KongVersion::parse("3.9.1")
    }

    fn offer(&self) -> Option<Offer> {
        self.offer.lock().unwrap().clone()
    }

    fn keeps_unserved(&self) -> bool {
        self.keeps
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn seen(&self, data_plane: &DataPlane) {
        self.states.lock().unwrap().push(data_plane.state.clone());
    }

    fn gone(&self, _data_plane: &DataPlane) {
        *self.gone.lock().unwrap() += 1;
    }
}

/// The payload is not looked at on its way, so it says its hash.
fn of(hash: &str) -> Offer {
    Offer { hash: hash.to_owned(), payload: Bytes::copy_from_slice(hash.as_bytes()), plugins: Arc::new(["cors".to_owned()]) }
}

fn conversing(shelf: &Arc<Shelf>) -> (DuplexStream, JoinHandle<()>) {
    let (near, far) = duplex(1 << 16);
    let limits = Limits { payload_max: 1000, spare_reload: shelf.spare_reload, ..Limits::default() };
    let offers: Arc<dyn Offers> = shelf.clone();
    let desk = Arc::new(Desk { tls: ServerTls::shared(&of_cluster("cluster")).unwrap(), offers, limits });
    (near, tokio::spawn(admission::converse(desk, far, ([127, 0, 0, 1], 1).into(), 1)))
}

async fn tls(near: DuplexStream, client: &ClientTls) -> TlsStream<DuplexStream> {
    TlsConnector::from(client.config()).connect(client.server_name("cp").unwrap(), near).await.unwrap()
}

async fn upgraded(near: DuplexStream, version: &str) -> Link<TlsStream<DuplexStream>> {
    let mut stream = tls(near, &ClientTls::shared(&of_cluster("cluster")).unwrap()).await;
    stream.write_all(upgrade::request("cp:8005", "id", "host", version).as_bytes()).await.unwrap();
    let mut read_ahead = BytesMut::new();
    assert_eq!(upgrade::answer(&mut stream, &mut read_ahead).await.unwrap(), 101);
    Link::new(stream, Side::DataPlane, read_ahead, 1 << 20)
}

async fn introduced(near: DuplexStream) -> Link<TlsStream<DuplexStream>> {
    let mut link = upgraded(near, "3.9.1").await;
    let info = BasicInfo { plugins: vec![Plugin::named("cors")], ..BasicInfo::default() };
    link.write(Kind::Binary, &info.encode().unwrap()).await.unwrap();
    link
}

fn pong() -> Frame {
    Frame { kind: Kind::Pong, payload: Bytes::new() }
}

fn payload(hash: &str) -> Frame {
    Frame { kind: Kind::Binary, payload: Bytes::copy_from_slice(hash.as_bytes()) }
}
