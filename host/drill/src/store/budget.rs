//! So many requests in a second and no more, as a storage that protects itself counts them.

use std::time::Duration;

use tokio::time::Instant;

/// What nobody asked for is saved up this long, so that no second sees much more than the budget.
const SAVED_MAX: Duration = Duration::from_millis(100);

/// A token bucket, told as the moment until which what was granted is paid for.
#[derive(Debug)]
pub(super) struct Budget {
    price: Duration,
    paid_until: Instant,
}

impl Budget {
    /// `None` for a budget of 0: whoever wants a store that answers nothing stops it.
    pub fn of(requests_per_second: u32, now: Instant) -> Option<Self> {
        let price = Duration::from_secs(1).checked_div(requests_per_second)?;
        Some(Self { price, paid_until: now })
    }

    /// Whether one more request is within the budget. One that is not costs nothing.
    pub fn grants(&mut self, now: Instant) -> bool {
        let paid_until = self.paid_until.max(now) + self.price;
        let granted = paid_until.duration_since(now) <= SAVED_MAX.max(self.price);
        if granted {
            self.paid_until = paid_until;
        }
        granted
    }
}

#[cfg(test)]
// A test stops at the first thing that is not as it says.
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn no_budget_is_none() {
        assert!(Budget::of(0, Instant::now()).is_none());
    }

    #[test]
    fn whatever_is_asked_no_second_sees_more_than_the_budget_and_what_was_saved_up() {
        let begin = Instant::now();
        for (requests_per_second, granted_in_ten_seconds) in [(1, 10), (7, 70), (100, 1010), (3000, 30_300)] {
            let mut budget = Budget::of(requests_per_second, begin).unwrap();
            let asked = (0..100_000).map(|number| begin + Duration::from_micros(100) * number);
            let granted: Vec<_> = asked.filter(|now| budget.grants(*now)).collect();
            assert!(granted.len().abs_diff(granted_in_ten_seconds) <= 1, "{requests_per_second}: {}", granted.len());
            let in_a_second = |from: &Instant| granted.iter().filter(|at| *from <= **at && **at < *from + Duration::from_secs(1)).count();
            let most = granted.iter().step_by(97).map(in_a_second).max().unwrap();
            assert!(most <= requests_per_second as usize * 11 / 10 + 1, "{requests_per_second}: {most} in a second");
        }
    }

    #[test]
    fn a_quiet_time_saves_up_a_tenth_of_a_second_and_no_more() {
        let begin = Instant::now();
        let mut budget = Budget::of(50, begin).unwrap();
        for quiet in [Duration::ZERO, Duration::from_millis(100), Duration::from_secs(3600)] {
            let later = begin + quiet * 2;
            assert_eq!((0..100).filter(|_| budget.grants(later)).count(), 5, "after {quiet:?}");
        }
    }
}
