//! What a piece of work cost: the time of all of this process's threads on the processor, and the time on the wall.
//!
//! On a machine that others use as well only the first compares; both are told.

use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub cpu: Duration,
    pub wall: Duration,
}

pub struct Stopwatch {
    cpu: Duration,
    wall: Instant,
}

impl Stopwatch {
    pub fn start() -> Self {
        Self { cpu: process_cpu(), wall: Instant::now() }
    }

    pub fn stop(self) -> Cost {
        Cost { wall: self.wall.elapsed(), cpu: process_cpu() - self.cpu }
    }
}

/// Each by itself: the round with the median time on the processor need not be the one with the median on the wall.
pub fn median(costs: &[Cost]) -> Cost {
    Cost { cpu: middle(costs.iter().map(|cost| cost.cpu)), wall: middle(costs.iter().map(|cost| cost.wall)) }
}

pub fn middle<T: Ord + Copy>(values: impl IntoIterator<Item = T>) -> T {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort_unstable();
    values[values.len() / 2]
}

pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn process_cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it writes one timespec, which is ours.
    let read = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    assert_eq!(read, 0, "this machine does not tell a process's time");
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}
