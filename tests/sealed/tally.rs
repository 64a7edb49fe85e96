//! Tries damaged bytes one after the other, on every core, and counts what came of each: which reason, a panic, or that it was taken.

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use holdover_plugin::snapshot::Refusal;
use holdover_plugin::witness::{self, Passed};

#[derive(Debug, Default)]
pub struct Tally {
    pub reasons: BTreeMap<&'static str, u64>,
    /// Where it was taken, as if nothing had been done to it.
    pub taken: Vec<String>,
    pub panics: Vec<String>,
    /// The stations that refused bytes came to, all together.
    pub passed: Passed,
}

/// A reader: what it says of a file.
pub trait Reader: Fn(&[u8]) -> Result<(), Refusal> + Sync {}
impl<R: Fn(&[u8]) -> Result<(), Refusal> + Sync> Reader for R {}

/// Each bit of the file, flipped alone.
pub fn flips(file: &[u8], read: impl Reader) -> Tally {
    flips_mended(file, 0..file.len(), |_| {}, read)
}

/// Each bit of a part, flipped alone; and then somebody mends what they can.
pub fn flips_mended(file: &[u8], part: Range<usize>, mend: impl Fn(&mut [u8]) + Sync, read: impl Reader) -> Tally {
    on_every_core(part, |range| {
        let mut tally = Tally::default();
        let mut damaged = file.to_vec();
        for at in range {
            for bit in 0..8 {
                damaged[at] ^= 1 << bit;
                mend(&mut damaged);
                tally.count(&read, &damaged, || format!("bit {bit} of byte {at}"));
                damaged[at] ^= 1 << bit;
            }
        }
        tally
    })
}

/// Each length from nothing to all but the last byte.
pub fn truncations(file: &[u8], read: impl Reader) -> Tally {
    on_every_core(0..file.len(), |range| {
        let mut tally = Tally::default();
        for len in range {
            tally.count(&read, &file[..len], || format!("the first {len} bytes"));
        }
        tally
    })
}

fn on_every_core(range: Range<usize>, try_some: impl Fn(Range<usize>) -> Tally + Sync) -> Tally {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let share = range.len().div_ceil(cores).max(1);
    thread::scope(|scope| {
        let shares = range.clone().step_by(share).map(|from| from..range.end.min(from + share));
        let threads: Vec<_> = shares.map(|share| scope.spawn(|| try_some(share))).collect();
        threads.into_iter().fold(Tally::default(), |tally, thread| tally.with(thread.join().unwrap()))
    })
}

impl Tally {
    pub fn tried(&self) -> u64 {
        self.reasons.values().sum::<u64>() + (self.taken.len() + self.panics.len()) as u64
    }

    /// Every try was refused with a reason, and none panicked.
    pub fn assert_all_refused(&self, tried: usize, what: &str) {
        assert!(self.panics.is_empty(), "{what}: {} panicked, {:?}", self.panics.len(), self.panics.first());
        assert!(self.taken.is_empty(), "{what}: {} were taken, {:?}", self.taken.len(), self.taken.first());
        assert_eq!(self.tried(), tried as u64, "{what}");
    }

    pub fn print(&self, what: &str) {
        let reasons: Vec<String> = self.reasons.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        println!("{what:<44} {:>7} refused: {}", self.tried(), reasons.join(", "));
    }

    fn count(&mut self, read: &impl Reader, damaged: &[u8], which: impl Fn() -> String) {
        witness::take();
        match catch_unwind(AssertUnwindSafe(|| read(damaged))) {
            Ok(Ok(())) => self.taken.push(which()),
            Ok(Err(refusal)) => {
                *self.reasons.entry(refusal.reason()).or_default() += 1;
                self.passed = sum(self.passed, witness::take());
            }
            Err(_) => self.panics.push(which()),
        }
    }

    fn with(mut self, other: Self) -> Self {
        for (reason, count) in other.reasons {
            *self.reasons.entry(reason).or_default() += count;
        }
        self.taken.extend(other.taken);
        self.panics.extend(other.panics);
        self.passed = sum(self.passed, other.passed);
        self
    }
}

fn sum(one: Passed, other: Passed) -> Passed {
    Passed { parse: one.parse + other.parse, open: one.open + other.open, validate: one.validate + other.validate }
}
