//! The request's path: normalised for matching, and joined with the service's for the upstream.
//!
//! Both follow Kong's router flavour `traditional_compatible`, in which `path_handling = v1` behaves as `v0`.

use std::borrow::Cow;

use super::encoding;

/// The path that routes are matched with: decoded where safe, without dot segments and double slashes. `None` if it is not
/// UTF-8, which no route can match.
pub(super) fn normalise(path: &str) -> Option<Cow<'_, str>> {
    let decoded = if path.contains('%') { Cow::Owned(encoding::decode_path(path)?) } else { Cow::Borrowed(path) };
    if !decoded.contains("//") && !decoded.contains("/.") && !decoded.starts_with('.') {
        return Some(decoded);
    }
    Some(Cow::Owned(without_dots(&decoded)))
}

/// RFC 3986, 5.2.4, with empty segments dropped as well.
fn without_dots(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    // What follows the last slash decides whether the result ends with one.
    let mut ends_with_slash = false;
    for segment in path.split('/') {
        ends_with_slash = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            name => segments.push(name),
        }
    }
    let mut clean = String::with_capacity(path.len());
    for segment in &segments {
        clean.push('/');
        clean.push_str(segment);
    }
    if ends_with_slash || segments.is_empty() {
        clean.push('/');
    }
    clean
}

/// What the upstream is asked for. `stripped` is the matched part of the path, if the route cuts it off.
pub(super) fn upstream(service_path: &str, request_path: &str, strip_path: bool, stripped: Option<&str>) -> String {
    let (stem, slashed) = match service_path.strip_suffix('/') {
        Some(stem) => (stem, true),
        None => (service_path, false),
    };
    let rest = match (strip_path, stripped) {
        (true, Some(prefix)) => safe_rest(request_path.get(prefix.len()..).unwrap_or_default()),
        (true, None) => safe_rest(request_path.strip_prefix('/').unwrap_or(request_path)),
        (false, _) => request_path,
    };
    let tail = rest.strip_prefix('/').unwrap_or(rest);
    let joined = if !tail.is_empty() {
        format!("{stem}/{tail}")
    } else if ends_with_slash(stem, slashed, request_path, rest, strip_path) {
        format!("{stem}/")
    } else {
        stem.to_owned()
    };
    encoding::encode_path(&joined)
}

/// Whether the path ends with a slash when nothing of the request's path is left to append.
fn ends_with_slash(stem: &str, slashed: bool, request_path: &str, rest: &str, strip_path: bool) -> bool {
    match (strip_path, rest) {
        (false, _) => slashed,
        (true, "/") => true,
        (true, _) => stem.is_empty() || (request_path.ends_with('/') && (slashed || request_path.len() > 1)),
    }
}

/// A prefix need not end at a slash, so cutting it off may leave a dot segment in front.
fn safe_rest(rest: &str) -> &str {
    match rest {
        "." | ".." => "",
        _ => rest.strip_prefix("./").or_else(|| rest.strip_prefix("../")).unwrap_or(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalised_before_they_are_matched() {
        let cases = [
            ("/", "/"),
            ("/a//b", "/a/b"),
            ("/a/./b/../c", "/a/c"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/a/b/.", "/a/b/"),
            ("/../../x", "/x"),
            ("/%2e%2e/x", "/x"),
            ("/a/%2E/b", "/a/b"),
            ("/a%2F..%2Fb", "/a%2F..%2Fb"),
            ("/.well-known/x", "/.well-known/x"),
            ("/a...", "/a..."),
            ("/a b", "/a b"),
            ("/a/", "/a/"),
            ("//", "/"),
        ];
        for (raw, clean) in cases {
            assert_eq!(normalise(raw).as_deref(), Some(clean), "{raw}");
        }
        assert_eq!(normalise("/%ff"), None);
    }

    /// Service path, route path, strip_path, request path, what the upstream sees.
    #[test]
    fn paths_are_joined_as_kong_joins_them() {
        let cases = [
            ("/s", "/fv0", false, "/fv0/req", "/s/fv0/req"),
            ("/s", "/fv0", false, "/fv0", "/s/fv0"),
            ("/s", "/tv0", true, "/tv0/req", "/s/req"),
            ("/s", "/tv0", true, "/tv0", "/s"),
            ("/s", "/tv0/", true, "/tv0/req", "/s/req"),
            ("/s", "/tv0/", true, "/tv0/", "/s/"),
            ("/s/", "/fv0", false, "/fv0/req", "/s/fv0/req"),
            ("/s/", "/fv0/", false, "/fv0/", "/s/fv0/"),
            ("/s/", "/tv0", true, "/tv0/req", "/s/req"),
            ("/s/", "/tv0", true, "/tv0", "/s"),
            ("/s/", "/tv0/", true, "/tv0/", "/s/"),
            ("/s/", "/tv0", true, "/tv0/", "/s/"),
            ("/", "/a", true, "/a", "/"),
            ("/", "/a", true, "/a/b", "/b"),
            ("/", "/a", true, "/abc", "/bc"),
            ("/", "/", false, "/", "/"),
            ("/s", "/", false, "/", "/s"),
            ("/s/", "/", false, "/", "/s/"),
            ("/s", "/", true, "/", "/s"),
            ("/s", "/", true, "/x", "/s/x"),
            ("/s", "/a", true, "/a../b", "/s/b"),
            ("/s", "/a", true, "/a..", "/s"),
        ];
        for (service, route, strip, request, wanted) in cases {
            assert_eq!(upstream(service, request, strip, Some(route)), wanted, "{service} {route} {strip} {request}");
        }
    }

    #[test]
    fn a_route_without_paths_strips_nothing() {
        assert_eq!(upstream("/b", "/x/y", true, None), "/b/x/y");
        assert_eq!(upstream("/b", "/", true, None), "/b");
        assert_eq!(upstream("/", "/a b", true, None), "/a%20b");
    }
}
