//! Kong's core entities as tables (KONG.md B.6). Data only.

use super::super::tree::same_key;
use super::credentials::PLUGIN_ENTITIES;
use super::schema::{
    ANY_INTEGER, CREATED_AT, CREATED_AT_MS, Entity, Field, ID, Kind, NOT_EMPTY, PORT, TAGS, Text, UPDATED_AT, When, boolean, field,
    foreign, text,
};

/// The entity of this name, if Kong has one.
pub fn find(name: &str) -> Option<&'static Entity> {
    all().find(|entity| same_key(entity.name, name))
}

/// None refers to one that comes later.
pub fn all() -> impl Iterator<Item = &'static Entity> {
    CORE.iter().chain(PLUGIN_ENTITIES)
}

const TIMEOUT_MS: Kind = Kind::Integer(1, 2_147_483_646);
const PROTOCOLS: &[&str] = &["grpc", "grpcs", "http", "https", "tcp", "tls", "tls_passthrough", "udp"];

const SERVICE: &[Field] = &[
    ID,
    CREATED_AT,
    UPDATED_AT,
    text("name", Text::Name).unique(),
    field("retries", Kind::Integer(0, 32767)),
    field("protocol", Kind::OneOf(PROTOCOLS)).defaulted(),
    text("host", Text::Host).required(),
    field("port", PORT).defaulted(),
    text("path", Text::UrlPath),
    field("connect_timeout", TIMEOUT_MS),
    field("write_timeout", TIMEOUT_MS),
    field("read_timeout", TIMEOUT_MS),
    TAGS,
    foreign("client_certificate", "certificates"),
    boolean("tls_verify"),
    field("tls_verify_depth", Kind::Integer(0, 64)),
    field("ca_certificates", Kind::List(&Kind::Uuid)),
    boolean("enabled").defaulted(),
];

const ADDRESS: &[Field] = &[text("ip", Text::IpOrCidr), field("port", PORT)];
const ADDRESSES: Kind = Kind::List(&Kind::RecordOfSome(ADDRESS));
const NAMED_LISTS: &Kind = &Kind::List(&NOT_EMPTY);

const ROUTE: &[Field] = &[
    ID,
    CREATED_AT,
    UPDATED_AT,
    text("name", Text::Name).unique(),
    // Which protocols, and which together, is said by a rule: its words differ from an enum's.
    field("protocols", Kind::List(&NOT_EMPTY)).defaulted(),
    field("https_redirect_status_code", Kind::OneOfNumbers(&[426, 301, 302, 307, 308])).defaulted(),
    boolean("strip_path").defaulted(),
    boolean("preserve_host").defaulted(),
    boolean("request_buffering").defaulted(),
    boolean("response_buffering").defaulted(),
    TAGS,
    foreign("service", "services"),
    field("snis", Kind::List(&Kind::Text(Text::Sni))).when(When::Traditional),
    field("sources", ADDRESSES).when(When::Traditional),
    field("destinations", ADDRESSES).when(When::Traditional),
    field("methods", Kind::List(&Kind::Text(Text::Method))).when(When::Traditional),
    field("hosts", Kind::List(&Kind::Text(Text::RouteHost))).when(When::Traditional),
    field("paths", Kind::List(&Kind::Text(Text::RoutePath))).when(When::Traditional),
    field("headers", Kind::Map(Text::RouteHeaderName, NAMED_LISTS)).when(When::Traditional),
    field("regex_priority", ANY_INTEGER).when(When::Traditional),
    field("path_handling", Kind::OneOf(&["v0", "v1"])).when(When::Traditional),
    text("expression", Text::NotEmpty).when(When::Expressions),
    field("priority", ANY_INTEGER).when(When::Expressions),
];

const HASH_ON: Kind = Kind::OneOf(&["none", "consumer", "ip", "header", "cookie", "path", "query_arg", "uri_capture"]);
const CHECK_TYPE: Kind = Kind::OneOf(&["tcp", "http", "https", "grpc", "grpcs"]);
const STATUSES: Kind = Kind::List(&Kind::Integer(100, 999));
const COUNTER: Kind = Kind::Integer(0, 255);
const SECONDS: Kind = Kind::Number(0, 65535);

