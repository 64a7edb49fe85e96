//! Makes and opens age headers: a fresh file key, wrapped once per recipient, and from it the payload's key.
//!
//! ```text
//! file key ──HKDF "payload", nonce──► payload key       one per file
//!    │ └─────HKDF "header"──► HMAC over the header
//!    └ ChaCha20-Poly1305 under HKDF(X25519(ephemeral, recipient)), once per recipient
//! ```

use chacha20poly1305::aead::Aead;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Nonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use holdover_plugin::policy::capabilities::NotUnwrapped;
use holdover_plugin::snapshot::{PayloadKey, Wrapping};
use sha2::Sha256;
use x25519_dalek::{PublicKey, SharedSecret};
use zeroize::Zeroizing;

use crate::identity::{Identity, Recipient};
use crate::random::random_bytes;
use crate::stanza::{Header, Stanza, bytes_of, covered_text, text_of};

pub const RECIPIENTS_MAX: usize = 20;
/// As the policy has it (`snapshot/encryption.rs`).
const HEADER_BYTES_MAX: usize = 64 * 1024;
const NONCE_BYTES: usize = 16;
const FILE_KEY_BYTES: usize = 16;
const X25519: &str = "X25519";
const WRAP_INFO: &[u8] = b"age-encryption.org/v1/X25519";

type FileKey = Zeroizing<[u8; FILE_KEY_BYTES]>;
type Key = Zeroizing<[u8; 32]>;

/// A payload key of its own for each call. `Err` is a sentence.
pub fn wrap(recipients: &[Recipient]) -> Result<Wrapping, String> {
    if recipients.is_empty() || recipients.len() > RECIPIENTS_MAX {
        return Err(format!("a file is encrypted to 1 to {RECIPIENTS_MAX} recipients, and {} are named", recipients.len()));
    }
    let file_key: FileKey = random_bytes()?;
    let mut stanzas = Vec::with_capacity(recipients.len());
    for recipient in recipients {
        stanzas.push(wrap_to(recipient, &file_key)?);
    }
    let covered = covered_text(stanzas.into_iter());
    let mac = authentication(&file_key, &covered)?.finalize().into_bytes();
    let nonce = random_bytes::<NONCE_BYTES>()?;
    let mut wrapped = format!("{covered} {}\n", text_of(&mac)).into_bytes();
    wrapped.extend_from_slice(nonce.as_slice());
    Ok(Wrapping { wrapped, key: payload_key(&file_key, nonce.as_slice())? })
}

fn wrap_to(recipient: &Recipient, file_key: &FileKey) -> Result<([u8; 32], [u8; 32]), String> {
    let ephemeral = Identity::generate()?;
    let share = *ephemeral.recipient().as_bytes();
    let key = wrapping_key(&ephemeral.shared_with(&recipient.point()), &share, recipient)
        .ok_or_else(|| format!("the recipient {recipient} is nobody's: what is encrypted to it, everybody can open"))?;
    let body = ChaCha20Poly1305::new(&(*key).into()).encrypt(&Nonce::default(), file_key.as_slice());
    let body = body.ok().and_then(|body| body.try_into().ok());
    Ok((share, body.ok_or("the file key cannot be encrypted")?))
}

/// The payload's key of a header and nonce, if one of the identities is among the recipients.
pub fn unwrap(identities: &[Identity], wrapped: &[u8]) -> Result<PayloadKey, NotUnwrapped> {
    if identities.is_empty() {
        return Err(NotUnwrapped::NoIdentity);
    }
    let (header, nonce) = wrapped.split_last_chunk::<NONCE_BYTES>().ok_or_else(|| damaged("it is too short"))?;
    if header.len() > HEADER_BYTES_MAX {
        return Err(damaged("it is too long"));
    }
    let header = std::str::from_utf8(header).map_err(|_| damaged("it is no text"))?;
    let header = Header::parse(header).map_err(damaged)?;
    let file_key = file_key(identities, &header.stanzas)?;
    let authentication = authentication(&file_key, header.covered).map_err(NotUnwrapped::Damaged)?;
    authentication.verify_slice(&header.mac).map_err(|_| damaged("its authentication code is not of its lines: somebody changed it"))?;
    payload_key(&file_key, nonce).map_err(NotUnwrapped::Damaged)
}

