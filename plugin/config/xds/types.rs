//! Which resources there are: by the type URLs of Envoy's API v3, and by what each type is called in front of people.

/// What every type URL of the API begins with; behind it stands the message's full name.
pub const PREFIX: &str = "type.googleapis.com/";

pub const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
pub const ENDPOINTS: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
pub const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
pub const ROUTES: &str = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
pub const SCOPED_ROUTES: &str = "type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration";
pub const SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
pub const RUNTIME: &str = "type.googleapis.com/envoy.service.runtime.v3.Runtime";
pub const EXTENSION_CONFIG: &str = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";

pub(crate) const CLUSTERS: &str = "clusters";
pub(crate) const LISTENERS: &str = "listeners";

/// The types whose resources are looked into, if only for their name.
const KNOWN: [(&str, &str); 8] = [
    (CLUSTER, CLUSTERS),
    (ENDPOINTS, "endpoints"),
    (LISTENER, LISTENERS),
    (ROUTES, "routes"),
    (SCOPED_ROUTES, "scoped-routes"),
    (SECRET, "secrets"),
    (RUNTIME, "runtimes"),
    (EXTENSION_CONFIG, "extensions"),
];

pub(super) fn is_known(type_url: &str) -> bool {
    KNOWN.iter().any(|(known, _)| *known == type_url)
}

/// As counts and sentences call it; a type that is not known by the message's full name.
pub(crate) fn short(type_url: &str) -> &str {
    match KNOWN.iter().find(|(known, _)| *known == type_url) {
        Some((_, short)) => short,
        None => type_url.rsplit('/').next().unwrap_or(type_url),
    }
}
