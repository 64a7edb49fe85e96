//! What is asked only when a document is judged for one particular gateway: whether its plugins and vaults are there, what they want
//! of their configuration, what the flavour `expressions` wants of a route, and which CA certificate has expired.
//!
//! Reached through a trait object that only a judge makes, so that a component that judges nothing does not carry it.

use super::super::certificates;
use super::super::tree::Node;
use super::gateway::Gateway;
use super::place::Place;
use super::plugins::{KNOWN, LATER, OLDEST};
use super::rules::Case;
use super::schema::Text;
use super::{fields, route_rules, text};

/// In Kong's `plugins`: all that the version brings along.
pub const BUNDLED: &str = "bundled";

/// Kong's open source has one vault.
const VAULTS: [&str; 1] = ["env"];

/// What is above it, Kong's router needs for itself.
const PRIORITY_MAX: i64 = (1 << 46) - 1;

pub trait Particular {
    fn check(&self, entity: &str, case: &mut Case<'_, '_>);
}

impl Particular for Gateway {
    fn check(&self, entity: &str, case: &mut Case<'_, '_>) {
        match entity {
            "plugins" => self.plugin(case),
            "routes" if case.reading.has_expressions() => expression(case),
            "vaults" => vault(case),
            "filter_chains" => filter_chain(case),
            "certificates" => ["cert", "cert_alt"].into_iter().for_each(|field| legible(case, field)),
            "ca_certificates" => self.ca_certificate(case),
            _ => {}
        }
    }
}

impl Gateway {
    fn has(&self, plugin: &str) -> bool {
        let bundled = || OLDEST.contains(&plugin) || LATER.iter().any(|(name, minor)| *name == plugin && self.version.since(*minor));
        self.plugins.iter().any(|listed| if listed == BUNDLED { bundled() } else { listed == plugin })
    }

    fn plugin(&self, case: &mut Case<'_, '_>) {
        let Some(name) = case.text("name").filter(|name| !name.is_empty()) else { return };
        if !self.has(name) {
            return case.report_at("name", "plugin not enabled; add it to the 'plugins' configuration property");
        }
        let Some(known) = KNOWN.iter().find(|known| known.name == name) else { return };
        if let Some(Node::Object(config)) = case.given("config") {
            let at = Place::Member(case.place, "config");
            fields::check_record(known.config, config, &at, case.reading, case.reports);
        }
        let Some(Node::Array(protocols)) = case.given("protocols") else { return };
        let foreign = |protocol: &Node<'_>| protocol.as_str().is_some_and(|protocol| !known.protocols.contains(&protocol));
        let foreign: Vec<usize> = protocols.iter().enumerate().filter(|(_, protocol)| foreign(protocol)).map(|(index, _)| index).collect();
        for index in foreign.into_iter().filter(|_| !known.protocols.is_empty()) {
            case.report_in("protocols", index, format!("expected one of: {}", known.protocols.join(", ")));
        }
    }

    fn ca_certificate(&self, case: &mut Case<'_, '_>) {
        legible(case, "cert");
        let Some(now) = self.now else { return };
        if case.text("cert").is_some_and(|cert| certificates::ends(cert).iter().any(|end| *end < now)) {
            case.report("certificate expired, \"Not After\" time is in the past");
        }
    }
}

/// One whose frame is all there is of it was not reported yet.
fn legible(case: &mut Case<'_, '_>, field: &str) {
    let Some(pem) = case.text(field) else { return };
    if text::check(pem, Text::Certificate, case.reading.regexes()).is_ok() && certificates::ends(pem).is_empty() {
        case.report_at(field, "invalid certificate");
    }
}

fn vault(case: &mut Case<'_, '_>) {
    if case.text("name").is_some_and(|name| !VAULTS.contains(&name)) {
        case.report_at("name", format!("vault is not installed, expected one of: {}", VAULTS.join(", ")));
    }
}

/// Kong's `wasm` is off unless somebody built and configured it otherwise, and then there are no filters.
fn filter_chain(case: &mut Case<'_, '_>) {
    if let Some(Node::Array(filters)) = case.given("filters") {
        let list = Place::Member(case.place, "filters");
        for index in 0..filters.len() {
            case.reports.schema(&Place::Member(&Place::Element(&list, index), "name"), "no such filter");
        }
    }
    case.report("wasm support is not enabled");
}

/// A route is written as an expression or with fields, and its place in the order goes with that. Whether the expression is one is left
/// to Kong.
fn expression(case: &mut Case<'_, '_>) {
    if !case.reading.since(7) {
        return case.require("expression");
    }
    let written = case.given("expression").is_some();
    let fields: Vec<&str> = route_rules::MATCHED.into_iter().filter(|field| case.filled(field)).collect();
    if written && !fields.is_empty() {
        case.report(format!("cannot set 'expression' together with '{}'", fields.join("', '")));
    }
    let number = |name| match case.given(name) {
        Some(Node::Number(number)) => number.as_f64(),
        Some(Node::Null | Node::Bool(_) | Node::String(_) | Node::Array(_) | Node::Object(_)) | None => 0.0,
    };
    // 0 is the default, and a control plane writes it down.
    let (regex_priority, priority) = (number("regex_priority"), number("priority"));
    if !(0.0..=PRIORITY_MAX as f64).contains(&priority) {
        case.report_at("priority", format!("value should be between 0 and {PRIORITY_MAX}"));
    }
    if case.reading.since(8) && written && regex_priority != 0.0 {
        case.report_at("regex_priority", "cannot set 'regex_priority' together with 'expression'");
    } else if case.reading.since(8) && !written && priority != 0.0 {
        case.report_at("priority", "cannot set 'priority' without 'expression'");
    }
}
