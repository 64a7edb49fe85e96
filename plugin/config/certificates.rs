//! When certificates end: `notAfter`, read out of PEM text.
//!
//! Walks the DER down to the validity and no further, every length checked against what is there: a certificate that cannot be read
//! so far is passed over, whatever its bytes are. Knows neither names nor keys, and has no clock.

use crate::model::UnixMs;

/// Of one certificate. Real ones have a few kilobytes.
const DER_BYTES_MAX: usize = 64 * 1024;

const LABELS: [&str; 3] = ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"];

const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The certificate's version, which those of version 1 leave out.
const VERSION: u8 = 0xa0;

/// The ends of all certificates in a PEM text, as they come.
pub fn ends(pem: &str) -> Vec<UnixMs> {
    let mut ends = Vec::new();
    let mut rest = pem;
    while let Some((label, body, behind)) = block(rest) {
        rest = behind;
        if LABELS.contains(&label) {
            ends.extend(decoded(body).and_then(|der| not_after(&der)));
        }
    }
    ends
}

/// The next block's label and body, and what is behind them.
fn block(text: &str) -> Option<(&str, &str, &str)> {
    let (_, begun) = text.split_once("-----BEGIN ")?;
    let (label, begun) = begun.split_once("-----")?;
    let (body, behind) = begun.split_once("-----END ")?;
    Some((label, body, behind))
}

/// Base64 with spaces and line breaks, up to its padding.
fn decoded(body: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(body.len().min(DER_BYTES_MAX) / 4 * 3);
    let (mut held, mut held_bits) = (0_u32, 0);
    for character in body.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let sextet = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => break,
            _ => return None,
        };
        held = (held << 6) | u32::from(sextet);
        held_bits += 6;
        if held_bits >= 8 {
            held_bits -= 8;
            bytes.push((held >> held_bits) as u8);
            held &= (1 << held_bits) - 1;
        }
        if bytes.len() > DER_BYTES_MAX {
            return None;
        }
    }
    Some(bytes)
}

fn not_after(certificate: &[u8]) -> Option<UnixMs> {
    let mut signed = Der { rest: Der { rest: Der { rest: certificate }.sequence()? }.sequence()? };
    let (tag, _) = signed.element()?;
    if tag == VERSION {
        // Then the serial number comes behind it.
        signed.element()?;
    }
    let _algorithm = signed.sequence()?;
    let _issuer = signed.sequence()?;
    let mut validity = Der { rest: signed.sequence()? };
    let _not_before = validity.element()?;
    let (tag, text) = validity.element()?;
    time(tag, text)
}

struct Der<'d> {
    rest: &'d [u8],
}

impl<'d> Der<'d> {
    /// Tag and content of what comes next. Tags of several bytes and open lengths do not occur on the way to the validity.
    fn element(&mut self) -> Option<(u8, &'d [u8])> {
        let (tag, rest) = self.rest.split_first()?;
        let (first, rest) = rest.split_first()?;
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (length, rest) = match first {
            0..=0x7f => (usize::from(*first), rest),
            0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (digits.iter().fold(0, |length, digit| (length << 8) | usize::from(*digit)), rest)
            }
            0x80 | 0x85..=0xff => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some((*tag, content))
    }

    fn sequence(&mut self) -> Option<&'d [u8]> {
        let (tag, content) = self.element()?;
        (tag == SEQUENCE).then_some(content)
    }
}

/// `YYMMDDhhmmssZ`, or with four digits of the year: the two forms that certificates may have (RFC 5280, 4.1.2.5).
fn time(tag: u8, text: &[u8]) -> Option<UnixMs> {
    let text = text.strip_suffix(b"Z")?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year = number(year)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (number(year)?, rest)
        }
        _ => return None,
    };
    if rest.len() != 10 {
        return None;
    }
    let mut pairs = rest.chunks_exact(2).map(number);
    let (month, day) = (pairs.next()??, pairs.next()??);
    let (hour, minute, second) = (pairs.next()??, pairs.next()??, pairs.next()??);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + i64::from(hour * 3600 + minute * 60 + second);
    // What ended before 1970 has ended just as well at its beginning.
    Some(UnixMs(u64::try_from(seconds).unwrap_or(0) * 1000))
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))
}

/// From 1970-01-01 to a day of the calendar. Years begin in March here, so that leap days come last.
fn days(year: u32, month: u32, day: u32) -> i64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let month_from_march = i64::from((month + 9) % 12);
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + day_of_year - 719_468
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Version 3, ends 2036-11-19T17:50:16Z in the short form.
    const ENDS_2036: &str = "-----BEGIN CERTIFICATE-----
MIIBbTCCAROgAwIBAgIUNBo+cALyq4ViOGr9YO+YErTRVH0wCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBYTAeFw0yNjExMjIxNzUwMTZaFw0zNjExMTkxNzUwMTZaMAwx
CjAIBgNVBAMMAWEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARD+V7QQuEnPGMq
XjI8UaeA37eS1cmSXZ/GkiBdEtN//1QWRWIIGRSqvL2obeoxQ4SGDdnSitZCC0nO
Lm4uUwqbo1MwUTAdBgNVHQ4EFgQUwk3xJiagDUz2c4CJzKN970Zx7BYwHwYDVR0j
BBgwFoAUwk3xJiagDUz2c4CJzKN970Zx7BYwDwYDVR0TAQH/BAUwAwEB/zAKBggq
hkjOPQQDAgNIADBFAiA4SZ48K+FK8+1idDaRH9HurKHW3debKYri/hjG7cFZuwIh
APKnDidlVd6T1t10AWpKvoI8A0sV4G13jksU4FUjeWTU
-----END CERTIFICATE-----
";
    /// Version 3, ends 2054-04-09T17:50:16Z in the long form.
    const ENDS_2054: &str = "-----BEGIN CERTIFICATE-----
