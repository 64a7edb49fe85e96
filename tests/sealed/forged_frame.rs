//! Damage done with care to the outside of a snapshot: lengths, signatures, manifests, parts of one file in another. The digest is
//! always written anew, for everybody can do that.

use std::sync::Arc;

use holdover_keys::Identity;
use holdover_plugin::snapshot::{self, Encryption, Purpose, Refusal, Signature, Trust};
use holdover_plugin::witness::{self, Passed};
use holdover_ports::Gate;
use holdover_tests::virtual_world::keys::{ring, signing_key};

use crate::parts::{BODY_LENGTH_AT, MANIFEST_LENGTH_AT, Parts, reseal};
use crate::specimen::{KINDS, Specimen, Why, open};

#[test]
fn a_body_of_one_snapshot_under_the_manifest_of_another_is_of_nobody() {
    let (one, other) = (KINDS[1].specimen(), KINDS[1].specimen());
    let mut spliced = Parts::of(&one.snapshot);
    let signature = spliced.signature(&one.exporter, Purpose::Snapshot);
    let mut other_body = Parts::of(&other.snapshot).body;
    *other_body.last_mut().unwrap() ^= 1;
    spliced.body = other_body;
    refused(&one, &spliced.file(&[signature]), Refusal::BadSignature(one.exporter.id()));
    refused(&one, &spliced.signed(&other.exporter), Refusal::UntrustedSigner(vec![other.exporter.id()]));
    refused(&one, &spliced.file(&[]), Refusal::Unsigned);
}

#[test]
fn the_head_of_one_file_before_the_tail_of_another_is_refused() {
    let (one, other) = (KINDS[0].specimen(), KINDS[2].specimen());
    for at in [16, 22, 100, one.snapshot.len() / 2, one.snapshot.len() - 40] {
        let mut spliced = one.snapshot[..at].to_vec();
        spliced.extend_from_slice(&other.snapshot[at..]);
        assert_ne!(spliced, other.snapshot);
        let refusal = snapshot::verify(&spliced, &Trust::unasked()).unwrap_err();
        // What stands where the number of signatures is looked for may be any number.
        assert!(["corrupt", "torn", "out-of-bounds"].contains(&refusal.reason()), "{at}: {refusal:?}");
    }
}

#[test]
fn bytes_behind_the_end_are_torn_with_and_without_a_digest_of_their_own() {
    let specimen = KINDS[3].specimen();
    for appended in [1, 32, 72, 100_000] {
        let mut file = specimen.snapshot.clone();
        file.resize(file.len() + appended, 0);
        refused(&specimen, &file, Refusal::Torn);
        reseal(&mut file);
        refused(&specimen, &file, Refusal::Torn);
    }
    let twice = specimen.snapshot.repeat(2);
    refused(&specimen, &twice, Refusal::Torn);
}

#[test]
fn lengths_at_their_extremes_are_refused_before_anything_is_reserved_for_them() {
    let specimen = KINDS[1].specimen();
    let manifest = |length: u32| (MANIFEST_LENGTH_AT, length.to_le_bytes().to_vec());
    let body = |length: u64| (BODY_LENGTH_AT, length.to_le_bytes().to_vec());
    for ((at, bytes), refusal) in [
        (manifest(u32::MAX), Refusal::OutOfBounds("manifest length")),
        (manifest(64 * 1024 + 1), Refusal::OutOfBounds("manifest length")),
        (manifest(64 * 1024), Refusal::Torn),
        (body(u64::MAX), Refusal::OutOfBounds("body length")),
        (body(u64::MAX / 2 + 1), Refusal::OutOfBounds("body length")),
        (body(1 << 32), Refusal::OutOfBounds("body length")),
        (body(256 << 20), Refusal::Torn),
    ] {
        let mut file = specimen.snapshot.clone();
        file[at..at + bytes.len()].copy_from_slice(&bytes);
        reseal(&mut file);
        refused(&specimen, &file, refusal);
    }
}

/// Whatever is left at the front or the back, each length is believed only as far as there are bytes.
#[test]
fn lengths_of_zero_and_parts_that_swallow_each_other_are_refused() {
    let specimen = KINDS[1].specimen();
    let parts = Parts::of(&specimen.snapshot);
    let (manifest, body) = (parts.manifest.len() as u32, parts.body.len() as u64);
    let whole = u64::from(manifest) + body;
    witness::take();
    for (manifest_says, body_says) in [(0, whole), (0, 0), (0, body), (manifest, 0), (manifest - 1, body + 1), (manifest + 1, body - 1)] {
        let mut file = specimen.snapshot.clone();
        file[MANIFEST_LENGTH_AT..MANIFEST_LENGTH_AT + 4].copy_from_slice(&u32::to_le_bytes(manifest_says));
        file[BODY_LENGTH_AT..BODY_LENGTH_AT + 8].copy_from_slice(&u64::to_le_bytes(body_says));
        reseal(&mut file);
        let refusal = snapshot::verify(&file, &specimen.trusted()).unwrap_err();
        let expected = ["torn", "bad-signature", "out-of-bounds"];
        assert!(expected.contains(&refusal.reason()), "{manifest_says}, {body_says}: {refusal:?}");
        assert_eq!(witness::take(), Passed::default());
    }
}