const ACTIVE_HEALTHY: &[Field] = &[field("interval", SECONDS), field("http_statuses", STATUSES), field("successes", COUNTER)];
const ACTIVE_UNHEALTHY: &[Field] = &[
    field("interval", SECONDS),
    field("http_statuses", STATUSES),
    field("tcp_failures", COUNTER),
    field("timeouts", COUNTER),
    field("http_failures", COUNTER),
];
const ACTIVE: &[Field] = &[
    field("type", CHECK_TYPE),
    field("timeout", SECONDS),
    field("concurrency", Kind::Integer(1, 2_147_483_648)),
    text("http_path", Text::UrlPath),
    text("https_sni", Text::Sni),
    boolean("https_verify_certificate").defaulted(),
    field("headers", Kind::Map(Text::NotEmpty, NAMED_LISTS)),
    field("healthy", Kind::Record(ACTIVE_HEALTHY)),
    field("unhealthy", Kind::Record(ACTIVE_UNHEALTHY)),
];
const PASSIVE_HEALTHY: &[Field] = &[field("http_statuses", STATUSES), field("successes", COUNTER)];
const PASSIVE_UNHEALTHY: &[Field] =
    &[field("http_statuses", STATUSES), field("tcp_failures", COUNTER), field("timeouts", COUNTER), field("http_failures", COUNTER)];
const PASSIVE: &[Field] =
    &[field("type", CHECK_TYPE), field("healthy", Kind::Record(PASSIVE_HEALTHY)), field("unhealthy", Kind::Record(PASSIVE_UNHEALTHY))];
const HEALTHCHECKS: &[Field] =
    &[field("active", Kind::Record(ACTIVE)), field("passive", Kind::Record(PASSIVE)), field("threshold", Kind::Number(0, 100))];

const UPSTREAM: &[Field] = &[
    ID,
    CREATED_AT,
    UPDATED_AT,
    text("name", Text::UpstreamName).required().unique(),
    field("algorithm", Kind::OneOf(&["consistent-hashing", "least-connections", "round-robin", "latency"])),
    field("hash_on", HASH_ON),
    field("hash_fallback", HASH_ON),
    text("hash_on_header", Text::HeaderName),
    text("hash_fallback_header", Text::HeaderName),
    text("hash_on_cookie", Text::CookieName),
    text("hash_on_cookie_path", Text::UrlPath),
    text("hash_on_query_arg", Text::NotEmpty),
    text("hash_fallback_query_arg", Text::NotEmpty),
    text("hash_on_uri_capture", Text::NotEmpty),
    text("hash_fallback_uri_capture", Text::NotEmpty),
    field("slots", Kind::Integer(10, 65536)),
    field("healthchecks", Kind::Record(HEALTHCHECKS)),
    TAGS,
    text("host_header", Text::HostWithOptionalPort),
    foreign("client_certificate", "certificates"),
    boolean("use_srv_name"),
];

const TARGET: &[Field] = &[
    ID,
    CREATED_AT_MS,
    UPDATED_AT,
    foreign("upstream", "upstreams").required(),
    text("target", Text::Target).required(),
    field("weight", Kind::Integer(0, 65535)),
    TAGS,
];

const CONSUMER: &[Field] =
    &[ID, CREATED_AT, UPDATED_AT, text("username", Text::NotEmpty).unique(), text("custom_id", Text::NotEmpty).unique(), TAGS];

const PLUGIN: &[Field] = &[
    ID,
    CREATED_AT,
    UPDATED_AT,
    text("name", Text::NotEmpty).required(),
    text("instance_name", Text::Name).unique(),
    foreign("route", "routes"),
    foreign("service", "services"),
    foreign("consumer", "consumers"),
    field("config", Kind::Object).defaulted(),
    field("protocols", Kind::List(&Kind::OneOf(PROTOCOLS))).defaulted(),
    boolean("enabled").defaulted(),
    TAGS,
];

