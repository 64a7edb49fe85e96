//! Makes a failing seed small: fewer kinds of faults, fewer faults, fewer planned acts, fewer actors, less time, for as long as the
//! same invariant fails.

use std::collections::BTreeSet;
use std::time::Duration;

use super::faults::{Fault, Struck};
use super::run::{Recipe, Run, run};

/// A failing recipe that is as small as this many runs could make it.
pub struct Shrunk {
    pub recipe: Recipe,
    pub run: Run,
    pub runs: u32,
}

struct Shrinker {
    invariant: &'static str,
    best: Recipe,
    found: Run,
    runs: u32,
    runs_max: u32,
}

/// `None`: the recipe does not fail.
pub fn shrink(recipe: &Recipe, runs_max: u32) -> Option<Shrunk> {
    let found = run(recipe);
    let invariant = found.violation.as_ref()?.invariant;
    let mut shrinker = Shrinker { invariant, best: recipe.clone(), found, runs: 1, runs_max };
    shrinker.name_everything();
    loop {
        let before = (shrinker.runs, shrinker.size());
        shrinker.without_kinds();
        shrinker.fewer_faults();
        shrinker.fewer_acts();
        shrinker.fewer_actors();
        shrinker.less_time();
        if shrinker.size() >= before.1 || shrinker.runs >= shrinker.runs_max {
            break;
        }
    }
    let recipe = Recipe { readable: true, ..shrinker.best };
    let run = run(&recipe);
    Some(Shrunk { recipe, run, runs: shrinker.runs })
}

impl Shrinker {
    fn size(&self) -> (usize, usize, usize, u64) {
        let actors = self.found.importers + self.found.exporters + self.found.storages + usize::from(self.found.janitor);
        (self.found.struck.len() + self.found.acts.len(), actors, self.found.lasted.as_secs() as usize, self.found.entries)
    }

    /// Keeps the change if the same invariant still fails.
    fn attempt(&mut self, change: impl FnOnce(&mut Recipe)) -> bool {
        if self.runs >= self.runs_max {
            return false;
        }
        let mut recipe = self.best.clone();
        change(&mut recipe);
        self.runs += 1;
        let found = run(&recipe);
        let fails = found.violation.as_ref().is_some_and(|violation| violation.invariant == self.invariant);
        if fails {
            (self.best, self.found) = (recipe, found);
        }
        fails
    }

    /// From rates to a list: these faults, these acts, nothing else.
    fn name_everything(&mut self) {
        let (struck, acts) = (self.found.struck.iter().copied().collect(), self.found.acts.iter().copied().collect());
        self.attempt(|recipe| {
            recipe.allowed.only = Some(struck);
            recipe.cut.acts = Some(acts);
        });
    }

    fn without_kinds(&mut self) {
        let kinds: BTreeSet<Fault> = self.found.struck.iter().map(|struck| struck.fault).collect();
        for kind in kinds {
            self.attempt(|recipe| {
                if let Some(only) = &mut recipe.allowed.only {
                    only.retain(|struck| struck.fault != kind);
                }
            });
        }
    }

    fn fewer_faults(&mut self) {
        let all: Vec<Struck> = self.found.struck.clone();
        self.fewer(&all, |recipe, left| recipe.allowed.only = Some(left.iter().copied().collect()));
    }

    fn fewer_acts(&mut self) {
        let all: Vec<usize> = self.found.acts.clone();
        self.fewer(&all, |recipe, left| recipe.cut.acts = Some(left.iter().copied().collect()));
    }

    /// Takes away halves, then quarters, down to single ones.
    fn fewer<T: Copy + PartialEq>(&mut self, all: &[T], set: impl Fn(&mut Recipe, &[T])) {
        let mut left = all.to_vec();
        let mut size = left.len().div_ceil(2);
        while size > 0 && !left.is_empty() {
            let mut at = 0;
            while at < left.len() {
                let fewer: Vec<T> =
                    left.iter().enumerate().filter(|(nth, _)| *nth < at || *nth >= at + size).map(|(_, one)| *one).collect();
                if self.attempt(|recipe| set(recipe, &fewer)) { left = fewer } else { at += size }
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
    }

    fn fewer_actors(&mut self) {
        while self.found.importers > 0 && self.attempt_actors(|found| found.importers -= 1) {}
        while self.found.exporters > 0 && self.attempt_actors(|found| found.exporters -= 1) {}
        while self.found.storages > 1 && self.attempt_actors(|found| found.storages -= 1) {}
        if self.found.janitor {
            self.attempt(|recipe| recipe.cut.janitor = Some(false));
        }
    }

    fn attempt_actors(&mut self, fewer: impl FnOnce(&mut Actors)) -> bool {
        let mut actors = Actors { importers: self.found.importers, exporters: self.found.exporters, storages: self.found.storages };
        fewer(&mut actors);
        self.attempt(|recipe| {
            recipe.cut.importers = Some(actors.importers);
            recipe.cut.exporters = Some(actors.exporters);
            recipe.cut.storages = Some(actors.storages);
        })
    }

    fn less_time(&mut self) {
        let mut length = self.best.cut.length.unwrap_or(self.found.lasted).min(self.found.lasted) / 2;
        for _ in 0..6 {
            if !self.attempt(|recipe| recipe.cut.length = Some(length.max(Duration::from_secs(1)))) {
                length += length / 2;
            } else {
                length /= 2;
            }
        }
    }
}

struct Actors {
    importers: usize,
    exporters: usize,
    storages: usize,
}

/// What a person needs of a trace: without the probe, the files that were kept, and looks that found nothing new.
pub fn essential(lines: &[String], lines_max: usize) -> Vec<String> {
    const NOISE: [&str; 11] = [
        "control-plane-tried",
        " unanswered ",
        "holdover/probe/",
        " keeps  ",
        " get  ",
        "holdover/lease →",
        "holdover/head → written",
        "cache-kept",
        "rung-empty",
        "config-settled",
        "config-applied",
    ];
    let mut kept: Vec<String> = lines
        .iter()
        .filter(|line| !NOISE.iter().any(|noise| line.contains(noise)) && !is_renewal(line))
        .map(|line| line.chars().take(200).collect())
        .collect();
    if kept.len() > lines_max {
        let (first, last) = (lines_max / 4, lines_max - lines_max / 4 - 1);
        let left_out = kept.len() - first - last;
        let tail = kept.split_off(kept.len() - last);
        kept.truncate(first);
        kept.push(format!("{:>12}  … {left_out} lines …", ""));
        kept.extend(tail);
    }
    kept
}

/// The first renewals say who leads; the rest say the same.
fn is_renewal(line: &str) -> bool {
    line.contains(" leases ") && !line.ends_with("renewal 1") && !line.contains("given back")
}
