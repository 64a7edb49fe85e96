//! Randomness for keys: the operating system's own, or a VM's, and a sentence when it has none.

use zeroize::Zeroizing;

pub fn random_bytes<const N: usize>() -> Result<Zeroizing<[u8; N]>, String> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|error| format!("the operating system has no randomness to give ({error})"))?;
    Ok(bytes)
}
