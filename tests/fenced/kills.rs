//! `kill -9` at each line that an exporter writes on its way to a publication (export-11): what it had on its disk is published by its next
//! process, even if the control plane went away with it, and nothing that anybody reads is torn.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::time::Duration;

use anyhow::Context;
use holdover_drill::control_plane::HttpControlPlane;
use holdover_drill::until;
use holdover_plugin::model::Digest;
use serde_json::Value;

use crate::exporter::Exporter;
use crate::ground::{BOUND, Eyes, Ground, LEASE_EXPIRE, StoreKind, document};
use crate::seed::Seed;
use crate::watch::Watch;
use crate::whole;

const FIRST: u64 = 1;
const CHANGED: u64 = 2;
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Longer than any line takes, on its way to the next.
const QUIET: Duration = Duration::from_millis(800);
/// A step that a run does not reach, because what happens at once was said in another order.
const STEP_BOUND: Duration = Duration::from_secs(10);
/// The command compiles its judge at every start, which takes longer than a round.
const VERIFIED_EVERY: u32 = 10;
/// What a damaged disk would be reported as.
const COMPLAINTS: [&str; 3] = ["state-not-kept", "cache-set-aside", "marks-lost"];

pub struct Kills {
    pub store: StoreKind,
    pub rounds: u32,
    pub seed: u64,
    /// Every third time, the next process is killed on its way, too.
    pub twice: bool,
}

#[derive(Debug, Default)]
pub struct Counts {
    pub rounds: u32,
    pub steps: usize,
    /// After which event, and how often.
    pub killed_after: BTreeMap<String, u32>,
    pub killed_twice: u32,
    pub control_plane_gone: u32,
    /// How often something was pending on the disk at the kill.
    pub owed: u32,
    pub owed_without_control_plane: u32,
    /// Offices that the next process took up in the same epoch.
    pub resumed: usize,
}

/// One exporter with a prefix and a disk of its own.
struct Stage<'a> {
    ground: &'a Ground,
    control_plane: HttpControlPlane,
    watch: Watch,
    eyes: [Eyes; 2],
    urls: [String; 2],
}

pub async fn run(options: &Kills) -> anyhow::Result<Counts> {
    let ground = Ground::new(options.store).await?;
    let mut seed = Seed::new(options.seed);
    let steps = rehearse(&ground).await.context("the rehearsal, in which nothing is killed")?;
    let mut counts = Counts { steps, ..Counts::default() };
    for nth in 0..options.rounds {
        let step = 1 + nth as usize % steps;
        round(&ground, nth, step, options.twice, &mut seed, &mut counts)
            .await
            .with_context(|| format!("round {nth}, step {step}, seed {}", options.seed))?;
        counts.rounds += 1;
    }
    Ok(counts)
}

/// How many events there are from the start to the end of a publication.
async fn rehearse(ground: &Ground) -> anyhow::Result<usize> {
    let stage = Stage::set(ground, "rehearsal").await?;
    let mut exporter = stage.exporter("rehearsal", usize::MAX, Duration::ZERO)?;
    stage.changes_after_the_first_publication(&exporter).await?;
    stage.watch.publishes(CHANGED).await?;
    stage.copied().await?;
    tokio::time::sleep(QUIET).await;
    exporter.kill_9()?;
    Ok(exporter.lines().iter().filter(|line| line.event.is_some()).count())
}

async fn round(ground: &Ground, nth: u32, step: usize, twice: bool, seed: &mut Seed, counts: &mut Counts) -> anyhow::Result<()> {
    let name = format!("round-{nth}");
    let mut stage = Stage::set(ground, &name).await?;
    // At the line itself, and somewhere on the way to the next.
    let and_then = if seed.once_in(2) { Duration::ZERO } else { seed.millis_below(10) };
    let mut exporter = stage.exporter(&name, step, and_then)?;
    let ended = stage.play(&mut exporter, twice, seed, counts).await;
    counts.resumed += exporter.lines().iter().filter(|line| line.is("office-taken") && line.text.contains("takes up")).count();
    ended.map_err(|violation| anyhow::anyhow!("{violation:#}\n{} said:\n{}", exporter.name(), exporter.said()))?;
    if nth.is_multiple_of(VERIFIED_EVERY) { stage.verified().await } else { Ok(()) }
}

impl<'a> Stage<'a> {
    async fn set(ground: &'a Ground, name: &str) -> anyhow::Result<Self> {
        let copy = format!("{name}-copy");
        let eyes = [ground.eyes(name).await?, ground.eyes(&copy).await?];
        let watch = Watch::over(eyes[0].clone());
        for number in [FIRST, CHANGED] {
            watch.control_plane_says(number, &document(number));
        }
        let control_plane = HttpControlPlane::start(document(FIRST)).await?;
        Ok(Self { ground, control_plane, watch, eyes, urls: [ground.storage(name), ground.storage(&copy)] })
    }

    /// The change comes within the delay after the first publication, so that it waits for its turn.
    fn exporter(&self, name: &str, step: usize, and_then: Duration) -> anyhow::Result<Exporter> {
        let spec = self.ground.exporter(name, &self.control_plane, &self.urls.join(","))?;
        Exporter::start_doomed_at(spec.set("cluster_fallback_config_export_delay", "600ms"), step, and_then)
    }

