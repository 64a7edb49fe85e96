//! Bodies that lie, under a seal that holds: somebody has the trusted key, or no key is asked for. Station *open* believes none of them.

use std::io::Write;

use holdover_plugin::config::CONFIG_BYTES_MAX;
use holdover_plugin::model::Digest;
use holdover_plugin::snapshot::Refusal;
use holdover_plugin::witness;
use lz4_flex::frame::FrameEncoder;
use serde_json::json;

use crate::parts::{Body, Parts};
use crate::specimen::{KINDS, Specimen, Why, open};

const MISMATCH: Refusal = Refusal::BodyMismatch;

#[test]
fn the_frame_of_particulars_must_be_there_and_end_within_the_body() {
    let forge = Forge::new();
    forge.refused(|body| body.magic = *b"\x04\x22\x4d\x18", &MISMATCH);
    forge.refused_bytes(&forge.body.frame, &MISMATCH);
    forge.refused_bytes(b"", &Refusal::Undecryptable);
    forge.refused_bytes(&forge.body.bytes()[..7], &Refusal::Undecryptable);
    let length = forge.body.bytes().len() as u32 - 8;
    forge.refused_bytes(&forge.body.bytes_counting(length + 1), &MISMATCH);
    let too_long = Refusal::OutOfBounds("length of the particulars");
    forge.refused_bytes(&forge.body.bytes_counting(u32::MAX), &too_long);
    forge.refused_bytes(&forge.body.bytes_counting(1024 * 1024 + 1), &too_long);
    forge.unreadable(&forge.body.bytes_counting(0));
    forge.unreadable(&forge.body.bytes_counting(length));
}

#[test]
fn particulars_that_are_doubled_or_compressed_otherwise_are_unreadable() {
    let forge = Forge::new();
    let text = String::from_utf8(forge.body.particulars.clone()).unwrap();
    let doubled = text.replacen('{', r#"{"plain_bytes":1,"#, 1);
    let otherwise = text.replace(r#""compression":"lz4""#, r#""compression":"zstd""#);
    for particulars in [doubled, otherwise, text.replacen('{', "[", 1)] {
        assert_ne!(particulars, text);
        forge.unreadable(&Body { particulars: particulars.into_bytes(), ..forge.body.clone() }.bytes());
    }
}

#[test]
fn a_plain_length_that_lies_is_noticed_on_either_side() {
    let forge = Forge::new();
    let whole = forge.specimen.document.len() as u64;
    for lie in [0, 1, whole - 1, whole + 1, 2 * whole] {
        forge.refused(|body| body.say("plain_bytes", json!(lie)), &MISMATCH);
    }
    for lie in [CONFIG_BYTES_MAX as u64 + 1, u64::from(u32::MAX), u64::MAX] {
        forge.refused(|body| body.say("plain_bytes", json!(lie)), &Refusal::OutOfBounds("configuration length"));
    }
    forge.refused(|body| body.say("plain_bytes", json!(CONFIG_BYTES_MAX)), &Refusal::OutOfBounds("compression ratio"));
}

#[test]
fn what_unpacks_to_a_thousand_times_its_size_is_not_unpacked() {
    let forge = Forge::new();
    // LZ4 itself ends at 255 to one: the honest bomb, and the one that says it were larger still.
    let plain = vec![0; 64 << 20];
    let frame = compressed(&plain);
    let ratio = Refusal::OutOfBounds("compression ratio");
    for says in [plain.len() as u64, 1000 * frame.len() as u64] {
        forge.refused(
            |body| {
                body.frame = frame.clone();
                body.say("plain_bytes", json!(says));
                body.say("digest", json!(Digest::of(&plain)));
            },
            &ratio,
        );
    }
    // And one that says it were small is read no further than it says.
    forge.refused(|body| body.frame = frame.clone(), &MISMATCH);
}

#[test]
fn a_frame_that_is_broken_short_long_or_followed_by_more_does_not_match() {
    let forge = Forge::new();
    let frame = &forge.body.frame;
    // The last four bytes are the end mark: without it the configuration is whole, and its digest holds.
    for cut in [0, 3, 4, 7, 15, frame.len() / 2, frame.len() - 5] {
        forge.refused(|body| body.frame.truncate(cut), &MISMATCH);
    }
    for appended in [vec![0], b"more".to_vec(), frame.clone(), forge.body.bytes()] {
        forge.refused(|body| body.frame.extend_from_slice(&appended), &MISMATCH);
    }
    // Every size and checksum in a frame's own header, and what its first block says of its length.
    for at in 0..20 {
        forge.refused_somehow(|body| body.frame[at] = !body.frame[at]);
    }
}

#[test]
fn another_configuration_than_the_digest_says_is_named() {
    let forge = Forge::new();
    let mut other = forge.specimen.document.clone();
    let at = other.len() / 2;
    other[at] ^= 1;
    let (said, found) = (Digest::of(&forge.specimen.document), Digest::of(&other));
    let refusal = Refusal::DigestMismatch { said, found };
    forge.refused(|body| body.frame = compressed(&other), &refusal);
    assert!(refusal.to_string().contains(&said.short()) && refusal.to_string().contains(&found.short()));
}

/// A snapshot that is signed and not encrypted, and whoever can sign the next.
struct Forge {
    specimen: Specimen,
    parts: Parts,
    body: Body,
}

impl Forge {
    fn new() -> Self {
        let specimen = KINDS[1].specimen();
        let parts = Parts::of(&specimen.snapshot);
        let body = Body::of(&parts.body);
        let forge = Self { specimen, parts, body };
        assert!(forge.opened(forge.body.bytes()).is_ok(), "taken apart and put together, it opens");
        forge
    }

    fn opened(&self, body: Vec<u8>) -> Result<(), Why> {
        let file = Parts { body, ..self.parts.clone() }.signed(&self.specimen.exporter);
        open(&file, &self.specimen.gate()).map(drop)
    }

    fn refused(&self, change: impl FnOnce(&mut Body), expected: &Refusal) {
        let mut body = self.body.clone();
        change(&mut body);
        self.refused_bytes(&body.bytes(), expected);
    }

    fn refused_bytes(&self, body: &[u8], expected: &Refusal) {
        witness::take();
        assert_eq!(self.opened(body.to_vec()), Err(Why::Refused(expected.clone())), "{} bytes of a body", body.len());
        assert_eq!(witness::take().validate, 0, "what does not open is not looked through");
    }

    fn refused_somehow(&self, change: impl FnOnce(&mut Body)) {
        let mut body = self.body.clone();
        change(&mut body);
        assert!(matches!(self.opened(body.bytes()), Err(Why::Refused(_))));
    }

    fn unreadable(&self, body: &[u8]) {
        let why = self.opened(body.to_vec());
        assert!(matches!(&why, Err(Why::Refused(Refusal::Unreadable(why))) if why.starts_with("particulars, ")), "{why:?}");
    }
}

fn compressed(plain: &[u8]) -> Vec<u8> {
    let mut encoder = FrameEncoder::new(Vec::new());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}
