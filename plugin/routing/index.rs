//! Finds the first matcher for a request without asking all of them.
//!
//! ```text
//! host ──► exact name ─┐
//!      ──► each suffix ┼─► prefixes of the path ─► matchers in order: methods, headers, SNI, expressions
//!      ──► each prefix │
//!      ──► any host ───┘
//! ```
//!
//! A request walks as many places as its host has labels and its path has known prefixes. Matchers are numbered in the order in
//! which they are tried, so that a place whose first number is behind what was found already is left at once.

use std::collections::{BTreeMap, HashMap};

use super::Request;
use super::matcher::{Host, HostPattern, Matcher, Paths, Ranked};
use super::prefixes::{Prefixes, Stretch};

/// Longer than any host name can be. A request that names such a host has no route.
const HOST_BYTES_MAX: usize = 255;

/// A matcher's place in the order; the smallest that matches wins.
pub(super) type Rank = u32;

#[derive(Default)]
pub(super) struct Index {
    matchers: Vec<Matcher>,
    paths: Prefixes,
    exact: Hosts,
    suffixes: Hosts,
    prefixes: Hosts,
    any: Stretch,
}

#[derive(Default)]
struct Hosts {
    /// Where in `places` those of a host stand.
    by_name: HashMap<String, (usize, usize)>,
    places: Vec<Place>,
}

/// The routes of one host, or of one port of it.
struct Place {
    port: Option<u16>,
    paths: Stretch,
}

pub(super) struct Found<'i, 'p> {
    pub matcher: &'i Matcher,
    /// The part of the path that the route named; `None` if it names no path.
    pub matched: Option<&'p str>,
}

impl Index {
    pub(super) fn build(mut ranked: Vec<Ranked>) -> Self {
        ranked.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| b.id.cmp(&a.id)));
        let mut building = Building::default();
        let mut matchers = Vec::with_capacity(ranked.len());
        for (rank, Ranked { hosts, matcher, .. }) in ranked.into_iter().enumerate() {
            // A configuration of 256 MiB cannot hold that many.
            building.add(&hosts, &matcher, u32::try_from(rank).unwrap_or(Rank::MAX));
            matchers.push(matcher);
        }
        building.finish(matchers)
    }

    /// `path` is normalised.
    pub(super) fn find<'i, 'p>(&'i self, request: &Request<'_>, path: &'p str) -> Option<Found<'i, 'p>> {
        let host = request.host;
        if host.len() > HOST_BYTES_MAX {
            return None;
        }
        let mut search = Search { index: self, request, path, best: None };
        search.hosts(&self.exact, Some(host));
        for (dot, _) in host.match_indices('.') {
            search.hosts(&self.suffixes, host.get(dot..));
            search.hosts(&self.prefixes, host.get(..=dot));
        }
        search.paths(self.any);
        search.best.map(|(_, found)| found)
    }
}

struct Search<'s, 'r, 'i, 'p> {
    index: &'i Index,
    request: &'s Request<'r>,
    path: &'p str,
    best: Option<(Rank, Found<'i, 'p>)>,
}

impl<'i> Search<'_, '_, 'i, '_> {
    fn hosts(&mut self, hosts: &'i Hosts, name: Option<&str>) {
        let known = name.and_then(|name| hosts.by_name.get(name));
        let places = known.and_then(|(start, end)| hosts.places.get(*start..*end)).unwrap_or_default();
        for place in places {
            if place.port.is_none() || place.port == self.request.port {
                self.paths(place.paths);
            }
        }
    }

    fn paths(&mut self, stretch: Stretch) {
        let (index, path) = (self.index, self.path);
        for (length, ranks) in index.paths.of_path(stretch, path) {
            self.under(ranks, length);
        }
    }

    /// What stands under one prefix of the path.
    fn under(&mut self, ranks: &[Rank], length: usize) {
        for &rank in ranks {
            if self.best.as_ref().is_some_and(|(best, _)| *best <= rank) {
                return;
            }
            let Some(matcher) = usize::try_from(rank).ok().and_then(|rank| self.index.matchers.get(rank)) else { return };
            #[cfg(test)]
            asked::one_more();
            if !matcher.accepts(self.request) {
                continue;
            }
            let matched = match &matcher.paths {
                Paths::Any => Some(None),
                Paths::Prefixes(_) => self.path.get(..length).map(Some),
                Paths::Expressions(expressions) => expressions.iter().find_map(|expression| expression.find(self.path)).map(Some),
            };
            if let Some(matched) = matched {
                self.best = Some((rank, Found { matcher, matched }));
                return;
            }
        }
    }
}

/// Counts the matchers that a test's searches asked, for time would measure the machine.
#[cfg(test)]
pub(super) mod asked {
    use std::cell::Cell;

    thread_local! {
        static ASKED: Cell<usize> = const { Cell::new(0) };
    }

    pub fn one_more() {
        ASKED.set(ASKED.get() + 1);
    }

    /// How many since the last call.
    pub fn taken() -> usize {
        ASKED.replace(0)
    }
}

#[derive(Default)]
struct Building {
    exact: BTreeMap<String, BTreeMap<Option<u16>, Known>>,
    suffixes: BTreeMap<String, BTreeMap<Option<u16>, Known>>,
    prefixes: BTreeMap<String, BTreeMap<Option<u16>, Known>>,
    any: Known,
}

/// Of each prefix the ranks. They come in ascending, for matchers are added in order.
type Known = BTreeMap<String, Vec<Rank>>;

impl Building {
    fn add(&mut self, hosts: &[Host], matcher: &Matcher, rank: Rank) {
        if hosts.is_empty() {
            insert(&mut self.any, matcher, rank);
        }
        for host in hosts {
            let (places, name) = match &host.pattern {
                HostPattern::Exact(name) => (&mut self.exact, name),
                HostPattern::EndsWith(end) => (&mut self.suffixes, end),
                HostPattern::StartsWith(start) => (&mut self.prefixes, start),
            };
            insert(places.entry(name.clone()).or_default().entry(host.port).or_default(), matcher, rank);
        }
    }

    fn finish(self, matchers: Vec<Matcher>) -> Index {
        let mut paths = Prefixes::default();
        let mut hosts = |known: BTreeMap<String, BTreeMap<Option<u16>, Known>>| {
            let mut hosts = Hosts::default();
            for (name, ports) in known {
                let start = hosts.places.len();
                hosts.places.extend(ports.into_iter().map(|(port, known)| Place { port, paths: paths.add(known) }));
                hosts.by_name.insert(name, (start, hosts.places.len()));
            }
            hosts
        };
        let (exact, suffixes, prefixes) = (hosts(self.exact), hosts(self.suffixes), hosts(self.prefixes));
        let any = paths.add(self.any);
        Index { matchers, paths, exact, suffixes, prefixes, any }
    }
}

fn insert(known: &mut Known, matcher: &Matcher, rank: Rank) {
    let mut under = |prefix: &str| {
        let ranks = known.entry(prefix.to_owned()).or_default();
        if ranks.last() != Some(&rank) {
            ranks.push(rank);
        }
    };
    match &matcher.paths {
        Paths::Any => under(""),
        Paths::Prefixes(paths) => paths.iter().for_each(|path| under(path)),
        Paths::Expressions(expressions) => expressions.iter().for_each(|expression| under(&expression.literal_prefix)),
    }
}
