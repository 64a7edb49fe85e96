//! The entities that Kong's bundled plugins bring along, as tables. Data only.

use super::schema::{
    ANY_INTEGER, CREATED_AT, Entity, Field, ID, Kind, NOT_EMPTY, TAGS, TTL, Text, UPDATED_AT, boolean, field, foreign, text,
};

const ACL: &[Field] = &[ID, CREATED_AT, foreign("consumer", "consumers").required(), text("group", Text::NotEmpty).required(), TAGS];

const BASIC_AUTH: &[Field] = &[
    ID,
    CREATED_AT,
    foreign("consumer", "consumers").required(),
    text("username", Text::NotEmpty).required().unique(),
    text("password", Text::NotEmpty).required().vault(),
    TAGS,
];

const HMAC_AUTH: &[Field] = &[
    ID,
    CREATED_AT,
    foreign("consumer", "consumers").required(),
    text("username", Text::NotEmpty).required().unique(),
    text("secret", Text::NotEmpty).vault(),
    TAGS,
];

const JWT_SECRET: &[Field] = &[
    ID,
    CREATED_AT,
    foreign("consumer", "consumers").required(),
    text("key", Text::NotEmpty).unique(),
    text("secret", Text::NotEmpty).vault(),
    text("rsa_public_key", Text::NotEmpty),
    field(
        "algorithm",
        Kind::OneOf(&["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"]),
    ),
    TAGS,
];

const KEY_AUTH: &[Field] =
    &[ID, CREATED_AT, foreign("consumer", "consumers").required(), text("key", Text::NotEmpty).unique().vault(), TTL, TAGS];

const OAUTH2_CREDENTIAL: &[Field] = &[
    ID,
    CREATED_AT,
    foreign("consumer", "consumers").required(),
    text("name", Text::NotEmpty).required(),
    text("client_id", Text::NotEmpty).unique(),
    text("client_secret", Text::NotEmpty).vault(),
    boolean("hash_secret").defaulted(),
    field("redirect_uris", Kind::List(&Kind::Text(Text::Url))),
    field("client_type", Kind::OneOf(&["confidential", "public"])).defaulted(),
    TAGS,
];

const OAUTH2_CODE: &[Field] = &[
    ID,
    CREATED_AT,
    foreign("credential", "oauth2_credentials").required(),
    foreign("service", "services"),
    text("plugin", Text::Whatever),
    text("code", Text::NotEmpty).unique(),
    text("authenticated_userid", Text::NotEmpty),
    text("scope", Text::NotEmpty),
    text("challenge", Text::NotEmpty),
    field("challenge_method", Kind::OneOf(&["S256"])),
    TTL,
];

const OAUTH2_TOKEN: &[Field] = &[
    ID,
    CREATED_AT,
    foreign("credential", "oauth2_credentials").required(),
    foreign("service", "services"),
    field("token_type", Kind::OneOf(&["bearer"])).defaulted(),
    field("expires_in", ANY_INTEGER).required(),
    text("access_token", Text::NotEmpty).unique(),
    text("refresh_token", Text::NotEmpty).unique(),
    text("authenticated_userid", Text::NotEmpty),
    text("scope", Text::NotEmpty),
    TTL,
];

const ACME_STORAGE: &[Field] =
    &[ID, CREATED_AT, text("key", Text::NotEmpty).required().unique(), field("value", NOT_EMPTY).required(), TTL];

const METRICS: &[Field] = &[];
const SESSION: &[Field] = &[ID, CREATED_AT, UPDATED_AT, text("session_id", Text::NotEmpty).unique()];

const fn entity(
    name: &'static str,
    endpoint_key: Option<&'static str>,
    cache_key: &'static [&'static str],
    fields: &'static [Field],
) -> Entity {
    Entity { name, primary_key: "id", endpoint_key, cache_key, fields, open: false }
}

pub static PLUGIN_ENTITIES: &[Entity] = &[
    entity("acls", None, &["consumer", "group"], ACL),
    entity("acme_storage", Some("key"), &["key"], ACME_STORAGE),
    entity("basicauth_credentials", Some("username"), &["username"], BASIC_AUTH),
    entity("hmacauth_credentials", Some("username"), &["username"], HMAC_AUTH),
    entity("jwt_secrets", Some("key"), &["key"], JWT_SECRET),
    entity("keyauth_credentials", Some("key"), &["key"], KEY_AUTH),
    entity("oauth2_credentials", Some("client_id"), &["client_id"], OAUTH2_CREDENTIAL),
    entity("oauth2_authorization_codes", Some("code"), &["code"], OAUTH2_CODE),
    entity("oauth2_tokens", Some("access_token"), &["access_token"], OAUTH2_TOKEN),
    // Keyed by several fields at once and never exported to a gateway.
    Entity { open: true, primary_key: "", ..entity("ratelimiting_metrics", None, &[], METRICS) },
    Entity { open: true, ..entity("sessions", Some("session_id"), &["session_id"], SESSION) },
];
