//! Stations *verify*, *open*, *validate*, in this order (boot-06). What comes out is a [`Candidate`], and nothing else can be
//! applied. Whatever fails on the way is a [`Skipped`] with its typed reason.

use std::fmt;

use super::capabilities::{Body, Cache, ControlPlane, Events, Held, NotUnwrapped, Opening, Schemas, Slot, Unsealing};
use super::events::{Event, Name};
use super::{Origin, Serving, Settings};
use crate::config::{self, CONFIG_BYTES_MAX, Format, Invalid, Need, Proof, Strictness, ValidConfig};
use crate::model::{Cluster, Digest, GatewayVersion, Lineage, Position, UnixMs, VersionRule};
use crate::mutants::{Mutant, active};
use crate::snapshot::cached::{self, CachedOrigin};
use crate::snapshot::head::Entry;
use crate::snapshot::{self, Manifest, PayloadKey, Refusal, Trust, VerifiedSnapshot};

/// A configuration in the world's hands that was verified, opened and validated here. Only this file makes one.
pub struct Candidate<C: Held> {
    config: C::Config,
    proof: Proof,
    origin: Origin,
    published: Option<Published>,
    source: Source<C>,
}

/// Where a published snapshot stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    pub lineage: Lineage,
    pub gateway_version: GatewayVersion,
    pub position: Position,
}

/// What the cache is to keep once the gateway accepted.
pub(super) enum Source<C: Held> {
    /// Plain bytes that nobody sealed: this node seals them itself.
    Plain(ValidConfig, CachedOrigin),
    /// The sealed bytes, verbatim, and the digest of the file.
    Sealed(C::Object, Digest),
    /// It came from there: the whole entry, verbatim.
    Cached(Slot, C::Object),
}

/// Why a snapshot is not a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skipped {
    Unread(String),
    Refused(Refusal),
    NotUnwrapped(NotUnwrapped),
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
    /// Of another lineage than this node remembers (boot-07).
    ForeignLineage {
        producer: Lineage,
        consumer: Lineage,
    },
    /// The storages tell several stories, and this node knows none of them (export-15).
    SeveralLineages {
        lineage: Lineage,
        others: Vec<Lineage>,
    },
    /// Older than what this node has applied (boot-07).
    BelowMark {
        position: Position,
        mark: Position,
    },
    /// Older than what a node without a mark may take (boot-07).
    BelowFloor {
        position: Position,
        floor: Position,
    },
    Version {
        producer: GatewayVersion,
        consumer: GatewayVersion,
        rule: VersionRule,
    },
    /// Its head was confirmed too long ago (boot-13).
    Stale {
        age_s: u64,
    },
    Invalid(Invalid),
    Schema(Vec<String>),
    /// The host's own gate disagreed.
    NotOpened(String),
    Quarantined(Digest),
    /// Nobody sealed it, and this node knows a key or a mark (export-13).
    LegacyWouldDowngrade,
    /// A cache entry that is older than the operator wants; it is asked for again after the storages.
    TooOld {
        age_s: u64,
    },
}

impl<C: Held> Candidate<C> {
    pub fn proof(&self) -> &Proof {
        &self.proof
    }

    pub fn needs(&self) -> &[Need] {
        self.proof.needs()
    }

    pub fn published(&self) -> Option<&Published> {
        self.published.as_ref()
    }

    pub fn serving(&self) -> Serving {
        Serving {
            digest: self.proof.digest(),
            sameness: self.proof.sameness().to_owned(),
            origin: self.origin,
            position: self.published.as_ref().map(|published| published.position),
        }
    }

    pub(super) fn config(&self) -> &C::Config {
        &self.config
    }

    pub(super) fn into_source(self) -> (Source<C>, Proof) {
        (self.source, self.proof)
    }
}

/// A delivery of the live control plane. Schema disagreements are warnings of the proof.
pub async fn of_delivery<C: ControlPlane>(config: C::Config, settings: &Settings, strictness: Strictness) -> Result<Candidate<C>, Skipped> {
    let bytes = read_body(&config).await.map_err(Skipped::Unread)?;
    let valid = config::validate(bytes, settings.format, strictness).map_err(Skipped::Invalid)?;
    let proof = valid.proof().clone();
    let source = Source::Plain(valid, CachedOrigin::ControlPlane);
    Ok(Candidate { config, proof, origin: Origin::ControlPlane, published: None, source })
}

