//! Chance, from the operating system's generator. The policy uses it for jitter and for names that must not repeat.

use holdover_ports::Random;

pub struct SystemRandom;

impl Random for SystemRandom {
    fn random(&self) -> u64 {
        rand::random()
    }
}
