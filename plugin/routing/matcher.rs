//! One route's conditions, or one part of them: a route with prefixes of several lengths, or with prefixes and regular
//! expressions, is tried in several places, and so becomes several matchers.

use std::collections::HashMap;
use std::sync::Arc;

use regex::Regex;

use super::encoding::uuid_from_name;
use super::entity;
use super::order::Weight;
use super::{Protocol, Request, Unroutable, literal};

/// Kong's namespace for the ids of a route's parts.
const PARTS: u128 = 0x7f145bf9_0dce_4f91_98eb_debbce4b9f6b;

/// One cache line.
#[repr(align(64))]
pub(super) struct Matcher {
    /// The route's place in the table.
    pub route: u32,
    pub paths: Paths,
    /// Kept elsewhere, for most routes have none.
    conditions: Option<Box<Conditions>>,
}

const _: () = assert!(size_of::<Matcher>() == 64);

/// On everything but host and path.
struct Conditions {
    methods: Vec<String>,
    headers: Vec<HeaderCondition>,
    snis: Vec<Sni>,
}

pub(super) enum Paths {
    Any,
    /// All of one length.
    Prefixes(Vec<String>),
    /// A single one is kept here: nothing else need be looked at.
    Expression(Expression),
    Expressions(Vec<Expression>),
}

pub(super) struct Expression {
    pub literal_prefix: String,
    regex: Arc<Regex>,
    /// How much of the path the regex is not shown: the literal prefix, which it is then without, or nothing.
    passed_over: usize,
}

/// A matcher with what decides when it is tried.
pub(super) struct Ranked {
    pub priority: u64,
    pub id: String,
    pub hosts: Vec<Host>,
    pub matcher: Matcher,
}

/// A host condition: what stands left of the colon, and the port right of it.
#[derive(Clone)]
pub(super) struct Host {
    pub pattern: HostPattern,
    pub port: Option<u16>,
}

#[derive(Clone)]
pub(super) enum HostPattern {
    Exact(String),
    /// `*.a.com`, kept as `.a.com`.
    EndsWith(String),
    /// `a.*`, kept as `a.`.
    StartsWith(String),
}

struct HeaderCondition {
    /// In lower case, with dashes.
    name: String,
    values: Vec<HeaderValue>,
}

enum HeaderValue {
    /// ASCII in lower case.
    Exact(String),
    Expression(Arc<Regex>),
}

enum Sni {
    Exact(String),
    EndsWith(String),
    StartsWith(String),
}

/// Compiles each expression once, however many routes use it. What stands behind their literal prefixes is often the same for very
/// many routes: one regex for all of them is built sooner, and stays in the processor's caches.
#[derive(Default)]
pub(super) struct Expressions {
    /// Shared, for a clone of a regex would have scratch space of its own.
    compiled: HashMap<String, Arc<Regex>>,
    /// What stands behind literal prefixes, and whether it looks back at them.
    look_back: HashMap<String, bool>,
}

impl Expressions {
    /// `pattern` is what stands after the `~` of a path.
    fn of_path(&mut self, pattern: &str, route: &entity::Route) -> Result<Expression, Unroutable> {
        let literal::Split { literal, rest } = literal::split(pattern);
        let (seen, passed_over) = match rest {
            Some(rest) if !self.looks_back(rest) => (rest, literal.len()),
            Some(_) | None => (pattern, 0),
        };
        let expression = format!("^{seen}");
        Ok(Expression { regex: self.compile(&expression, route)?, literal_prefix: literal, passed_over })
    }

    fn looks_back(&mut self, rest: &str) -> bool {
        if let Some(known) = self.look_back.get(rest) {
            return *known;
        }
        let looks_back = literal::looks_back(rest);
        self.look_back.insert(rest.to_owned(), looks_back);
        looks_back
    }

    fn compile(&mut self, expression: &str, route: &entity::Route) -> Result<Arc<Regex>, Unroutable> {
        if let Some(regex) = self.compiled.get(expression) {
            return Ok(Arc::clone(regex));
        }
        let Ok(regex) = Regex::new(expression) else {
            let name = route.label();
            return Err(Unroutable::new(format!(
                "route '{name}' has a regular expression that does not compile: look-around and back-references are not taken, write it \
                 without them"
            )));
        };
        let regex = Arc::new(regex);
        self.compiled.insert(expression.to_owned(), Arc::clone(&regex));
        Ok(regex)
    }
}

