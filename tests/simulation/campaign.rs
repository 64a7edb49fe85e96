//! Many seeds over several threads. What a seed does depends on nothing but the seed, so the sum over all of them is one number
//! whatever the threads were.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::chance::fold;
use super::coverage::Coverage;
use super::run::{Recipe, Run, run};

/// Which seeds, and how.
pub struct Campaign {
    pub from: u64,
    pub seeds: u64,
    pub threads: usize,
    /// `mutant:<name>`, or nothing.
    pub mutant: String,
    pub passing_over: Vec<String>,
    /// It ends with the first seed that fails.
    pub stops: bool,
}

#[derive(Default)]
pub struct Outcome {
    pub seeds: u64,
    /// Over the sums of all seeds, in their order.
    pub sum: u64,
    pub node_hours: f64,
    pub seconds: f64,
    pub coverage: Coverage,
    pub publications: u64,
    pub applications: u64,
    pub faults: u64,
    /// By invariant: how often, and the first seed with what it said.
    pub violations: BTreeMap<&'static str, (u64, u64, String)>,
}

/// Seeds that a thread takes at a time.
const BATCH: u64 = 16;

pub fn campaign(asked: &Campaign) -> Outcome {
    let began = Instant::now();
    let next = AtomicU64::new(0);
    let gathered = Mutex::new((Outcome::default(), BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..asked.threads.max(1) {
            scope.spawn(|| work(asked, &next, &gathered));
        }
    });
    let (mut outcome, sums) = gathered.into_inner().expect("no thread panics");
    outcome.sum = sums.values().fold(0, |sum, of_seed| fold(sum, *of_seed));
    outcome.seconds = began.elapsed().as_secs_f64();
    outcome
}

fn work(asked: &Campaign, next: &AtomicU64, gathered: &Mutex<(Outcome, BTreeMap<u64, u64>)>) {
    holdover_plugin::mutants::choose(&asked.mutant);
    loop {
        let batch = next.fetch_add(BATCH, Ordering::Relaxed);
        if batch >= asked.seeds {
            break;
        }
        for nth in batch..(batch + BATCH).min(asked.seeds) {
            let seed = asked.from + nth;
            let run = run(&Recipe { seed, passing_over: asked.passing_over.clone(), ..Recipe::default() });
            let stops = asked.stops && run.violation.is_some();
            gathered.lock().expect("no thread panics").take_in(seed, run);
            if stops {
                next.store(asked.seeds, Ordering::Relaxed);
                return;
            }
        }
    }
}

trait TakesIn {
    fn take_in(&mut self, seed: u64, run: Run);
}

impl TakesIn for (Outcome, BTreeMap<u64, u64>) {
    fn take_in(&mut self, seed: u64, run: Run) {
        let (outcome, sums) = self;
        sums.insert(seed, run.sum);
        outcome.seeds += 1;
        outcome.node_hours += run.node_time.as_secs_f64() / 3600.0;
        outcome.coverage.add(&run.coverage);
        outcome.publications += run.publications;
        outcome.applications += run.applications;
        outcome.faults += run.struck.len() as u64;
        if let Some(violation) = run.violation {
            let known = outcome.violations.entry(violation.invariant).or_insert((0, seed, violation.detail.clone()));
            known.0 += 1;
            if seed < known.1 {
                (known.1, known.2) = (seed, violation.detail);
            }
        }
    }
}