#[test]
fn seventeen_signatures_and_a_number_that_lies_are_refused() {
    let specimen = KINDS[1].specimen();
    let parts = Parts::of(&specimen.snapshot);
    let own = parts.signature(&specimen.exporter, Purpose::Snapshot);
    let strangers: Vec<Signature> = (0..16).map(|_| parts.signature(&signing_key(), Purpose::Snapshot)).collect();
    let sixteen = [&strangers[..15], &[own]].concat();
    assert!(open(&parts.file(&sixteen), &specimen.gate()).is_ok(), "as many as sixteen, and the trusted one among them");
    let seventeen = [strangers.as_slice(), &[own]].concat();
    refused(&specimen, &parts.file(&seventeen), Refusal::OutOfBounds("number of signatures"));
    refused(&specimen, &parts.file_counting(u16::MAX, &[own]), Refusal::OutOfBounds("number of signatures"));
    for count in [0, 2, 16] {
        refused(&specimen, &parts.file_counting(count, &[own]), Refusal::Torn);
    }
    refused(&specimen, &parts.file(&strangers), Refusal::UntrustedSigner(strangers.iter().map(|stranger| stranger.key).collect()));
}

#[test]
fn a_signature_that_claims_a_trusted_key_and_is_not_of_it_spoils_the_good_one() {
    let specimen = KINDS[1].specimen();
    let parts = Parts::of(&specimen.snapshot);
    let own = parts.signature(&specimen.exporter, Purpose::Snapshot);
    let mut forged = own;
    forged.bytes[0] ^= 1;
    for signatures in [[own, forged], [forged, own]] {
        refused(&specimen, &parts.file(&signatures), Refusal::BadSignature(own.key));
    }
    for bytes in [[0; 64], [0xff; 64]] {
        refused(&specimen, &parts.file(&[Signature { key: own.key, bytes }]), Refusal::BadSignature(own.key));
    }
}

/// It says the same and is another file: what a head names by digest it is not, as `by_policy.rs` shows.
#[test]
fn a_signature_written_twice_changes_the_file_and_nothing_in_it() {
    let specimen = KINDS[1].specimen();
    let parts = Parts::of(&specimen.snapshot);
    let own = parts.signature(&specimen.exporter, Purpose::Snapshot);
    let twice = parts.file(&[own, own]);
    assert_eq!(open(&twice, &specimen.gate()).unwrap().bytes(), specimen.document);
    let digest = |file: &[u8]| snapshot::verify(file, &specimen.trusted()).unwrap().file_digest();
    assert_ne!(digest(&twice), digest(&specimen.snapshot));
}

#[test]
fn a_signature_of_another_purpose_is_none() {
    let specimen = KINDS[1].specimen();
    let parts = Parts::of(&specimen.snapshot);
    for purpose in Purpose::ALL.into_iter().filter(|purpose| *purpose != Purpose::Snapshot) {
        let signature = parts.signature(&specimen.exporter, purpose);
        refused(&specimen, &parts.file(&[signature]), Refusal::BadSignature(specimen.exporter.id()));
    }
}

