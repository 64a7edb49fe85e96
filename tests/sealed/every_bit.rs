//! Every single-bit flip and every truncation of a snapshot of 20 kB, a head of twenty generations and a cache entry.

use bytes::Bytes;
use holdover_plugin::model::Digest;
use holdover_plugin::snapshot::cached::{self, CachedOrigin};
use holdover_plugin::snapshot::head::Head;
use holdover_plugin::snapshot::{self, Refusal, Trust};
use holdover_plugin::witness::{self, Passed};
use holdover_ports::{Config, Gate, Object, Provenance};

use crate::parts::{DIGEST_BYTES, content_end, reseal};
use crate::specimen::{KINDS, Kind, Specimen, open, own_cache_entry};
use crate::tally::{flips, flips_mended, truncations};

const NOTHING: Passed = Passed { parse: 0, open: 0, validate: 0 };

#[test]
fn of_a_plain_snapshot() {
    of_a_snapshot(KINDS[0]);
}

#[test]
fn of_a_signed_snapshot() {
    of_a_snapshot(KINDS[1]);
}

#[test]
fn of_an_encrypted_snapshot_that_nobody_signed() {
    of_a_snapshot(KINDS[2]);
}

#[test]
fn of_a_signed_and_encrypted_snapshot() {
    of_a_snapshot(KINDS[3]);
}

/// At the policy's station and at the host's gate, which must say the same. Nothing of any of them is parsed, opened or validated.
fn of_a_snapshot(kind: Kind) {
    let specimen = kind.specimen();
    let (file, gate) = (&specimen.snapshot, specimen.gate());
    assert_eq!(open(file, &gate).unwrap().bytes(), specimen.document, "untouched, it opens");
    assert_eq!(at_the_gate(file, Provenance::Storage, &gate).unwrap().bytes(), specimen.document.as_slice());
    assert_ne!(witness::take(), NOTHING, "and what it takes is counted");
    let read = |damaged: &[u8]| {
        let found = snapshot::verify(damaged, &gate.trusted).map(drop);
        agrees(found, at_the_gate(damaged, Provenance::Storage, &gate))
    };
    let name = format!("snapshot, {}, {} bytes", kind.name(), file.len());
    let (bits, lengths) = (flips(file, read), truncations(file, read));
    bits.print(&format!("{name}: bits"));
    lengths.print(&format!("{name}: lengths"));
    bits.assert_all_refused(8 * file.len(), &name);
    lengths.assert_all_refused(file.len(), &name);
    assert_eq!((bits.passed, lengths.passed), (NOTHING, NOTHING), "{name}: before the seal holds, no station is come to");
}

/// A digest is no secret: whoever changes a file can write its digest anew. With trusted keys that helps nobody.
#[test]
fn of_a_signed_snapshot_whose_digest_is_written_anew() {
    let specimen = KINDS[3].specimen();
    let (file, trusted) = (&specimen.snapshot, specimen.trusted());
    let read = |damaged: &[u8]| snapshot::verify(damaged, &trusted).map(drop);
    let sealed = file.len() - DIGEST_BYTES;
    let mended = flips_mended(file, 0..sealed, reseal, read);
    mended.print("snapshot, signed+encrypted, mended: bits");
    mended.assert_all_refused(8 * sealed, "mended");
    assert_eq!(mended.passed, NOTHING, "nothing is parsed before the signature holds");
    let bad = mended.reasons.get("bad-signature").copied().unwrap_or_default();
    assert!(bad as usize > 8 * (content_end(file) - 100), "{:?}", mended.reasons);
}

#[test]
fn of_a_head_with_twenty_generations_signed_and_unsigned() {
    for kind in [KINDS[0], KINDS[1]] {
        let specimen = kind.specimen();
        let (file, trusted) = (&specimen.head, specimen.trusted());
        assert!(Head::read(file, &trusted).is_ok());
        let read = |damaged: &[u8]| Head::read(damaged, &trusted).map(drop);
        let name = format!("head, {}, {} bytes", kind.name(), file.len());
        let (bits, lengths) = (flips(file, read), truncations(file, read));
        bits.print(&format!("{name}: bits"));
        lengths.print(&format!("{name}: lengths"));
        bits.assert_all_refused(8 * file.len(), &name);
        lengths.assert_all_refused(file.len(), &name);
        assert_eq!((bits.passed, lengths.passed), (NOTHING, NOTHING), "{name}");
    }
}

