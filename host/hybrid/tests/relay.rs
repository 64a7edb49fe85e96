//! A control plane behind a stand-in: what it says goes first, under the data plane's own name, and what is offered waits until it is gone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod kit;

use std::sync::Arc;
use std::time::Duration;

use holdover_hybrid::{Connection, DataPlane, Ended, Introduced, KongVersion, Limits, NO_HASH, Offer, Offers, State, Target};
use kit::{PATIENCE, Running, Shelf, capture, offer, target};
use tokio::sync::watch;
use tokio::time::timeout;

/// A stand-in's offers, with this control plane behind them.
struct Before {
    shelf: Arc<Shelf>,
    behind: Target,
}

impl Offers for Before {
    fn version(&self) -> Option<KongVersion> {
        self.shelf.version()
    }

    fn offer(&self) -> Option<Offer> {
        self.shelf.offer()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.shelf.changes()
    }

    fn relays(&self, introduced: &Introduced) -> Option<Target> {
        Some(Target {
            node_id: introduced.node_id.clone(),
            hostname: introduced.hostname.clone(),
            version: introduced.version.clone(),
            introduction: introduced.basic_info.clone(),
            ..self.behind.clone()
        })
    }

    fn seen(&self, data_plane: &DataPlane) {
        self.shelf.seen(data_plane);
    }

    fn gone(&self, data_plane: &DataPlane) {
        self.shelf.gone(data_plane);
    }
}

/// What a test stands on: the real control plane, and the stand-in before it with something else on offer.
struct Stage {
    real: Arc<Shelf>,
    behind: Running,
    stand_in: Arc<Shelf>,
    front: Running,
}

impl Stage {
    async fn of(real: Option<Offer>, patience: Duration) -> Self {
        let real = Shelf::new("3.9.1", real);
        let behind = Running::with(&real, Limits::default()).await;
        let stand_in = Shelf::new("3.9.1", Some(offer(capture("r100.reconfigure.gz"))));
        let before = Arc::new(Before { shelf: stand_in.clone(), behind: target(behind.port) });
        let front = Running::with(&before, Limits { patience, ..Limits::default() }).await;
        Self { real, behind, stand_in, front }
    }
}

#[tokio::test]
async fn a_data_plane_is_known_to_its_own_control_plane_and_gets_what_that_sends_as_it_was_packed() {
    let sent = offer(capture("small.reconfigure.gz"));
    let stage = Stage::of(Some(sent.clone()), PATIENCE).await;
    let mut connection = Connection::open(&target(stage.front.port), NO_HASH).await.unwrap();
    let received = timeout(PATIENCE, connection.next()).await.unwrap().unwrap();
    assert_eq!((received.payload, &received.hash), (sent.payload, &sent.hash));
    let there = stage.real.until(|data_plane| data_plane.state == State::Applied { hash: sent.hash.clone() }).await;
    let own = target(0);
    assert_eq!((there.id, there.hostname, there.version), (own.node_id, own.hostname, own.version));
    let here = stage.stand_in.until(|data_plane| data_plane.state == State::Applied { hash: sent.hash.clone() }).await;
    assert!(here.relayed);

    let next = offer(capture("r5000.reconfigure.gz"));
    stage.real.put(next.clone());
    let received = timeout(PATIENCE, connection.next()).await.unwrap().unwrap();
    assert_eq!(received.hash, next.hash, "a change comes through");
}

#[tokio::test]
async fn when_its_control_plane_goes_it_stays_and_is_served_what_is_offered() {
    let sent = offer(capture("small.reconfigure.gz"));
    let stage = Stage::of(Some(sent.clone()), PATIENCE).await;
    let mut connection = Connection::open(&target(stage.front.port), NO_HASH).await.unwrap();
    timeout(PATIENCE, connection.next()).await.unwrap().unwrap();
    stage.stand_in.put(sent.clone());
    stage.stand_in.until(|data_plane| data_plane.relayed && data_plane.running == sent.hash).await;
    drop(stage.behind);
    stage.stand_in.until(|data_plane| !data_plane.relayed && data_plane.state == State::Applied { hash: sent.hash.clone() }).await;
    let later = offer(capture("r5000.reconfigure.gz"));
    stage.stand_in.put(later.clone());
    let received = timeout(PATIENCE, connection.next()).await.unwrap().unwrap();
    assert_eq!(received.hash, later.hash, "what it ran already was not sent, what is offered next is");
}

#[tokio::test]
async fn when_its_control_plane_is_back_it_is_relayed_again_and_reloads_nothing() {
    let sent = offer(capture("small.reconfigure.gz"));
    let Stage { real, behind, stand_in, front } = Stage::of(Some(sent.clone()), PATIENCE).await;
    let mut connection = Connection::open(&target(front.port), NO_HASH).await.unwrap();
    timeout(PATIENCE, connection.next()).await.unwrap().unwrap();
    stand_in.put(sent.clone());
    stand_in.until(|data_plane| data_plane.relayed && data_plane.running == sent.hash).await;
    let port = behind.port;
    drop(behind);
    stand_in.until(|data_plane| !data_plane.relayed && data_plane.running == sent.hash).await;
    stand_in.seen.send_modify(Vec::clear);
    let _behind = Running::at(port, &real, Limits::default()).await;
    stand_in.until(|data_plane| data_plane.relayed && data_plane.state == State::Applied { hash: sent.hash.clone() }).await;
    assert!(timeout(Duration::from_millis(100), connection.next()).await.is_err(), "nothing had changed");
}

#[tokio::test]
async fn a_control_plane_that_never_configures_is_waited_for_only_so_long() {
    let stage = Stage::of(None, Duration::from_millis(200)).await;
    let mut connection = Connection::open(&target(stage.front.port), NO_HASH).await.unwrap();
    let received = timeout(PATIENCE, connection.next()).await.unwrap().unwrap();
    assert_eq!(received.hash, offer(capture("r100.reconfigure.gz")).hash);
    let sent = offer(capture("small.reconfigure.gz"));
    stage.real.put(sent.clone());
    let received = timeout(PATIENCE, connection.next()).await.unwrap().unwrap();
    assert_eq!(received.hash, sent.hash, "its word goes first as soon as it has one");
}

#[tokio::test]
async fn whom_its_control_plane_turns_away_the_stand_in_does_not_serve() {
    let stage = Stage::of(Some(offer(capture("small.reconfigure.gz"))), PATIENCE).await;
    let newer = Target { version: "3.10.0".into(), ..target(stage.front.port) };
    let mut connection = Connection::open(&newer, NO_HASH).await.unwrap();
    let ended = timeout(PATIENCE, connection.next()).await.unwrap().unwrap_err();
    assert_eq!(ended, Ended::ClosedAfterIntroduction);
    stage.stand_in.until(|data_plane| matches!(&data_plane.state, State::Incompatible(why) if why.contains("turns it away"))).await;
}