#[test]
fn a_manifest_that_is_intact_and_no_manifest_is_unreadable() {
    let specimen = KINDS[1].specimen();
    let parts = Parts::of(&specimen.snapshot);
    let text = String::from_utf8(parts.manifest.clone()).unwrap();
    let doubled = text.replacen('{', r#"{"cluster":"other","#, 1);
    let unknown_encryption = text.replace(r#""encryption":"none""#, r#""encryption":"rot13""#);
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    for manifest in [doubled, unknown_encryption, deep, "{}".into(), String::new(), format!("{text}{text}"), "\0".into()] {
        assert_ne!(manifest, text);
        let forged = Parts { manifest: manifest.into_bytes(), ..parts.clone() };
        let refusal = snapshot::verify(&forged.signed(&specimen.exporter), &specimen.trusted()).unwrap_err();
        assert!(matches!(&refusal, Refusal::Unreadable(why) if why.starts_with("manifest, ")), "{refusal:?}");
    }
    let more = text.replacen('{', r#"{"of_a_later_version":{"any":[1]},"#, 1);
    let forged = Parts { manifest: more.into_bytes(), ..parts };
    assert!(open(&forged.signed(&specimen.exporter), &specimen.gate()).is_ok(), "members that are not known are passed over");
}

#[test]
fn a_format_number_that_is_not_known_is_named() {
    let specimen = KINDS[0].specimen();
    for number in [0, 2, 256, u16::MAX] {
        let mut file = specimen.snapshot.clone();
        file[8..10].copy_from_slice(&number.to_le_bytes());
        reseal(&mut file);
        refused(&specimen, &file, Refusal::UnknownFormat(number));
    }
}

#[test]
fn age_headers_beyond_their_bounds_for_others_and_with_a_stanza_too_many_are_refused() {
    let specimen = KINDS[3].specimen();
    let parts = Parts::of(&specimen.snapshot);
    let mac_at = parts.body.windows(5).position(|window| window == b"\n--- ").unwrap() + 1;
    let padded = |bytes: usize| {
        let mut body = parts.body[..mac_at].to_vec();
        body.extend_from_slice(format!("-> {}\n\n", "x".repeat(bytes - mac_at - 5)).as_bytes());
        body.extend_from_slice(&parts.body[mac_at..]);
        Parts { body, ..parts.clone() }.signed(&specimen.exporter)
    };
    let verdict = |file: &[u8]| open(file, &specimen.gate()).unwrap_err();
    assert_eq!(verdict(&padded(64 * 1024 + 1)), Why::Refused(Refusal::Torn), "no end of the header within 64 KiB");
    assert!(matches!(verdict(&padded(1024)), Why::NotUnwrapped(why) if why.to_string().contains("somebody changed it")));

    let recipients: Vec<Identity> = (0..20).map(|_| Identity::generate().unwrap()).collect();
    let wrapping = holdover_keys::wrap(&recipients.iter().map(Identity::recipient).collect::<Vec<_>>()).unwrap();
    let body = snapshot::encryption::encrypt(&wrapping, b"no snapshot").unwrap();
    let reader = ring(None, &[], recipients.last());
    let gate = Gate { trusted: specimen.trusted(), keys: Arc::new(reader), has_identity: true };
    let twenty = Parts { body: body.clone(), ..parts.clone() };
    assert_eq!(open(&twenty.signed(&specimen.exporter), &gate).unwrap_err(), Why::Refused(Refusal::BodyMismatch), "it is unwrapped");
    let first_stanza = b"age-encryption.org/v1\n".len();
    let second_stanza = body.windows(4).skip(first_stanza + 1).position(|window| window == b"\n-> ").unwrap() + first_stanza + 2;
    let stanza = body[first_stanza..second_stanza].to_vec();
    let one_more = [&body[..first_stanza], &stanza, &body[first_stanza..]].concat();
    let twenty_one = Parts { body: one_more, ..parts.clone() };
    assert!(matches!(open(&twenty_one.signed(&specimen.exporter), &gate).unwrap_err(), Why::NotUnwrapped(_)));

    let plain = Parts { body: Parts::of(&KINDS[0].specimen().snapshot).body, ..parts };
    assert_eq!(verdict(&plain.signed(&specimen.exporter)), Why::Refused(Refusal::NotEncrypted));
}

/// An encrypted body that says it is none is no LZ4, and one with the key of another file is not opened.
#[test]
fn a_body_that_is_encrypted_otherwise_than_its_manifest_says_is_refused() {
    let specimen = KINDS[3].specimen();
    let mut parts = Parts::of(&specimen.snapshot);
    let file = parts.signed(&specimen.exporter);
    let verified = snapshot::verify(&file, &specimen.trusted()).unwrap();
    assert_eq!(verified.manifest().encryption, Encryption::Age);
    let other = snapshot::PayloadKey::from_bytes([7; 32]);
    assert_eq!(verified.open(Some(&other)).unwrap_err(), Refusal::Undecryptable);
    assert_eq!(verified.particulars(Some(&other)).unwrap_err(), Refusal::Undecryptable);
    assert_eq!(verified.open(None).unwrap_err(), Refusal::NoKey);
    let manifest = String::from_utf8(parts.manifest).unwrap().replace(r#""encryption":"age""#, r#""encryption":"none""#);
    parts.manifest = manifest.into_bytes();
    assert_eq!(open(&parts.signed(&specimen.exporter), &specimen.gate()).unwrap_err(), Why::Refused(Refusal::BodyMismatch));
}

/// By *verify*, before any station beyond it was come to.
fn refused(specimen: &Specimen, file: &[u8], expected: Refusal) {
    witness::take();
    assert_eq!(snapshot::verify(file, &specimen.trusted()).map(drop), Err(expected));
    assert_eq!(witness::take(), Passed::default(), "nothing is parsed, opened or validated");
}