const CERTIFICATE: &[Field] = &[
    ID,
    CREATED_AT,
    UPDATED_AT,
    text("cert", Text::Certificate).required().vault(),
    text("key", Text::PrivateKey).required().vault(),
    text("cert_alt", Text::Certificate).vault(),
    text("key_alt", Text::PrivateKey).vault(),
    TAGS,
];

const SNI: &[Field] =
    &[ID, CREATED_AT, UPDATED_AT, text("name", Text::Sni).required().unique(), foreign("certificate", "certificates").required(), TAGS];

const CA_CERTIFICATE: &[Field] =
    &[ID, CREATED_AT, UPDATED_AT, text("cert", Text::Certificate).required(), text("cert_digest", Text::NotEmpty).unique(), TAGS];

const VAULT: &[Field] = &[
    ID,
    CREATED_AT,
    UPDATED_AT,
    text("prefix", Text::VaultPrefix).required().unique(),
    text("name", Text::NotEmpty).required(),
    text("description", Text::NotEmpty),
    field("config", Kind::Object),
    TAGS,
];

const PEM: &[Field] = &[text("private_key", Text::NotEmpty).vault(), text("public_key", Text::NotEmpty).vault()];

const KEY: &[Field] = &[
    ID,
    CREATED_AT,
    UPDATED_AT,
    foreign("set", "key_sets"),
    text("name", Text::NotEmpty).unique(),
    text("kid", Text::NotEmpty).required(),
    text("jwk", Text::NotEmpty).vault(),
    field("pem", Kind::Record(PEM)),
    TAGS,
];

const KEY_SET: &[Field] = &[ID, CREATED_AT, UPDATED_AT, text("name", Text::NotEmpty).unique(), TAGS];

const PARAMETER: &[Field] = &[CREATED_AT, text("key", Text::NotEmpty).required(), text("value", Text::NotEmpty).required()];

const WORKSPACE: &[Field] = &[
    ID,
    CREATED_AT,
    UPDATED_AT,
    text("name", Text::Name).required().unique(),
    text("comment", Text::Whatever),
    field("meta", Kind::Object),
    field("config", Kind::Object),
];

const FILTER: &[Field] = &[text("name", Text::NotEmpty).required(), boolean("enabled").defaulted(), field("config", Kind::Anything)];

const FILTER_CHAIN: &[Field] = &[
    ID,
    CREATED_AT,
    UPDATED_AT,
    text("name", Text::Name).unique(),
    boolean("enabled").defaulted(),
    foreign("route", "routes"),
    foreign("service", "services"),
    field("filters", Kind::List(&Kind::Record(FILTER))).required(),
    TAGS,
];

const fn entity(name: &'static str, endpoint_key: Option<&'static str>, fields: &'static [Field]) -> Entity {
    Entity { name, primary_key: "id", endpoint_key, cache_key: &[], fields, open: false }
}

static CORE: &[Entity] = &[
    Entity { cache_key: &["name"], ..entity("workspaces", Some("name"), WORKSPACE) },
    entity("consumers", Some("username"), CONSUMER),
    entity("certificates", None, CERTIFICATE),
    entity("services", Some("name"), SERVICE),
    entity("routes", Some("name"), ROUTE),
    entity("snis", Some("name"), SNI),
    entity("upstreams", Some("name"), UPSTREAM),
    Entity { cache_key: &["upstream", "target"], ..entity("targets", None, TARGET) },
    Entity { cache_key: &["name", "route", "service", "consumer"], ..entity("plugins", Some("instance_name"), PLUGIN) },
    entity("ca_certificates", None, CA_CERTIFICATE),
    Entity { open: true, ..entity("clustering_data_planes", None, &[ID, UPDATED_AT]) },
    Entity { primary_key: "key", ..entity("parameters", None, PARAMETER) },
    Entity { cache_key: &["prefix"], ..entity("vaults", Some("prefix"), VAULT) },
    entity("key_sets", Some("name"), KEY_SET),
    Entity { cache_key: &["kid", "set"], ..entity("keys", Some("name"), KEY) },
    Entity { cache_key: &["route", "service"], ..entity("filter_chains", Some("name"), FILTER_CHAIN) },
];
