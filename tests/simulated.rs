//! The simulation within `cargo test`: some seconds of seeds, the mutants that are caught soonest, a replay, a shrunk story, a herd.
//! docs/reliability.md says how to run more.

// A test stops at the first thing that is not as it says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use holdover_plugin::mutants::{Mutant, choose};
use holdover_tests::simulation::campaign::{Campaign, campaign};
use holdover_tests::simulation::herd::Herd;
use holdover_tests::simulation::mutation::{UNSEEN, hunt, seen};
use holdover_tests::simulation::run::{Recipe, run};
use holdover_tests::simulation::shrink::{essential, shrink};

/// Fixed, so that what passes today passes tomorrow; the campaigns of docs/reliability.md begin elsewhere.
const FIRST_SEED: u64 = 7_000_000;
const SEEDS: u64 = 150;

#[test]
fn no_seed_breaks_an_invariant() {
    let asked = Campaign { from: FIRST_SEED, seeds: SEEDS, threads: 2, mutant: String::new(), passing_over: Vec::new(), stops: false };
    let outcome = campaign(&asked);
    assert_eq!(outcome.seeds, SEEDS);
    assert!(outcome.publications > SEEDS && outcome.applications > SEEDS && outcome.faults > SEEDS, "something happened");
    let found: Vec<String> = outcome
        .violations
        .iter()
        .map(|(invariant, (times, seed, detail))| {
            let again = format!("cargo run --release -p holdover-tests --bin simulate -- --seed {seed} --trace");
            format!("\n  {times} times {invariant}: {detail}\n    {again}")
        })
        .collect();
    assert!(found.is_empty(), "{}", found.concat());
}

#[test]
fn a_seed_is_the_same_run_to_the_last_byte_of_its_trace() {
    for seed in [1, 12, 123] {
        let recipe = |readable| Recipe { seed: FIRST_SEED + seed, readable, ..Recipe::default() };
        let (first, second, unread) = (run(&recipe(true)), run(&recipe(true)), run(&recipe(false)));
        assert!(first.entries > 50, "seed {seed} is no empty story");
        assert_eq!(first.lines, second.lines);
        assert_eq!((first.sum, first.entries), (second.sum, second.entries));
        assert_eq!(first.sum, unread.sum, "reading along changes nothing");
    }
}

#[test]
fn the_sum_of_a_campaign_is_the_same_over_any_number_of_threads() {
    let of = |threads| {
        campaign(&Campaign { from: FIRST_SEED, seeds: 40, threads, mutant: String::new(), passing_over: Vec::new(), stops: false })
    };
    assert_eq!(of(1).sum, of(3).sum);
}

#[test]
fn the_mutants_that_show_soonest_are_caught() {
    // All of them: `simulate --mutants`.
    let quick = [
        "boot-01",
        "boot-02",
        "boot-03",
        "boot-04",
        "boot-05",
        "boot-08",
        "boot-09",
        "boot-10",
        "boot-11",
        "boot-14",
        "export-03",
        "export-04",
        "export-05",
        "export-06-lease",
        "export-06-epoch",
        "export-08",
        "export-09",
        "export-10",
        "export-15-order",
    ];
    let wanted: Vec<(&str, Mutant)> = seen().filter(|(name, _)| quick.contains(name)).collect();
    assert_eq!(wanted.len(), quick.len(), "every name is one of a mutant");
    for (name, mutant) in wanted {
        let hunted = hunt(name, mutant, FIRST_SEED, 150, &[]);
        assert!(hunted.caught.is_some(), "{name} ({mutant:?}) passes 150 seeds");
    }
}

#[test]
fn every_mutant_is_hunted_or_has_a_reason_not_to_be() {
    assert_eq!(seen().count() + UNSEEN.len(), Mutant::ALL.len());
    assert!(seen().count() >= 25);
}

#[test]
fn a_failing_seed_is_shrunk_to_a_story_that_can_be_read() {
    let hunted = hunt("export-08", Mutant::MovesTheHeadFirst, FIRST_SEED, 50, &[]);
    let caught = hunted.caught.expect("it is caught at once");
    choose("mutant:export-08");
    let whole = run(&Recipe { seed: caught.seed, ..Recipe::default() });
    let shrunk = shrink(&Recipe { seed: caught.seed, ..Recipe::default() }, 200);
    choose("");
    let shrunk = shrunk.expect("it fails again");
    let violation = shrunk.run.violation.as_ref().expect("the smallest one fails, too");
    assert_eq!(violation.invariant, caught.invariant);
    assert!(shrunk.run.struck.len() + shrunk.run.acts.len() <= whole.struck.len() + whole.acts.len());
    let story = essential(&shrunk.run.lines, 60);
    assert!(story.len() <= 60, "{} lines", story.len());
    assert!(story.last().is_some_and(|line| line.contains("VIOLATION")), "the story ends with what went wrong");
}

#[test]
fn a_thousand_nodes_born_in_one_second_all_serve_and_their_rush_ebbs() {
    let herd = Herd { nodes: 1_000, budget_per_s: 300, jitter: Duration::ZERO, seed: 1 };
    let seen = herd.run();
    assert_eq!(seen.serving, herd.nodes);
    assert!(seen.refused > 0, "the budget is smaller than the rush");
    assert!(seen.all >= herd.least(), "no faster than the storage allows");
    assert!(seen.all < herd.least() * 8, "{:?} for {:?} at least", seen.all, herd.least());
    let peak_at = seen.per_s.iter().position(|count| *count == seen.peak_per_s).unwrap();
    let later = seen.per_s.iter().skip(peak_at + 4).max().copied().unwrap_or_default();
    assert!(later < seen.peak_per_s / 2, "backing off lowers the peak: {:?}", seen.per_s);
}

#[test]
fn a_jitter_on_the_first_fetch_takes_the_peak_away() {
    let of = |jitter| Herd { nodes: 1_000, budget_per_s: 300, jitter, seed: 1 }.run();
    let (rush, spread) = (of(Duration::ZERO), of(Duration::from_secs(10)));
    assert_eq!(spread.serving, 1_000);
    assert!(spread.peak_per_s < rush.peak_per_s / 2, "{} and {}", spread.peak_per_s, rush.peak_per_s);
    assert!(spread.refused < rush.refused);
}
