//! Kong's bundled plugins: which version has which, and the configuration of those whose schema the captures and verdicts show. Data
//! only. Of all others any configuration is let through.

use super::schema::{Field, Kind, NOT_EMPTY, PORT, Text, boolean, field, text};

/// In 3.4 and 3.5.
pub const OLDEST: [&str; 37] = [
    "acl",
    "acme",
    "aws-lambda",
    "azure-functions",
    "basic-auth",
    "bot-detection",
    "correlation-id",
    "cors",
    "datadog",
    "file-log",
    "grpc-gateway",
    "grpc-web",
    "hmac-auth",
    "http-log",
    "ip-restriction",
    "jwt",
    "key-auth",
    "ldap-auth",
    "loggly",
    "oauth2",
    "opentelemetry",
    "post-function",
    "pre-function",
    "prometheus",
    "proxy-cache",
    "rate-limiting",
    "request-size-limiting",
    "request-termination",
    "request-transformer",
    "response-ratelimiting",
    "response-transformer",
    "session",
    "statsd",
    "syslog",
    "tcp-log",
    "udp-log",
    "zipkin",
];

/// Those that came later, with the minor that brought them.
pub const LATER: [(&str, u8); 8] = [
    ("ai-prompt-decorator", 6),
    ("ai-prompt-guard", 6),
    ("ai-prompt-template", 6),
    ("ai-proxy", 6),
    ("ai-request-transformer", 6),
    ("ai-response-transformer", 6),
    ("standard-webhooks", 8),
    ("redirect", 9),
];

/// What is known of one plugin.
pub struct Plugin {
    pub name: &'static str,
    /// All fields that its configuration may have.
    pub config: &'static [Field],
    /// Empty: which protocols it takes is not known.
    pub protocols: &'static [&'static str],
}

const HTTP: &[&str] = &["grpc", "grpcs", "http", "https"];
const TEXTS: Kind = Kind::List(&NOT_EMPTY);
const PERIOD: Kind = Kind::Number(0, i64::MAX);

const CORRELATION_ID: &[Field] = &[
    text("header_name", Text::NotEmpty),
    field("generator", Kind::OneOf(&["uuid", "uuid#counter", "tracker"])),
    boolean("echo_downstream"),
];

const METHODS: Kind = Kind::List(&Kind::OneOf(&["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT"]));

const CORS: &[Field] = &[
    field("origins", TEXTS),
    field("headers", TEXTS),
    field("exposed_headers", TEXTS),
    field("methods", METHODS),
    field("max_age", Kind::Number(i64::MIN, i64::MAX)),
    boolean("credentials"),
    boolean("private_network"),
    boolean("preflight_continue"),
    boolean("allow_origin_absent").since(10),
];

const KEY_AUTH: &[Field] = &[
    field("key_names", TEXTS),
    boolean("hide_credentials"),
    text("anonymous", Text::Whatever),
    boolean("key_in_header"),
    boolean("key_in_query"),
    boolean("key_in_body"),
    boolean("run_on_preflight"),
    text("realm", Text::Whatever),
];

const REDIS: &[Field] = &[
    text("host", Text::Host),
    field("port", PORT),
    field("timeout", Kind::Integer(0, 2_147_483_646)),
    text("username", Text::NotEmpty).vault(),
    text("password", Text::Whatever).vault(),
    field("database", Kind::Integer(i64::MIN, i64::MAX)),
    boolean("ssl"),
    boolean("ssl_verify"),
    text("server_name", Text::Sni),
];

/// Kong 3.6 put what concerns Redis into a record of its own and still takes the older fields beside it.
const RATE_LIMITING: &[Field] = &[
    field("second", PERIOD),
    field("minute", PERIOD),
    field("hour", PERIOD),
    field("day", PERIOD),
    field("month", PERIOD),
    field("year", PERIOD),
    text("limit_by", Text::NotEmpty),
    text("header_name", Text::HeaderName),
    text("path", Text::UrlPath),
    field("policy", Kind::OneOf(&["local", "cluster", "redis"])),
    boolean("fault_tolerant"),
    boolean("hide_client_headers"),
    field("error_code", PERIOD),
    text("error_message", Text::NotEmpty),
    field("sync_rate", Kind::Number(i64::MIN, i64::MAX)),
    field("redis", Kind::Record(REDIS)).since(6),
    text("redis_host", Text::Host),
    field("redis_port", PORT),
    field("redis_timeout", Kind::Number(i64::MIN, i64::MAX)),
    text("redis_username", Text::NotEmpty).vault(),
    text("redis_password", Text::Whatever).vault(),
    field("redis_database", Kind::Integer(i64::MIN, i64::MAX)),
    boolean("redis_ssl"),
    boolean("redis_ssl_verify"),
    text("redis_server_name", Text::Sni),
];

pub static KNOWN: [Plugin; 4] = [
    Plugin { name: "correlation-id", config: CORRELATION_ID, protocols: &[] },
    Plugin { name: "cors", config: CORS, protocols: &[] },
    Plugin { name: "key-auth", config: KEY_AUTH, protocols: HTTP },
    Plugin { name: "rate-limiting", config: RATE_LIMITING, protocols: &[] },
];
