//! The lines of an age header: stanzas, each with arguments and a body in base64, then the line of the code that covers them.
//!
//! One header has one text: what could be written in two ways is refused. Knows no key.

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;

const FIRST_LINE: &str = "age-encryption.org/v1";
const COLUMNS: usize = 64;
const MAC_BEGIN: &str = "--- ";

/// A header in its parts. Only its form was looked at.
pub struct Header<'a> {
    pub stanzas: Vec<Stanza<'a>>,
    /// What the code covers: up to and with the three dashes.
    pub covered: &'a str,
    pub mac: [u8; 32],
}

pub struct Stanza<'a> {
    /// At least one: its kind.
    pub arguments: Vec<&'a str>,
    pub body: Vec<u8>,
}

impl<'a> Header<'a> {
    /// `Err` says what is wrong with it.
    pub fn parse(text: &'a str) -> Result<Self, &'static str> {
        // The file's own first line ends in a new line, as each does.
        let (last_line_at, mac) = text.strip_suffix('\n').and_then(last_line).ok_or("it does not end with a whole line")?;
        let mac = mac.strip_prefix(MAC_BEGIN).and_then(bytes_of).ok_or("its last line is no authentication code")?;
        let covered = text.get(..last_line_at + MAC_BEGIN.len() - 1).ok_or("its last line is no authentication code")?;
        let mut lines = text.get(..last_line_at).unwrap_or_default().split_terminator('\n');
        if lines.next() != Some(FIRST_LINE) {
            return Err("its first line is not that of age v1");
        }
        let mut stanzas = Vec::new();
        while let Some(line) = lines.next() {
            stanzas.push(Stanza::parse(line, &mut lines)?);
        }
        if stanzas.is_empty() {
            return Err("it names no recipient");
        }
        Ok(Self { stanzas, covered, mac })
    }
}

impl<'a> Stanza<'a> {
    fn parse(first: &'a str, rest: &mut impl Iterator<Item = &'a str>) -> Result<Self, &'static str> {
        let arguments: Vec<&str> = first.strip_prefix("-> ").ok_or("a stanza does not begin with an arrow")?.split(' ').collect();
        if arguments.iter().any(|argument| argument.is_empty() || !argument.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err("a stanza has an argument that is none");
        }
        let mut body = String::new();
        // A line that is not full is the last, even when nothing stands in it.
        loop {
            let line = rest.next().ok_or("a stanza ends early")?;
            if line.len() > COLUMNS {
                return Err("a stanza has a line that is too long");
            }
            body.push_str(line);
            if line.len() < COLUMNS {
                break;
            }
        }
        let body = BASE64_STANDARD_NO_PAD.decode(body).map_err(|_| "a stanza's body is no base64")?;
        Ok(Self { arguments, body })
    }
}

fn last_line(text: &str) -> Option<(usize, &str)> {
    let at = text.rfind('\n')? + 1;
    Some((at, text.get(at..)?))
}

/// Of the one canonical text of these many bytes.
pub fn bytes_of<const N: usize>(text: &str) -> Option<[u8; N]> {
    BASE64_STANDARD_NO_PAD.decode(text).ok()?.try_into().ok()
}

pub fn text_of(bytes: &[u8]) -> String {
    BASE64_STANDARD_NO_PAD.encode(bytes)
}

/// The header's text up to its three dashes. Bodies are those of X25519, shorter than a line.
pub fn covered_text(stanzas: impl Iterator<Item = ([u8; 32], [u8; 32])>) -> String {
    let mut text = format!("{FIRST_LINE}\n");
    for (share, body) in stanzas {
        text.push_str(&format!("-> X25519 {}\n{}\n", text_of(&share), text_of(&body)));
    }
    text.push_str("---");
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

    use super::*;

    const MAC: &str = "--- AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n";

    #[test]
    fn stanzas_of_any_kind_and_length_are_read() {
        let full = "A".repeat(64);
        let text = format!("age-encryption.org/v1\n-> X25519 share\nAAAA\n-> x-grease ;[ ~\n{full}\n{full}\n\n-> empty\n\n{MAC}");
        let header = Header::parse(&text).unwrap();
        let read: Vec<(usize, usize)> = header.stanzas.iter().map(|stanza| (stanza.arguments.len(), stanza.body.len())).collect();
        assert_eq!(read, [(2, 3), (3, 96), (1, 0)]);
        assert!(header.covered.ends_with("\n---") && header.mac == [0; 32]);
    }

    #[test]
    fn what_could_be_written_in_two_ways_is_refused() {
        let with = |stanza: &str| format!("age-encryption.org/v1\n{stanza}{MAC}");
        for (text, why) in [
            (with(""), "no recipient"),
            (with("-> a\nAAAA"), "last line"),
            (with("-> a\nAAAA\nAAAA\n"), "arrow"),
            (with("-> a\n"), "ends early"),
            (with(&format!("-> a\n{}\n", "A".repeat(64))), "ends early"),
            (with(&format!("-> a\n{}\n", "A".repeat(65))), "too long"),
            (with("-> a\nAA==\n"), "base64"),
            (with("-> a\nAB\n"), "base64"),
            (with("-> a\nA_A\n"), "base64"),
            (with("-> a\nAAAA\r\n"), "base64"),
            (with("-> a  b\n\n"), "argument"),
            (with("-> \n\n"), "argument"),
            (with("-> a\u{e9}\n\n"), "argument"),
            (with("-> a\t\n\n"), "argument"),
            (format!("age-encryption.org/v2\n-> a\n\n{MAC}"), "first line"),
            (format!("age-encryption.org/v1\n-> a\n\n{}", MAC.trim_end()), "whole line"),
            ("age-encryption.org/v1\n-> a\n\n--- AAAA\n".into(), "authentication code"),
            ("age-encryption.org/v1\n-> a\n\n---\n".into(), "authentication code"),
            (format!("age-encryption.org/v1\n-> a\n\n{MAC}{MAC}"), "arrow"),
            (String::new(), "whole line"),
        ] {
            match Header::parse(&text) {
                Ok(_) => panic!("taken: {text:?}"),
                Err(sentence) => assert!(sentence.contains(why), "{text:?}: {sentence}"),
            }
        }
    }
}
