//! Exporters that are killed, ended, stopped past their lease and continued, and a storage that errs and answers late, round after round, while
//! the control plane changes: whatever happens, no head falls, no update is lost, and one epoch has one writer (export-06, export-08).
//!
//! Late: the storage looks at a request only when another exporter took over long ago, as a network does that holds a packet back.

use std::fmt;
use std::time::Duration;

use anyhow::Context;
use holdover_drill::store::Store;
use holdover_plugin::snapshot::keys;

use crate::ground::{LEASE_EXPIRE, PREFIX, StoreKind};
use crate::seed::Seed;
use crate::team::Team;

const NAMES: [&str; 3] = ["north", "south", "west"];
/// A publication begins within this time of a change.
const AMID_MS: u64 = 300;
const HELD_BACK: Duration = Duration::from_millis(1700);

pub struct Rounds {
    pub store: StoreKind,
    pub exporters: usize,
    pub rounds: u32,
    pub seed: u64,
    /// After the first publication the storage ignores If-Match: the rounds must fail.
    pub breaks: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mischief {
    None,
    KillLeader,
    KillAnyone,
    EndLeader,
    StopLeader,
    StopAnyone,
    LoseAnswers,
    Err,
    SlowDown,
    Late,
}

const OF_PROCESSES: [Mischief; 7] = [
    Mischief::None,
    Mischief::KillLeader,
    Mischief::KillLeader,
    Mischief::KillAnyone,
    Mischief::EndLeader,
    Mischief::StopLeader,
    Mischief::StopAnyone,
];
const OF_THE_STORAGE: [Mischief; 4] = [Mischief::LoseAnswers, Mischief::Err, Mischief::SlowDown, Mischief::Late];
/// A process that starts would probe a storage that is broken meanwhile, and decline.
const WITH_A_BROKEN_STORAGE: [Mischief; 3] = [Mischief::None, Mischief::StopLeader, Mischief::Late];

#[derive(Debug, Default)]
pub struct Counts {
    pub rounds: u32,
    pub kills: u32,
    pub ends: u32,
    pub stops: u32,
    pub faults: u32,
    pub held_back: u32,
    pub elections: usize,
    pub resumed: usize,
    pub offices_lost: usize,
    pub lost_races: usize,
    pub failed_exports: usize,
    pub publishes: usize,
    pub heads_seen: u64,
    /// Head writes that the embedded storage did, seen or not.
    pub heads_written: Option<usize>,
    pub head: String,
}

pub async fn run(options: &Rounds) -> anyhow::Result<Counts> {
    let names = NAMES.get(..options.exporters).context("two or three exporters")?;
    let mut team = Team::start(options.store, names, |_, spec| spec).await?;
    team.watch.publishes(0).await?;
    if options.breaks {
        let store = team.ground.embedded().context("only the embedded storage can be broken")?;
        team.all_probed().await?;
        store.faults().ignore_if_match(true);
    }
    let mut counts = Counts::default();
    let mut seed = Seed::new(options.seed);
    let ended = play(&mut team, options, &mut seed, &mut counts).await;
    count(&team, &mut counts);
    ended.map_err(|violation| anyhow::anyhow!("{violation:#}\n{counts}\n{}", team.said_last()))?;
    Ok(counts)
}

async fn play(team: &mut Team, options: &Rounds, seed: &mut Seed, counts: &mut Counts) -> anyhow::Result<()> {
    let mischiefs = match (options.store, options.breaks) {
        (StoreKind::Embedded, true) => WITH_A_BROKEN_STORAGE.to_vec(),
        (StoreKind::Embedded, false) => [&OF_PROCESSES[..], &OF_THE_STORAGE].concat(),
        (StoreKind::SeaweedFs, _) => OF_PROCESSES.to_vec(),
    };
    for nth in 1..=options.rounds {
        let mischief = mischiefs[seed.below(mischiefs.len() as u64) as usize];
        round(team, mischief, seed, counts).await.with_context(|| format!("round {nth}, {mischief:?}, seed {}", options.seed))?;
        counts.rounds = nth;
    }
    team.comes_to_rest().await
}

async fn round(team: &mut Team, mischief: Mischief, seed: &mut Seed, counts: &mut Counts) -> anyhow::Result<()> {
    let bodies = team.ground.embedded().map(snapshots);
    let said = team.say_next();
    match mischief {
        Mischief::Late => {}
        _ => tokio::time::sleep(seed.millis_below(AMID_MS)).await,
    }
    match mischief {
        Mischief::None => {}
        Mischief::KillLeader | Mischief::KillAnyone => {
            let victim = victim(team, mischief == Mischief::KillLeader, seed).await;
            let victim = team.exporters.get_mut(victim).context("a victim")?;
            victim.kill_9()?;
            counts.kills += 1;
            // Sooner and later than its lease ends.
            tokio::time::sleep(seed.millis_below(3 * LEASE_EXPIRE.as_millis() as u64 / 2)).await;
            victim.start_again()?;
        }
        Mischief::EndLeader => {
            let victim = victim(team, true, seed).await;
            let victim = team.exporters.get_mut(victim).context("a victim")?;
            victim.end().await?;
            counts.ends += 1;
            victim.start_again()?;
        }
        Mischief::StopLeader | Mischief::StopAnyone => {
            let victim = victim(team, mischief == Mischief::StopLeader, seed).await;
            let victim = team.exporters.get(victim).context("a victim")?;
            victim.stop();
            counts.stops += 1;
            tokio::time::sleep(LEASE_EXPIRE + seed.millis_below(900)).await;
            victim.carry_on();
        }
        Mischief::LoseAnswers | Mischief::Err | Mischief::SlowDown => {
            let faults = team.ground.embedded().context("a storage with faults")?.faults();
            let requests = 1 + seed.below(4) as u32;
            match mischief {
                Mischief::LoseAnswers => faults.lose_answers(requests),
                Mischief::Err => faults.fail_next(requests, 500, "InternalError"),
                _ => faults.slow_down_next(requests),
            }
            counts.faults += 1;
            tokio::time::sleep(seed.millis_below(600)).await;
        }
        Mischief::Late => {
            hold_back(team, bodies.unwrap_or_default(), seed).await?;
            counts.held_back += 1;
        }
    }
    team.watch.nothing_wrong()?;
    // Every other change meets what the one before it left behind.
    if seed.once_in(2) {
        team.watch.publishes(said).await?;
    }
    Ok(())
}

async fn victim(team: &Team, leader: bool, seed: &mut Seed) -> usize {
    let anyone = seed.below(team.exporters.len() as u64) as usize;
    if leader { team.leader().await.unwrap_or(anyone) } else { anyone }
}

/// Holds the requests back that come in a moment after the next snapshot is there: its head among them, as often as chance has it.
async fn hold_back(team: &Team, bodies: usize, seed: &mut Seed) -> anyhow::Result<()> {
    let store = team.ground.embedded().context("a storage with faults")?;
    let appears = async {
        while snapshots(store) <= bodies {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    // It may not come: nobody leads for a while after a kill.
    let _came = tokio::time::timeout(2 * LEASE_EXPIRE, appears).await;
    tokio::time::sleep(seed.millis_below(12)).await;
    store.faults().delay(HELD_BACK);
    tokio::time::sleep(Duration::from_millis(20) + seed.millis_below(60)).await;
    store.faults().delay(Duration::ZERO);
    tokio::time::sleep(HELD_BACK).await;
    Ok(())
}

fn snapshots(store: &Store) -> usize {
    let below = format!("{PREFIX}/{}", keys::SNAPSHOTS);
    store.keys().iter().filter(|key| key.starts_with(&below)).count()
}

fn count(team: &Team, counts: &mut Counts) {
    let lines = || team.exporters.iter().flat_map(|exporter| exporter.lines());
    let taken = |part: &str| lines().filter(|line| line.is("office-taken") && line.text.contains(part)).count();
    counts.elections = taken("This exporter leads");
    counts.resumed = taken("takes up");
    counts.offices_lost = team.counted("office-lost");
    counts.lost_races = team.counted("export-lost-race");
    counts.failed_exports = team.counted("export-failed");
    counts.publishes = team.counted("exported");
    counts.heads_seen = team.watch.heads();
    counts.head = team.watch.last().map(|head| head.position().to_string()).unwrap_or_default();
    let head = format!("{PREFIX}/{}", keys::HEAD);
    // A write whose answer was lost was done as well.
    let written = |store: &Store| {
        let requests = store.requests();
        requests
            .iter()
            .filter(|request| request.method == "PUT" && request.key == head && matches!(request.status, Some(200) | None))
            .count()
    };
    counts.heads_written = team.ground.embedded().map(written);
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, kills, ends, stops, faults, held_back, elections, resumed, offices_lost, .. } = self;
        let Self { lost_races, failed_exports, publishes, heads_seen, heads_written, head, .. } = self;
        write!(
            f,
            "{rounds} rounds: {kills} kills, {ends} orderly ends, {stops} stops past the lease, {faults} storage faults, {held_back} held back; "
        )?;
        write!(f, "{elections} elections, {resumed} offices taken up again, {offices_lost} lost; ")?;
        write!(f, "{publishes} publications, {failed_exports} failed exports, {lost_races} lost races; ")?;
        let written = heads_written.map(|written| format!(" of {written}")).unwrap_or_default();
        write!(f, "{heads_seen}{written} heads seen, the last {head}")
    }
}
