//! Exporters as real processes that cannot harm: killed, stopped, started side by side, with storages that err, answer late or ignore
//! conditions, and with a control plane that takes too much away. One at a time, so that leases mean the same on a small machine.
//!
//! The same stories, longer: `cargo run -p holdover-tests --bin fence -- rounds|kills|volume`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

#[path = "fenced/chronicle.rs"]
mod chronicle;
#[path = "fenced/declined.rs"]
mod declined;
#[path = "fenced/ended.rs"]
mod ended;
#[path = "fenced/exporter.rs"]
mod exporter;
#[path = "fenced/ground.rs"]
mod ground;
#[path = "fenced/guards.rs"]
mod guards;
#[path = "fenced/kills.rs"]
mod kills;
#[path = "fenced/rounds.rs"]
mod rounds;
#[path = "fenced/seed.rs"]
mod seed;
#[path = "fenced/team.rs"]
mod team;
#[path = "fenced/volume.rs"]
mod volume;
#[path = "fenced/watch.rs"]
mod watch;
#[path = "fenced/whole.rs"]
mod whole;

use ground::StoreKind::{self, Embedded, SeaweedFs};
use kills::Kills;
use rounds::Rounds;
use tokio::sync::{Mutex, MutexGuard};
use volume::Volume;

#[tokio::test(flavor = "multi_thread")]
async fn two_exporters_on_the_embedded_storage_cannot_harm_each_other() {
    in_rounds(Embedded, 2, 12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_exporters_on_the_embedded_storage_cannot_harm_each_other() {
    in_rounds(Embedded, 3, 14).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_exporters_on_seaweedfs_cannot_harm_each_other() {
    in_rounds(SeaweedFs, 2, 12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_exporters_on_seaweedfs_cannot_harm_each_other() {
    in_rounds(SeaweedFs, 3, 14).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exporter_at_the_control_plane_and_one_at_a_gateway_do_not_undo_each_other() {
    let _alone = alone().await;
    let told = volume::run(&Volume { store: Embedded, changes: 20, seed: 5 }).await;
    let counts = told.unwrap_or_else(|failure| panic!("{failure:#}"));
    println!("{counts}");
    // One change of sides, which brings a change of its own.
    assert!(counts.changes == 21 && counts.elections == 2 && counts.publishes >= 5, "{counts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_logged_step_of_a_publication_loses_nothing_and_tears_nothing() {
    let _alone = alone().await;
    let told = kills::run(&Kills { store: Embedded, rounds: 15, seed: 8, twice: true }).await;
    let counts = told.unwrap_or_else(|failure| panic!("{failure:#}"));
    println!("{counts}");
    assert!(counts.rounds == 15 && counts.steps >= 10 && counts.owed > 0 && counts.control_plane_gone > 0, "{counts}");
}

async fn in_rounds(store: StoreKind, exporters: usize, rounds: u32) {
    let _alone = alone().await;
    let told = rounds::run(&Rounds { store, exporters, rounds, seed: exporters as u64, breaks: false }).await;
    let counts = told.unwrap_or_else(|failure| panic!("{failure:#}"));
    println!("{store:?}, {exporters} exporters: {counts}");
    assert!(counts.rounds == rounds && counts.publishes > 0, "{counts}");
    assert!(counts.kills + counts.stops > 0 && counts.elections > 1, "{counts}");
}

/// Two cores carry one story; a lease of a second is an eternity only while nobody else computes.
async fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    ALONE.lock().await
}
