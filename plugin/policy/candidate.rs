//! Stations *verify*, *open*, *validate*, in this order (boot-06). What comes out is a [`Candidate`], and nothing else can be
//! applied. Whatever fails on the way is a [`Skipped`] with its typed reason.

use std::fmt;

use super::capabilities::{Body, Cache, ControlPlane, Events, Held, Opening, Schemas, Slot};
use super::events::{Event, Name};
use super::{Origin, Serving, Settings};
use crate::config::{self, Format, Invalid, Proof, Strictness, ValidConfig};
use crate::model::{Cluster, Digest, GatewayVersion, Position, VersionRule};
use crate::mutants::{Mutant, active};
use crate::snapshot::head::Entry;
use crate::snapshot::{self, Manifest, Refusal, cached};

/// A configuration in the world's hands that was verified, opened and validated here. Only this file makes one.
pub struct Candidate<C: Held> {
    config: C::Config,
    proof: Proof,
    origin: Origin,
    position: Option<Position>,
    source: Source<C>,
}

/// What the cache is to keep once the gateway accepted.
pub(super) enum Source<C: Held> {
    /// The plain bytes: this node seals them itself.
    Delivered(ValidConfig),
    /// The sealed bytes, verbatim.
    Sealed(C::Object),
    /// It came from there: the whole entry, verbatim.
    Cached(Slot, C::Object),
}

/// Why a snapshot is not a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skipped {
    Unread(String),
    Refused(Refusal),
    NeverPublished,
    /// Intact, yet not the file that the head names.
    NotTheOneNamed,
    ForeignCluster {
        producer: Cluster,
        consumer: Cluster,
    },
    ForeignFormat {
        producer: Format,
        consumer: Format,
    },
    Version {
        producer: GatewayVersion,
        consumer: GatewayVersion,
        rule: VersionRule,
    },
    Invalid(Invalid),
    Schema(Vec<String>),
    /// The host's own gate disagreed.
    NotOpened(String),
    Quarantined(Digest),
}

impl<C: Held> Candidate<C> {
    pub fn proof(&self) -> &Proof {
        &self.proof
    }

    pub fn serving(&self) -> Serving {
        Serving { digest: self.proof.digest(), sameness: self.proof.sameness().to_owned(), origin: self.origin, position: self.position }
    }

    pub(super) fn config(&self) -> &C::Config {
        &self.config
    }

    pub(super) fn into_source(self) -> Source<C> {
        self.source
    }
}

/// A delivery of the live control plane. Schema disagreements are warnings of the proof.
pub async fn of_delivery<C: ControlPlane>(config: C::Config, settings: &Settings) -> Result<Candidate<C>, Skipped> {
    let bytes = read_body(&config).await.map_err(Skipped::Unread)?;
    let valid = config::validate(bytes, settings.format, Strictness::Delivered).map_err(Skipped::Invalid)?;
    let proof = valid.proof().clone();
    Ok(Candidate { config, proof, origin: Origin::ControlPlane, position: None, source: Source::Delivered(valid) })
}

/// A snapshot from a storage, where the head names exactly this file.
pub async fn of_storage<C: Opening + Schemas>(
    caps: &C,
    object: C::Object,
    entry: &Entry,
    settings: &Settings,
) -> Result<Candidate<C>, Skipped> {
    let file = read_body(&object).await.map_err(Skipped::Unread)?;
    if Digest::of(&file) != entry.file_digest {
        // The seal tells a broken file from another whole one; either way it is not the one named.
        snapshot::verify(&file).map_err(Skipped::Refused)?;
        return Err(Skipped::NotTheOneNamed);
    }
    let (manifest, proof) = examine(file, |file| Ok(file), settings)?;
    let position = manifest.publication.map(|publication| publication.position());
    if position != Some(entry.position()) {
        return Err(Skipped::NotTheOneNamed);
    }
    admit(caps, object, proof, Origin::Storage, position, Source::Sealed).await
}

/// The snapshot baked into the image.
pub async fn of_bundle<C: Opening + Schemas>(caps: &C, object: C::Object, settings: &Settings) -> Result<Candidate<C>, Skipped> {
    let file = read_body(&object).await.map_err(Skipped::Unread)?;
    let (manifest, proof) = examine(file, |file| Ok(file), settings)?;
    let publication = manifest.publication.ok_or(Skipped::NeverPublished)?;
    admit(caps, object, proof, Origin::Bundle, Some(publication.position()), Source::Sealed).await
}

/// This node's own cache entry.
pub async fn of_cache<C: Opening + Schemas>(caps: &C, slot: Slot, object: C::Object, settings: &Settings) -> Result<Candidate<C>, Skipped> {
    let file = read_body(&object).await.map_err(Skipped::Unread)?;
    let (manifest, proof) = examine(file, |file| cached::unwrap(file).map(|cached| cached.snapshot), settings)?;
    let position = manifest.publication.map(|publication| publication.position());
    admit(caps, object, proof, Origin::Cache, position, |object| Source::Cached(slot, object)).await
}