/// A snapshot from a storage, where the head names exactly this file.
pub async fn of_storage<C: Opening + Schemas + Unsealing>(
    caps: &C,
    object: C::Object,
    entry: &Entry,
    lineage: Lineage,
    settings: &Settings,
) -> Result<Candidate<C>, Skipped> {
    let file = read_body(&object).await.map_err(Skipped::Unread)?;
    let verified = snapshot::verify(&file, &settings.trusted).map_err(Skipped::Refused)?;
    let file_digest = verified.file_digest();
    if file_digest != entry.file_digest {
        return Err(Skipped::NotTheOneNamed);
    }
    let published = published(verified.manifest())?;
    if published.position != entry.position() || published.lineage != lineage {
        return Err(Skipped::NotTheOneNamed);
    }
    let proof = examine(caps, &verified, settings).await?;
    drop(file);
    admit(caps, object, proof, Origin::Storage, Some(published), |object| Source::Sealed(object, file_digest)).await
}

/// The snapshot baked into the image.
pub async fn of_bundle<C: Opening + Schemas + Unsealing>(
    caps: &C,
    object: C::Object,
    settings: &Settings,
) -> Result<Candidate<C>, Skipped> {
    let file = read_body(&object).await.map_err(Skipped::Unread)?;
    let verified = snapshot::verify(&file, &settings.trusted).map_err(Skipped::Refused)?;
    let published = published(verified.manifest())?;
    let file_digest = verified.file_digest();
    let proof = examine(caps, &verified, settings).await?;
    drop(file);
    admit(caps, object, proof, Origin::Bundle, Some(published), |object| Source::Sealed(object, file_digest)).await
}

/// This node's own cache entry. What was found of it then is believed if this very validator found it of this very file.
pub async fn of_cache<C: Opening + Schemas + Unsealing>(
    caps: &C,
    slot: Slot,
    object: C::Object,
    settings: &Settings,
    kept: Kept,
) -> Result<Candidate<C>, Skipped> {
    let file = read_body(&object).await.map_err(Skipped::Unread)?;
    let cached = cached::unwrap(&file).map_err(Skipped::Refused)?;
    let verified = match cached.header.origin {
        CachedOrigin::Storage => snapshot::verify(cached.snapshot, &settings.trusted),
        CachedOrigin::ControlPlane => snapshot::verify(cached.snapshot, &Trust::unasked()),
        CachedOrigin::KongPlace if settings.trusted.is_configured() || settings.has_identity => return Err(Skipped::LegacyWouldDowngrade),
        CachedOrigin::KongPlace => snapshot::verify(cached.snapshot, &Trust::unasked()),
    };
    let verified = verified.map_err(Skipped::Refused)?;
    let published = match cached.header.origin {
        CachedOrigin::Storage => Some(published(verified.manifest())?),
        CachedOrigin::ControlPlane | CachedOrigin::KongPlace => None,
    };
    kept.allows(&cached.header, published.as_ref())?;
    fits(verified.manifest(), settings)?;
    let proof = match cached.header.found.covers(verified.file_digest()) {
        Some(proof) => proof,
        None => examine(caps, &verified, settings).await?,
    };
    drop(file);
    admit(caps, object, proof, Origin::Cache, published, |object| Source::Cached(slot, object)).await
}

/// What holds for cache entries on this node.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// The lineage that this node belongs to, if it knows.
    pub lineage: Option<Lineage>,
    pub now: UnixMs,
    /// When this node last had a live control plane.
    pub live_at: UnixMs,
    pub age_max_ms: Option<u64>,
}

