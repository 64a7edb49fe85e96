//! The words in which entities are described: an entity is a table of fields, a field has a kind. Data only, no check but for
//! whom a field is there.

use super::super::tree::same_key;
use super::gateway::Reading;

/// One type of entity. The tables are in [`super::entities`] and [`super::credentials`].
pub struct Entity {
    /// As in the document: plural.
    pub name: &'static str,
    pub primary_key: &'static str,
    /// By what other entities may name it, besides its primary key. Unique.
    pub endpoint_key: Option<&'static str>,
    /// The parts from which Kong makes an id when none is given; empty: from the endpoint key.
    pub cache_key: &'static [&'static str],
    pub fields: &'static [Field],
    /// Whether fields that are not in the table are let through: entities that never reach a gateway, or change from release to release.
    pub open: bool,
}

#[derive(Clone, Copy)]
pub struct Field {
    pub name: &'static str,
    pub kind: Kind,
    pub need: Need,
    /// No two entities of this type may have the same.
    pub unique: bool,
    /// A `{vault://…}` reference may stand here, and is not checked then.
    pub vault: bool,
    pub when: When,
}

/// Which gateways have a field. To all others it is unknown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum When {
    Always,
    /// From this minor of Kong 3 on.
    Since(u8),
    /// Routers of the flavour `expressions`.
    Expressions,
    /// All others, and from Kong 3.7 on those as well.
    Traditional,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Need {
    Optional,
    Required,
    /// Has a default, so it may be absent; but not null.
    Defaulted,
}

#[derive(Clone, Copy)]
pub enum Kind {
    Anything,
    Boolean,
    /// A number without fraction, within bounds.
    Integer(i64, i64),
    Number(i64, i64),
    OneOfNumbers(&'static [i64]),
    Text(Text),
    OneOf(&'static [&'static str]),
    Uuid,
    /// Lists and sets alike: a set's doubles are dropped silently.
    List(&'static Kind),
    /// Names to values. An error in a value is reported on the map itself, as Kong does.
    Map(Text, &'static Kind),
    Record(&'static [Field]),
    /// At least one of its fields must be given.
    RecordOfSome(&'static [Field]),
    /// An object whose members are somebody else's business, as a plugin's configuration.
    Object,
    /// A reference to an entity of this name.
    Foreign(&'static str),
}

/// What a text must look like.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Text {
    NotEmpty,
    Whatever,
    /// A name that may stand in a URL.
    Name,
    Tag,
    Host,
    HostWithOptionalPort,
    UrlPath,
    RoutePath,
    RouteHost,
    Sni,
    Method,
    HeaderName,
    RouteHeaderName,
    IpOrCidr,
    UpstreamName,
    Target,
    VaultPrefix,
    CookieName,
    Certificate,
    PrivateKey,
    Url,
}

pub const ANY_INTEGER: Kind = Kind::Integer(i64::MIN, i64::MAX);
pub const PORT: Kind = Kind::Integer(0, 65535);
pub const NOT_EMPTY: Kind = Kind::Text(Text::NotEmpty);

pub const ID: Field = field("id", Kind::Uuid);
pub const CREATED_AT: Field = field("created_at", Kind::Integer(1, i64::MAX));
/// Milliseconds make a fraction.
pub const CREATED_AT_MS: Field = field("created_at", Kind::Number(0, i64::MAX));
/// Never validated: it is overwritten when the configuration is loaded.
pub const UPDATED_AT: Field = field("updated_at", Kind::Anything);
pub const TAGS: Field = field("tags", Kind::List(&Kind::Text(Text::Tag)));
pub const TTL: Field = field("ttl", Kind::Number(0, i64::MAX));

pub const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, need: Need::Optional, unique: false, vault: false, when: When::Always }
}

pub const fn text(name: &'static str, text: Text) -> Field {
    field(name, Kind::Text(text))
}

pub const fn boolean(name: &'static str) -> Field {
    field(name, Kind::Boolean)
}

pub const fn foreign(name: &'static str, entity: &'static str) -> Field {
    field(name, Kind::Foreign(entity))
}

impl Field {
    pub const fn required(mut self) -> Self {
        self.need = Need::Required;
        self
    }

    pub const fn defaulted(mut self) -> Self {
        self.need = Need::Defaulted;
        self
    }

    pub const fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    pub const fn vault(mut self) -> Self {
        self.vault = true;
        self
    }

    pub const fn since(mut self, minor: u8) -> Self {
        self.when = When::Since(minor);
        self
    }

    pub const fn when(mut self, when: When) -> Self {
        self.when = when;
        self
    }

    pub fn is_known(&self, reading: &Reading<'_>) -> bool {
        match self.when {
            When::Always => true,
            When::Since(minor) => reading.since(minor),
            When::Expressions => reading.has_expressions(),
            When::Traditional => !reading.has_expressions() || reading.since(7),
        }
    }

    /// The type of entity it refers to.
    pub fn target(&self) -> Option<&'static str> {
        if let Kind::Foreign(entity) = self.kind { Some(entity) } else { None }
    }
}

impl Entity {
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| same_key(field.name, name))
    }

    /// The field by which this entity hangs below one of type `parent`.
    pub fn link_to(&self, parent: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.target() == Some(parent))
    }
}
