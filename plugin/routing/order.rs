//! The order in which routes are tried, as Kong's `traditional_compatible` router really has it.
//!
//! Kong documents a 64-bit layout: categories, plain hosts, header count, regex, regex priority, length. What every open source
//! release computes is something else, for most of the shifts are done on 32-bit numbers and wrap around: the category count
//! lands at bits 29-31, the header count at 20-27, the regex priority at 19-31, and only the plain-host bit (60) and the regex
//! bit (51) stand where they should. A node that is to send each request where Kong sent it has to repeat that, sign extension
//! included. Measured with Kong's own code: `tests/fixtures/kong-verdicts/atc-vectors.json`.
//!
//! Of a negative term beside a 64-bit one LuaJIT's interpreter makes another number than its compiler does, and Kong says of
//! neither which of them runs. Repeated is the interpreter.

const PLAIN_HOST: u64 = 1 << 60;
const REGEX: u64 = 1 << 51;
const HEADERS_MAX: usize = 255;
const LENGTH_MASK: usize = 0x7FFFF;

/// What decides a matcher's place. Of equal ones the larger id goes first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weight {
    /// How many of methods, hosts, headers, SNIs and paths the route names.
    pub categories: u32,
    /// The route has a list of hosts, and no wildcard in it.
    pub plain_hosts: bool,
    pub header_names: usize,
    /// The route's regex priority, if its paths are regular expressions.
    pub regex_priority: Option<i64>,
    /// The length of its paths, if they are prefixes.
    pub prefix_length: usize,
}

impl Weight {
    /// Greater is tried earlier.
    pub(super) fn priority(self) -> u64 {
        let header_names = i32::try_from(self.header_names.min(HEADERS_MAX)).unwrap_or_default();
        let length = i32::try_from(self.prefix_length & LENGTH_MASK).unwrap_or_default();
        let terms = [
            self.categories.wrapping_shl(29).cast_signed(),
            header_names << 20,
            // Bit operations of LuaJIT take their operand modulo 2^32.
            (self.regex_priority.unwrap_or(0) as i32).wrapping_shl(19),
            length,
        ];
        let wide = [(self.plain_hosts, PLAIN_HOST), (self.regex_priority.is_some(), REGEX)];
        let wide = wide.into_iter().filter(|(set, _)| *set).fold(0, |bits, (_, bit)| bits | bit);
        if wide == 0 {
            // All terms are 32 bits wide, and so is their sum: it is sign-extended when it is handed over.
            return i64::from(terms.into_iter().fold(0, |bits, term| bits | term)).cast_unsigned();
        }
        // Beside a 64-bit term each negative one collapses to the sign bit, as x86-64 converts it.
        terms.into_iter().fold(wide, |bits, term| bits | u64::try_from(term).unwrap_or(1 << 63))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_host_beats_everything_but_a_wrapped_weight() {
        let plain = Weight { categories: 1, plain_hosts: true, ..Weight::default() }.priority();
        let three = Weight { categories: 3, prefix_length: 9, ..Weight::default() }.priority();
        let four = Weight { categories: 4, prefix_length: 9, ..Weight::default() }.priority();
        assert!(plain > three);
        assert!(four > plain);
    }

    /// What LuaJIT 2.1's interpreter makes of Kong's shifts on x86-64: categories, plain hosts, headers, regex priority, length.
    #[test]
    fn shifts_wrap_as_luajits_do() {
        let cases = [
            ((1, false, 1, None, 151921), 0x20125171),
            ((1, false, 128, None, 12612), 0x28003144),
            ((1, false, 10, Some(1), 0), 0x8000020a80000),
            ((3, false, 128, Some(256), 0), 0x8000068000000),
            ((1, false, 127, Some(-4096), 0), 0x8008000027f00000),
            ((1, false, 200, Some(-2), 0), 0x800800002c800000),
            ((2, true, 10, None, 500727), 0x1000000040a7a3f7),
            ((3, true, 127, Some(256), 0), 0x100800006ff00000),
            ((2, true, 3, Some(65535), 0), 0x9008000040300000),
            ((1, true, 255, Some(123456789012), 0), 0x900800002ff00000),
            ((4, false, 200, None, 486285), 0xffffffff8c876b8d),
            ((5, false, 200, Some(4095), 0), 0x800800007ff80000),
            ((5, false, 200, Some(-1), 0), 0x800800000c800000),
            ((5, true, 127, None, 470676), 0x9000000007f72e94),
            ((4, true, 3, Some(100), 0), 0x9008000003300000),
            ((4, true, 0, Some(123456789012), 0), 0x9008000000000000),
            ((5, true, 128, Some(2147483647), 0), 0x9008000008000000),
        ];
        for ((categories, plain_hosts, header_names, regex_priority, prefix_length), wanted) in cases {
            let weight = Weight { categories, plain_hosts, header_names, regex_priority, prefix_length };
            assert_eq!(weight.priority(), wanted, "{weight:?}");
        }
    }

    #[test]
    fn a_negative_regex_priority_wins() {
        let regex = |priority| Weight { categories: 1, regex_priority: Some(priority), ..Weight::default() }.priority();
        assert!(regex(-1) > regex(100));
        assert!(regex(100) > regex(0));
    }
}
