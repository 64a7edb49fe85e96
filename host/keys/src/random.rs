//! A number that nobody can foresee, made of the randomness that keys are made of.

use holdover_age::random_bytes;

/// What tells one token from another.
pub fn random_number() -> Result<u64, String> {
    random_bytes().map(|bytes| u64::from_be_bytes(*bytes))
}