/// Verify, open, validate. The file's memory is given back before the plain bytes are looked at.
fn examine(
    file: Vec<u8>,
    sealed: impl for<'a> Fn(&'a [u8]) -> Result<&'a [u8], Refusal>,
    settings: &Settings,
) -> Result<(Manifest, Proof), Skipped> {
    let verified = snapshot::verify(sealed(&file).map_err(Skipped::Refused)?).map_err(Skipped::Refused)?;
    let manifest = verified.manifest().clone();
    fits(&manifest, settings)?;
    let opened = verified.open().map_err(Skipped::Refused)?;
    drop(file);
    let valid = config::validate(opened.into_bytes(), manifest.format, Strictness::Delivered).map_err(Skipped::Invalid)?;
    Ok((manifest, valid.into_proof()))
}

/// Whether the snapshot was made for nodes like this one (boot-08).
fn fits(manifest: &Manifest, settings: &Settings) -> Result<(), Skipped> {
    if manifest.cluster != settings.cluster {
        return Err(Skipped::ForeignCluster { producer: manifest.cluster.clone(), consumer: settings.cluster.clone() });
    }
    if manifest.format != settings.format {
        return Err(Skipped::ForeignFormat { producer: manifest.format, consumer: settings.format });
    }
    if !accepts(settings, &manifest.gateway_version) {
        return Err(Skipped::Version {
            producer: manifest.gateway_version.clone(),
            consumer: settings.gateway_version.clone(),
            rule: settings.version_rule,
        });
    }
    Ok(())
}

/// Whether nodes like this one may run what was made for gateways of this version.
pub(super) fn accepts(settings: &Settings, producer: &GatewayVersion) -> bool {
    active(Mutant::AnyVersion) || settings.version_rule.accepts(producer, &settings.gateway_version)
}

/// Through the host's own gate, and against the operator's schema.
async fn admit<C: Opening + Schemas>(
    caps: &C,
    object: C::Object,
    proof: Proof,
    origin: Origin,
    position: Option<Position>,
    source: impl FnOnce(C::Object) -> Source<C>,
) -> Result<Candidate<C>, Skipped> {
    let config = caps.open(&object).await.map_err(Skipped::NotOpened)?;
    caps.conforms(&config).await.map_err(Skipped::Schema)?;
    Ok(Candidate { config, proof, origin, position, source: source(object) })
}

/// All bytes of a body, as many as it promised.
pub(super) async fn read_body(body: &impl Body) -> Result<Vec<u8>, String> {
    let bytes = body.read().await?;
    let promised = body.size();
    if bytes.len() as u64 != promised {
        return Err(format!("{} of {promised} bytes arrived", bytes.len()));
    }
    Ok(bytes)
}

pub(super) async fn set_aside<C: Cache + Events>(caps: &C, slot: Slot, reason: &'static str, sentence: &str) {
    let event = match caps.set_aside(slot, reason).await {
        Ok(()) => Event::warning(Name::CacheSetAside, format!("A file of the cache was set aside: {sentence}.")),
        Err(failure) => {
            Event::alarm(Name::CacheSetAside, format!("A file of the cache is unusable ({sentence}) and cannot be set aside: {failure}."))
        }
    };
    caps.emit(event.with("reason", reason));
}

impl Skipped {
    /// Whether the stored bytes are no longer those that were published.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Unread(_) | Self::Refused(_) | Self::NotTheOneNamed => true,
            Self::NeverPublished
            | Self::ForeignCluster { .. }
            | Self::ForeignFormat { .. }
            | Self::Version { .. }
            | Self::Invalid(_)
            | Self::Schema(_)
            | Self::NotOpened(_)
            | Self::Quarantined(_) => false,
        }
    }

    /// A stable word for events.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unread(_) => "unread",
            Self::Refused(refusal) => refusal.reason(),
            Self::NeverPublished => "never-published",
            Self::NotTheOneNamed => "not-the-one-named",
            Self::ForeignCluster { .. } => "foreign-cluster",
            Self::ForeignFormat { .. } => "foreign-format",
            Self::Version { .. } => "version",
            Self::Invalid(_) => "invalid",
            Self::Schema(_) => "schema",
            Self::NotOpened(_) => "not-opened",
            Self::Quarantined(_) => "quarantined",
        }
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread(why) => write!(f, "it could not be read: {why}"),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::NeverPublished => f.write_str("it was never published: a node sealed it for its own cache"),
            Self::NotTheOneNamed => f.write_str("it is intact, but not the file that the head names"),
            Self::ForeignCluster { producer, consumer } => {
                write!(
                    f,
                    "it is of cluster '{producer}', and holdover_cluster is '{consumer}': set holdover_cluster or the storage's prefix"
                )
            }
            Self::ForeignFormat { producer, consumer } => {
                write!(f, "it has format '{producer}', and holdover_format is '{consumer}'")
            }
            Self::Version { producer, consumer, rule } => {
                write!(f, "it was made for gateway version {producer}, this node is {consumer}, and the version rule is '{rule}'")
            }
            Self::Invalid(invalid) => write!(f, "it is no valid configuration: {invalid}"),
            Self::Schema(violations) => write!(f, "it does not conform to holdover_schema: {}", violations.join("; ")),
            Self::NotOpened(why) => write!(f, "the host would not open it: {why}"),
            Self::Quarantined(digest) => {
                write!(f, "configuration {} is quarantined on this node: two starts with it never settled", digest.short())
            }
        }
    }
}
