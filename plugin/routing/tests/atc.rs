//! Kong's own router (`atc-router`) for the tests: routes written as the expressions that Kong makes of them (KONG.md G.2).
//!
//! Takes our priorities and the ids of a route's parts as given, which have vectors of their own, and repeats nothing else of ours.

use atc_router::ast::{Type, Value as Atc};
use atc_router::context::Context;
use atc_router::router::Router;
use atc_router::schema::Schema;

use super::super::*;

pub fn schema() -> Schema {
    let mut schema = Schema::default();
    for field in ["net.protocol", "tls.sni", "http.method", "http.host", "http.path", "http.headers.*"] {
        schema.add_field(field, Type::String);
    }
    schema.add_field("net.dst.port", Type::Int);
    schema
}

/// Which route a part's id stands for is kept beside the router.
pub struct Oracle<'s> {
    schema: &'s Schema,
    router: Router<'s>,
    routes: Vec<(String, String)>,
}

/// The route's name, and the part of the path that it matched.
pub type Chosen = Option<(String, Option<String>)>;

impl<'s> Oracle<'s> {
    pub fn new(schema: &'s Schema, routes: &[entity::Route]) -> Self {
        let mut oracle = Self { schema, router: Router::new(schema), routes: Vec::new() };
        for route in routes {
            let ranked = matcher::of_route(route, 0, &mut matcher::Expressions::default()).unwrap();
            let parts = parts(&route.paths);
            assert_eq!(ranked.len(), parts.len());
            for (ranked, part) in ranked.into_iter().zip(parts) {
                let priority = usize::try_from(ranked.priority).unwrap();
                oracle.router.add_matcher(priority, ranked.id.parse().unwrap(), &expression(route, &part)).unwrap();
                oracle.routes.push((ranked.id, route.name.clone().unwrap()));
            }
        }
        oracle
    }

    /// `headers` are names in lower case, each with one of its values.
    pub fn choose(&self, request: &Request<'_>, headers: &[(&str, &str)]) -> Chosen {
        let mut context = Context::new(self.schema);
        let mut say = |field: &str, value: &str| context.add_value(field, Atc::String(value.to_owned()));
        say("net.protocol", request.protocol.as_str());
        say("http.method", request.method);
        say("http.path", &path::normalise(request.path).unwrap());
        // What a request has not, the context has not either.
        if !request.host.is_empty() {
            say("http.host", request.host);
        }
        request.sni.into_iter().for_each(|sni| say("tls.sni", sni));
        headers.iter().for_each(|(name, value)| say(&format!("http.headers.{}", name.replace('-', "_")), value));
        context.add_value("net.dst.port", Atc::Int(request.port.unwrap().into()));
        if !self.router.execute(&mut context) {
            return None;
        }
        let found = context.result.unwrap();
        let id = found.uuid.to_string();
        let (_, name) = self.routes.iter().find(|(other, _)| *other == id).unwrap();
        let matched = found.matches.get("http.path").map(|path| match path {
            Atc::String(path) => path.clone(),
            other => panic!("{other:?}"),
        });
        Some((name.clone(), matched))
    }
}

/// One for each length of prefixes and one for all expressions, as they first appear.
fn parts(paths: &[String]) -> Vec<Vec<&str>> {
    let key = |path: &str| if path.starts_with('~') { None } else { Some(path.len()) };
    let mut parts: Vec<Vec<&str>> = Vec::new();
    for path in paths {
        match parts.iter_mut().find(|part| key(part[0]) == key(path)) {
            Some(part) => part.push(path),
            None => parts.push(vec![path]),
        }
    }
    if parts.is_empty() { vec![Vec::new()] } else { parts }
}

pub fn expression(route: &entity::Route, paths: &[&str]) -> String {
    let mut clauses = Vec::new();
    let mut clause = |alternatives: Vec<String>| {
        if !alternatives.is_empty() {
            clauses.push(format!("({})", alternatives.join(" || ")));
        }
    };
    clause(sni_alternatives(&route.snis, "https"));
    clause(route.methods.iter().map(|method| format!("http.method == {}", quoted(method))).collect());
    clause(route.hosts.iter().flatten().map(|host| host_expression(host)).collect());
    clause(paths.iter().map(|path| path_expression(path)).collect());
    for (name, values) in route.headers.iter() {
        let field = format!("any(lower(http.headers.{}))", name.to_ascii_lowercase().replace('-', "_"));
        let condition = |value: &String| match value.to_ascii_lowercase() {
            value if value.starts_with("~*") => format!("{field} ~ {}", quoted(&value[2..])),
            value => format!("{field} == {}", quoted(&value)),
        };
        clause(values.iter().map(condition).collect());
    }
    clauses.join(" && ")
}

/// `over` is what brings a server name: whoever comes by something else is let through.
pub fn sni_alternatives(snis: &[String], over: &str) -> Vec<String> {
    if snis.is_empty() {
        return Vec::new();
    }
    let names: Vec<String> = snis.iter().map(|sni| wildcard("tls.sni", sni.strip_suffix('.').unwrap_or(sni))).collect();
    vec![format!("net.protocol != {}", quoted(over)), format!("({})", names.join(" || "))]
}

fn host_expression(host: &str) -> String {
    match host.split_once(':') {
        Some((name, port)) => format!("({} && net.dst.port == {port})", wildcard("http.host", name)),
        None => wildcard("http.host", host),
    }
}

fn path_expression(path: &str) -> String {
    match path.strip_prefix('~') {
        Some(expression) => format!("http.path ~ {}", quoted(&format!("^{}", expression.replace("?<", "?P<")))),
        None => format!("http.path ^= {}", quoted(path)),
    }
}

fn wildcard(field: &str, text: &str) -> String {
    match (text.strip_prefix('*'), text.strip_suffix('*')) {
        (Some(end), _) => format!("{field} =^ {}", quoted(end)),
        (None, Some(start)) => format!("{field} ^= {}", quoted(start)),
        (None, None) => format!("{field} == {}", quoted(text)),
    }
}

fn quoted(text: &str) -> String {
    match text.contains("\"#") {
        true => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        false => format!("r#\"{text}\"#"),
    }
}