    /// `true` if there was one.
    async fn changes_after_the_first_publication(&self, exporter: &Exporter) -> anyhow::Result<bool> {
        let published = until(BOUND, LOOK_EVERY, "the first publication, or an end", async || {
            Ok((exporter.counted("exported") > 0 || exporter.has_ended()).then_some(()))
        });
        published.await?;
        let changes = exporter.counted("exported") > 0;
        if changes {
            self.control_plane.set_document(document(CHANGED));
        }
        Ok(changes)
    }

    async fn play(&mut self, exporter: &mut Exporter, twice: bool, seed: &mut Seed, counts: &mut Counts) -> anyhow::Result<()> {
        let changed = self.changes_after_the_first_publication(exporter).await?;
        let ended = until(STEP_BOUND, LOOK_EVERY, "the kill", async || Ok(exporter.has_ended().then_some(()))).await;
        exporter.kill_9()?;
        let last = exporter.lines().iter().rev().find_map(|line| line.event.clone()).unwrap_or_default();
        let last = if ended.is_ok() { last } else { "(no such step)".into() };
        *counts.killed_after.entry(last).or_default() += 1;

        let is_gone = seed.once_in(2);
        if is_gone {
            self.control_plane.stop().await?;
            counts.control_plane_gone += 1;
        }
        let owed = owed(exporter)?;
        counts.owed += u32::from(owed.is_some());
        counts.owed_without_control_plane += u32::from(owed.is_some() && is_gone);
        self.nothing_is_torn(exporter).await.context("after the kill")?;

        if twice && seed.once_in(3) {
            exporter.start_doomed(1 + seed.below(6) as usize, seed.millis_below(10))?;
            // Where nothing is left to say, it is killed all the same.
            let _ended = until(3 * LEASE_EXPIRE, LOOK_EVERY, "the second kill", async || Ok(exporter.has_ended().then_some(()))).await;
            exporter.kill_9()?;
            counts.killed_twice += 1;
        }
        exporter.start_again()?;
        if is_gone {
            if let Some(number) = owed {
                self.watch.publishes(number).await.context("what was pending at the kill is lost")?;
            }
            self.control_plane.restart().await?;
        }
        self.watch.publishes(if changed { CHANGED } else { FIRST }).await?;
        self.copied().await?;
        exporter.still_runs()?;
        self.watch.holds_what_was_said([&*exporter]).await?;
        let complaint = exporter.lines().into_iter().find(|line| COMPLAINTS.iter().any(|complaint| line.is(complaint)));
        anyhow::ensure!(complaint.is_none(), "something was torn: {complaint:?}");
        exporter.kill_9()?;
        self.nothing_is_torn(exporter).await.context("at the end")
    }

    /// The further storage tells what the first one does.
    async fn copied(&self) -> anyhow::Result<()> {
        until(BOUND, LOOK_EVERY, "the copy of the head", async || {
            let [first, copy] = [self.eyes[0].head().await?, self.eyes[1].head().await?];
            Ok((first.is_some() && first == copy).then_some(()))
        })
        .await
    }

    /// The storages, the cache and the states, as readers of ours find them.
    async fn nothing_is_torn(&self, exporter: &Exporter) -> anyhow::Result<()> {
        for eyes in &self.eyes {
            whole::storage(eyes).await?;
        }
        whole::disk(&exporter.cache())
    }

    /// And as `holdover verify` finds the storages.
    async fn verified(&self) -> anyhow::Result<()> {
        let [first, copy] = &self.urls;
        let (is_valid, said) = self.ground.command(&["verify", "--storage", first, "--storage", copy]).await?;
        anyhow::ensure!(is_valid, "holdover verify says:\n{said}");
        Ok(())
    }
}

/// The document that is pending on this disk, if the exporter was in office when it came, and knew it.
fn owed(exporter: &Exporter) -> anyhow::Result<Option<u64>> {
    let cache = exporter.cache();
    let Some(state) = whole::state(&cache.join("exporter.state"))? else { return Ok(None) };
    let Ok(pending) = fs::read(cache.join("pending.config")) else { return Ok(None) };
    let (rest, digest) = pending.split_last_chunk::<32>().context("what is pending is torn")?;
    anyhow::ensure!(Digest::of(rest).as_bytes() == digest, "what is pending is torn");
    let (config, session) = rest.split_last_chunk::<8>().context("what is pending is torn")?;
    let number = [FIRST, CHANGED].into_iter().find(|number| document(*number) == config).context("what is pending was never said")?;
    // What came before the office is asked for again, and may lie there a moment longer.
    let before = state.get("tenure").and_then(|tenure| tenure.get("after_session")).and_then(Value::as_u64);
    let came_in_office = before.is_some_and(|before| u64::from_le_bytes(*session) > before);
    let is_resumed = before.is_some() && state.get("resumed").and_then(Value::as_bool) == Some(true);
    Ok(Some(number).filter(|_| came_in_office || is_resumed))
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, steps, killed_after, killed_twice, control_plane_gone, owed, owed_without_control_plane, resumed } = self;
        write!(f, "{rounds} rounds over {steps} steps, {killed_twice} with a second kill: ")?;
        write!(f, "{owed} with something pending, {owed_without_control_plane} of them without a control plane from then on ")?;
        write!(f, "(it was gone in {control_plane_gone}); {resumed} offices taken up again. Killed after: ")?;
        let after: Vec<_> = killed_after.iter().map(|(event, times)| format!("{event} {times}")).collect();
        f.write_str(&after.join(", "))
    }
}
