//! Runs the simulation from the command line: many seeds, one seed with its trace, the mutants, the herd.

// A tool of the tests: what cannot be done ends it with a sentence.
#![allow(clippy::expect_used, clippy::panic)]

use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use holdover_tests::simulation::campaign::{Campaign, Outcome, campaign};
use holdover_tests::simulation::coverage::REASONS;
use holdover_tests::simulation::herd::Herd;
use holdover_tests::simulation::mutation::{Hunted, UNSEEN, hunt, seen};
use holdover_tests::simulation::run::{Recipe, run};
use holdover_tests::simulation::shrink::{essential, shrink};

const HELP: &str = "\
simulate [--seeds N] [--from S] [--threads T] [--coverage] [--stop] [--pass-over INVARIANT]...
    runs seeds S to S+N-1 (default 10000 from 0) and prints the sum over all traces; a failing seed is shrunk
simulate --seed N [--trace] [--mutant NAME]
    runs one seed; with --trace every line of it
simulate --mutants [--seeds N] [--threads T]
    runs every mutant until it is caught, N seeds at most (default 20000)
simulate --herd [--nodes N] [--budget R] [--jitter SECONDS]
    N nodes born within a second (default 10000) against R requests per second (default 2000)";

struct Arguments(Vec<String>);

fn main() -> ExitCode {
    let arguments = Arguments(std::env::args().skip(1).collect());
    if arguments.has("--help") {
        println!("{HELP}");
        ExitCode::SUCCESS
    } else if arguments.has("--mutants") {
        mutants(&arguments)
    } else if arguments.has("--herd") {
        herd(&arguments)
    } else if arguments.has("--seed") {
        one(&arguments)
    } else {
        many(&arguments)
    }
}

fn many(arguments: &Arguments) -> ExitCode {
    let mut asked = Campaign {
        from: arguments.number("--from", 0),
        seeds: arguments.number("--seeds", 10_000),
        threads: arguments.number("--threads", threads()) as usize,
        mutant: arguments.text("--mutant").map(|name| format!("mutant:{name}")).unwrap_or_default(),
        passing_over: arguments.texts("--pass-over"),
        stops: arguments.has("--stop"),
    };
    // Before it begins: the tree may be another one when it ends.
    let commit = commit();
    let outcome = campaign(&asked);
    say(&asked, &outcome, &commit);
    if arguments.has("--coverage") {
        println!("\n{}", outcome.coverage.table());
        REASONS.iter().for_each(|(letter, why)| println!("{letter}: {why}"));
        let unexplained = outcome.coverage.unexplained();
        let cells: Vec<String> = unexplained.iter().map(|(fault, situation)| format!("{} × {}", fault.name(), situation.name())).collect();
        println!("{} cells are empty and not explained: {}", cells.len(), cells.join(", "));
    }
    let first = outcome.violations.values().map(|(_, seed, _)| *seed).min();
    let Some(seed) = first else { return ExitCode::SUCCESS };
    asked.from = seed;
    tell(&Recipe { seed, passing_over: asked.passing_over.clone(), ..Recipe::default() }, &asked.mutant);
    ExitCode::FAILURE
}

fn say(asked: &Campaign, outcome: &Outcome, commit: &str) {
    let (seeds, seconds) = (outcome.seeds, outcome.seconds.max(0.001));
    println!("commit   {commit}");
    println!("seeds    {seeds} from {} in {seconds:.1} s on {} threads: {:.0} seeds/s", asked.from, asked.threads, seeds as f64 / seconds);
    println!("time     {:.0} simulated node-hours: {:.0} per second", outcome.node_hours, outcome.node_hours / seconds);
    println!(
        "work     {} publications, {} configurations applied, {} faults at calls",
        outcome.publications, outcome.applications, outcome.faults
    );
    println!("sum      {:016x}", outcome.sum);
    for (invariant, (times, seed, detail)) in &outcome.violations {
        println!("VIOLATED {times} times: {invariant}, first in seed {seed}: {detail}");
    }
}

fn one(arguments: &Arguments) -> ExitCode {
    let mutant = arguments.text("--mutant").map(|name| format!("mutant:{name}")).unwrap_or_default();
    let passing_over = arguments.texts("--pass-over");
    let recipe = Recipe { seed: arguments.number("--seed", 0), readable: arguments.has("--trace"), passing_over, ..Recipe::default() };
    holdover_plugin::mutants::choose(&mutant);
    let run = run(&recipe);
    for line in &run.lines {
        println!("{line}");
    }
    println!(
        "seed {} took {:.3} virtual seconds and {} entries; its sum is {:016x}",
        recipe.seed,
        run.lasted.as_secs_f64(),
        run.entries,
        run.sum
    );
    match run.violation {
        None => ExitCode::SUCCESS,
        Some(_) => {
            tell(&recipe, &mutant);
            ExitCode::FAILURE
        }
    }
}

