//! An exporter beside the control plane and one beside a gateway, on one volume (export-07): they cannot undo each other, and the one that
//! does not lead stands by and says who does.

use std::fmt;

use anyhow::Context;
use serde_json::Value;

use crate::exporter::{Exporter, ExporterSpec};
use crate::ground::{LEASE_EXPIRE, StoreKind};
use crate::seed::Seed;
use crate::team::Team;

const SIDES: [&str; 2] = ["cp-side", "node-side"];

pub struct Volume {
    pub store: StoreKind,
    pub changes: u32,
    pub seed: u64,
}

#[derive(Debug)]
pub struct Counts {
    pub changes: u64,
    pub publishes: usize,
    pub elections: usize,
    pub heads_seen: u64,
    pub standby_said: String,
}

pub async fn run(options: &Volume) -> anyhow::Result<Counts> {
    let mut team = Team::start(options.store, &SIDES, equipped).await?;
    let ended = play(&mut team, options).await;
    let standby_said = ended.map_err(|violation| anyhow::anyhow!("{violation:#}\n{}", team.said_last()))?;
    Ok(Counts {
        changes: team.said(),
        publishes: team.counted("exported"),
        elections: team.counted("office-taken"),
        heads_seen: team.watch.heads(),
        standby_said,
    })
}

async fn play(team: &mut Team, options: &Volume) -> anyhow::Result<String> {
    team.watch.publishes(0).await?;
    let mut seed = Seed::new(options.seed);
    for change in 1..=options.changes {
        let said = team.say_next();
        match change % 5 {
            0 => team.watch.publishes(said).await?,
            _ => tokio::time::sleep(seed.millis_below(250)).await,
        }
        if change == options.changes / 2 {
            change_sides(team).await?;
        }
    }
    team.comes_to_rest().await?;
    standby_says_who_leads(team).await
}

/// The one that leads is gone for longer than its lease, and stands by when it comes back.
async fn change_sides(team: &mut Team) -> anyhow::Result<()> {
    standby_says_who_leads(team).await?;
    let before = team.leader().await.context("somebody leads")?;
    team.exporters[before].kill_9()?;
    let after = team.leader_other_than(before).await?;
    tokio::time::sleep(LEASE_EXPIRE).await;
    team.exporters[before].start_again()?;
    let said = team.say_next();
    team.watch.publishes(said).await?;
    standby_says_who_leads(team).await?;
    anyhow::ensure!(team.leader().await == Some(after), "the one that came back took office from the one that leads");
    Ok(())
}

/// On its status page, and in the sentences of `why`.
async fn standby_says_who_leads(team: &Team) -> anyhow::Result<String> {
    let leader = team.leader().await.context("somebody leads")?;
    let (leads, stands_by) = (&team.exporters[leader], &team.exporters[1 - leader]);
    let leading = format!("'{}' leads", leads.name());
    office(leads, "leader", "").await?;
    let reason = office(stands_by, "standby", &leading).await?;
    let why = stands_by.json("/why").await?;
    let sentences: Vec<&str> = why["sentences"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let told = sentences.iter().any(|sentence| sentence.contains("stands by") && sentence.contains(&leading));
    anyhow::ensure!(told, "`why` of {} does not say that {leading}: {sentences:?}", stands_by.name());
    anyhow::ensure!(reason.contains("epoch"), "{reason}");
    Ok(reason)
}

async fn office(exporter: &Exporter, kind: &str, part: &str) -> anyhow::Result<String> {
    let what = format!("the office '{kind}' with '{part}' of {}", exporter.name());
    let shown = exporter.shows(&what, |status| {
        let office = status.pointer("/export/office")?;
        let reason = office["reason"].as_str().unwrap_or_default();
        (office["kind"] == kind && reason.contains(part)).then(|| reason.to_owned())
    });
    shown.await
}

fn equipped(name: &str, spec: ExporterSpec) -> ExporterSpec {
    let role = if name == SIDES[0] { "control_plane" } else { "data_plane" };
    spec.set("role", role)
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { changes, publishes, elections, heads_seen, standby_said } = self;
        write!(
            f,
            "{changes} changes: {publishes} publications, {elections} elections, {heads_seen} heads seen; the standby says: {standby_said}"
        )
    }
}
