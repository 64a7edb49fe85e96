//! A body that only its recipients can read: the age v1 file format (C2SP, age-encryption.org/v1), so that `age -d` reads what
//! `holdover` wrote.
//!
//! ```text
//! header: who can unwrap the file key ─ 16 bytes nonce ─ chunks of 64 KiB, each with a tag of 16 bytes
//! └──────────── wrapped ─────────────┘
//! ```
//!
//! Header and nonce are made and understood in the host's hands, where the private keys are: here they are bytes that are handed
//! over for the payload's key. Only the chunks are opened and made here (ChaCha20-Poly1305, STREAM).

use std::fmt;
use std::io::{self, Read};

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Nonce, Tag};

use super::Refusal;

const FIRST_LINE: &[u8] = b"age-encryption.org/v1\n";
const HEADER_BYTES_MAX: usize = 64 * 1024;
const NONCE_BYTES: usize = 16;
const CHUNK_BYTES: usize = 64 * 1024;
const TAG_BYTES: usize = 16;

/// The key of one payload. It opens one file and no other.
#[derive(Clone, PartialEq, Eq)]
pub struct PayloadKey([u8; 32]);

/// What goes before the chunks, and the key they are made with.
#[derive(Clone, Debug)]
pub struct Wrapping {
    /// The age header and the nonce.
    pub wrapped: Vec<u8>,
    pub key: PayloadKey,
}

impl PayloadKey {
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new(&self.0.into())
    }
}

/// Says nothing of the key.
impl fmt::Debug for PayloadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PayloadKey(…)")
    }
}

/// Whether a file begins as an age file.
pub fn is_encrypted(file: &[u8]) -> bool {
    file.starts_with(FIRST_LINE)
}

/// Parts an age file into what the host unwraps and the chunks.
pub fn split(file: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    if !is_encrypted(file) {
        return Err(Refusal::NotEncrypted);
    }
    let searched = file.get(..HEADER_BYTES_MAX).unwrap_or(file);
    let mac = searched.windows(5).position(|window| window == b"\n--- ").ok_or(Refusal::Torn)?;
    let line_end = searched.get(mac + 1..).and_then(|rest| rest.iter().position(|byte| *byte == b'\n')).ok_or(Refusal::Torn)?;
    file.split_at_checked(mac + 1 + line_end + 1 + NONCE_BYTES).ok_or(Refusal::Torn)
}

/// An age file around `plain`. The error is a sentence.
pub fn encrypt(wrapping: &Wrapping, plain: &[u8]) -> Result<Vec<u8>, String> {
    let chunks = plain.len().div_ceil(CHUNK_BYTES).max(1);
    let mut file = Vec::with_capacity(wrapping.wrapped.len() + plain.len() + chunks * TAG_BYTES);
    file.extend_from_slice(&wrapping.wrapped);
    let cipher = wrapping.key.cipher();
    for index in 0..chunks {
        let from = index * CHUNK_BYTES;
        let chunk = plain.get(from..plain.len().min(from + CHUNK_BYTES)).unwrap_or_default();
        let begin = file.len();
        file.extend_from_slice(chunk);
        let nonce = nonce(index as u64, index + 1 == chunks);
        let tail = file.get_mut(begin..).unwrap_or_default();
        let tag = cipher.encrypt_inout_detached(&nonce, b"", tail.into()).map_err(|_| "the body is too long to be encrypted".to_owned())?;
        file.extend_from_slice(&tag);
    }
    Ok(file)
}

/// All of an age file's chunks, opened. For small files; bodies are read through [`Chunks`].
pub fn decrypt(key: &PayloadKey, chunks: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut plain = Vec::with_capacity(chunks.len());
    Chunks::new(key, chunks).read_to_end(&mut plain).map_err(|_| Refusal::Undecryptable)?;
    Ok(plain)
}

/// Eleven bytes of counter, big-endian, and whether it is the last.
fn nonce(index: u64, last: bool) -> Nonce {
    let mut nonce = [0; 12];
    for (byte, of_index) in nonce.iter_mut().skip(3).zip(index.to_be_bytes()) {
        *byte = of_index;
    }
    if let Some(flag) = nonce.last_mut() {
        *flag = u8::from(last);
    }
    nonce.into()
}

