//! Small encodings: percent signs in paths and queries, UUIDs from random bits, and the name-based UUIDs that Kong gives to the
//! parts of a route with several paths.

use std::fmt::Write;

use sha1::{Digest, Sha1};

/// Not decoded in a path, for decoding would change what the path means.
const RESERVED: &[u8] = b"!*'();:@&=+$,/?%#[]";

/// Decodes what is safe to decode in a path and writes what stays in upper case. `None` if the result is not UTF-8.
pub(super) fn decode_path(path: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match (first, hex_pair(after)) {
            (b'%', Some(byte)) => {
                rest = after.get(2..).unwrap_or_default();
                if RESERVED.contains(&byte) {
                    decoded.extend_from_slice(format!("%{byte:02X}").as_bytes());
                } else {
                    decoded.push(byte);
                }
            }
            _ => decoded.push(first),
        }
    }
    String::from_utf8(decoded).ok()
}

/// Encodes what may not stand in a request line; percent signs stay.
pub(super) fn encode_path(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || RESERVED.contains(&byte) || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

pub(super) fn decode_argument(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match (first, hex_pair(after)) {
            (b'%', Some(byte)) => {
                rest = after.get(2..).unwrap_or_default();
                decoded.push(byte);
            }
            (b'+', _) => decoded.push(b' '),
            _ => decoded.push(first),
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn hex_pair(bytes: &[u8]) -> Option<u8> {
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

/// A version 4 UUID of these random bits.
pub(super) fn uuid_from_random(random: u128) -> String {
    uuid_text((random & !(0xF << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62))
}

/// A version 5 UUID: the same namespace and name always give the same.
pub(super) fn uuid_from_name(namespace: u128, name: &str) -> String {
    let hash = Sha1::new().chain_update(namespace.to_be_bytes()).chain_update(name).finalize();
    let high = hash.iter().take(16).fold(0_u128, |number, byte| (number << 8) | u128::from(*byte));
    uuid_text((high & !(0xF << 76) & !(0x3 << 62)) | (0x5 << 76) | (0x2 << 62))
}

fn uuid_text(number: u128) -> String {
    let part = |shift: u32, bits: u32| (number >> shift) & ((1 << bits) - 1);
    format!("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", part(96, 32), part(80, 16), part(64, 16), part(48, 16), part(0, 48))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_decoded_only_where_its_meaning_stays() {
        assert_eq!(decode_path("/a%20b%2fc%7e%C3%A9%zz%4"), Some("/a b%2Fc~é%zz%4".to_owned()));
        assert_eq!(decode_path("/%ff"), None);
    }

    #[test]
    fn a_decoded_path_is_encoded_again_for_the_upstream() {
        assert_eq!(encode_path("/a b%2Fc~é\"<>"), "/a%20b%2Fc~%C3%A9%22%3C%3E");
    }

    #[test]
    fn arguments_are_decoded_as_forms_are() {
        assert_eq!(decode_argument("a+b%26c%"), "a b&c%");
    }

    /// KONG.md B.3: ids that Kong itself generated.
    #[test]
    fn name_based_uuids_are_kongs() {
        let entities = 0xfd02801f_0957_4a15_a55a_c8d9606f30b5;
        let upstreams = uuid_from_name(entities, "upstreams");
        let namespace = u128::from_str_radix(&upstreams.replace('-', ""), 16).unwrap_or_default();
        assert_eq!(uuid_from_name(namespace, "a"), "4b943877-0328-56fd-abab-a80c5e07ecdb");
    }

    #[test]
    fn a_random_uuid_says_version_4() {
        assert_eq!(uuid_from_random(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(uuid_from_random(0), "00000000-0000-4000-8000-000000000000");
    }
}
