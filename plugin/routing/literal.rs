//! The literal text that every match of a route's regular expression begins with, so that the index can hold it among the
//! prefixes and only the expressions that may match are run.
//!
//! Errs on the short side: a prefix that is too short costs time, one that is too long would cost a route.

/// `pattern` is what stands after the `~` of a route's path; it is matched from the start of the path.
pub(super) fn prefix(pattern: &str) -> String {
    let mut literal = String::new();
    if has_bare_alternative(pattern) {
        return literal;
    }
    let mut rest = pattern.chars().peekable();
    while let Some(next) = rest.next() {
        let character = match next {
            '\\' => match rest.next() {
                Some(escaped) if escaped.is_ascii_punctuation() && !"<>".contains(escaped) => escaped,
                _ => break,
            },
            '.' | '^' | '$' | '|' | '?' | '*' | '+' | '(' | ')' | '[' | ']' | '{' | '}' => break,
            plain => plain,
        };
        match rest.peek() {
            // The character may be absent; after a `+` too, for another repetition may follow.
            Some('?' | '*' | '{' | '+') => break,
            _ => literal.push(character),
        }
    }
    literal
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
            assert_eq!(prefix(pattern), wanted, "{pattern}");
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
                assert!(!regex.is_match(path) || path.starts_with(&prefix(&pattern)), "{pattern} {path}");
            }
        }
        assert!(compiled > 1_000, "{compiled}");
    }
}
