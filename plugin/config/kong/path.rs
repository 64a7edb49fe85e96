//! Paths: what services and routes may have, the normal form, and what becomes of the paths of formats 1.1 and 2.1.
//!
//! A regex path must be one for PCRE, and for the Rust `regex` crate as well where Kong's router runs that. It is parsed to that crate's
//! syntax tree only: this finds look-around, back-references and mistakes, and needs none of its tables or engines, which would weigh
//! more in the component than all the rest of validation. Of what the crate refuses, PCRE refuses the plain mistakes too.

/// Whose regexes a route's paths may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regexes {
    Pcre,
    /// Of both at once.
    Rust,
}

const RESERVED: &[u8] = b"!*'();:@&=+$,/?%#[]";

/// A service's path: what may be sent as it is.
pub fn check_url_path(path: &str) -> Result<(), &'static str> {
    if !path.starts_with('/') {
        return Err("should start with: /");
    }
    if path.contains("//") {
        return Err("must not have empty segments");
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || RESERVED.contains(&byte);
    if !path.bytes().all(allowed) {
        return Err("invalid path (characters outside of the reserved list of RFC 3986 found)");
    }
    let encoded = path.split('%').skip(1).all(|after| after.get(..2).is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit())));
    if encoded { Ok(()) } else { Err("invalid url-encoded value") }
}

/// A route's path: a prefix in normal form, or `~` and a regex.
pub fn check_route_path(path: &str, regexes: Regexes) -> Result<(), &'static str> {
    if let Some(regex) = path.strip_prefix('~') {
        if !regex.starts_with('/') {
            return Err("should start with: / (fixed path) or ~/ (regex path)");
        }
        return check_regex(regex, regexes);
    }
    if !path.starts_with('/') {
        return Err("should start with: / (fixed path) or ~/ (regex path)");
    }
    if path.contains("//") {
        return Err("must not have empty segments");
    }
    // Only encodings and dot segments can make it other than normal.
    if (path.contains('%') || path.contains("/.")) && normal_form(path) != path {
        return Err("non-normalized path, consider using its normalized form instead");
    }
    Ok(())
}

fn check_regex(regex: &str, regexes: Regexes) -> Result<(), &'static str> {
    use regex_syntax::ast::ErrorKind;
    match regex_syntax::ast::parse::Parser::new().parse(regex) {
        Ok(_) => Ok(()),
        Err(error) if regexes == Regexes::Pcre && !is_mistake(error.kind()) => Ok(()),
        Err(error) => Err(match error.kind() {
            ErrorKind::UnsupportedBackreference => "invalid regex: backreferences are not supported",
            ErrorKind::UnsupportedLookAround => "invalid regex: look-around is not supported",
            _ => "invalid regex",
        }),
    }
}

/// Wrong in every dialect, not only missing from this one.
fn is_mistake(error: &regex_syntax::ast::ErrorKind) -> bool {
    use regex_syntax::ast::ErrorKind;
    matches!(
        error,
        ErrorKind::ClassUnclosed
            | ErrorKind::ClassRangeInvalid
            | ErrorKind::EscapeUnexpectedEof
            | ErrorKind::GroupUnclosed
            | ErrorKind::GroupUnopened
            | ErrorKind::GroupNameEmpty
            | ErrorKind::GroupNameUnexpectedEof
            | ErrorKind::GroupNameDuplicate { .. }
            | ErrorKind::RepetitionCountInvalid
            | ErrorKind::RepetitionMissing
    )
}

/// RFC 3986's: percent-encodings that need not be are decoded, the others in capitals; dot segments gone; slashes merged.
pub fn normal_form(path: &str) -> String {
    let decoded = decode(path, |out, byte| out.push(byte));
    let decoded = String::from_utf8_lossy(&decoded);
    let mut segments: Vec<&str> = Vec::new();
    let mut folder = false;
    for segment in decoded.split('/') {
        folder = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    let mut normal: String = segments.iter().flat_map(|segment| ["/", segment]).collect();
    if folder {
        normal.push('/');
    }
    normal
}

/// A path of format 1.1 or 2.1 in the words of 3.0: what could not be a plain path was a regex then. `None`: nothing changes.
pub fn migrated(path: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_~/%".contains(&byte);
    let migrated = if path.bytes().all(plain) {
        normal_form(path)
    } else {
        let escape = |out: &mut Vec<u8>, byte: u8| {
            if b".*+?()[]{}|^$\\-".contains(&byte) {
                out.push(b'\\');
            }
            out.push(byte);
        };
        format!("~{}", String::from_utf8_lossy(&decode(path, escape)))
    };
    (migrated != path).then_some(migrated)
}

/// Decodes what is percent-encoded and not reserved; `write` puts down each decoded byte.
fn decode(path: &str, write: impl Fn(&mut Vec<u8>, u8)) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let hex = if byte == b'%' { after.get(..2).and_then(hex_byte) } else { None };
        let Some(decoded) = hex else {
            out.push(byte);
            continue;
        };
        rest = after.get(2..).unwrap_or_default();
        if RESERVED.contains(&decoded) {
            out.extend_from_slice(format!("%{decoded:02X}").as_bytes());
        } else {
            write(&mut out, decoded);
        }
    }
    out
}

fn hex_byte(pair: &[u8]) -> Option<u8> {
    if !pair.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_form_of_a_path() {
        for (path, normal) in [
            ("/", "/"),
            ("/a", "/a"),
            ("/a/", "/a/"),
            ("/a/../b", "/b"),
            ("/a/..", "/"),
            ("/a%20b", "/a b"),
            ("/%2f", "/%2F"),
            ("//a//b", "/a/b"),
        ] {
            assert_eq!(normal_form(path), normal, "{path}");
        }
    }

    #[test]
    fn a_routes_prefix_is_normal_and_a_services_path_encoded() {
        for path in ["/", "/a b", "/a?b", "/*", "/é", "~/a/(?<x>\\d+)$", "~/a++", "~/\\p{L}"] {
            assert_eq!(check_route_path(path, Regexes::Rust), Ok(()), "{path}");
            assert_eq!(check_route_path(path, Regexes::Pcre), Ok(()), "{path}");
        }
        for path in ["a", "~a", "/a//b", "/a%20b", "/a/../b", "~/a(", "~/(a)\\1", "~/(?=a)", "~/(?<!a)b"] {
            assert!(check_route_path(path, Regexes::Rust).is_err(), "{path}");
        }
        for path in ["~/(a)\\1", "~/(?=a)", "~/(?<!a)b", "~/(?>a)b", "~/\\R", "~/a{"] {
            assert_eq!(check_route_path(path, Regexes::Pcre), Ok(()), "{path}");
        }
        for path in ["~a", "/a//b", "~/a(", "~/a)", "~/[b-a]", "~/[", "~/a\\", "~/a{3,2}", "~/(*a)"] {
            assert!(check_route_path(path, Regexes::Pcre).is_err(), "{path}");
        }
        assert_eq!(check_url_path("/a%20b"), Ok(()));
        for path in ["a", "/a b", "/a//b", "/a%zz", "/a%2"] {
            assert!(check_url_path(path).is_err(), "{path}");
        }
    }

    #[test]
    fn paths_of_older_formats_become_plain_or_regex() {
        assert_eq!(migrated("/a"), None);
        assert_eq!(migrated("/a%20b"), Some("/a b".to_owned()));
        assert_eq!(migrated("/a/(\\d+)"), Some("~/a/(\\d+)".to_owned()));
        assert_eq!(migrated("/a%2E(b)"), Some("~/a\\.(b)".to_owned()));
    }
}