/// A failing seed, how to see it again, and its story.
fn tell(recipe: &Recipe, mutant: &str) {
    holdover_plugin::mutants::choose(mutant);
    let Some(shrunk) = shrink(&Recipe { readable: false, ..recipe.clone() }, 600) else { return };
    println!("\nseed {} fails. Again, with every line:", recipe.seed);
    let with = mutant.strip_prefix("mutant:").map(|name| format!(" --mutant {name}")).unwrap_or_default();
    println!("    cargo run --release -p holdover-tests --bin simulate -- --seed {} --trace{with}", recipe.seed);
    println!(
        "shrunk in {} runs to {} faults, {} planned acts, {} importers, {} exporters, {} storages, {:.0} s:\n",
        shrunk.runs,
        shrunk.run.struck.len(),
        shrunk.run.acts.len(),
        shrunk.run.importers,
        shrunk.run.exporters,
        shrunk.run.storages,
        shrunk.run.lasted.as_secs_f64()
    );
    for line in essential(&shrunk.run.lines, 60) {
        println!("{line}");
    }
}

fn mutants(arguments: &Arguments) -> ExitCode {
    let seeds_max = arguments.number("--seeds", 20_000);
    let wanted: Vec<_> = seen().filter(|(name, _)| arguments.text("--mutant").is_none_or(|only| only == name)).collect();
    let (next, hunted) = (AtomicUsize::new(0), Mutex::new(Vec::<Hunted>::new()));
    std::thread::scope(|scope| {
        for _ in 0..arguments.number("--threads", threads()) {
            scope.spawn(|| {
                while let Some((name, mutant)) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = hunt(name, *mutant, arguments.number("--from", 0), seeds_max, &arguments.texts("--pass-over"));
                    eprintln!("{name}: {:?}", found.caught.as_ref().map(|caught| (caught.seeds, caught.invariant)));
                    hunted.lock().expect("no thread panics").push(found);
                }
            });
        }
    });
    let mut hunted = hunted.into_inner().expect("no thread panics");
    hunted.sort_by_key(|hunted| wanted.iter().position(|(name, _)| *name == hunted.name));
    println!("| rule | mutant | seeds until caught | invariant |\n|---|---|---:|---|");
    let mut missed = 0;
    for Hunted { name, mutant, caught } in &hunted {
        match caught {
            Some(caught) => println!("| {name} | {mutant:?} | {} | `{}` |", caught.seeds, caught.invariant),
            None => {
                missed += 1;
                println!("| {name} | {mutant:?} | not in {seeds_max} | |");
            }
        }
    }
    for (name, why) in UNSEEN {
        println!("| {name} | | not seen here | {why} |");
    }
    println!("\n{} of {} are caught.", hunted.len() - missed, hunted.len());
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn herd(arguments: &Arguments) -> ExitCode {
    let herd = Herd {
        nodes: arguments.number("--nodes", 10_000) as usize,
        budget_per_s: arguments.number("--budget", 2_000) as u32,
        jitter: Duration::from_secs(arguments.number("--jitter", 0)),
        seed: arguments.number("--from", 1),
    };
    let seen = herd.run();
    println!(
        "{} nodes within a second, {} requests per second allowed, first fetch jitter {:?}",
        herd.nodes, herd.budget_per_s, herd.jitter
    );
    println!("peak     {} requests/s; by second: {:?}", seen.peak_per_s, seen.per_s.iter().take(30).collect::<Vec<_>>());
    println!("requests {} in all, {} of them told to slow down", seen.requests, seen.refused);
    println!(
        "serving  {} of {}: half after {:.2} s, 99 % after {:.2} s, all after {:.2} s",
        seen.serving,
        herd.nodes,
        seen.p50.as_secs_f64(),
        seen.p99.as_secs_f64(),
        seen.all.as_secs_f64()
    );
    println!("formula  nodes × 2 / budget = {:.2} s at least", herd.least().as_secs_f64());
    if seen.serving == herd.nodes { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn threads() -> u64 {
    std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64)
}

/// As git tells it, if it can.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned()).filter(|_| output.status.success())
    };
    let changed = git(&["status", "--porcelain"]).is_some_and(|changes| !changes.is_empty());
    match git(&["rev-parse", "--short=12", "HEAD"]) {
        Some(commit) if changed => format!("{commit}, with changes"),
        Some(commit) => commit,
        None => "unknown".into(),
    }
}

impl Arguments {
    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|argument| argument == name)
    }

    fn text(&self, name: &str) -> Option<&String> {
        let at = self.0.iter().position(|argument| argument == name)?;
        self.0.get(at + 1)
    }

    fn texts(&self, name: &str) -> Vec<String> {
        self.0.windows(2).filter(|pair| pair[0] == name).map(|pair| pair[1].clone()).collect()
    }

    fn number(&self, name: &str, default: u64) -> u64 {
        match self.text(name) {
            None => default,
            Some(text) => text.replace('_', "").parse().unwrap_or_else(|_| panic!("{name} {text}: give a whole number")),
        }
    }
}
