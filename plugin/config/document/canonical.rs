//! Canonical JSON (RFC 8785) of a document, hashed as it is written.
//!
//! Members are sorted by their UTF-16 code units, numbers are doubles in ECMAScript's notation, strings are escaped only where they
//! must be. The first levels are walked piece by piece, so that only one element of a long list is in memory at a time.

use super::super::Invalid;
use super::super::tree::{self, Member, Node};
use crate::model::Digest;

/// Levels that are split before they are parsed: the root, its sections, their elements. Each costs one more reading of the text.
const SPLIT_LEVELS: usize = 3;
const FLUSH_BYTES: usize = 64 * 1024;

/// BLAKE3 of the canonical form, in hexadecimal.
pub fn sameness(text: &str) -> Result<String, Invalid> {
    let mut canonical = Canonical::default();
    canonical.text(text, 0)?;
    canonical.hasher.update(canonical.buffer.as_bytes());
    Ok(Digest::from_bytes(*canonical.hasher.finalize().as_bytes()).to_string())
}

#[derive(Default)]
struct Canonical {
    buffer: String,
    hasher: blake3::Hasher,
}

impl Canonical {
    fn text(&mut self, text: &str, depth: usize) -> Result<(), Invalid> {
        if depth < SPLIT_LEVELS && tree::first_byte(text) == Some(b'[') {
            self.buffer.push('[');
            let mut first = true;
            tree::elements(text, |element| {
                self.comma(&mut first);
                self.text(element, depth + 1)
            })?;
            self.buffer.push(']');
            return Ok(());
        }
        let sections = if depth < SPLIT_LEVELS { tree::sections(text)? } else { None };
        let Some(mut sections) = sections else {
            self.node(&tree::parse(text, depth)?);
            return Ok(());
        };
        sections.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
        self.buffer.push('{');
        let mut first = true;
        for (key, section) in sections {
            self.comma(&mut first);
            write_string(&mut self.buffer, &key);
            self.buffer.push(':');
            self.text(section, depth + 1)?;
        }
        self.buffer.push('}');
        Ok(())
    }

    fn node(&mut self, node: &Node<'_>) {
        write_node(&mut self.buffer, node);
        if self.buffer.len() >= FLUSH_BYTES {
            self.hasher.update(self.buffer.as_bytes());
            self.buffer.clear();
        }
    }

    fn comma(&mut self, first: &mut bool) {
        if !std::mem::take(first) {
            self.buffer.push(',');
        }
    }
}

fn write_node(out: &mut String, node: &Node<'_>) {
    match node {
        Node::Null => out.push_str("null"),
        Node::Bool(true) => out.push_str("true"),
        Node::Bool(false) => out.push_str("false"),
        Node::Number(number) => out.push_str(&ecmascript(number.as_f64())),
        Node::String(text) => write_string(out, text),
        Node::Array(elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_node(out, element);
            }
            out.push(']');
        }
        Node::Object(members) => {
            let mut members: Vec<&Member<'_>> = members.iter().collect();
            members.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
            out.push('{');
            for (index, (key, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_string(out, key);
                out.push(':');
                write_node(out, value);
            }
            out.push('}');
        }
    }
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            control if control < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
}

/// A finite double as ECMAScript's `Number::toString` writes it. Rust's `{:e}` gives the same shortest digits; only the layout differs.
fn ecmascript(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{:e}", value.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits = mantissa.replace('.', "");
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if value < 0.0 { "-" } else { "" };
    // Where the decimal point stands, counted from the first digit.
    let point = exponent + 1;
    let length = digits.len() as i32;
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    if point > 21 || point <= -6 {
        let (first, rest) = digits.split_at(1);
        let fraction = if rest.is_empty() { String::new() } else { format!(".{rest}") };
        return format!("{sign}{first}{fraction}e{exponent:+}");
    }
    if point <= 0 {
        return format!("{sign}0.{}{digits}", zeros(-point));
    }
    if length <= point {
        return format!("{sign}{digits}{}", zeros(point - length));
    }
    let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
    format!("{sign}{whole}.{fraction}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn numbers_are_written_as_in_the_appendix_of_rfc_8785() {
        let vectors: [(u64, &str); 17] = [
            (0x0000_0000_0000_0000, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0xc340_0000_0000_0000, "-9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
        ];
        for (bits, text) in vectors {
            assert_eq!(ecmascript(f64::from_bits(bits)), text);
        }
        assert_eq!(ecmascript(1.5), "1.5");
        assert_eq!(ecmascript(-0.001), "-0.001");
    }

    #[test]
    fn members_are_sorted_by_their_utf_16_code_units_and_strings_escaped_as_in_rfc_8785() {
        let text = r#"{"\u20ac":"Euro","\r":"CR","\ufb33":"Dalet","1":"One","\ud83d\ude00":"Smile","\u0080":"C","\u00f6":"o"}"#;
        assert_eq!(
            written(text),
            "{\"\\r\":\"CR\",\"1\":\"One\",\"\u{80}\":\"C\",\"\u{f6}\":\"o\",\"\u{20ac}\":\"Euro\",\"\u{1f600}\":\"Smile\",\"\u{fb33}\":\"Dalet\"}"
        );
        assert_eq!(written("\"\\u000f\\n\\u0008'\\\"\\\\/\u{20ac}\""), "\"\\u000f\\n\\b'\\\"\\\\/\u{20ac}\"");
    }

    #[test]
    fn a_long_list_hashes_like_its_canonical_text() {
        let elements: Vec<String> = (0..20_000).map(|number| format!("{{\"b\": {number}.0, \"a\": [true]}}")).collect();
        let text = format!("{{\"list\": [{}]}}", elements.join(", "));
        let expected: Vec<String> = (0..20_000).map(|number| format!("{{\"a\":[true],\"b\":{number}}}")).collect();
        let expected = format!("{{\"list\":[{}]}}", expected.join(","));
        assert_eq!(sameness(&text).unwrap(), Digest::of(expected.as_bytes()).to_string());
    }

    fn written(text: &str) -> String {
        let mut canonical = Canonical::default();
        canonical.text(text, 0).unwrap();
        canonical.buffer
    }
}