/// The matchers of one route, which stands at this place in the table.
pub(super) fn of_route(route: &entity::Route, place: u32, expressions: &mut Expressions) -> Result<Vec<Ranked>, Unroutable> {
    let parts = parts(&route.paths);
    let several = parts.len() > 1;
    let mut ranked = Vec::with_capacity(parts.len());
    for (index, part) in parts.into_iter().enumerate() {
        let id = match several {
            true => uuid_from_name(PARTS, &format!("{}#{}", route.id, index + 1)),
            false => route.id.to_ascii_lowercase(),
        };
        let weight = weight(route, &part);
        let matcher = Matcher {
            route: place,
            paths: compile_paths(part, route, expressions)?,
            conditions: Conditions::of_route(route, expressions)?.map(Box::new),
        };
        let hosts = route.hosts.iter().flat_map(|hosts| hosts.iter()).map(|host| Host::parse(host)).collect();
        ranked.push(Ranked { priority: weight.priority(), id, hosts, matcher });
    }
    Ok(ranked)
}

/// The paths grouped by where they are tried, in order of first appearance: prefixes by length, expressions as one.
fn parts(paths: &[String]) -> Vec<Vec<&str>> {
    let mut groups: Vec<(usize, Vec<&str>)> = Vec::new();
    for path in paths {
        // No prefix is empty, so that zero is free to stand for expressions.
        let key = if path.starts_with('~') { 0 } else { path.len() };
        match groups.iter_mut().find(|(other, _)| *other == key) {
            Some((_, group)) => group.push(path),
            None => groups.push((key, vec![path])),
        }
    }
    if groups.is_empty() {
        return vec![Vec::new()];
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

pub(super) fn weight(route: &entity::Route, part: &[&str]) -> Weight {
    let hosts = route.hosts.as_deref();
    let named = [
        !route.methods.is_empty(),
        hosts.is_some_and(|hosts| !hosts.is_empty()),
        !route.headers.is_empty(),
        !route.snis.is_empty(),
        !part.is_empty(),
    ];
    let first = part.first().copied().unwrap_or_default();
    let expression = first.starts_with('~');
    Weight {
        categories: named.into_iter().map(u32::from).sum(),
        plain_hosts: hosts.is_some_and(|hosts| !hosts.iter().any(|host| host.contains('*'))),
        header_names: route.headers.len(),
        regex_priority: expression.then_some(route.regex_priority),
        prefix_length: if expression { 0 } else { first.len() },
    }
}

fn compile_paths(part: Vec<&str>, route: &entity::Route, expressions: &mut Expressions) -> Result<Paths, Unroutable> {
    if part.is_empty() {
        return Ok(Paths::Any);
    }
    if !part.iter().any(|path| path.starts_with('~')) {
        return Ok(Paths::Prefixes(part.into_iter().map(str::to_owned).collect()));
    }
    let compiled = part.into_iter().map(|path| {
        // Kong writes the groups' names so, for its regular expressions know no other way, and touches whatever looks like one.
        let pattern = path.strip_prefix('~').unwrap_or(path).replace("?<", "?P<");
        expressions.of_path(&pattern, route)
    });
    Ok(match <[Expression; 1]>::try_from(compiled.collect::<Result<Vec<_>, Unroutable>>()?) {
        Ok([only]) => Paths::Expression(only),
        Err(several) => Paths::Expressions(several),
    })
}

fn compile_headers(route: &entity::Route, expressions: &mut Expressions) -> Result<Vec<HeaderCondition>, Unroutable> {
    let mut conditions = Vec::with_capacity(route.headers.len());
    for (name, values) in route.headers.iter() {
        let mut compiled = Vec::with_capacity(values.len());
        for value in values.iter() {
            // Of the configuration Kong lowers only ASCII, of the request everything.
            let lower = value.to_ascii_lowercase();
            compiled.push(match lower.strip_prefix("~*") {
                Some(expression) => HeaderValue::Expression(expressions.compile(expression, route)?),
                None => HeaderValue::Exact(lower),
            });
        }
        conditions.push(HeaderCondition { name: name.to_ascii_lowercase().replace('_', "-"), values: compiled });
    }
    Ok(conditions)
}

impl Matcher {
    /// Whether it takes every request that comes to it by host and prefix.
    pub(super) fn is_plain(&self) -> bool {
        match self.paths {
            Paths::Any | Paths::Prefixes(_) => self.conditions.is_none(),
            Paths::Expression(_) | Paths::Expressions(_) => false,
        }
    }

    /// Everything but host and path, which the index has looked at.
    pub(super) fn accepts(&self, request: &Request<'_>) -> bool {
        self.conditions.as_ref().is_none_or(|conditions| conditions.hold(request))
    }
}

impl Conditions {
    /// `None` if the route has none.
    fn of_route(route: &entity::Route, expressions: &mut Expressions) -> Result<Option<Self>, Unroutable> {
        if route.methods.is_empty() && route.headers.is_empty() && route.snis.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            methods: route.methods.to_vec(),
            headers: compile_headers(route, expressions)?,
            snis: route.snis.iter().map(|sni| Sni::parse(sni)).collect(),
        }))
    }

    fn hold(&self, request: &Request<'_>) -> bool {
        (self.methods.is_empty() || self.methods.iter().any(|method| method == request.method))
            && (self.snis.is_empty() || self.accepts_sni(request))
            && self.headers.iter().all(|condition| condition.holds(request))
    }

    /// A route with server names takes a request without TLS whatever it names: its protocols turn that away afterwards.
    fn accepts_sni(&self, request: &Request<'_>) -> bool {
        match request.protocol {
            Protocol::Http => true,
            Protocol::Https => request.sni.is_some_and(|sni| self.snis.iter().any(|pattern| pattern.matches(sni))),
        }
    }
}

