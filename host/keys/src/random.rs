//! Randomness for keys: the operating system's own, and a sentence when it has none.

use rand::TryRngCore;
use rand::rngs::OsRng;
use zeroize::Zeroizing;

pub(crate) fn random_bytes<const N: usize>() -> Result<Zeroizing<[u8; N]>, String> {
    let mut bytes = Zeroizing::new([0; N]);
    OsRng.try_fill_bytes(bytes.as_mut_slice()).map_err(|error| format!("the operating system has no randomness to give ({error})"))?;
    Ok(bytes)
}

/// What tells one token from another.
pub fn random_number() -> Result<u64, String> {
    random_bytes().map(|bytes| u64::from_be_bytes(*bytes))
}
