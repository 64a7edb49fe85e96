//! How long to wait before asking again. Chance comes from the caller.

use std::time::Duration;

const CLIMB_FIRST: Duration = Duration::from_millis(500);
const CLIMB_MAX: Duration = Duration::from_secs(30);
const REDIAL_MIN: Duration = Duration::from_secs(5);
const REDIAL_SPREAD: Duration = Duration::from_secs(5);

/// Full jitter: anything between nothing and 0.5 s doubled per failed climb, at most 30 s.
pub fn climb(failed: u32, random: u64) -> Duration {
    let ceiling = CLIMB_FIRST.saturating_mul(1u32.checked_shl(failed.saturating_sub(1).min(16)).unwrap_or(u32::MAX)).min(CLIMB_MAX);
    within(ceiling, random)
}

/// 5 to 10 s: as Kong's data planes redial their control plane.
pub fn redial(random: u64) -> Duration {
    REDIAL_MIN + within(REDIAL_SPREAD, random)
}

/// An even share of `ceiling`.
pub fn within(ceiling: Duration, random: u64) -> Duration {
    Duration::from_millis(random % millis(ceiling).saturating_add(1))
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_and_stops_at_thirty_seconds() {
        let ceiling = |failed: u32| (0..200_000).step_by(7).map(|random| climb(failed, random)).max();
        assert_eq!(ceiling(1).map(|d| d.as_millis() / 10), Some(50));
        assert_eq!(ceiling(3).map(|d| d.as_millis() / 100), Some(20));
        assert_eq!(ceiling(60).map(|d| d.as_secs()), Some(30));
    }

    #[test]
    fn a_redial_waits_five_to_ten_seconds() {
        for random in [0, 1, 4_999, 5_000, 5_001, u64::MAX] {
            assert!((5..=10).contains(&redial(random).as_secs()), "{random}");
        }
    }
}