impl Kept {
    fn allows(&self, header: &cached::Header, published: Option<&Published>) -> Result<(), Skipped> {
        if let (Some(consumer), Some(published)) = (self.lineage, published)
            && published.lineage != consumer
        {
            return Err(Skipped::ForeignLineage { producer: published.lineage, consumer });
        }
        let confirmed = match header.origin {
            CachedOrigin::ControlPlane => header.kept_at.max(self.live_at),
            CachedOrigin::Storage | CachedOrigin::KongPlace => header.kept_at,
        };
        let age = self.now.since(confirmed);
        match self.age_max_ms {
            Some(age_max_ms) if age.as_millis() > u128::from(age_max_ms) => Err(Skipped::TooOld { age_s: age.as_secs() }),
            Some(_) | None => Ok(()),
        }
    }
}

/// A plain object in Kong's documented place. Whether it may be asked for at all is decided in `legacy.rs`.
pub(super) async fn of_kong_place<C: Opening + Schemas>(caps: &C, object: C::Object, settings: &Settings) -> Result<Candidate<C>, Skipped> {
    if object.size() > CONFIG_BYTES_MAX as u64 {
        return Err(Skipped::Refused(Refusal::OutOfBounds("length")));
    }
    let bytes = read_body(&object).await.map_err(Skipped::Unread)?;
    let valid = config::validate(bytes, settings.format, Strictness::Delivered).map_err(Skipped::Invalid)?;
    let proof = valid.proof().clone();
    let config = caps.adopt(&object).await.map_err(Skipped::NotOpened)?;
    caps.conforms(&config).await.map_err(Skipped::Schema)?;
    Ok(Candidate { config, proof, origin: Origin::Storage, published: None, source: Source::Plain(valid, CachedOrigin::KongPlace) })
}

fn published(manifest: &Manifest) -> Result<Published, Skipped> {
    let publication = manifest.publication.ok_or(Skipped::NeverPublished)?;
    let gateway_version = manifest.gateway_version.clone();
    Ok(Published { lineage: publication.lineage, gateway_version, position: publication.position() })
}

/// Open and validate what is verified.
async fn examine<C: Unsealing>(caps: &C, verified: &VerifiedSnapshot<'_>, settings: &Settings) -> Result<Proof, Skipped> {
    fits(verified.manifest(), settings)?;
    let key = payload_key(caps, verified).await?;
    let opened = verified.open(key.as_ref()).map_err(Skipped::Refused)?;
    Ok(opened.validate().map_err(Skipped::Invalid)?.into_proof())
}

/// What opens a snapshot that is encrypted to this node; `None` for one that everybody may read.
pub(super) async fn payload_key<C: Unsealing>(caps: &C, verified: &VerifiedSnapshot<'_>) -> Result<Option<PayloadKey>, Skipped> {
    match verified.wrapped().map_err(Skipped::Refused)? {
        None => Ok(None),
        Some(wrapped) => caps.unwrap(wrapped).await.map(Some).map_err(Skipped::NotUnwrapped),
    }
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
    published: Option<Published>,
    source: impl FnOnce(C::Object) -> Source<C>,
) -> Result<Candidate<C>, Skipped> {
    let config = caps.open(&object).await.map_err(Skipped::NotOpened)?;
    caps.conforms(&config).await.map_err(Skipped::Schema)?;
    Ok(Candidate { config, proof, origin, published, source: source(object) })
}

