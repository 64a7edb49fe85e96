//! A text of keys, of age's kind or another: one a line, comments allowed. Knows no key.

/// The lines that are neither empty nor a comment.
pub fn key_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_empty_lines_are_no_keys() {
        let lines: Vec<&str> = key_lines("# made for the drill\n\n  a  \n#b\nc").collect();
        assert_eq!(lines, ["a", "c"]);
    }
}
