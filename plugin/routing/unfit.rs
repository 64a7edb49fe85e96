//! Routes that cannot be served because Kong would refuse something on their way: the route itself, its service, the upstream that the
//! service's host names, or one of that upstream's targets.
//!
//! A control plane may deliver what our tables disagree with, and that is only warned of. Kong would serve none of it, so neither do we:
//! such a route still takes its requests, lest another one get them, and answers that it does not serve.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::{Unroutable, entity};
use crate::config::kong;

/// The routes that are unfit, by their ids. By default none is.
#[derive(Default, Deserialize, Serialize)]
pub(super) struct Unfit(BTreeMap<String, Kind>);

/// What Kong would refuse on a route's way.
#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Route,
    Service,
    Upstream,
    Target,
}

impl Unfit {
    /// `flat` is what `entities` were read from.
    pub(super) fn of(flat: &[u8], entities: &entity::Config<'_>) -> Result<Self, Unroutable> {
        let rejected = kong::rejected(flat).map_err(|invalid| Unroutable::new(invalid.to_string()))?;
        let mut unfit = BTreeMap::new();
        if rejected.is_empty() {
            return Ok(Self(unfit));
        }
        let services = services(&rejected, entities);
        for route in &entities.routes {
            let own = rejected.contains("routes", &route.id).then_some(Kind::Route);
            let service = route.service.as_ref().and_then(|service| services.get(service.as_str()).copied());
            if let Some(kind) = own.or(service) {
                unfit.insert(route.id.clone(), kind);
            }
        }
        Ok(Self(unfit))
    }

    /// The kind of entity for which this route does not serve; `None`: it does.
    pub(super) fn route(&self, route: &entity::Route) -> Option<&'static str> {
        self.0.get(&route.id).map(|kind| kind.name())
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Service => "service",
            Self::Upstream => "upstream",
            Self::Target => "target",
        }
    }
}

/// By the service's id.
fn services<'e>(rejected: &kong::Rejected, entities: &'e entity::Config<'_>) -> HashMap<&'e str, Kind> {
    let hosts = hosts(rejected, entities);
    let of = |service: &entity::Service| {
        let own = rejected.contains("services", &service.id).then_some(Kind::Service);
        own.or_else(|| hosts.get(service.host.as_str()).copied())
    };
    entities.services.iter().filter_map(|service| Some((service.id.as_str(), of(service)?))).collect()
}

/// By the name of an upstream.
fn hosts<'e>(rejected: &kong::Rejected, entities: &'e entity::Config<'_>) -> HashMap<&'e str, Kind> {
    let mut hosts = HashMap::new();
    for upstream in &entities.upstreams {
        let own = rejected.contains("upstreams", &upstream.id).then_some(Kind::Upstream);
        if let Some(kind) = own.or_else(|| rejected.contains_target_of(&upstream.id).then_some(Kind::Target)) {
            hosts.insert(upstream.name.as_str(), kind);
        }
    }
    hosts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_route_does_not_serve_for_whatever_kong_refuses_on_its_way() {
        let unserved = unserved(
            "
services:
- {name: sound, host: a.test}
- {name: odd, host: a.test, tls_sans: {dnsnames: [a]}}
- {name: by-upstream, host: u}
- {name: by-target, host: t}
upstreams:
- {name: u, algorithm: sticky-sessions}
- {name: t, targets: [{target: 'a.test:80'}, {target: 'b.test:80', failover: true}]}
routes:
- {name: served, paths: [/], service: sound}
- {name: alone, paths: [/x]}
- {name: misspelt, paths: [/a%20b], service: sound}
- {name: of-odd, paths: [/b], service: odd}
- {name: of-upstream, paths: [/c], service: by-upstream}
- {name: of-target, paths: [/d], service: by-target}
",
        );
        let expected = [
            ("served", None),
            ("alone", None),
            ("misspelt", Some("route")),
            ("of-odd", Some("service")),
            ("of-upstream", Some("upstream")),
            ("of-target", Some("target")),
        ];
        assert_eq!(unserved, expected.map(|(name, kind)| (name.to_owned(), kind)));
    }

    #[test]
    fn what_is_null_or_only_our_plugins_do_not_know_is_served() {
        let text = "
services:
- {name: a, host: a.test, novel: null}
routes:
- {name: r, paths: [/], service: a, plugins: [{name: custom, config: {x: 1}}]}
";
        assert_eq!(unserved(text), [("r".to_owned(), None)]);
    }

    fn unserved(yaml: &str) -> Vec<(String, Option<&'static str>)> {
        let flat = kong::flatten(format!("_format_version: '3.0'\n{yaml}").as_bytes()).unwrap().into_owned();
        let entities: entity::Config<'_> = serde_json::from_slice(&flat).unwrap();
        let unfit = Unfit::of(&flat, &entities).unwrap();
        entities.routes.iter().map(|route| (route.label().to_owned(), unfit.route(route))).collect()
    }
}
