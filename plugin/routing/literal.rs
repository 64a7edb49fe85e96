//! The literal text that every match of a route's regular expression begins with, so that the index can hold it among the
//! prefixes and only the expressions that may match are run; and what is left of the expression, which many routes may share.
//!
//! Errs on the short side: a prefix that is too short costs time, one that is too long would cost a route.

use regex_syntax::hir::{Look, LookSet};

/// A pattern in two parts: it matches whatever begins with `literal` and goes on with a match of `rest`.
pub(super) struct Split<'p> {
    pub literal: String,
    /// `None` if the pattern cannot be split, for it may match without the literal, or elsewhere than at the start.
    pub rest: Option<&'p str>,
}

/// `pattern` is what stands after the `~` of a route's path; it is matched from the start of the path.
pub(super) fn split(pattern: &str) -> Split<'_> {
    let mut literal = String::new();
    if has_bare_alternative(pattern) {
        return Split { literal, rest: None };
    }
    let mut rest = pattern;
    while let Some((character, behind)) = literal_character(rest) {
        // The character may be absent; after a `+` too, for another repetition may follow.
        if behind.starts_with(['?', '*', '{', '+']) {
            break;
        }
        literal.push(character);
        rest = behind;
    }
    Split { literal, rest: Some(rest) }
}

/// The character that the pattern's first element stands for, if it stands for one, and the pattern behind it.
fn literal_character(pattern: &str) -> Option<(char, &str)> {
    let mut characters = pattern.chars();
    match characters.next()? {
        '\\' => {
            let escaped = characters.next().filter(|escaped| escaped.is_ascii_punctuation() && !"<>".contains(*escaped))?;
            Some((escaped, characters.as_str()))
        }
        '.' | '^' | '$' | '|' | '?' | '*' | '+' | '(' | ')' | '[' | ']' | '{' | '}' => None,
        plain => Some((plain, characters.as_str())),
    }
}

/// Whether a match depends on what stands in front of it: such a pattern means another thing on the rest of a path.
pub(super) fn looks_back(pattern: &str) -> bool {
    let forward = LookSet::singleton(Look::End).insert(Look::EndLF);
    let looks = regex_syntax::parse(pattern).map(|hir| hir.properties().look_set());
    looks.is_ok_and(|looks| !looks.subtract(forward).is_empty())
}

/// Whether a `|` stands outside of every group, or may do so.
fn has_bare_alternative(pattern: &str) -> bool {
    let mut depth = 0_i32;
    let mut rest = pattern.chars();
    while let Some(next) = rest.next() {
        match next {
            '\\' => {
                rest.next();
            }
            '(' => depth += 1,
            ')' => depth -= 1,
            // A class may hold brackets and bars; what is counted after one is not to be trusted.
            '[' => return pattern.contains('|'),
            '|' if depth <= 0 => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_literal_beginning_is_found() {
        let cases = [
            ("/a/(?<id>\\d+)$", "/a/"),
            ("/v1\\.0/x", "/v1.0/x"),
            ("/ab*", "/a"),
            ("/ab?c", "/a"),
            ("/ab{0,1}", "/a"),
            ("/ab+", "/a"),
            ("/ab+*", "/a"),
            ("/a|/b", ""),
            ("/a/(x|y)/z", "/a/"),
            ("/a[|)]|/b", ""),
            ("/a\\|b", "/a|b"),
            ("(?i)/a", ""),
            ("/a\\d", "/a"),
            ("/a\\b", "/a"),
            ("/a\\<b", "/a"),
            ("/$", "/"),
            ("", ""),
        ];
        for (pattern, wanted) in cases {
            assert_eq!(split(pattern).literal, wanted, "{pattern}");
        }
    }

    #[test]
    fn what_is_left_stands_behind_the_literal() {
        let cases = [
            ("/a/(?<id>\\d+)$", Some("(?<id>\\d+)$")),
            ("/a\\.b?", Some("b?")),
            ("/a\\.?", Some("\\.?")),
            ("/a|/b", None),
            ("/a", Some("")),
        ];
        for (pattern, wanted) in cases {
            assert_eq!(split(pattern).rest, wanted, "{pattern}");
        }
    }

    #[test]
    fn a_pattern_that_looks_back_is_known() {
        for (pattern, wanted) in [("\\d+$", false), ("[^/]+", false), ("^a", true), ("\\bx", true), ("(?m)a$", false), ("a(?m:^b)?", true)]
        {
            assert_eq!(looks_back(pattern), wanted, "{pattern}");
        }
    }

    #[test]
    fn whatever_an_expression_matches_begins_with_its_literal_prefix() {
        let pieces = ["/", "a", "b", "\\.", ".", "(a|b)", "[ab]", "*", "+", "?", "|", "(", ")", "{2}", "\\d"];
        let paths = ["/", "/a", "/b", "/aa", "/ab", "/ba", "a", "", "/a.b", "//", "/aab", "/bb", "/1", "ab/"];
        let mut state = 7_u64;
        let mut compiled = 0;
        for _ in 0..20_000 {
            let mut pattern = String::from("/");
            for _ in 0..5 {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                pattern.push_str(pieces.get((state >> 33) as usize % pieces.len()).copied().unwrap_or_default());
            }
            let Ok(regex) = regex::Regex::new(&format!("^{pattern}")) else { continue };
            compiled += 1;
            for path in paths {
                assert!(!regex.is_match(path) || path.starts_with(&split(&pattern).literal), "{pattern} {path}");
            }
        }
        assert!(compiled > 1_000, "{compiled}");
    }
}
