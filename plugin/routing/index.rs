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

/// Longer than any host name can be. A request that names such a host has no route.
const HOST_BYTES_MAX: usize = 255;

/// A matcher's place in the order; the smallest that matches wins.
type Rank = u32;

#[derive(Default)]
pub(super) struct Index {
    matchers: Vec<Matcher>,
    exact: HashMap<String, Vec<Place>>,
    suffixes: HashMap<String, Vec<Place>>,
    prefixes: HashMap<String, Vec<Place>>,
    any: PathIndex,
}

/// The routes of one host, or of one port of it.
struct Place {
    port: Option<u16>,
    paths: PathIndex,
}

/// The known prefixes in order, each with the longest other one that it begins with. All prefixes of a path are found by
/// looking up the path's own place and following those.
#[derive(Default)]
struct PathIndex {
    nodes: Vec<Node>,
}

struct Node {
    prefix: String,
    parent: Option<usize>,
    ranks: Vec<Rank>,
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
        search.hosts(self.exact.get(host));
        for (dot, _) in host.match_indices('.') {
            search.hosts(host.get(dot..).and_then(|suffix| self.suffixes.get(suffix)));
            search.hosts(host.get(..=dot).and_then(|prefix| self.prefixes.get(prefix)));
        }
        search.paths(&self.any);
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
    fn hosts(&mut self, places: Option<&'i Vec<Place>>) {
        for place in places.into_iter().flatten() {
            if place.port.is_none() || place.port == self.request.port {
                self.paths(&place.paths);
            }
        }
    }

    fn paths(&mut self, index: &'i PathIndex) {
        let mut at = index.nodes.partition_point(|node| node.prefix.as_str() <= self.path).checked_sub(1);
        while let Some(node) = at.and_then(|at| index.nodes.get(at)) {
            if let Some(matched) = self.path.get(..node.prefix.len()).filter(|start| *start == node.prefix) {
                self.node(node, matched);
            }
            at = node.parent;
        }
    }

    fn node(&mut self, node: &'i Node, prefix: &str) {
        for &rank in &node.ranks {
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
                Paths::Prefixes(_) => self.path.get(..prefix.len()).map(Some),
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
    exact: HashMap<String, BTreeMap<Option<u16>, Prefixes>>,
    suffixes: HashMap<String, BTreeMap<Option<u16>, Prefixes>>,
    prefixes: HashMap<String, BTreeMap<Option<u16>, Prefixes>>,
    any: Prefixes,
}

type Prefixes = BTreeMap<String, Vec<Rank>>;

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
        let places = |hosts: HashMap<String, BTreeMap<Option<u16>, Prefixes>>| {
            let place = |(port, prefixes)| Place { port, paths: PathIndex::new(prefixes) };
            hosts.into_iter().map(|(host, ports)| (host, ports.into_iter().map(place).collect())).collect()
        };
        Index {
            matchers,
            exact: places(self.exact),
            suffixes: places(self.suffixes),
            prefixes: places(self.prefixes),
            any: PathIndex::new(self.any),
        }
    }
}

fn insert(prefixes: &mut Prefixes, matcher: &Matcher, rank: Rank) {
    let mut under = |prefix: &str| {
        let ranks = prefixes.entry(prefix.to_owned()).or_default();
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

impl PathIndex {
    /// Ranks come in ascending, for matchers are added in order.
    fn new(prefixes: Prefixes) -> Self {
        let mut nodes: Vec<Node> = Vec::with_capacity(prefixes.len());
        let mut parent: Option<usize> = None;
        for (prefix, ranks) in prefixes {
            while let Some(node) = parent.and_then(|at| nodes.get(at)) {
                if prefix.starts_with(&node.prefix) {
                    break;
                }
                parent = node.parent;
            }
            nodes.push(Node { prefix, parent, ranks });
            parent = Some(nodes.len() - 1);
        }
        Self { nodes }
    }
}