/// Where a snapshot stands, if its seal holds and it is for nodes like this one; it is not opened.
pub(super) async fn peek(object: &impl Body, settings: &Settings) -> Option<Published> {
    let file = read_body(object).await.ok()?;
    let verified = snapshot::verify(&file, &settings.trusted).ok()?;
    fits(verified.manifest(), settings).ok()?;
    published(verified.manifest()).ok()
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
            Self::Unread(_) | Self::NotTheOneNamed => true,
            Self::Refused(refusal) => match refusal {
                Refusal::NotOurs
                | Refusal::Torn
                | Refusal::OutOfBounds(_)
                | Refusal::Corrupt
                | Refusal::Unreadable(_)
                | Refusal::UnknownLine
                | Refusal::BadSignature(_)
                | Refusal::NotEncrypted
                | Refusal::Undecryptable
                | Refusal::BodyMismatch
                | Refusal::DigestMismatch { .. } => true,
                Refusal::UnknownFormat(_) | Refusal::Unsigned | Refusal::UntrustedSigner(_) | Refusal::NoOperatorKeys | Refusal::NoKey => {
                    false
                }
            },
            Self::NotUnwrapped(_)
            | Self::NeverPublished
            | Self::ForeignCluster { .. }
            | Self::ForeignFormat { .. }
            | Self::ForeignLineage { .. }
            | Self::SeveralLineages { .. }
            | Self::BelowMark { .. }
            | Self::BelowFloor { .. }
            | Self::Version { .. }
            | Self::Stale { .. }
            | Self::Invalid(_)
            | Self::Schema(_)
            | Self::NotOpened(_)
            | Self::Quarantined(_)
            | Self::LegacyWouldDowngrade
            | Self::TooOld { .. } => false,
        }
    }

    /// A stable word for events.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unread(_) => "unread",
            Self::Refused(refusal) => refusal.reason(),
            Self::NotUnwrapped(NotUnwrapped::NoIdentity) => "no-key",
            Self::NotUnwrapped(NotUnwrapped::ForOthers) => "for-others",
            Self::NotUnwrapped(NotUnwrapped::Damaged(_)) => "undecryptable",
            Self::NeverPublished => "never-published",
            Self::NotTheOneNamed => "not-the-one-named",
            Self::ForeignCluster { .. } => "foreign-cluster",
            Self::ForeignFormat { .. } => "foreign-format",
            Self::ForeignLineage { .. } => "foreign-lineage",
            Self::SeveralLineages { .. } => "several-lineages",
            Self::BelowMark { .. } => "below-mark",
            Self::BelowFloor { .. } => "below-floor",
            Self::Version { .. } => "version",
            Self::Stale { .. } => "stale",
            Self::Invalid(_) => "invalid",
            Self::Schema(_) => "schema",
            Self::NotOpened(_) => "not-opened",
            Self::Quarantined(_) => "quarantined",
            Self::LegacyWouldDowngrade => "legacy-would-downgrade",
            Self::TooOld { .. } => "too-old",
        }
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread(why) => write!(f, "it could not be read: {why}"),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::NotUnwrapped(why) => why.fmt(f),
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
            Self::ForeignLineage { producer, consumer } => {
                write!(
                    f,
                    "it is of lineage {producer}, and this node belongs to {consumer}: if the storage was begun anew, set \
                     holdover_accept_lineage = {producer}"
                )
            }
            Self::SeveralLineages { lineage, others } => {
                let others: Vec<String> = others.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "it is of lineage {lineage}, other storages have {}, and this new node knows neither: set holdover_accept_lineage to \
                     the right one",
                    others.join(", ")
                )
            }
            Self::BelowMark { position, mark } => {
                write!(f, "it stands at {position}, and this node has applied {mark} already: an older one needs a break-glass token")
            }
            Self::BelowFloor { position, floor } => {
                write!(f, "it stands at {position}, and holdover_min_generation or the bundle asks for {floor} at least")
            }
            Self::Version { producer, consumer, rule } => {
                write!(f, "it was made for gateway version {producer}, this node is {consumer}, and the version rule is '{rule}'")
            }
            Self::Stale { age_s } => {
                write!(f, "its head was last confirmed {} h ago, and holdover_on_stale = refuse", age_s / 3600)
            }
            Self::Invalid(invalid) => write!(f, "it is no valid configuration: {invalid}"),
            Self::Schema(violations) => write!(f, "it does not conform to holdover_schema: {}", violations.join("; ")),
            Self::NotOpened(why) => write!(f, "the host would not open it: {why}"),
            Self::Quarantined(digest) => {
                write!(f, "configuration {} is quarantined on this node: two starts with it never settled", digest.short())
            }
            Self::LegacyWouldDowngrade => {
                f.write_str("Kong's config.json is sealed by nobody, and this node has keys or a mark: it would be a downgrade")
            }
            Self::TooOld { age_s } => {
                write!(f, "it was kept {} h ago, longer than holdover_cache_max_age: the storages are asked before it", age_s / 3600)
            }
        }
    }
}