impl Expression {
    /// The part of the path that matches.
    pub(super) fn find<'p>(&self, path: &'p str) -> Option<&'p str> {
        if path.starts_with(&self.literal_prefix) { self.find_behind_prefix(path) } else { None }
    }

    /// The same of a path that is known to begin with the literal prefix.
    pub(super) fn find_behind_prefix<'p>(&self, path: &'p str) -> Option<&'p str> {
        if self.passed_over == 0 {
            // Not all such expressions match from the start on.
            return self.regex.find(path).map(|found| found.as_str());
        }
        let found = self.regex.find(path.get(self.passed_over..)?)?;
        path.get(..self.passed_over + found.end())
    }
}

impl HeaderCondition {
    fn holds(&self, request: &Request<'_>) -> bool {
        // A condition without values is none (Kong up to 3.6 lets it pass).
        self.values.is_empty()
            || request.headers.any(&self.name, &mut |value| {
                let lower = value.to_lowercase();
                self.values.iter().any(|wanted| match wanted {
                    HeaderValue::Exact(text) => *text == lower,
                    HeaderValue::Expression(regex) => regex.is_match(&lower),
                })
            })
    }
}

impl Host {
    fn parse(host: &str) -> Self {
        let (name, port) = match host.split_once(':').map(|(name, port)| (name, port.parse().ok())) {
            Some((name, Some(port))) => (name, Some(port)),
            Some((_, None)) | None => (host, None),
        };
        let pattern = match (name.strip_prefix('*'), name.strip_suffix('*')) {
            (Some(end), _) => HostPattern::EndsWith(end.to_owned()),
            (None, Some(start)) => HostPattern::StartsWith(start.to_owned()),
            (None, None) => HostPattern::Exact(name.to_owned()),
        };
        Self { pattern, port }
    }
}

impl Sni {
    fn parse(sni: &str) -> Self {
        let name = sni.strip_suffix('.').unwrap_or(sni);
        match (name.strip_prefix('*'), name.strip_suffix('*')) {
            (Some(end), _) => Self::EndsWith(end.to_owned()),
            (None, Some(start)) => Self::StartsWith(start.to_owned()),
            (None, None) => Self::Exact(name.to_owned()),
        }
    }

    fn matches(&self, sni: &str) -> bool {
        match self {
            Self::Exact(name) => name == sni,
            Self::EndsWith(end) => sni.ends_with(end.as_str()),
            Self::StartsWith(start) => sni.starts_with(start.as_str()),
        }
    }
}
