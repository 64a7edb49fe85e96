//! Kong declarative documents of any size, every route of which can be checked from the answer alone.
//!
//! Route `n` matches the path prefix `/r/<n>`, and so `/r/4` matches what `/r/45` is for. Each service therefore puts a path of
//! its own before the request's: an answer that came by another service's route shows it. Ids are deterministic, so that the
//! same call gives the same bytes.

use std::net::SocketAddr;

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;

/// The path of the route that [`Traffic::changed`] adds.
pub const ADDED_PATH: &str = "/added";
/// What reaches the upstream for it.
pub const ADDED_UPSTREAM_PATH: &str = "/s/added/added";

const ROUTES_PER_SERVICE: usize = 10;

/// `routes` routes, one service per ten of them, all to one upstream.
pub fn kong_document(routes: usize, upstream: SocketAddr) -> Vec<u8> {
    Document { _format_version: "3.0", services: services(routes, upstream), routes: (0..routes).map(Route::numbered).collect() }.to_bytes()
}

/// The same and one route more.
pub fn kong_document_changed(routes: usize, upstream: SocketAddr) -> Vec<u8> {
    let mut services = services(routes, upstream);
    services.push(Service::added(upstream));
    let routes = (0..routes).map(Route::numbered).chain([Route::added()]).collect();
    Document { _format_version: "3.0", services, routes }.to_bytes()
}

/// A document of somebody else's, with the routes of [`kong_document`] added to it; `changed` adds the one route more. A hybrid
/// reconfigure message is taken out of its envelope, for the hashes in it are those of the document as it was.
pub fn kong_document_around(given: &[u8], routes: usize, upstream: SocketAddr, changed: bool) -> anyhow::Result<Vec<u8>> {
    let given: Value = serde_json::from_slice(given).context("the given configuration is not JSON")?;
    let table = match given {
        Value::Object(mut message) => match message.remove("config_table") {
            Some(table) => table,
            None => Value::Object(message),
        },
        other => other,
    };
    let Value::Object(mut table) = table else { anyhow::bail!("the given configuration is no JSON object") };
    let ours = if changed { kong_document_changed(routes, upstream) } else { kong_document(routes, upstream) };
    let Value::Object(ours) = serde_json::from_slice(&ours)? else { anyhow::bail!("the drill's own routes are no JSON object") };
    for (name, value) in ours {
        match (table.get_mut(&name), value) {
            (Some(Value::Array(theirs)), Value::Array(ours)) => theirs.extend(ours),
            (Some(_), _) => {}
            (None, value) => drop(table.insert(name, value)),
        }
    }
    Ok(serde_json::to_vec(&Value::Object(table))?)
}

/// The path that route `n` matches.
pub fn path(n: usize) -> String {
    format!("/r/{n}")
}

/// The path with which a request for route `n` reaches the upstream.
pub fn upstream_path(n: usize) -> String {
    format!("/s/{}/r/{n}", n / ROUTES_PER_SERVICE)
}

#[derive(Serialize)]
struct Document {
    _format_version: &'static str,
    services: Vec<Service>,
    routes: Vec<Route>,
}

#[derive(Serialize)]
struct Service {
    id: String,
    name: String,
    protocol: &'static str,
    host: String,
    port: u16,
    path: String,
}

#[derive(Serialize)]
struct Route {
    id: String,
    name: String,
    service: String,
    protocols: [&'static str; 1],
    paths: [String; 1],
    strip_path: bool,
}

impl Document {
    fn to_bytes(&self) -> Vec<u8> {
        // Plain strings and numbers under fixed names: there is nothing in it that JSON cannot say.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl Service {
    fn named(suffix: &str, id: String, upstream: SocketAddr) -> Self {
        let host = upstream.ip().to_string();
        Self { id, name: format!("drill-service-{suffix}"), protocol: "http", host, port: upstream.port(), path: format!("/s/{suffix}") }
    }

    fn added(upstream: SocketAddr) -> Self {
        Self::named("added", service_id(ADDED), upstream)
    }
}

impl Route {
    fn numbered(n: usize) -> Self {
        Self::matching(path(n), format!("drill-route-{n}"), route_id(n), service_id(n / ROUTES_PER_SERVICE))
    }

    fn added() -> Self {
        Self::matching(ADDED_PATH.to_owned(), "drill-route-added".to_owned(), route_id(ADDED), service_id(ADDED))
    }

    fn matching(path: String, name: String, id: String, service: String) -> Self {
        Self { id, name, service, protocols: ["http"], paths: [path], strip_path: false }
    }
}

/// Stands for the added route and its service among the numbered ones; beyond any number of routes that fits a document.
const ADDED: usize = 0xffff_ffff;

fn services(routes: usize, upstream: SocketAddr) -> Vec<Service> {
    (0..routes.div_ceil(ROUTES_PER_SERVICE)).map(|n| Service::named(&n.to_string(), service_id(n), upstream)).collect()
}

fn service_id(n: usize) -> String {
    format!("5e271ce0-0000-4000-8000-{n:012x}")
}

fn route_id(n: usize) -> String {
    format!("40073000-0000-4000-8000-{n:012x}")
}

#[cfg(test)]
mod tests {
    // A test that cannot go on says so by panicking.
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use super::*;

    const UPSTREAM: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8099);

    #[test]
    fn a_document_has_as_many_routes_as_asked_for_and_one_service_per_ten() {
        let document: Value = serde_json::from_slice(&kong_document(25, UPSTREAM)).unwrap();
        assert_eq!(entities(&document, "routes").len(), 25);
        assert_eq!(entities(&document, "services").len(), 3);
    }

    #[test]
    fn every_route_names_a_service_that_is_there_and_no_id_stands_twice() {
        let document: Value = serde_json::from_slice(&kong_document_changed(1000, UPSTREAM)).unwrap();
        let ids = |kind: &str| entities(&document, kind).iter().map(|entity| text(entity, "id")).collect::<BTreeSet<_>>();
        assert_eq!((ids("routes").len(), ids("services").len()), (1001, 101));
        assert!(entities(&document, "routes").iter().all(|route| ids("services").contains(&text(route, "service"))));
    }

    #[test]
    fn the_same_call_gives_the_same_bytes() {
        assert_eq!(kong_document(30, UPSTREAM), kong_document(30, UPSTREAM));
        assert_ne!(kong_document(30, UPSTREAM), kong_document_changed(30, UPSTREAM));
    }

    #[test]
    fn a_route_whose_path_is_the_beginning_of_anothers_belongs_to_another_service() {
        for n in 10..2000 {
            let shorter = n / 10;
            assert_ne!(upstream_path(shorter).replace(&path(shorter), ""), upstream_path(n).replace(&path(n), ""), "{n}");
        }
    }

    #[test]
    fn a_given_reconfigure_message_keeps_its_entities_and_loses_its_envelope() {
        let given = br#"{"type":"reconfigure","config_hash":"00","config_table":{"_format_version":"3.0","routes":[{"id":"theirs"}]}}"#;
        let document: Value = serde_json::from_slice(&kong_document_around(given, 5, UPSTREAM, true).unwrap()).unwrap();
        assert!(document.get("config_hash").is_none());
        assert_eq!(entities(&document, "routes").len(), 1 + 5 + 1);
        assert_eq!(entities(&document, "services").len(), 2);
    }

    fn entities<'a>(document: &'a Value, kind: &str) -> &'a Vec<Value> {
        document.get(kind).and_then(Value::as_array).unwrap()
    }

    fn text(entity: &Value, field: &str) -> String {
        entity.get(field).and_then(Value::as_str).unwrap().to_owned()
    }
}
