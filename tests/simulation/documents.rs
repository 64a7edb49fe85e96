//! What the control plane may say: small Kong documents, judged once for all seeds.
//!
//! Two families: small ones, of which only the loss of a whole type is noticed by a guard, and larger ones, of which a share is.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use holdover_plugin::config::{self, Format, Strictness};
use holdover_plugin::model::Digest;
use serde_json::{Value, json};

/// A document, by its place in the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Said(pub usize);

pub struct Document {
    pub name: String,
    pub bytes: Vec<u8>,
    pub digest: Digest,
    pub nature: Nature,
    /// Whether it keeps to the operator's schema, where there is one.
    pub conforms: bool,
    /// `None`: it is structurally wrong, and nobody may take it. An empty one is valid, and never published.
    pub valid: Option<Valid>,
}

impl Document {
    /// The same to a gateway.
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.valid, &other.valid) {
            (Some(this), Some(other)) => this.sameness == other.sameness,
            (Some(_) | None, Some(_) | None) => self.digest == other.digest,
        }
    }
}

pub struct Valid {
    pub sameness: String,
    pub counts: BTreeMap<String, u64>,
    pub needs_control_plane: bool,
}

/// How gateways take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    Healthy,
    Rejected,
    /// They run it, and break some minutes later.
    Breaks,
}

/// What kind of thing the control plane says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Whole,
    /// The same as the whole one in other bytes.
    Rewritten,
    Empty,
    Shrunken,
    WithoutAuthentication,
    Rejected,
    Breaking,
    Dangling,
}

/// How many variants of each kind there are.
pub const VARIANTS: usize = 12;
/// The variant that an operator's schema refuses.
const NOT_CONFORMING: usize = 5;
/// Of all of them.
pub const FAMILIES: usize = 2;

const KINDS: [Kind; 8] = [
    Kind::Whole,
    Kind::Rewritten,
    Kind::Empty,
    Kind::Shrunken,
    Kind::WithoutAuthentication,
    Kind::Rejected,
    Kind::Breaking,
    Kind::Dangling,
];

static CATALOGUE: LazyLock<Vec<Document>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for family in 0..FAMILIES {
        for kind in KINDS {
            all.extend((0..VARIANTS).map(|variant| document(family, kind, variant)));
        }
    }
    all
});

static BY_DIGEST: LazyLock<BTreeMap<Digest, Said>> =
    LazyLock::new(|| CATALOGUE.iter().enumerate().map(|(index, document)| (document.digest, Said(index))).collect());

impl Said {
    pub fn new(family: usize, kind: Kind, variant: usize) -> Self {
        let kind = KINDS.iter().position(|known| *known == kind).unwrap_or_default();
        Self((family * KINDS.len() + kind) * VARIANTS + variant % VARIANTS)
    }

    pub fn document(self) -> &'static Document {
        &CATALOGUE[self.0]
    }
}

pub fn by_digest(digest: Digest) -> Option<&'static Document> {
    BY_DIGEST.get(&digest).map(|said| said.document())
}

pub fn by_sameness(sameness: &str) -> Option<&'static Document> {
    CATALOGUE.iter().find(|document| document.valid.as_ref().is_some_and(|valid| valid.sameness == sameness))
}

fn document(family: usize, kind: Kind, variant: usize) -> Document {
    let (routes, plugins) = match (family, kind) {
        (0, Kind::Shrunken) => (0, &AUTHENTICATION[..1]),
        // As many plugins, and one of them asks nobody.
        (0, Kind::WithoutAuthentication) => (2, &["cors"][..]),
        (0, _) => (2, &AUTHENTICATION[..1]),
        (_, Kind::Shrunken) => (4, &AUTHENTICATION[..]),
        (_, Kind::WithoutAuthentication) => (10, &["key-auth", "cors"][..]),
        (_, _) => (10, &AUTHENTICATION[..]),
    };
    let value = match kind {
        Kind::Empty => json!({ "_format_version": "3.0" }),
        Kind::Dangling => json!({
            "_format_version": "3.0",
            "routes": [{ "name": format!("lost-{family}-{variant}"), "paths": ["/lost"], "service": "nowhere" }],
        }),
        Kind::Whole | Kind::Rewritten => kong(&format!("shop-{family}-{variant}"), routes, plugins, variant % 4 == 3),
        Kind::Shrunken => kong(&format!("less-{family}-{variant}"), routes, plugins, false),
        Kind::WithoutAuthentication => kong(&format!("open-{family}-{variant}"), routes, plugins, false),
        Kind::Rejected => kong(&format!("rejected-{family}-{variant}"), routes, plugins, false),
        Kind::Breaking => kong(&format!("breaking-{family}-{variant}"), routes, plugins, false),
    };
    let bytes = match kind {
        Kind::Rewritten => serde_json::to_vec_pretty(&value),
        // An empty document has no variant of its own but its bytes.
        Kind::Empty => serde_json::to_vec(&value).map(|bytes| [bytes, vec![b' '; FAMILIES * variant + family]].concat()),
        _ => serde_json::to_vec(&value),
    };
    let bytes = bytes.unwrap_or_default();
    let nature = match kind {
        Kind::Rejected => Nature::Rejected,
        Kind::Breaking => Nature::Breaks,
        _ => Nature::Healthy,
    };
    // A node that serves may be told that there is nothing; what is made of that is the rejoin guard's to say.
    let valid = config::validate(bytes.clone(), Format::Kong, Strictness::Live).ok().map(|valid| Valid {
        sameness: valid.proof().sameness().to_owned(),
        counts: valid.proof().counts().clone(),
        needs_control_plane: !valid.proof().needs().is_empty(),
    });
    let conforms = variant != NOT_CONFORMING || !matches!(kind, Kind::Whole | Kind::Rewritten);
    Document { conforms, name: format!("{kind:?}-{family}-{variant}").to_lowercase(), digest: Digest::of(&bytes), bytes, nature, valid }
}

const AUTHENTICATION: [&str; 2] = ["key-auth", "basic-auth"];

/// One service with so many routes, and these plugins.
fn kong(name: &str, routes: usize, plugins: &[&str], with_vault: bool) -> Value {
    let routes: Vec<Value> =
        (0..routes).map(|nth| json!({ "name": format!("{name}-{nth}"), "paths": [format!("/{name}/{nth}")] })).collect();
    let mut plugins: Vec<Value> = plugins.iter().map(|plugin| json!({ "name": plugin })).collect();
    if with_vault {
        plugins.push(json!({ "name": "http-log", "config": { "http_endpoint": "{vault://env/log-endpoint}" } }));
    }
    json!({
        "_format_version": "3.0",
        "services": [{ "name": name, "protocol": "http", "host": "upstream.internal", "port": 80, "routes": routes }],
        "plugins": plugins,
    })
}
