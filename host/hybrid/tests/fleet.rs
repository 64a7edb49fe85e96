//! Several data planes at one stand-in: those of other versions, and one whose stand-in is started anew under it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod kit;

use std::sync::Arc;

use holdover_hybrid::{BasicInfo, Connection, Ended, Limits, NO_HASH, Offer, Plugin, Received, State, Target, bundled_plugins};
use kit::{PATIENCE, Running, Shelf, capture, offer, target};
use tokio::time::timeout;

/// The stand-in's, for which the configuration is.
const OURS: &str = "3.7.1";

#[tokio::test]
async fn a_data_plane_outlives_a_restart_of_its_stand_in_and_is_not_made_to_reload() {
    let sent = offer(capture("small.reconfigure.gz"));
    let before = Shelf::new("3.9.1", Some(sent.clone()));
    let first = Running::with(&before, Limits::default()).await;
    let port = first.port;
    let mut connection = Connection::open(&target(port), NO_HASH).await.unwrap();
    assert_eq!(next(&mut connection).await.unwrap().hash, sent.hash);
    before.until(|data_plane| data_plane.state == State::Applied { hash: sent.hash.clone() }).await;
    drop(first);
    let ended = next(&mut connection).await.unwrap_err();
    assert!(!matches!(ended, Ended::ClosedAfterIntroduction), "a restart is no veto: {ended}");
    drop(connection);

    // Another process: it remembers nobody, and offers what its cache has.
    let after = Shelf::new("3.9.1", Some(sent.clone()));
    let _again = Running::at(port, &after, Limits::default()).await;
    let mut connection = Connection::open(&target(port), &sent.hash).await.unwrap();
    after.until(|data_plane| data_plane.state == State::Applied { hash: sent.hash.clone() }).await;
    let later = offer(capture("r100.reconfigure.gz"));
    after.put(later.clone());
    assert_eq!(next(&mut connection).await.unwrap().hash, later.hash, "the first that it is sent again is news");
}

#[tokio::test]
async fn a_data_plane_that_missed_a_change_during_the_restart_is_sent_it() {
    let (old, new) = (offer(capture("small.reconfigure.gz")), offer(capture("r100.reconfigure.gz")));
    let shelf = Shelf::new("3.9.1", Some(new.clone()));
    let running = Running::with(&shelf, Limits::default()).await;
    let mut connection = Connection::open(&target(running.port), &old.hash).await.unwrap();
    assert_eq!(next(&mut connection).await.unwrap().hash, new.hash);
    shelf.until(|data_plane| data_plane.state == State::Applied { hash: new.hash.clone() }).await;
}

/// KONG.md A.4: the same major version, and no later minor one; the patch is not asked for.
#[tokio::test]
async fn of_several_versions_at_one_stand_in_the_older_minor_ones_are_served_and_the_others_refused() {
    let sent = offer(capture("small.reconfigure.gz"));
    let shelf = Shelf::new(OURS, Some(sent.clone()));
    let running = Running::with(&shelf, Limits::default()).await;
    let served = ["3.7.1", "3.7.0", "3.7.9", "3.7.1.2-enterprise-edition", "3.6.1", "3.4.2", "3.0.0"];
    let refused = ["3.8.0", "3.10.0", "4.0.0", "2.8.5", "3.7", "nightly"];
    // Those that are served stay while others come and are sent away.
    let mut fleet = Vec::new();
    for (nth, version) in served.into_iter().enumerate() {
        let mut connection = Connection::open(&of_version(running.port, nth, version, &[]), NO_HASH).await.unwrap();
        assert_eq!(next(&mut connection).await.unwrap().payload, sent.payload, "{version}");
        shelf.until(|data_plane| data_plane.version == version && matches!(data_plane.state, State::Applied { .. })).await;
        fleet.push(connection);
    }
    for (nth, version) in (served.len()..).zip(refused) {
        let mut connection = Connection::open(&of_version(running.port, nth, version, &[]), NO_HASH).await.unwrap();
        assert_eq!(next(&mut connection).await.unwrap_err(), Ended::ClosedAfterIntroduction, "{version}");
        let seen = shelf.until(|data_plane| data_plane.version == version).await;
        assert!(matches!(&seen.state, State::Incompatible(why) if why.contains(version)), "{seen:?}");
    }
    let later = offer(capture("r100.reconfigure.gz"));
    shelf.put(later.clone());
    for (connection, version) in fleet.iter_mut().zip(served) {
        assert_eq!(next(connection).await.unwrap().hash, later.hash, "{version}");
    }
}

/// A veto of the configuration and not of the data plane: it stays, and gets the next one that it can run.
#[tokio::test]
async fn an_older_version_that_lacks_a_plugin_stays_and_is_sent_what_it_can_run() {
    let plain = offer(capture("small.reconfigure.gz"));
    let with_ai = Offer { plugins: Arc::new(["ai-proxy".to_owned()]), ..offer(capture("r100.reconfigure.gz")) };
    let shelf = Shelf::new(OURS, Some(with_ai.clone()));
    let running = Running::with(&shelf, Limits::default()).await;
    let mut newer = Connection::open(&of_version(running.port, 1, "3.6.1", &bundled_plugins(6)), NO_HASH).await.unwrap();
    assert_eq!(next(&mut newer).await.unwrap().hash, with_ai.hash);
    let mut older = Connection::open(&of_version(running.port, 2, "3.4.2", &bundled_plugins(4)), NO_HASH).await.unwrap();
    let vetoed = |state: &State| matches!(state, State::Incompatible(why) if why.contains("ai-proxy"));
    shelf.until(|data_plane| data_plane.version == "3.4.2" && vetoed(&data_plane.state)).await;
    shelf.put(plain.clone());
    for (connection, version) in [(&mut newer, "3.6.1"), (&mut older, "3.4.2")] {
        assert_eq!(next(connection).await.unwrap().hash, plain.hash, "{version}");
    }
}

async fn next(connection: &mut Connection) -> Result<Received, Ended> {
    timeout(PATIENCE, connection.next()).await.expect("it says something in time")
}

/// With these plugins, or those of a 3.9.1.
fn of_version(port: u16, nth: usize, version: &str, plugins: &[&str]) -> Target {
    let plain = target(port);
    let introduction = match plugins {
        [] => plain.introduction.clone(),
        names => {
            let plugins = names.iter().map(|name| Plugin::named(*name)).collect();
            BasicInfo { plugins, ..BasicInfo::default() }.encode().unwrap().into()
        }
    };
    Target { version: version.to_owned(), node_id: format!("00000000-0000-4000-8000-{nth:012}"), introduction, ..plain }
}
