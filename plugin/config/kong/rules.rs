//! Rules across the fields of one entity (KONG.md B.6). They take a field that is absent as its default. What one field alone may
//! be is not said here; the rules of routes are in [`super::route_rules`].

use super::super::tree::{Member, Node, member};
use super::gateway::Reading;
use super::place::{Place, Reports};
use super::{route_rules, text};

/// One entity under examination.
pub struct Case<'c, 'a> {
    pub members: &'c [Member<'a>],
    pub place: &'c Place<'c>,
    pub reading: &'c Reading<'c>,
    pub reports: &'c mut Reports,
}

impl<'c, 'a> Case<'c, 'a> {
    /// A field's value when it is given and not null.
    pub fn given(&self, name: &str) -> Option<&'c Node<'a>> {
        member(self.members, name).filter(|value| !value.is_null())
    }

    pub fn text(&self, name: &str) -> Option<&'c str> {
        self.given(name).and_then(Node::as_str)
    }

    /// Given, and not an empty list or map.
    pub fn filled(&self, name: &str) -> bool {
        match self.given(name) {
            Some(Node::Array(elements)) => !elements.is_empty(),
            Some(Node::Object(members)) => !members.is_empty(),
            Some(Node::Null | Node::Bool(_) | Node::Number(_) | Node::String(_)) => true,
            None => false,
        }
    }

    pub fn report(&mut self, message: impl Into<String>) {
        self.reports.schema(self.place, message);
    }

    pub fn report_at(&mut self, name: &str, message: impl Into<String>) {
        self.reports.schema(&Place::Member(self.place, name), message);
    }

    /// At an element of a list.
    pub fn report_in(&mut self, name: &str, index: usize, message: impl Into<String>) {
        self.reports.schema(&Place::Element(&Place::Member(self.place, name), index), message);
    }

    pub fn require(&mut self, name: &str) {
        if self.given(name).is_none() {
            self.report_at(name, "required field missing");
        }
    }

    fn forbid(&mut self, names: &[&str]) {
        for name in names {
            if self.given(name).is_some() {
                self.report_at(name, "value must be null");
            }
        }
    }

    /// Runs checks that hang on one field. Kong says of the entity, too, that they failed; who only passes it on need not hear it twice.
    fn given_value_of(&mut self, field: &str, checks: impl FnOnce(&mut Self)) {
        let found = self.reports.schema.count();
        checks(self);
        if self.reading.particular.is_some() && self.reports.schema.count() > found {
            self.report(format!("failed conditional validation given value of field '{field}'"));
        }
    }
}

pub fn check(entity: &str, case: &mut Case<'_, '_>) {
    match entity {
        "services" => service(case),
        "routes" => route_rules::check(case),
        "upstreams" => upstream(case),
        "consumers" => consumer(case),
        "certificates" => certificate(case),
        "ca_certificates" => ca_certificate(case),
        "keys" => key(case),
        "jwt_secrets" => jwt_secret(case),
        _ => {}
    }
    if let Some(particular) = case.reading.particular {
        particular.check(entity, case);
    }
}

fn service(case: &mut Case<'_, '_>) {
    let (pathless, tls) = match case.text("protocol") {
        Some("tcp" | "udp" | "grpc" | "grpcs") => (true, false),
        Some("tls") => (true, true),
        Some("https") => (false, true),
        Some(_) | None => (false, false),
    };
    case.given_value_of("protocol", |case| {
        if pathless {
            case.forbid(&["path"]);
        }
        if !tls {
            case.forbid(&["client_certificate", "tls_verify", "tls_verify_depth", "ca_certificates"]);
        }
    });
}

/// Of an upstream's algorithm and hash_on, Kong heeds one before it checks: an algorithm that cannot hash discards hash_on.
fn upstream(case: &mut Case<'_, '_>) {
    let hashes = !matches!(case.text("algorithm"), Some("least-connections" | "latency"));
    let hash_on = case.text("hash_on").filter(|_| hashes).unwrap_or("none");
    let fallback = case.text("hash_fallback").unwrap_or("none");
    case.given_value_of("hash_on", |case| {
        if let Some(companion) = companion(hash_on, ["hash_on_header", "hash_on_cookie", "hash_on_query_arg", "hash_on_uri_capture"]) {
            case.require(companion);
        }
        if matches!(hash_on, "none" | "cookie") && fallback != "none" {
            case.report_at("hash_fallback", "expected one of: none");
        }
        if matches!(hash_on, "consumer" | "ip" | "path") && fallback == hash_on {
            let others = ["none", "consumer", "ip", "header", "cookie", "path", "query_arg", "uri_capture"];
            let others: Vec<&str> = others.into_iter().filter(|other| *other != hash_on).collect();
            case.report_at("hash_fallback", format!("expected one of: {}", others.join(", ")));
        }
    });
    case.given_value_of("hash_fallback", |case| {
        let companions = ["hash_fallback_header", "hash_on_cookie", "hash_fallback_query_arg", "hash_fallback_uri_capture"];
        if let Some(companion) = companion(fallback, companions) {
            case.require(companion);
        }
    });
    for (one, other) in [
        ("hash_on_header", "hash_fallback_header"),
        ("hash_on_query_arg", "hash_fallback_query_arg"),
        ("hash_on_uri_capture", "hash_fallback_uri_capture"),
    ] {
        if case.text(one).is_some() && case.text(one) == case.text(other) {
            case.report(format!("values of these fields must be distinct: '{one}', '{other}'"));
        }
    }
}

fn companion(hash_on: &str, [header, cookie, query_arg, uri_capture]: [&'static str; 4]) -> Option<&'static str> {
    match hash_on {
        "header" => Some(header),
        "cookie" => Some(cookie),
        "query_arg" => Some(query_arg),
        "uri_capture" => Some(uri_capture),
        _ => None,
    }
}

fn consumer(case: &mut Case<'_, '_>) {
    if case.given("username").is_none() && case.given("custom_id").is_none() {
        case.report("at least one of these fields must be non-empty: 'custom_id', 'username'");
    }
}

fn certificate(case: &mut Case<'_, '_>) {
    if case.given("cert_alt").is_some() != case.given("key_alt").is_some() {
        case.report("all or none of these fields must be set: 'cert_alt', 'key_alt'");
    }
}

fn ca_certificate(case: &mut Case<'_, '_>) {
    if case.text("cert").is_some_and(|cert| cert.matches("-----BEGIN CERTIFICATE-----").count() > 1) {
        case.report_at("cert", "please submit only one certificate at a time");
    }
}

fn key(case: &mut Case<'_, '_>) {
    match (case.given("jwk"), case.given("pem")) {
        (None, None) => return case.report("at least one of these fields must be non-empty: 'jwk', 'pem'"),
        (Some(_), Some(_)) => return case.report("only one of these fields must be non-empty: 'jwk', 'pem'"),
        (Some(_), None) | (None, Some(_)) => {}
    }
    let Some(jwk) = case.text("jwk").filter(|jwk| !text::is_vault_reference(jwk)) else { return };
    // Parsed as deep as an entity may be; what the key says beyond its name is for whoever uses it.
    let Ok(jwk) = super::super::tree::parse(jwk, 0) else { return case.report_at("jwk", "could not json decode jwk string") };
    if jwk.member("kid").and_then(Node::as_str) != case.text("kid") {
        case.report("kid in jwk.kid must be equal to keys.kid");
    }
}

fn jwt_secret(case: &mut Case<'_, '_>) {
    if case.text("algorithm").is_some_and(|algorithm| algorithm.starts_with("RS")) {
        case.require("rsa_public_key");
    }
}