/// Opens chunk after chunk while it is read. An end that is not the last chunk's is an error, not an end.
pub(super) struct Chunks<'a> {
    cipher: ChaCha20Poly1305,
    rest: &'a [u8],
    index: u64,
    opened: Vec<u8>,
    taken: usize,
    ended: bool,
}

impl<'a> Chunks<'a> {
    pub fn new(key: &PayloadKey, chunks: &'a [u8]) -> Self {
        Self { cipher: key.cipher(), rest: chunks, index: 0, opened: Vec::new(), taken: 0, ended: false }
    }

    fn open_next(&mut self) -> io::Result<()> {
        let sealed_len = self.rest.len().min(CHUNK_BYTES + TAG_BYTES);
        let (sealed, rest) = self.rest.split_at_checked(sealed_len).unwrap_or_default();
        let last = rest.is_empty();
        let (chunk, tag) = sealed.split_last_chunk::<TAG_BYTES>().ok_or_else(undecryptable)?;
        // Only a file with nothing in it ends with an empty chunk.
        if chunk.is_empty() && self.index > 0 {
            return Err(undecryptable());
        }
        self.opened.clear();
        self.opened.extend_from_slice(chunk);
        let tag: Tag = (*tag).into();
        let opened = self.cipher.decrypt_inout_detached(&nonce(self.index, last), b"", self.opened.as_mut_slice().into(), &tag);
        opened.map_err(|_| undecryptable())?;
        (self.rest, self.index, self.taken, self.ended) = (rest, self.index + 1, 0, last);
        Ok(())
    }
}

fn undecryptable() -> io::Error {
    io::Error::from(io::ErrorKind::InvalidData)
}

impl Read for Chunks<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.opened.len() {
            if self.ended {
                return Ok(0);
            }
            self.open_next()?;
        }
        let available = self.opened.get(self.taken..).unwrap_or_default();
        let count = available.len().min(into.len());
        if let (Some(into), Some(from)) = (into.get_mut(..count), available.get(..count)) {
            into.copy_from_slice(from);
        }
        self.taken += count;
        Ok(count)
    }
}

#[cfg(test)]
// A test stops at the first thing that is not as it says.
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encrypted_opens_whatever_its_length() {
        for len in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES] {
            let plain: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let file = encrypt(&wrapping(), &plain).unwrap();
            let (wrapped, chunks) = split(&file).unwrap();
            assert_eq!(wrapped, wrapping().wrapped);
            assert_eq!(decrypt(&key(), chunks).unwrap(), plain, "{len}");
        }
    }

    #[test]
    fn a_payload_that_lost_its_end_or_was_touched_does_not_open() {
        let file = encrypt(&wrapping(), &vec![7; CHUNK_BYTES + 9]).unwrap();
        let (_, chunks) = split(&file).unwrap();
        for cut in [0, 1, TAG_BYTES, CHUNK_BYTES, CHUNK_BYTES + TAG_BYTES, chunks.len() - 1] {
            assert_eq!(decrypt(&key(), &chunks[..cut]), Err(Refusal::Undecryptable), "{cut}");
        }
        for at in [0, CHUNK_BYTES, CHUNK_BYTES + TAG_BYTES, chunks.len() - 1] {
            let mut touched = chunks.to_vec();
            touched[at] ^= 1;
            assert_eq!(decrypt(&key(), &touched), Err(Refusal::Undecryptable), "{at}");
        }
        assert_eq!(decrypt(&PayloadKey::from_bytes([8; 32]), chunks), Err(Refusal::Undecryptable));
    }

    #[test]
    fn a_file_without_an_end_of_its_header_is_torn() {
        assert_eq!(split(b"age-encryption.org/v1\n-> X25519 a\n"), Err(Refusal::Torn));
        assert_eq!(split(b"age-encryption.org/v1\n--- mac\n0123"), Err(Refusal::Torn));
        assert_eq!(split(b"HOLDOVER"), Err(Refusal::NotEncrypted));
    }

    fn key() -> PayloadKey {
        PayloadKey::from_bytes([7; 32])
    }

    fn wrapping() -> Wrapping {
        Wrapping { wrapped: b"age-encryption.org/v1\n-> X25519 a\nb\n--- mac\n0123456789abcdef".to_vec(), key: key() }
    }
}
