//! Kong's flat file: one `name = value` or `name: value` per line.
//!
//! A `#` begins a comment, also behind a value; `\#` is a plain `#`. A value in quotes ends at its quote, so a `#` in it is
//! plain. Knows lines, and no setting.

/// One assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// From 1.
    pub number: usize,
    pub name: String,
    /// Without quotes, comment and surrounding blanks; empty when nothing was assigned.
    pub value: String,
}

/// A line that assigns nothing and is neither blank nor a comment. Its text is not kept: it may hold a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    pub number: usize,
    pub fix: &'static str,
}

pub fn parse(text: &str) -> Vec<Result<Line, Malformed>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines().zip(1..).filter_map(|(line, number)| parse_line(line.trim(), number)).collect()
}

fn parse_line(line: &str, number: usize) -> Option<Result<Line, Malformed>> {
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let malformed = |fix| Some(Err(Malformed { number, fix }));
    let Some((name, value)) = line.split_once(['=', ':']) else {
        return malformed("write 'name = value', or begin the line with '#'");
    };
    let name = name.trim();
    if name.is_empty() || name.contains(|letter: char| letter.is_whitespace() || letter == '#') {
        return malformed("write one word before the '=', or begin the line with '#'");
    }
    match parse_value(value.trim()) {
        Ok(value) => Some(Ok(Line { number, name: name.to_owned(), value })),
        Err(fix) => malformed(fix),
    }
}

fn parse_value(value: &str) -> Result<String, &'static str> {
    let Some(quote) = value.chars().next().filter(|first| matches!(first, '"' | '\'')) else {
        return Ok(without_comment(value));
    };
    let inner = value.get(1..).unwrap_or_default();
    let Some((inner, rest)) = inner.split_once(quote) else {
        return Err("close the quote that the value begins with");
    };
    let rest = rest.trim_start();
    if !rest.is_empty() && !rest.starts_with('#') {
        return Err("write nothing but a comment behind the closing quote");
    }
    Ok(inner.replace("\\#", "#"))
}

fn without_comment(value: &str) -> String {
    let mut kept = String::with_capacity(value.len());
    let mut letters = value.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if letters.peek() == Some(&'#') => kept.extend(letters.next()),
            '#' => break,
            other => kept.push(other),
        }
    }
    kept.truncate(kept.trim_end().len());
    kept
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use super::*;

    #[test]
    fn both_separators_and_every_comment_are_read() {
        let text =
            "# a comment\n\n role = data_plane # why\ncluster_fallback_config_import: on\r\n  # indented\nproxy_listen=0.0.0.0:8000\n";
        assert_eq!(values(text), [("role", "data_plane"), ("cluster_fallback_config_import", "on"), ("proxy_listen", "0.0.0.0:8000")]);
    }

    #[test]
    fn the_first_separator_separates_so_urls_and_json_are_plain_values() {
        assert_eq!(values("a = s3://bucket/prefix"), [("a", "s3://bucket/prefix")]);
        assert_eq!(values("a: s3://bucket/x=y"), [("a", "s3://bucket/x=y")]);
        assert_eq!(values(r#"a = {"SSE":"aws:kms"}"#), [("a", r#"{"SSE":"aws:kms"}"#)]);
    }

    #[test]
    fn a_hash_is_kept_when_escaped_or_quoted() {
        assert_eq!(values(r"a = pass\#word # comment"), [("a", "pass#word")]);
        assert_eq!(values("a = \"pass#word\" # comment"), [("a", "pass#word")]);
        assert_eq!(values("a = 'it is'"), [("a", "it is")]);
        assert_eq!(values("a = b#c"), [("a", "b")]);
        assert_eq!(values(r"a = back\slash\\"), [("a", r"back\slash\\")]);
    }

    #[test]
    fn an_empty_value_is_an_assignment_of_nothing() {
        assert_eq!(values("a =\nb = # only a comment\nc = ''"), [("a", ""), ("b", ""), ("c", "")]);
    }

    #[test]
    fn a_line_that_assigns_nothing_is_malformed_and_names_its_number() {
        for text in ["[section]", "role data_plane", "= value", "two words = x", "a = \"open", "a = 'b' c", "na#me = x"] {
            let parsed = parse(&format!("\n{text}"));
            assert_eq!(parsed.len(), 1, "{text}");
            assert_eq!(parsed.first().unwrap().as_ref().unwrap_err().number, 2, "{text}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_name() {
        assert_eq!(values("\u{feff}role = data_plane"), [("role", "data_plane")]);
    }

    fn values(text: &str) -> Vec<(&'static str, &'static str)> {
        let leak = |text: String| -> &'static str { text.leak() };
        parse(text).into_iter().map(|line| line.unwrap()).map(|line| (leak(line.name), leak(line.value))).collect()
    }
}
