//! The stories of tests/fenced.rs at any length, for as long as somebody wants to watch:
//! `cargo run -p holdover-tests --bin fence -- rounds --rounds 200 --store seaweedfs --exporters 3 --seed 1`.
//!
//! Prints what was counted. Ends with 1 and the first violation when there is one.

#[path = "fenced/chronicle.rs"]
mod chronicle;
#[path = "fenced/exporter.rs"]
mod exporter;
#[path = "fenced/ground.rs"]
mod ground;
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

use std::process::ExitCode;
use std::time::Instant;

use ground::StoreKind;
use kills::Kills;
use rounds::Rounds;
use volume::Volume;

const USAGE: &str =
    "fence rounds|kills|volume [--rounds N] [--store embedded|seaweedfs] [--exporters 2|3] [--seed S] [--twice] [--break-if-match]
  rounds  exporters are killed, stopped past their lease and continued while the control plane changes (200 rounds)
  kills   one exporter is killed at each line of its log (100 rounds)
  volume  one exporter at the control plane, one at a gateway (100 changes)
  --twice  kills: every third time the next process is killed on its way, too
  --break-if-match  rounds: the embedded storage ignores If-Match once an exporter was elected; this must fail";

struct Asked {
    story: String,
    rounds: Option<u32>,
    store: StoreKind,
    exporters: usize,
    seed: u64,
    twice: bool,
    breaks: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let asked = match asked(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(why) => {
            eprintln!("{why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let began = Instant::now();
    let ended = tell(&asked).await;
    let seconds = began.elapsed().as_secs();
    match ended {
        Ok(counts) => {
            println!("{}, {:?}, seed {}, {seconds} s: {counts}", asked.story, asked.store, asked.seed);
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{}, {:?}, seed {}, {seconds} s: {failure:#}", asked.story, asked.store, asked.seed);
            ExitCode::FAILURE
        }
    }
}

async fn tell(asked: &Asked) -> anyhow::Result<String> {
    let Asked { rounds, store, exporters, seed, twice, breaks, .. } = *asked;
    Ok(match asked.story.as_str() {
        "rounds" => rounds::run(&Rounds { store, exporters, rounds: rounds.unwrap_or(200), seed, breaks }).await?.to_string(),
        "kills" => kills::run(&Kills { store, rounds: rounds.unwrap_or(100), seed, twice }).await?.to_string(),
        _ => volume::run(&Volume { store, changes: rounds.unwrap_or(100), seed }).await?.to_string(),
    })
}

fn asked(mut arguments: impl Iterator<Item = String>) -> Result<Asked, String> {
    let story = arguments.next().filter(|story| ["rounds", "kills", "volume"].contains(&story.as_str())).ok_or("which story?")?;
    let mut asked = Asked { story, rounds: None, store: StoreKind::Embedded, exporters: 2, seed: 1, twice: false, breaks: false };
    while let Some(flag) = arguments.next() {
        match flag.as_str() {
            "--twice" => asked.twice = true,
            "--break-if-match" => asked.breaks = true,
            _ => valued(&mut asked, &flag, arguments.next())?,
        }
    }
    Ok(asked)
}

fn valued(asked: &mut Asked, flag: &str, value: Option<String>) -> Result<(), String> {
    let value = value.ok_or_else(|| format!("{flag} needs a value"))?;
    let number = || value.parse::<u64>().map_err(|_| format!("{flag} {value}: write a number"));
    match (flag, value.as_str()) {
        ("--rounds", _) => asked.rounds = Some(number()?.try_into().map_err(|_| format!("{flag} {value}: too many"))?),
        ("--seed", _) => asked.seed = number()?,
        ("--exporters", "2") => asked.exporters = 2,
        ("--exporters", "3") => asked.exporters = 3,
        ("--store", "embedded") => asked.store = StoreKind::Embedded,
        ("--store", "seaweedfs") => asked.store = StoreKind::SeaweedFs,
        (flag, value) => return Err(format!("{flag} {value} is not known")),
    }
    Ok(())
}