MIIBcDCCARWgAwIBAgIUZSzyt6ypnVjWSloLo7L2YSdFqQswCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBYjAgFw0yNjExMjIxNzUwMTZaGA8yMDU0MDQwOTE3NTAxNlow
DDEKMAgGA1UEAwwBYjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABEP5XtBC4Sc8
YypeMjxRp4Dft5LVyZJdn8aSIF0S03//VBZFYggZFKq8vaht6jFDhIYN2dKK1kIL
Sc4ubi5TCpujUzBRMB0GA1UdDgQWBBTCTfEmJqANTPZzgInMo33vRnHsFjAfBgNV
HSMEGDAWgBTCTfEmJqANTPZzgInMo33vRnHsFjAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0kAMEYCIQDqKf6kLmP1/6rB9O8PdjxmY9NwNWVSQKGrZ5U7FH5/
pwIhAJG7+gB2h4QhlxOukybN+0nMEkyMnhzVl01X6TFZpFaz
-----END CERTIFICATE-----
";
    /// Version 1, as `kong hybrid gen_cert` makes them. Ends 2029-11-21T17:50:16Z.
    pub const ENDS_2029: &str = "-----BEGIN CERTIFICATE-----
MIIBLjCB1QIUcvMZGnjxRInsbrj5onUFv0/8v+8wCgYIKoZIzj0EAwIwGjEYMBYG
A1UEAwwPa29uZ19jbHVzdGVyaW5nMB4XDTI2MTEyMjE3NTAxNloXDTI5MTEyMTE3
NTAxNlowGjEYMBYGA1UEAwwPa29uZ19jbHVzdGVyaW5nMFkwEwYHKoZIzj0CAQYI
KoZIzj0DAQcDQgAEQ/le0ELhJzxjKl4yPFGngN+3ktXJkl2fxpIgXRLTf/9UFkVi
CBkUqry9qG3qMUOEhg3Z0orWQgtJzi5uLlMKmzAKBggqhkjOPQQDAgNIADBFAiAl
fhluO6w4LrXQcWZBPZYGr62QfecvtJ12l8sWto53MQIhAJFkZ7Xwn0k1ZOjSW230
f8EmfLkRYPmlro8IwvCEGCZe
-----END CERTIFICATE-----
";

    #[test]
    fn the_end_of_every_certificate_of_a_chain_is_read_in_either_form_and_version() {
        let chain = format!("{ENDS_2036}# the issuer\n{ENDS_2054}{}", ENDS_2029.replace('\n', "\r\n"));
        assert_eq!(ends(&chain), [UnixMs(2_110_729_816_000), UnixMs(2_659_369_816_000), UnixMs(1_889_977_816_000)]);
    }

    #[test]
    fn what_is_no_certificate_is_passed_over() {
        let key = ENDS_2036.replace("CERTIFICATE", "PRIVATE KEY");
        for text in ["", "-----BEGIN ", "-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----", &key] {
            assert_eq!(ends(text), [], "{text}");
        }
        assert_eq!(ends(&format!("{key}{ENDS_2029}")), [UnixMs(1_889_977_816_000)]);
        let long = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----", "MIIB".repeat(DER_BYTES_MAX));
        assert_eq!(ends(&long), []);
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let (_, body, _) = block(ENDS_2036).unwrap_or_default();
        let der = decoded(body).unwrap_or_default();
        assert_eq!(not_after(&der), Some(UnixMs(2_110_729_816_000)));
        for length in 0..der.len() {
            assert_eq!(not_after(der.get(..length).unwrap_or_default()), None, "cut off at {length}");
        }
        let mut read = 0;
        for index in 0..der.len() {
            for bits in 1..=255 {
                let mut flipped = der.clone();
                if let Some(byte) = flipped.get_mut(index) {
                    *byte ^= bits;
                }
                read += usize::from(not_after(&flipped).is_some());
            }
        }
        assert!(read > 0, "what is behind the validity does not matter");
    }

    #[test]
    fn times_are_read_only_as_certificates_write_them() {
        let read = |tag, text: &str| time(tag, text.as_bytes()).map(|at| at.0 / 1000);
        assert_eq!(read(UTC_TIME, "500101000000Z"), Some(0), "1950 is before everything");
        assert_eq!(read(UTC_TIME, "491231235959Z"), Some(2_524_607_999));
        assert_eq!(read(GENERALIZED_TIME, "20000229000000Z"), Some(951_782_400));
        assert_eq!(read(GENERALIZED_TIME, "21000301000000Z"), Some(4_107_542_400));
        assert_eq!(read(GENERALIZED_TIME, "99991231235959Z"), Some(253_402_300_799));
        assert_eq!(read(GENERALIZED_TIME, "00000101000000Z"), Some(0));
        for text in ["", "Z", "2611221750Z", "261122175016", "261122175016+0100", "261322175016Z", "26112217501éZ", "+61122175016Z"] {
            assert_eq!(read(UTC_TIME, text), None, "{text}");
        }
        assert_eq!(read(SEQUENCE, "261122175016Z"), None);
    }
}