#[test]
fn of_a_head_whose_digest_is_written_anew() {
    let specimen = KINDS[1].specimen();
    let (file, trusted) = (&specimen.head, specimen.trusted());
    let digest_line = file.len() - "blake3:".len() - 2 * DIGEST_BYTES - 1;
    let mend = |damaged: &mut [u8]| {
        let line = format!("blake3:{}\n", Digest::of(&damaged[..digest_line]));
        damaged[digest_line..].copy_from_slice(line.as_bytes());
    };
    let read = |damaged: &[u8]| Head::read(damaged, &trusted).map(drop);
    let mended = flips_mended(file, 0..digest_line, mend, read);
    mended.print("head, signed, mended: bits");
    mended.assert_all_refused(8 * digest_line, "mended");
    assert_eq!(mended.passed, NOTHING);
}

#[test]
fn of_a_cache_entry_from_the_storage() {
    let specimen = KINDS[3].specimen();
    of_a_cache_entry("storage", &specimen.cached(), &specimen);
}

/// Signed by nobody, on a node that has keys: it is its own.
#[test]
fn of_a_cache_entry_from_the_control_plane() {
    of_a_cache_entry("control-plane", &own_cache_entry(), &KINDS[3].specimen());
}

/// The header stands under a digest of its own and is read when that holds; of the snapshot behind it nothing is.
fn of_a_cache_entry(origin: &str, file: &[u8], specimen: &Specimen) {
    let gate = specimen.gate();
    assert!(at_the_gate(file, Provenance::Cache, &gate).is_ok(), "untouched, it opens");
    let front = file.len() - cached::unwrap(file).unwrap().snapshot.len();
    let read = |damaged: &[u8]| agrees(unwrap_and_verify(damaged, &gate), at_the_gate(damaged, Provenance::Cache, &gate));
    let name = format!("cache, {origin}, {} bytes", file.len());
    let (bits, lengths) = (flips(file, read), truncations(file, read));
    bits.print(&format!("{name}: bits"));
    lengths.print(&format!("{name}: lengths"));
    bits.assert_all_refused(8 * file.len(), &name);
    lengths.assert_all_refused(file.len(), &name);
    let behind = (file.len() - front) as u64;
    // Once by the policy and once by the gate.
    assert_eq!(bits.passed, Passed { parse: 2 * 8 * behind, ..NOTHING }, "{name}: headers that hold, and nothing else");
    assert_eq!(lengths.passed, Passed { parse: 2 * behind, ..NOTHING }, "{name}: headers that hold, and nothing else");
}

/// As `policy/candidate.rs` begins with a cache entry.
fn unwrap_and_verify(file: &[u8], gate: &Gate) -> Result<(), Refusal> {
    let cached = cached::unwrap(file)?;
    let trusted = match cached.header.origin {
        CachedOrigin::Storage => gate.trusted.clone(),
        CachedOrigin::ControlPlane | CachedOrigin::KongPlace => Trust::unasked(),
    };
    snapshot::verify(cached.snapshot, &trusted).map(drop)
}

fn at_the_gate(file: &[u8], provenance: Provenance, gate: &Gate) -> Result<Config, String> {
    Config::open(&Object::new(Bytes::copy_from_slice(file), provenance), gate)
}

/// The host's gate refuses exactly what the policy's station refuses, in the same words.
fn agrees(found: Result<(), Refusal>, gate: Result<Config, String>) -> Result<(), Refusal> {
    match (&found, gate) {
        (Ok(()), Ok(_)) => {}
        (Err(refusal), Err(sentence)) => assert_eq!(refusal.to_string(), sentence),
        (found, gate) => panic!("the station says {found:?}, and the gate {gate:?}"),
    }
    found
}
