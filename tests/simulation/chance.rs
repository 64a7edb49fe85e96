//! Chance from a seed. Every stream is drawn from the seed and a name, so that what one part draws changes nothing for another.

use std::time::Duration;

/// A stream of numbers (SplitMix64).
#[derive(Clone, Debug)]
pub struct Chance {
    state: u64,
}

impl Chance {
    pub fn of(seed: u64, stream: u64) -> Self {
        Self { state: mix(seed ^ mix(stream)) }
    }

    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// From 0 up to and without `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end.max(1)
    }

    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    pub fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last.saturating_sub(first) + 1)
    }

    /// True in `percent` of all cases.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn duration(&mut self, least: Duration, most: Duration) -> Duration {
        Duration::from_micros(self.between(least.as_micros() as u64, most.as_micros() as u64))
    }

    /// Small ones as likely as large ones: even over the orders of magnitude.
    pub fn magnitude(&mut self, least: Duration, most: Duration) -> Duration {
        let (least, most) = (least.as_micros().max(1) as f64, most.as_micros().max(1) as f64);
        let share = self.below(1 << 20) as f64 / (1u64 << 20) as f64;
        Duration::from_micros((least * (most / least).powf(share)) as u64)
    }

    pub fn of_these<T: Copy>(&mut self, these: &[T]) -> T {
        these[self.index(these.len())]
    }
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// One number out of another, with every bit of it felt.
pub fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(GOLDEN);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// Adds to a running sum; the order counts.
pub fn fold(sum: u64, number: u64) -> u64 {
    mix(sum.rotate_left(23) ^ number)
}

pub fn fold_bytes(mut sum: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        sum = fold(sum, u64::from_le_bytes(*word));
    }
    let last = rest.iter().fold(rest.len() as u64, |number, byte| (number << 8) | u64::from(*byte));
    fold(sum, last)
}
