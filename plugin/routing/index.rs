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

use std::collections::BTreeMap;

use super::Request;
use super::matcher::{Host, HostPattern, Matcher, Paths, Ranked};
use super::prefixes::{Adding, Prefixes, Stretch};
use super::texts::{Lookup, Text, Texts, small, wide};

/// Longer than any host name can be. A request that names such a host has no route.
const HOST_BYTES_MAX: usize = 255;

/// A matcher's place in the order; the smallest that matches wins.
pub(super) type Rank = u32;

/// A matcher as it stands under a prefix of its paths, with as much of it as most requests need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub rank: Rank,
    /// The route's place in the table.
    pub route: u32,
    /// Host and prefix are all that is asked for, so that nobody who comes here need look at the matcher.
    pub is_plain: bool,
}

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
    /// Where in `places` the first of a host stands.
    by_name: Lookup,
    names: Texts,
    /// Those of one host are neighbours.
    places: Vec<Place>,
}

/// The routes of one host, or of one port of it: one cache line.
#[repr(align(64))]
struct Place {
    host: Text,
    port: Option<u16>,
    /// How many more of the same host follow.
    more: u32,
    paths: Stretch,
}

const _: () = assert!(size_of::<Place>() == 64);

pub(super) struct Found<'p> {
    /// The route's place in the table.
    pub route: u32,
    /// The part of the path that the route named; `None` if it names no path.
    pub matched: Option<&'p str>,
}

impl Index {
    pub(super) fn build(mut ranked: Vec<Ranked>) -> Self {
        ranked.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| b.id.cmp(&a.id)));
        let mut building = Building::default();
        let mut matchers = Vec::with_capacity(ranked.len());
        for (rank, Ranked { hosts, matcher, .. }) in ranked.into_iter().enumerate() {
            building.add(&hosts, &matcher, small(rank));
            matchers.push(matcher);
        }
        building.finish(matchers)
    }

    /// `path` is normalised.
    pub(super) fn find<'p>(&self, request: &Request<'_>, path: &'p str) -> Option<Found<'p>> {
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
        search.paths(&self.any);
        search.best.map(|(_, found)| found)
    }
}

impl Hosts {
    fn places_of(&self, name: &str) -> &[Place] {
        let is_named = |place: u32| self.places.get(wide(place)).is_some_and(|place| self.names.of(place.host) == name);
        let first = self.by_name.find(name, is_named).map(wide);
        let following = first.and_then(|first| self.places.get(first..)).unwrap_or_default();
        let more = following.first().map(|first| wide(first.more));
        more.and_then(|more| following.get(..=more)).unwrap_or_default()
    }
}

struct Search<'s, 'r, 'i, 'p> {
    index: &'i Index,
    request: &'s Request<'r>,
    path: &'p str,
    best: Option<(Rank, Found<'p>)>,
}

impl<'i, 'p> Search<'_, '_, 'i, 'p> {
    fn hosts(&mut self, hosts: &'i Hosts, name: Option<&str>) {
        for place in name.map(|name| hosts.places_of(name)).unwrap_or_default() {
            if place.port.is_none() || place.port == self.request.port {
                self.paths(&place.paths);
            }
        }
    }

    fn paths(&mut self, stretch: &'i Stretch) {
        let (index, path) = (self.index, self.path);
        for (length, candidates) in index.paths.of_path(stretch, path) {
            self.under(candidates, length);
        }
    }

    /// What stands under one prefix of the path.
    fn under(&mut self, candidates: &[Candidate], length: usize) {
        for candidate in candidates {
            if self.best.as_ref().is_some_and(|(best, _)| *best <= candidate.rank) {
                return;
            }
            #[cfg(test)]
            asked::one_more();
            if let Some(matched) = self.matched(candidate, length) {
                self.best = Some((candidate.rank, Found { route: candidate.route, matched }));
                return;
            }
        }
    }

    /// `None` if the matcher does not take the request.
    fn matched(&self, candidate: &Candidate, length: usize) -> Option<Option<&'p str>> {
        // No path of a route is empty: only those without paths stand under nothing.
        let prefix = self.path.get(..length).filter(|prefix| !prefix.is_empty());
        if candidate.is_plain {
            return Some(prefix);
        }
        let matcher = self.index.matchers.get(wide(candidate.rank)).filter(|matcher| matcher.accepts(self.request))?;
        match &matcher.paths {
            Paths::Any | Paths::Prefixes(_) => Some(prefix),
            Paths::Expression(expression) => expression.find_behind_prefix(self.path).map(Some),
            Paths::Expressions(expressions) => expressions.iter().find_map(|expression| expression.find(self.path)).map(Some),
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

/// What stands under each prefix. It comes in ascending, for matchers are added in order.
type Known = BTreeMap<String, Vec<Candidate>>;

impl Building {
    fn add(&mut self, hosts: &[Host], matcher: &Matcher, rank: Rank) {
        let candidate = Candidate { rank, route: matcher.route, is_plain: matcher.is_plain() };
        if hosts.is_empty() {
            insert(&mut self.any, matcher, candidate);
        }
        for host in hosts {
            let (places, name) = match &host.pattern {
                HostPattern::Exact(name) => (&mut self.exact, name),
                HostPattern::EndsWith(end) => (&mut self.suffixes, end),
                HostPattern::StartsWith(start) => (&mut self.prefixes, start),
            };
            insert(places.entry(name.clone()).or_default().entry(host.port).or_default(), matcher, candidate);
        }
    }

    fn finish(self, matchers: Vec<Matcher>) -> Index {
        let mut paths = Adding::default();
        let [exact, suffixes, prefixes] = [self.exact, self.suffixes, self.prefixes].map(|known| hosts(known, &mut paths));
        let any = paths.add(self.any);
        Index { matchers, paths: paths.finish(), exact, suffixes, prefixes, any }
    }
}

fn hosts(known: BTreeMap<String, BTreeMap<Option<u16>, Known>>, paths: &mut Adding) -> Hosts {
    let mut hosts = Hosts { places: Vec::with_capacity(known.len()), ..Hosts::default() };
    let mut firsts = Vec::with_capacity(known.len());
    for (name, ports) in known {
        let host = hosts.names.add(&name);
        firsts.push((host, small(hosts.places.len())));
        let more = (0..small(ports.len())).rev();
        hosts.places.extend(ports.into_iter().zip(more).map(|((port, known), more)| Place { host, port, more, paths: paths.add(known) }));
    }
    hosts.by_name = Lookup::of(firsts.into_iter().map(|(host, first)| (hosts.names.of(host), first)));
    hosts
}

fn insert(known: &mut Known, matcher: &Matcher, candidate: Candidate) {
    let mut under = |prefix: &str| {
        let candidates = known.entry(prefix.to_owned()).or_default();
        if candidates.last() != Some(&candidate) {
            candidates.push(candidate);
        }
    };
    match &matcher.paths {
        Paths::Any => under(""),
        Paths::Prefixes(paths) => paths.iter().for_each(|path| under(path)),
        Paths::Expression(expression) => under(&expression.literal_prefix),
        Paths::Expressions(expressions) => expressions.iter().for_each(|expression| under(&expression.literal_prefix)),
    }
}
