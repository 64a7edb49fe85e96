//! What users may write shorter or in an older format, in the words of 3.0: a service's `url`, the paths of formats 1.1 and 2.1.

use std::borrow::Cow;

use super::super::tree::{Member, Node, Number};
use super::path;

/// Puts protocol, host, port and path in the place of `url`; they override what is given beside it. Query and userinfo are dropped.
/// Says whether there was one.
pub fn expand_url(members: &mut Vec<Member<'_>>) -> bool {
    let Some(index) = members.iter().position(|(key, value)| key == "url" && value.as_str().is_some()) else { return false };
    let (_, value) = members.remove(index);
    let url = value.as_str().unwrap_or_default();
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else {
        // Without a scheme all of it is a path, which a service's checks then refuse.
        set(members, "path", Node::String(Cow::Owned(url.to_owned())));
        return true;
    };
    let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let authority = authority.rsplit_once('@').map_or(authority, |(_, authority)| authority);
    let (host, port) = host_and_port(authority);
    let port = match port {
        None => Node::Number(Number::Integer(if scheme == "https" { 443 } else { 80 })),
        Some(text) => match text.parse() {
            Ok(port) => Node::Number(Number::Integer(port)),
            // Stays a text, so that the check of the port finds it.
            Err(_) => Node::String(Cow::Owned(text.to_owned())),
        },
    };
    set(members, "protocol", Node::String(Cow::Owned(scheme.to_owned())));
    set(members, "port", port);
    if !host.is_empty() {
        set(members, "host", Node::String(Cow::Owned(host.to_owned())));
    }
    if !path.is_empty() {
        set(members, "path", Node::String(Cow::Owned(path.to_owned())));
    }
    true
}

fn host_and_port(authority: &str) -> (&str, Option<&str>) {
    if let Some((host, after)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, after.strip_prefix(':'));
    }
    authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)))
}

fn set<'a>(members: &mut Vec<Member<'a>>, name: &'static str, value: Node<'a>) {
    match members.iter_mut().find(|(key, _)| key == name) {
        Some((_, old)) => *old = value,
        None => members.push((Cow::Borrowed(name), value)),
    }
}

/// Says whether a path changed.
pub fn migrate_paths(members: &mut [Member<'_>]) -> bool {
    let mut changed = false;
    let Some((_, Node::Array(paths))) = members.iter_mut().find(|(key, _)| key == "paths") else { return false };
    for path in paths {
        if let Some(migrated) = path.as_str().and_then(path::migrated) {
            *path = Node::String(Cow::Owned(migrated));
            changed = true;
        }
    }
    changed
}
