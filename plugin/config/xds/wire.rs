//! Protobuf's wire format, as far as it takes to read a few fields of a message and to write one.
//!
//! Read is in place: nothing is copied, and a message of any size takes no memory. Code made from Envoy's protos builds trees, of fifty
//! times the bytes for a list of empty messages, and made the importer larger by a twelfth. What is called in many places is compiled once
//! (`inline(never)`), for the same reason.
//!
//! Of a field that is written twice and should be there once the last counts; writers write none twice. Groups, which the third version of
//! the language has not, are malformed. Knows no message.

/// The bytes of a message; of one that is not there none, as the language has it.
#[derive(Clone, Copy)]
pub struct Message<'a>(pub &'a [u8]);

/// Not the bytes of a message, or of another one: a field has another type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

pub enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Four or eight bytes; no field that is read has them.
    Fixed,
}

const NUMBER: u64 = 0;
const EIGHT_BYTES: u64 = 1;
const BYTES: u64 = 2;
const FOUR_BYTES: u64 = 5;

impl<'a> Message<'a> {
    /// Number and value of each field, as they come.
    pub fn fields(self) -> impl Iterator<Item = Result<(u64, Value<'a>), Malformed>> {
        let mut rest = self.0;
        std::iter::from_fn(move || next(&mut rest))
    }

    /// The messages, texts or bytes of a field that may be there several times.
    pub fn each(self, number: u64) -> impl Iterator<Item = Result<&'a [u8], Malformed>> {
        self.fields().filter_map(move |field| match field {
            Ok((found, Value::Bytes(bytes))) if found == number => Some(Ok(bytes)),
            Ok((found, Value::Number(_) | Value::Fixed)) if found == number => Some(Err(Malformed)),
            Ok(_) => None,
            Err(malformed) => Some(Err(malformed)),
        })
    }

    #[inline(never)]
    pub fn bytes(self, number: u64) -> Result<Option<&'a [u8]>, Malformed> {
        self.each(number).try_fold(None, |_, bytes| bytes.map(Some))
    }

    #[inline(never)]
    pub fn message(self, number: u64) -> Result<Self, Malformed> {
        Ok(Self(self.bytes(number)?.unwrap_or_default()))
    }

    #[inline(never)]
    pub fn text(self, number: u64) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.message(number)?.0).map_err(|_| Malformed)
    }

    #[inline(never)]
    pub fn number(self, number: u64) -> Result<u64, Malformed> {
        self.fields().try_fold(0, |last, field| match field? {
            (found, Value::Number(value)) if found == number => Ok(value),
            (found, Value::Bytes(_) | Value::Fixed) if found == number => Err(Malformed),
            _ => Ok(last),
        })
    }
}

/// Its place moves behind the field; behind one that is malformed there is nothing.
#[inline(never)]
fn next<'a>(rest: &mut &'a [u8]) -> Option<Result<(u64, Value<'a>), Malformed>> {
    if rest.is_empty() {
        return None;
    }
    let read = field(rest);
    *rest = read.as_ref().map_or(&[], |(_, _, behind)| behind);
    Some(read.map(|(number, value, _)| (number, value)))
}

/// A field's number, its value, and what is behind it.
fn field(bytes: &[u8]) -> Result<(u64, Value<'_>, &[u8]), Malformed> {
    let (tag, rest) = varint(bytes)?;
    let number = tag >> 3;
    if number == 0 || tag > u64::from(u32::MAX) {
        return Err(Malformed);
    }
    match tag & 7 {
        NUMBER => varint(rest).map(|(value, behind)| (number, Value::Number(value), behind)),
        EIGHT_BYTES => taken(rest, 8).map(|(_, behind)| (number, Value::Fixed, behind)),
        FOUR_BYTES => taken(rest, 4).map(|(_, behind)| (number, Value::Fixed, behind)),
        BYTES => {
            let (length, rest) = varint(rest)?;
            taken(rest, length).map(|(value, behind)| (number, Value::Bytes(value), behind))
        }
        _ => Err(Malformed),
    }
}

fn taken(bytes: &[u8], length: u64) -> Result<(&[u8], &[u8]), Malformed> {
    usize::try_from(length).ok().and_then(|length| bytes.split_at_checked(length)).ok_or(Malformed)
}

/// Seven bits a byte, the lowest first; at most 64 in all.
fn varint(bytes: &[u8]) -> Result<(u64, &[u8]), Malformed> {
    let (mut value, mut rest) = (0, bytes);
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, behind) = rest.split_first().ok_or(Malformed)?;
        rest = behind;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return Err(Malformed);
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok((value, rest));
        }
    }
    Err(Malformed)
}

pub fn write_bytes(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    write_varint(out, number << 3 | BYTES);
    write_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

impl From<Malformed> for String {
    fn from(_: Malformed) -> Self {
        "its bytes are no message of its type".to_owned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_number_reads_back_whatever_it_is_and_has_64_bits_at_most() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX >> 1, u64::MAX] {
            let mut bytes = Vec::new();
            write_varint(&mut bytes, value);
            assert_eq!(varint(&bytes), Ok((value, &[][..])));
            assert_eq!(varint(&bytes[..bytes.len() - 1]), Err(Malformed));
        }
        assert_eq!(varint(&[&[0xff; 9][..], &[0x02]].concat()), Err(Malformed));
        assert_eq!(varint(&[0xff; 11]), Err(Malformed));
    }

    #[test]
    fn fields_of_every_type_are_passed_over_and_the_last_of_two_counts() {
        let bytes =
            [&[0x09, 1, 2, 3, 4, 5, 6, 7, 8][..], &[0x15, 1, 2, 3, 4], &[0x18, 0x96, 0x01], &[0x22, 1, b'a', 0x22, 1, b'b'], &[0x18, 7]]
                .concat();
        let message = Message(&bytes);
        assert_eq!((message.number(3), message.text(4), message.text(5)), (Ok(7), Ok("b"), Ok("")));
        assert_eq!(message.each(4).collect::<Vec<_>>(), [Ok(&b"a"[..]), Ok(b"b")]);
        assert_eq!((message.bytes(5), message.number(9)), (Ok(None), Ok(0)));
        for number in 1..=3 {
            assert_eq!(message.bytes(number), Err(Malformed), "field {number} is no bytes");
        }
        assert_eq!((message.number(1), message.number(4)), (Err(Malformed), Err(Malformed)));
    }

    #[test]
    fn what_is_no_message_is_malformed_in_whatever_field_is_asked_for() {
        for bytes in [
            &[0x0a][..],
            &[0x0a, 2, 0],
            &[0x08],
            &[0x09, 1, 2, 3],
            &[0x0d, 1],
            &[0x0b, 0x0c],
            &[0x0e],
            &[0x00, 0],
            &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            &[0x82, 0x80, 0x80, 0x80, 0x10, 0],
        ] {
            assert_eq!((Message(bytes).bytes(7), Message(bytes).number(7)), (Err(Malformed), Err(Malformed)), "{bytes:x?}");
        }
        assert_eq!(Message(&[0x0a, 1, 0xff]).text(1), Err(Malformed), "a text is UTF-8");
    }
}
