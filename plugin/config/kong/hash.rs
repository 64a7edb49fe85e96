//! Kong's configuration hash (KONG.md A.5): MD5 over a text form of the configuration, section by section.
//!
//! Written from the description of the algorithm and checked against Kong's own results. A list is hashed element by element,
//! so that only one of them is in memory at a time. Knows JSON, and of Kong the five names.

use md5::{Digest, Md5};

use super::super::Invalid;
use super::super::tree::{self, Node, Section};

/// The buffer is folded into its MD5 before it takes another value when it is longer than this.
const FOLD_BYTES: usize = 1_000_000;
/// Small, for it counts in the memory of every episode.
const KEPT_BYTES: usize = 16 * 1024;
/// From so many elements on, the last one has a separator behind it as well.
const LONG_LIST: usize = 6;

const NO_SECTION: &str = "00000000000000000000000000000000";
/// In the order in which they make up the whole.
const OWN_HASH: [&str; 5] = ["routes", "services", "plugins", "upstreams", "targets"];

/// As in the reconfigure message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hashes {
    pub config: String,
    pub routes: String,
    pub services: String,
    pub plugins: String,
    pub upstreams: String,
    pub targets: String,
}

/// Hashes the sections of a config table that stand `depth` levels below the document's root.
pub fn of(sections: &[Section<'_>], depth: usize) -> Result<Hashes, Invalid> {
    let section = |name: &str| match sections.iter().find(|(key, _)| key == name) {
        None => Ok(NO_SECTION.to_owned()),
        Some((_, text)) => {
            let mut buffer = Buffer::default();
            buffer.text(text, depth)?;
            Ok(buffer.finish())
        }
    };
    let [routes, services, plugins, upstreams, targets] = OWN_HASH;
    let (routes, services, plugins) = (section(routes)?, section(services)?, section(plugins)?);
    let (upstreams, targets) = (section(upstreams)?, section(targets)?);
    let rest = rest(sections, depth)?;
    let config = hex(&Md5::digest([&*routes, &services, &plugins, &upstreams, &targets, &rest].concat()));
    Ok(Hashes { config, routes, services, plugins, upstreams, targets })
}

fn rest(sections: &[Section<'_>], depth: usize) -> Result<String, Invalid> {
    let mut rest: Vec<&Section<'_>> = sections.iter().filter(|(key, _)| !OWN_HASH.contains(&key.as_ref())).collect();
    rest.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut buffer = Buffer::default();
    if rest.is_empty() {
        buffer.push("{}");
    }
    for (key, text) in rest {
        buffer.push(key);
        buffer.push(":");
        buffer.text(text, depth)?;
        buffer.push(";");
    }
    Ok(buffer.finish())
}

/// The algorithm's buffer, of which only a part is kept: what is behind it is in its MD5 already.
#[derive(Default)]
struct Buffer {
    hashed: Md5,
    kept: Vec<u8>,
    bytes_len: usize,
}

impl Buffer {
    fn push(&mut self, text: &str) {
        self.kept.extend_from_slice(text.as_bytes());
        self.bytes_len += text.len();
        if self.kept.len() > KEPT_BYTES {
            self.hashed.update(&self.kept);
            self.kept.clear();
        }
    }

    fn finish(mut self) -> String {
        self.hashed.update(&self.kept);
        hex(&self.hashed.finalize())
    }

    fn fold(&mut self) {
        if self.bytes_len > FOLD_BYTES {
            self.hashed.update(&self.kept);
            let folded = self.hashed.finalize_reset();
            self.kept.clear();
            self.kept.extend_from_slice(&folded);
            self.bytes_len = folded.len();
        }
    }

    fn text(&mut self, text: &str, depth: usize) -> Result<(), Invalid> {
        if tree::first_byte(text) != Some(b'[') {
            self.value(&tree::parse(text, depth)?);
            return Ok(());
        }
        self.fold();
        let mut count = 0;
        tree::nodes(text, depth, |node| {
            if count > 0 {
                self.push(";");
            }
            count += 1;
            self.value(&node);
            Ok(())
        })?;
        self.end_list(count);
        Ok(())
    }

    fn end_list(&mut self, count: usize) {
        match count {
            0 => self.push("{}"),
            1..LONG_LIST => {}
            LONG_LIST.. => self.push(";"),
        }
    }

    fn value(&mut self, node: &Node<'_>) {
        self.fold();
        match node {
            Node::Null => self.push("/null/"),
            Node::Bool(true) => self.push("true"),
            Node::Bool(false) => self.push("false"),
            Node::Number(number) => self.push(&fourteen_digits(number.as_f64())),
            Node::String(text) => self.push(text),
            Node::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        self.push(";");
                    }
                    self.value(element);
                }
                self.end_list(elements.len());
            }
            Node::Object(members) if members.is_empty() => self.push("{}"),
            Node::Object(members) => {
                let mut members: Vec<&tree::Member<'_>> = members.iter().collect();
                members.sort_by(|(one, _), (other, _)| one.cmp(other));
                for (key, value) in members {
                    self.push(key);
                    self.push(":");
                    self.value(value);
                    self.push(";");
                }
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `%.14g` as LuaJIT prints it: like C's, but an exact tie is rounded away from zero.
fn fourteen_digits(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e14 {
        return if value == 0.0 && value.is_sign_negative() { "-0".to_owned() } else { format!("{}", value as i64) };
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let (digits, exponent) = rounded(value.abs());
    let significant = digits.trim_end_matches('0');
    let significant = if significant.is_empty() { "0" } else { significant };
    let (first, others) = significant.split_at(1);
    if !(-4..14).contains(&exponent) {
        let fraction = if others.is_empty() { String::new() } else { format!(".{others}") };
        let exponent_sign = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{first}{fraction}e{exponent_sign}{:02}", exponent.abs());
    }
    if exponent < 0 {
        return format!("{sign}0.{}{significant}", "0".repeat(usize::try_from(-exponent - 1).unwrap_or(0)));
    }
    let whole = usize::try_from(exponent).unwrap_or(0) + 1;
    match significant.split_at_checked(whole) {
        Some((whole, "")) => format!("{sign}{whole}"),
        Some((whole, fraction)) => format!("{sign}{whole}.{fraction}"),
        None => format!("{sign}{significant}{}", "0".repeat(whole - significant.len())),
    }
}

/// Fourteen significant digits and the exponent of the first.
fn rounded(value: f64) -> (String, i32) {
    let split = |text: String| -> (String, i32) {
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        (mantissa.replace('.', ""), exponent.parse().unwrap_or(0))
    };
    // Most numbers were written with so few digits that there is nothing to round.
    let (digits, exponent) = split(format!("{value:e}"));
    if digits.len() <= 14 {
        return (digits, exponent);
    }
    // An exact tie has a 5 as its fifteenth digit and nothing behind. No double has more than 767 significant digits.
    let (digits, _) = split(format!("{value:.766e}"));
    let tie = digits.get(14..).is_some_and(|behind| behind.trim_end_matches('0') == "5");
    // The next double above rounds up, and by no more than the tie would.
    split(format!("{:.13e}", if tie { value.next_up() } else { value }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn numbers_are_printed_as_luajit_prints_them() {
        for (value, text) in [
            (10.0, "10"),
            (0.9, "0.9"),
            (-5.0, "-5"),
            (1_700_000_000.123, "1700000000.123"),
            (1e15, "1e+15"),
            (0.300_000_000_000_000_04, "0.3"),
            (123_456_789_012_345.0, "1.2345678901235e+14"),
            (123_456_789_012_335.0, "1.2345678901234e+14"),
            (99_999_999_999_999.0, "99999999999999"),
            (1e-5, "1e-05"),
            (0.000_123, "0.000123"),
            (1.5e300, "1.5e+300"),
            (-0.0, "-0"),
        ] {
            assert_eq!(fourteen_digits(value), text, "{value:e}");
        }
    }

    #[test]
    fn scalars_hash_to_the_md5_of_their_text() {
        for (json, hash) in [
            ("null", "5bf07a8b7343015026657d1108d8206e"),
            ("10", "d3d9446802a44259755d38e6d163e820"),
            ("0.9", "a894124cc6d5c5c71afe060d5dde0762"),
            ("\"\"", "d41d8cd98f00b204e9800998ecf8427e"),
            ("\"hello\"", "5d41402abc4b2a76b9719d911017c592"),
            ("false", "68934a3e9455fa72420237eb05902327"),
            ("true", "b326b5062b2f0e69046810717534cb09"),
        ] {
            let mut buffer = Buffer::default();
            buffer.text(json, 0).unwrap();
            assert_eq!(buffer.finish(), hash, "{json}");
        }
    }

    #[test]
    fn an_absent_section_a_null_one_and_an_empty_one_differ() {
        let routes = |text: &str| of(&tree::sections(text).unwrap().unwrap(), 1).unwrap().routes;
        assert_eq!(routes("{}"), NO_SECTION);
        assert_eq!(routes(r#"{"routes": null}"#), "5bf07a8b7343015026657d1108d8206e");
        assert_eq!(routes(r#"{"routes": []}"#), "99914b932bd37a50b983c5e7c90ae93b");
    }
}
