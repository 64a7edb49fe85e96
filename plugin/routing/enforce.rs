//! Which plugins act on a route, and which of them make it fail closed.
//!
//! A plugin applies globally, by service, by route, or by both; of several with one name the most specific acts. What is not
//! enforced here stops the route, unless the operator ignores it, which is offered only for plugins that watch and never
//! decide. Consumers are not known here, so a plugin for one of them counts as one for all, and stops.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use super::correlation::Correlation;
use super::entity::{Plugin, Route};
use super::termination::Termination;

/// Plugins without which the same requests pass in the same way: they log and measure.
const MAY_BE_IGNORED: [&str; 11] =
    ["datadog", "file-log", "http-log", "loggly", "opentelemetry", "prometheus", "statsd", "syslog", "tcp-log", "udp-log", "zipkin"];

const CORRELATION: &str = "correlation-id";
const TERMINATION: &str = "request-termination";

/// What to do about plugins that are not enforced: the names that the operator ignores. By default none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unenforced {
    ignored: BTreeSet<String>,
}

/// A value that is not understood, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadUnenforced(String);

/// What acts on one route.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The plugin that stops it.
    pub not_enforced: Option<Box<str>>,
    pub correlation: Option<Arc<Correlation>>,
    pub termination: Option<Arc<Termination>>,
}

/// All plugins by what they apply to.
#[derive(Default)]
pub(super) struct Plugins {
    global: Scope,
    services: HashMap<String, Scope>,
    routes: HashMap<String, Scope>,
    /// By route, then service: they act only where both meet.
    both: HashMap<String, HashMap<String, Scope>>,
    not_enforced: BTreeSet<String>,
}

type Scope = BTreeMap<String, Action>;

#[derive(Clone)]
enum Action {
    Stop,
    Correlate(Arc<Correlation>),
    Terminate(Arc<Termination>),
}

impl Unenforced {
    /// Reads `refuse`, or `ignore:` followed by names and commas.
    pub fn parse(value: &str) -> Result<Self, BadUnenforced> {
        let Some(names) = value.strip_prefix("ignore:") else {
            return match value {
                "refuse" => Ok(Self::default()),
                _ => Err(BadUnenforced(format!("'{value}' is neither 'refuse' nor 'ignore:' followed by plugin names"))),
            };
        };
        let mut ignored = BTreeSet::new();
        for name in names.split(',').map(str::trim) {
            if !MAY_BE_IGNORED.contains(&name) {
                let allowed = MAY_BE_IGNORED.join(", ");
                return Err(BadUnenforced(format!("plugin '{name}' cannot be ignored, only {allowed} can: take it out of the list")));
            }
            ignored.insert(name.to_owned());
        }
        Ok(Self { ignored })
    }

    /// Whether this plugin has a say at all.
    pub(super) fn acts(&self, plugin: &Plugin<'_>) -> bool {
        plugin.enabled != Some(false) && acts_on_http(plugin) && !self.ignored.contains(&plugin.name)
    }
}

impl Plugins {
    pub(super) fn of(plugins: &[Plugin<'_>], unenforced: &Unenforced) -> Self {
        let mut all = Self::default();
        plugins.iter().filter(|plugin| unenforced.acts(plugin)).for_each(|plugin| all.add(plugin));
        all
    }

    /// The names of all that are not enforced, in order.
    pub(super) fn not_enforced(&self) -> Vec<String> {
        self.not_enforced.iter().cloned().collect()
    }

    fn add(&mut self, plugin: &Plugin<'_>) {
        let action = action(plugin);
        if matches!(action, Action::Stop) {
            self.not_enforced.insert(plugin.name.clone());
        }
        let scope = match (&plugin.route, &plugin.service) {
            (None, None) => &mut self.global,
            (None, Some(service)) => self.services.entry(service.clone()).or_default(),
            (Some(route), None) => self.routes.entry(route.clone()).or_default(),
            (Some(route), Some(service)) => self.both.entry(route.clone()).or_default().entry(service.clone()).or_default(),
        };
        match scope.get(&plugin.name) {
            // Nothing takes a stop back: one of two with the same scope may be for a consumer.
            Some(Action::Stop) => {}
            Some(Action::Correlate(_) | Action::Terminate(_)) | None => {
                scope.insert(plugin.name.clone(), action);
            }
        }
    }

    pub(super) fn plan(&self, route: &Route) -> Plan {
        let service = route.service.as_ref();
        let scopes = [
            Some(&self.global),
            service.and_then(|service| self.services.get(service)),
            self.routes.get(&route.id),
            service.and_then(|service| self.both.get(&route.id)?.get(service)),
        ];
        let mut plan = Plan::default();
        for (name, action) in scopes.into_iter().flatten().flatten() {
            match action {
                Action::Stop => {
                    plan.not_enforced = plan.not_enforced.filter(|other| **other <= **name).or_else(|| Some(name.as_str().into()))
                }
                Action::Correlate(correlation) => plan.correlation = Some(Arc::clone(correlation)),
                Action::Terminate(termination) => plan.termination = Some(Arc::clone(termination)),
            }
        }
        plan
    }
}

/// Whether what it does follows from its configuration. Of any other plugin the name is enough.
pub(super) fn is_enforced(name: &str) -> bool {
    matches!(name, CORRELATION | TERMINATION)
}

fn action(plugin: &Plugin<'_>) -> Action {
    if plugin.consumer.is_some() || plugin.consumer_group.is_some() || plugin.condition.is_some() {
        return Action::Stop;
    }
    let config = plugin.config.map_or("{}", |config| config.get());
    let action = match plugin.name.as_str() {
        CORRELATION => Correlation::parse(config).map(|correlation| Action::Correlate(Arc::new(correlation))),
        TERMINATION => Termination::parse(config).map(|termination| Action::Terminate(Arc::new(termination))),
        _ => None,
    };
    action.unwrap_or(Action::Stop)
}

/// Kong runs a plugin on every request of the subsystem that one of its protocols belongs to.
fn acts_on_http(plugin: &Plugin<'_>) -> bool {
    let http = |protocol: &String| matches!(protocol.as_str(), "http" | "https" | "grpc" | "grpcs" | "ws" | "wss");
    plugin.protocols.is_empty() || plugin.protocols.iter().any(http)
}

impl fmt::Display for BadUnenforced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadUnenforced {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plugins_that_watch_can_be_ignored() {
        assert!(Unenforced::parse("ignore:prometheus, file-log").is_ok());
        assert_eq!(Unenforced::parse("refuse"), Ok(Unenforced::default()));
        let refused = Unenforced::parse("ignore:prometheus,key-auth").map_err(|bad| bad.to_string());
        assert!(refused.is_err_and(|sentence| sentence.starts_with("plugin 'key-auth' cannot be ignored")));
        assert!(Unenforced::parse("").is_err());
        assert!(Unenforced::parse("ignore:").is_err());
    }
}
