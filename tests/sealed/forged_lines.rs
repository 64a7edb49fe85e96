//! Damage done with care to the files of lines, a head's above all, and to the header of a cache entry. Digests are written anew.

use holdover_plugin::model::Digest;
use holdover_plugin::snapshot::cached;
use holdover_plugin::snapshot::head::Head;
use holdover_plugin::snapshot::lease::Lease;
use holdover_plugin::snapshot::orders::Orders;
use holdover_plugin::snapshot::{Purpose, Refusal, Trust};
use holdover_plugin::witness::{self, Passed};
use holdover_tests::virtual_world::keys::signing_key;

use crate::specimen::{KINDS, Specimen, own_cache_entry};

#[test]
fn lines_that_are_none_of_ours_in_excess_or_out_of_order_are_refused() {
    let specimen = KINDS[1].specimen();
    let (content, signature) = (first_line(&specimen.head), signature(&specimen, Purpose::Head));
    assert!(Head::read(&sealed(&[&content, &signature]), &specimen.trusted()).is_ok());
    let line = |line: &str| sealed(&[&content, line, &signature]);
    let upper_case = line(&signature.to_uppercase());
    let many: Vec<&str> = std::iter::once(content.as_str()).chain(std::iter::repeat_n(signature.as_str(), 17)).collect();
    for (file, refusal) in [
        (line(""), Refusal::UnknownLine),
        (line("# a comment"), Refusal::UnknownLine),
        (line(&content), Refusal::UnknownLine),
        (line(&format!("blake3:{}", Digest::of(b""))), Refusal::UnknownLine),
        (line(&signature[..signature.len() - 1]), Refusal::UnknownLine),
        (line(&format!("{signature} ")), Refusal::UnknownLine),
        (upper_case, Refusal::UnknownLine),
        (sealed(&many), Refusal::OutOfBounds("number of signatures")),
        (sealed(&[&content]), Refusal::Unsigned),
        (sealed(&[&signature, &content]), Refusal::NotOurs),
        (sealed(&[&content, &signature]).repeat(2), Refusal::Corrupt),
        ([sealed(&[&content, &signature]), b"\n".to_vec()].concat(), Refusal::Corrupt),
    ] {
        refused(&file, &specimen.trusted(), refusal);
    }
}

