//! Rules across a route's fields: which protocols go together, what must be set to match at all, and what a protocol has no use for.

use super::super::tree::Node;
use super::rules::Case;

const GROUPS: [(Group, &[&str]); 4] = [
    (Group::Http, &["http", "https"]),
    (Group::Stream, &["tcp", "tls", "udp"]),
    (Group::Passthrough, &["tls_passthrough"]),
    (Group::Grpc, &["grpc", "grpcs"]),
];

/// By what a route matches, besides its protocols, when it is not written as an expression.
pub const MATCHED: [&str; 7] = ["methods", "hosts", "headers", "paths", "snis", "sources", "destinations"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Http,
    Stream,
    Passthrough,
    Grpc,
}

/// What a route's protocols amount to.
#[derive(Default)]
struct Protocols {
    /// The first known one says which rules hold.
    first: Option<Group>,
    unknown: bool,
    mixed: bool,
    https: bool,
    grpcs: bool,
    /// One of them has a server name to look at.
    sni: bool,
}

impl Protocols {
    fn add(&mut self, protocol: &str) {
        let group = group(protocol);
        self.unknown |= group.is_none();
        self.mixed |= self.first.is_some() && group.is_some() && self.first != group;
        self.first = self.first.or(group);
        self.https |= protocol == "https";
        self.grpcs |= protocol == "grpcs";
        self.sni |= matches!(protocol, "grpcs" | "https" | "tls" | "tls_passthrough");
    }
}

pub fn check(case: &mut Case<'_, '_>) {
    let mut protocols = Protocols::default();
    match case.given("protocols") {
        None => ["http", "https"].into_iter().for_each(|protocol| protocols.add(protocol)),
        Some(Node::Array(given)) => given.iter().filter_map(Node::as_str).for_each(|protocol| protocols.add(protocol)),
        Some(Node::Object(_) | Node::Null | Node::Bool(_) | Node::Number(_) | Node::String(_)) => {}
    }
    let Some(first) = protocols.first else {
        return case.report_at("protocols", "unknown type");
    };
    if protocols.unknown {
        case.report_at("protocols", "expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp");
    } else if protocols.mixed {
        let sentence =
            "these sets are mutually exclusive: ('http', 'https'), ('tcp', 'tls', 'udp'), ('tls_passthrough'), ('grpc', 'grpcs')";
        case.report_at("protocols", sentence);
    }
    useless(case, first);
    matchless(case, first, protocols.https, protocols.grpcs);
    if !protocols.sni && case.filled("snis") {
        case.report_at("snis", "'snis' can only be set when 'protocols' is 'grpcs', 'https', 'tls' or 'tls_passthrough'");
    }
    wildcards(case);
    if case.reading.since(7)
        && case.reading.translates()
        && let Some(Node::Object(headers)) = case.given("headers")
        && headers.iter().any(|(_, values)| matches!(values, Node::Array(values) if values.is_empty()))
    {
        case.report_at("headers", "Router Expression failed validation: a header without values");
    }
}

/// Before 3.7, and where routes are not translated, a server name is a whole one.
fn wildcards(case: &mut Case<'_, '_>) {
    if case.reading.since(7) && case.reading.translates() {
        return;
    }
    let Some(Node::Array(snis)) = case.given("snis") else { return };
    for (index, sni) in snis.iter().enumerate() {
        if sni.as_str().is_some_and(|sni| sni.contains('*')) {
            case.report_in("snis", index, "invalid value");
        }
    }
}

fn group(protocol: &str) -> Option<Group> {
    GROUPS.into_iter().find(|(_, protocols)| protocols.contains(&protocol)).map(|(group, _)| group)
}

/// Fields that these protocols have no use for.
fn useless(case: &mut Case<'_, '_>, group: Group) {
    let (fields, protocols): (&[&str], &str) = match group {
        Group::Http => (&["sources", "destinations"], "'http' or 'https'"),
        Group::Stream | Group::Passthrough => (&["methods", "hosts", "paths", "headers"], "'tcp', 'tls', 'tls_passthrough' or 'udp'"),
        Group::Grpc => (&["methods", "sources", "destinations"], "'grpc' or 'grpcs'"),
    };
    // Kong's expressions know addresses in HTTP as well.
    let fields = if group == Group::Http && case.reading.has_expressions() { &[] } else { fields };
    for field in fields {
        if case.given(field).is_some() {
            case.report_at(field, format!("cannot set '{field}' when 'protocols' is {protocols}"));
        }
    }
    if group == Group::Grpc && case.given("strip_path") == Some(&Node::Bool(true)) {
        case.report_at("strip_path", "cannot set 'strip_path' when 'protocols' is 'grpc' or 'grpcs'");
    }
}

/// A route that names nothing to match by.
fn matchless(case: &mut Case<'_, '_>, group: Group, https: bool, grpcs: bool) {
    let (fields, protocol): (&[&str], &str) = match group {
        Group::Http if https => (&["methods", "hosts", "headers", "paths", "snis"], "https"),
        Group::Http => (&["methods", "hosts", "headers", "paths"], "http"),
        Group::Grpc if grpcs => (&["hosts", "headers", "paths", "snis"], "grpcs"),
        Group::Grpc => (&["hosts", "headers", "paths"], "grpc"),
        Group::Stream => (&["sources", "destinations", "snis"], "tcp', 'tls' or 'udp"),
        Group::Passthrough => (&["snis"], "tls_passthrough"),
    };
    if fields.iter().any(|field| case.filled(field)) || (case.reading.has_expressions() && case.filled("expression")) {
        return;
    }
    if group == Group::Passthrough {
        return case.report("must set snis when 'protocols' is 'tls_passthrough'");
    }
    let expression = case.reading.has_expressions().then_some(&"expression");
    let fields: Vec<String> = fields.iter().chain(expression).map(|field| format!("'{field}'")).collect();
    case.report(format!("must set one of {} when 'protocols' is '{protocol}'", fields.join(", ")));
}