/// Every stanza of our kind must be whole, also those that are for others.
fn file_key(identities: &[Identity], stanzas: &[Stanza<'_>]) -> Result<FileKey, NotUnwrapped> {
    let mut found = None;
    for stanza in stanzas.iter().filter(|stanza| stanza.arguments.first() == Some(&X25519)) {
        let (share, body) = share_and_body(stanza).ok_or_else(|| damaged("an X25519 stanza is not whole"))?;
        for identity in identities {
            let recipient = identity.recipient();
            let shared = identity.shared_with(&PublicKey::from(share));
            let key = wrapping_key(&shared, &share, &recipient).ok_or_else(|| damaged("an X25519 share gives no secret"))?;
            let opened = ChaCha20Poly1305::new(&(*key).into()).decrypt(&Nonce::default(), body.as_slice()).map(Zeroizing::new);
            // A stanza that does not open is another recipient's.
            if let Some(file_key) = opened.ok().and_then(|bytes| <[u8; FILE_KEY_BYTES]>::try_from(bytes.as_slice()).ok()) {
                found.get_or_insert(Zeroizing::new(file_key));
            }
        }
    }
    found.ok_or(NotUnwrapped::ForOthers)
}

fn share_and_body(stanza: &Stanza<'_>) -> Option<([u8; 32], [u8; 32])> {
    match stanza.arguments.as_slice() {
        [_, share] => Some((bytes_of(share)?, stanza.body.as_slice().try_into().ok()?)),
        _ => None,
    }
}

/// `None` for a point of small order: the secret would be known to all.
fn wrapping_key(shared: &SharedSecret, share: &[u8; 32], recipient: &Recipient) -> Option<Key> {
    if !shared.was_contributory() {
        return None;
    }
    let salt = [*share, *recipient.as_bytes()].concat();
    derived(Some(&salt), shared.as_bytes(), WRAP_INFO).ok()
}

fn authentication(file_key: &FileKey, covered: &str) -> Result<Hmac<Sha256>, String> {
    let key = derived(None, file_key.as_slice(), b"header")?;
    let authentication = <Hmac<Sha256> as KeyInit>::new_from_slice(key.as_slice());
    Ok(authentication.map_err(|_| "the header's key has no length that HMAC takes".to_owned())?.chain_update(covered))
}

fn payload_key(file_key: &FileKey, nonce: &[u8]) -> Result<PayloadKey, String> {
    derived(Some(nonce), file_key.as_slice(), b"payload").map(|key| PayloadKey::from_bytes(*key))
}

fn derived(salt: Option<&[u8]>, secret: &[u8], info: &[u8]) -> Result<Key, String> {
    let mut key = Zeroizing::new([0; 32]);
    let expanded = Hkdf::<Sha256>::new(salt, secret).expand(info, key.as_mut_slice());
    expanded.map_err(|_| "a key of this length cannot be derived".to_owned())?;
    Ok(key)
}

fn damaged(why: &str) -> NotUnwrapped {
    NotUnwrapped::Damaged(why.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use super::*;

    #[test]
    fn each_of_three_recipients_has_the_payloads_key_and_nobody_else() {
        let identities = identities::<3>();
        let recipients: Vec<Recipient> = identities.iter().map(Identity::recipient).collect();
        let Wrapping { wrapped, key } = wrap(&recipients).unwrap();
        for identity in &identities {
            assert_eq!(unwrap(std::slice::from_ref(identity), &wrapped), Ok(key.clone()));
        }
        let [stranger] = identities_of_others();
        assert_eq!(unwrap(std::slice::from_ref(&stranger), &wrapped), Err(NotUnwrapped::ForOthers));
        let [_, second, _] = identities;
        assert_eq!(unwrap(&[stranger, second], &wrapped), Ok(key), "any of a node's identities will do");
        assert_eq!(unwrap(&[], &wrapped), Err(NotUnwrapped::NoIdentity));
    }

    #[test]
    fn two_files_never_share_a_key() {
        let [identity] = identities();
        let wrapped = || wrap(&[identity.recipient()]).unwrap();
        assert_ne!(wrapped().key, wrapped().key);
    }

    #[test]
    fn no_bit_of_a_header_or_nonce_can_change_unnoticed() {
        let [mine, other] = identities();
        let Wrapping { wrapped, key } = wrap(&[mine.recipient(), other.recipient()]).unwrap();
        for at in 0..wrapped.len() {
            for bit in 0..8 {
                let mut touched = wrapped.clone();
                touched[at] ^= 1 << bit;
                assert_ne!(unwrap(std::slice::from_ref(&mine), &touched), Ok(key.clone()), "bit {bit} of byte {at}");
            }
        }
        for len in 0..wrapped.len() {
            assert_ne!(unwrap(std::slice::from_ref(&mine), &wrapped[..len]), Ok(key.clone()), "{len} bytes");
        }
    }

    #[test]
    fn stanzas_of_other_kinds_are_passed_over_and_ours_must_be_whole() {
        let [mine] = identities();
        let file_key = Zeroizing::new([7; 16]);
        let (share, body) = wrap_to(&mine.recipient(), &file_key).unwrap();
        let ours = format!("-> X25519 {}\n{}\n", text_of(&share), text_of(&body));
        let header = |stanzas: &str| {
            let covered = format!("age-encryption.org/v1\n{stanzas}---");
            let mac = authentication(&file_key, &covered).unwrap().finalize().into_bytes();
            let mut wrapped = format!("{covered} {}\n", text_of(&mac)).into_bytes();
            wrapped.extend_from_slice(&[0; NONCE_BYTES]);
            unwrap(std::slice::from_ref(&mine), &wrapped)
        };
        let key = payload_key(&file_key, &[0; NONCE_BYTES]).unwrap();
        for stanzas in [
            ours.clone(),
            format!("-> x-grease a b\nAAAA\n{ours}"),
            format!("{ours}-> mlkem768x25519 {}\n\n", text_of(&share)),
            format!("-> x25519 lower\n\n{ours}"),
        ] {
            assert_eq!(header(&stanzas), Ok(key.clone()), "{stanzas}");
        }
        let low_order = format!("-> X25519 {}\n{}\n", text_of(&[0; 32]), text_of(&body));
        for stanzas in [
            format!("-> X25519\n{}\n{ours}", text_of(&body)),
            format!("-> X25519 {0} {0}\n{1}\n{ours}", text_of(&share), text_of(&body)),
            format!("-> X25519 {}\n{}\n{ours}", text_of(&share[1..]), text_of(&body)),
            format!("-> X25519 {}\n{}\n{ours}", text_of(&share), text_of(&body[1..])),
            format!("{low_order}{ours}"),
        ] {
            assert!(matches!(header(&stanzas), Err(NotUnwrapped::Damaged(_))), "{stanzas}");
        }
        assert_eq!(header("-> scrypt AAAA 10\n\n"), Err(NotUnwrapped::ForOthers));
    }

    #[test]
    fn nobody_and_a_crowd_are_refused() {
        let [identity] = identities();
        assert!(wrap(&[]).unwrap_err().contains("1 to 20"));
        assert!(wrap(&[identity.recipient(); RECIPIENTS_MAX + 1]).unwrap_err().contains("1 to 20"));
        let crowd = wrap(&[identity.recipient(); RECIPIENTS_MAX]).unwrap();
        assert_eq!(unwrap(&[identity], &crowd.wrapped), Ok(crowd.key));
    }

    #[test]
    fn a_header_longer_than_ever_needed_is_not_read() {
        let [identity] = identities();
        let mut long = b"age-encryption.org/v1\n".to_vec();
        long.extend(b"-> a\n\n".repeat(HEADER_BYTES_MAX / 6));
        long.extend([0; NONCE_BYTES + 64]);
        assert_eq!(unwrap(&[identity], &long), Err(damaged("it is too long")));
    }

    fn identities<const N: usize>() -> [Identity; N] {
        std::array::from_fn(|_| Identity::generate().unwrap())
    }

    fn identities_of_others() -> [Identity; 1] {
        identities()
    }
}