#[test]
fn a_line_signed_for_another_purpose_by_a_stranger_or_for_another_line_is_refused() {
    let (specimen, other) = (KINDS[1].specimen(), KINDS[1].specimen());
    let content = first_line(&specimen.head);
    for purpose in Purpose::ALL.into_iter().filter(|purpose| *purpose != Purpose::Head) {
        let file = sealed(&[&content, &signature(&specimen, purpose)]);
        refused(&file, &specimen.trusted(), Refusal::BadSignature(specimen.exporter.id()));
    }
    let stranger = signing_key();
    let by_stranger = stranger.sign(Purpose::Head, Digest::of(content.as_bytes())).to_string();
    refused(&sealed(&[&content, &by_stranger]), &specimen.trusted(), Refusal::UntrustedSigner(vec![stranger.id()]));
    let spliced =
        sealed(&[&first_line(&other.head).replace(r#""generation":20"#, r#""generation":21"#), &signature(&specimen, Purpose::Head)]);
    refused(&spliced, &specimen.trusted(), Refusal::BadSignature(specimen.exporter.id()));
}

#[test]
fn content_that_is_intact_and_no_head_is_unreadable_or_of_an_unknown_format() {
    let specimen = KINDS[0].specimen();
    let content = first_line(&specimen.head);
    let read = |content: &str| Head::read(&sealed(&[content]), &Trust::unasked());
    for content in [
        "{}",
        "{",
        &content.replacen('{', r#"{"epoch":1,"#, 1),
        &content.replace(r#""epoch":1"#, r#""epoch":-1"#),
        &"{\"a\":".repeat(50_000),
    ] {
        assert!(matches!(read(content), Err(Refusal::Unreadable(_))), "{}", &content[..content.len().min(80)]);
    }
    for number in [0, 2, u16::MAX] {
        let content = content.replacen(r#""format":1"#, &format!(r#""format":{number}"#), 1);
        assert_eq!(read(&content), Err(Refusal::UnknownFormat(number)));
    }
    assert!(read(&content.replacen('{', r#"{"of_a_later_version":[{}],"#, 1)).is_ok(), "members that are not known are passed over");
}

#[test]
fn no_file_of_lines_is_read_as_another() {
    let specimen = KINDS[1].specimen();
    let trusted = specimen.trusted();
    assert_eq!(Lease::read(&specimen.head, &trusted).unwrap_err(), Refusal::BadSignature(specimen.exporter.id()));
    assert_eq!(Orders::read(&specimen.head, &trusted).unwrap_err(), Refusal::BadSignature(specimen.exporter.id()));
    assert!(matches!(Orders::read(&KINDS[0].specimen().head, &Trust::unasked()), Err(Refusal::Unreadable(_))));
    assert_eq!(Head::read(&specimen.snapshot, &trusted), Err(Refusal::NotOurs));
    assert_eq!(Head::read(b"<html>gone</html>", &trusted), Err(Refusal::NotOurs));
}

#[test]
fn a_cache_header_at_its_extremes_doubled_or_of_another_format_is_refused() {
    let file = own_cache_entry();
    let front = file.len() - cached::unwrap(&file).unwrap().snapshot.len();
    let header = String::from_utf8(file[14..front - 32].to_vec()).unwrap();
    let with = |header: &str, length: u32| {
        let mut entry = b"HOLDCACH\x01\x00".to_vec();
        entry.extend_from_slice(&length.to_le_bytes());
        entry.extend_from_slice(header.as_bytes());
        entry.extend_from_slice(Digest::of(&entry).as_bytes());
        [entry, file[front..].to_vec()].concat()
    };
    let verdict = |entry: &[u8]| cached::unwrap(entry).map(drop);
    let length = header.len() as u32;
    assert_eq!(verdict(&with(&header, length)), Ok(()));
    witness::take();
    assert_eq!(verdict(&with(&header, u32::MAX)), Err(Refusal::OutOfBounds("header length")));
    assert_eq!(verdict(&with(&header, 1024 * 1024 + 1)), Err(Refusal::OutOfBounds("header length")));
    assert_eq!(verdict(&with(&header, 1024 * 1024)), Err(Refusal::Torn));
    for lie in [0, length - 1, length + 1] {
        assert_eq!(verdict(&with(&header, lie)), Err(Refusal::Corrupt));
    }
    assert_eq!(witness::take(), Passed::default());
    assert_eq!(verdict(&KINDS[0].specimen().snapshot), Err(Refusal::NotOurs));
    witness::take();
    let mut other_format = file.clone();
    other_format[8] = 0;
    assert_eq!(verdict(&other_format), Err(Refusal::UnknownFormat(0)));
    assert_eq!(witness::take(), Passed::default());
    let doubled = header.replacen('{', r#"{"kept_at":1,"#, 1);
    let elsewhere = header.replace("control-plane", "somewhere-else");
    for header in [doubled, elsewhere, "{}".into()] {
        let refusal = verdict(&with(&header, header.len() as u32)).unwrap_err();
        assert!(matches!(&refusal, Refusal::Unreadable(why) if why.starts_with("header, ")), "{refusal:?}");
    }
}

fn refused(file: &[u8], trusted: &Trust, expected: Refusal) {
    witness::take();
    assert_eq!(Head::read(file, trusted).map(drop), Err(expected), "{}", String::from_utf8_lossy(&file[file.len().saturating_sub(400)..]));
    assert_eq!(witness::take(), Passed::default());
}

fn first_line(file: &[u8]) -> String {
    String::from_utf8(file.split(|byte| *byte == b'\n').next().unwrap().to_vec()).unwrap()
}

fn signature(specimen: &Specimen, purpose: Purpose) -> String {
    specimen.exporter.sign(purpose, Digest::of(first_line(&specimen.head).as_bytes())).to_string()
}

/// A file of these lines.
fn sealed(lines: &[&str]) -> Vec<u8> {
    let mut file: Vec<u8> = lines.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect();
    let digest = Digest::of(&file);
    file.extend_from_slice(format!("blake3:{digest}\n").as_bytes());
    file
}
