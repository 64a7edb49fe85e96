//! Station *publish*: upload the snapshot, read it back, verify it, then move the head (export-08).

use super::sealing::{self, Sealed};
use super::state::State;
use super::{CONFIRM_EVERY, Located, STORAGE, kong_place, later};
use crate::config::{self, Strictness, ValidConfig};
use crate::model::{Generation, Lineage, Position};
use crate::policy::candidate::read_body;
use crate::policy::capabilities::{Etag, PutNew, StorageFailure, StorageFailureKind, Swap};
use crate::policy::events::{Event, Name};
use crate::policy::{Exporting, Facts};
use crate::snapshot::head::{Entry, HEAD_BYTES_MAX, Head};
use crate::snapshot::{self, Snapshot, Trust, keys};

/// How often one delivery is tried against a head that moves under it.
const ROUNDS_MAX: u32 = 3;

pub(super) enum Published {
    At(Position),
    /// The newest generation is the same configuration.
    Already(Position),
    /// Waiting would not help; the sentence says what would.
    Never(String),
    /// Whoever tries again says when.
    NotThisTime(String),
}

/// Why a round ended without a publication, when the next round may do better.
enum Stopped {
    With(Published),
    /// The head moved, or the key is taken by somebody else's snapshot.
    Raced,
}

impl From<Published> for Stopped {
    fn from(published: Published) -> Self {
        Self::With(published)
    }
}

pub(super) async fn publish<C: Exporting>(caps: &C, facts: &Facts, state: &mut State, config: &C::Config) -> Published {
    for taken in 0..ROUNDS_MAX {
        match round(caps, facts, state, config, taken).await {
            Ok(position) => return Published::At(position),
            Err(Stopped::With(published)) => return published,
            Err(Stopped::Raced) => caps.emit(Event::info(Name::ExportLostRace, "Somebody else wrote to the storage meanwhile: once more.")),
        }
    }
    Published::NotThisTime("the head moved under every try: another exporter writes here too".into())
}

async fn round<C: Exporting>(caps: &C, facts: &Facts, state: &mut State, config: &C::Config, taken: u32) -> Result<Position, Stopped> {
    let valid = validated(caps, facts, config).await?;
    let Located { head, etag } = locate(caps, facts).await.map_err(Published::NotThisTime)?;
    let head = head.unwrap_or_else(|| Head::first(facts.settings.cluster.clone(), Lineage::from_random(caps.random(), caps.random())));
    stand_by_if_succeeded(caps, state, &head)?;
    if let Some(newest) = head.newest(&facts.settings.gateway_version)
        && sealing::is_same(caps, facts, state, &head, newest, valid.proof()).await.map_err(Published::NotThisTime)?
    {
        let position = newest.position();
        return Err(already(caps, facts, state, head, etag, position).await.into());
    }
    let position = place(&head, state, taken);
    let sameness = valid.proof().sameness().to_owned();
    let sealed = sealing::sealed(caps, facts, state, head.lineage, position, valid).await;
    let Sealed { snapshot, entry } = sealed.map_err(Published::NotThisTime)?;
    upload(caps, snapshot, &entry).await?;
    read_back(caps, &entry).await.map_err(Published::NotThisTime)?;
    let published = advance(caps, head, position, entry, facts);
    match move_head(caps, facts, published, etag).await {
        Ok(()) => {}
        Err(MoveFailed::Stale) => return Err(Stopped::Raced),
        Err(MoveFailed::Failure(sentence)) => return Err(Published::NotThisTime(sentence).into()),
    }
    state.office = Some(position.epoch);
    state.published_sameness = Some(sameness);
    kong_place::write(caps, facts, config).await;
    caps.emit(
        Event::info(Name::Exported, "A configuration is published.")
            .with("position", position)
            .with("gateway_version", &facts.settings.gateway_version),
    );
    Ok(position)
}

/// Only what validates is exported; what the operator's own schema refuses is not (export-02).
async fn validated<C: Exporting>(caps: &C, facts: &Facts, config: &C::Config) -> Result<ValidConfig, Published> {
    let bytes = read_body(config).await.map_err(Published::NotThisTime)?;
    let valid =
        config::validate(bytes, facts.settings.format, Strictness::Delivered).map_err(|invalid| never(caps, invalid.to_string()))?;
    caps.conforms(config)
        .await
        .map_err(|violations| never(caps, format!("it does not conform to holdover_schema: {}", violations.join("; "))))?;
    for warning in valid.proof().warnings() {
        caps.emit(Event::warning(Name::ExportWarning, warning.clone()));
    }
    Ok(valid)
}

/// Station *locate*. A storage that cannot be looked into never looks like an empty one.
pub(super) async fn locate<C: Exporting>(caps: &C, facts: &Facts) -> Result<Located, String> {
    let fetched = match caps.get(STORAGE, keys::HEAD, HEAD_BYTES_MAX).await {
        Ok(fetched) => fetched,
        // Without ListBucket "absent" looks like "forbidden"; the swap that follows writes only if there is none.
        Err(StorageFailure { kind: StorageFailureKind::Absent | StorageFailureKind::AbsentOrForbidden, .. }) => {
            return Ok(Located { head: None, etag: None });
        }
        Err(failure) => return Err(failure.detail),
    };
    let bytes = read_body(&fetched.object).await?;
    let head = Head::read(&bytes, &facts.settings.trusted)
        .map_err(|refusal| format!("the head in the storage cannot be used, and is not overwritten: {refusal}"))?;
    if head.cluster != facts.settings.cluster {
        return Err(format!(
            "the storage holds cluster '{}', and holdover_cluster is '{}': give each cluster a prefix of its own in cluster_fallback_config_storage",
            head.cluster, facts.settings.cluster
        ));
    }
    Ok(Located { head: Some(head), etag: fetched.etag })
}

/// Whoever finds a later epoch than its own was succeeded: it publishes nothing more (export-06).
fn stand_by_if_succeeded<C: Exporting>(caps: &C, state: &State, head: &Head) -> Result<(), Published> {
    match state.office {
        Some(office) if office < head.epoch => {
            let sentence = format!(
                "another exporter ('{}') took office after this one and publishes to the same storage: this one stands by until it is restarted",
                head.writer
            );
            caps.emit(Event::alarm(Name::ExportHeld, format!("{sentence}.")).with("reason", "succeeded"));
            Err(Published::Never(sentence))
        }
        Some(_) | None => Ok(()),
    }
}

/// No change, no snapshot (export-05); a head that was confirmed long ago is confirmed on the way.
async fn already<C: Exporting>(
    caps: &C,
    facts: &Facts,
    state: &mut State,
    mut head: Head,
    etag: Option<Etag>,
    position: Position,
) -> Published {
    let now = caps.now();
    if now.since(head.confirmed_at) >= CONFIRM_EVERY {
        head.confirmed_at = later(head.confirmed_at, now);
        match move_head(caps, facts, head, etag).await {
            Ok(()) => caps.emit(Event::info(Name::HeadConfirmed, "The head is confirmed: nothing changed.")),
            Err(failed) => return Published::NotThisTime(failed.into()),
        }
    }
    state.confirm_after(caps.monotonic(), CONFIRM_EVERY);
    caps.emit(Event::info(Name::ExportUnchanged, "The newest generation is this configuration already.").with("position", position));
    Published::Already(position)
}

/// A process that publishes first takes office: its epoch is above every earlier one's.
fn place(head: &Head, state: &State, taken: u32) -> Position {
    let epoch = state.office.unwrap_or_else(|| head.epoch.next());
    Position { epoch, generation: Generation(head.generation.0.saturating_add(1 + u64::from(taken))) }
}

async fn upload<C: Exporting>(caps: &C, snapshot: Snapshot, entry: &Entry) -> Result<(), Stopped> {
    match caps.put_new(STORAGE, &entry.key, snapshot.into_bytes()).await {
        Ok(PutNew::Created) => Ok(()),
        // Our own earlier try, or somebody's under a key that begins alike: reading back tells.
        Ok(PutNew::Exists) => read_back(caps, entry).await.map_err(|_| Stopped::Raced),
        Err(StorageFailure { kind: StorageFailureKind::UnknownOutcome, detail, .. }) => {
            read_back(caps, entry).await.map_err(|_| Published::NotThisTime(detail).into())
        }
        Err(failure) => Err(Published::NotThisTime(failure.detail).into()),
    }
}

/// What the storage gives back must be what was sealed.
async fn read_back<C: Exporting>(caps: &C, entry: &Entry) -> Result<(), String> {
    let fetched = caps.get(STORAGE, &entry.key, entry.file_bytes).await.map_err(|failure| failure.detail)?;
    let file = read_body(&fetched.object).await?;
    // Whether the bytes are those that were sealed; whose signature they bear is known.
    let verified = snapshot::verify(&file, &Trust::unasked()).map_err(|refusal| refusal.to_string())?;
    match verified.file_digest() == entry.file_digest {
        true => Ok(()),
        false => Err(format!("the storage gave other bytes back than were written under {}", entry.key)),
    }
}

fn advance<C: Exporting>(caps: &C, mut head: Head, position: Position, entry: Entry, facts: &Facts) -> Head {
    head.epoch = position.epoch;
    head.generation = position.generation;
    head.confirmed_at = later(head.confirmed_at, caps.now());
    head.publish(facts.settings.gateway_version.clone(), entry);
    head
}

pub(super) enum MoveFailed {
    Stale,
    Failure(String),
}

impl From<MoveFailed> for String {
    fn from(failed: MoveFailed) -> Self {
        match failed {
            MoveFailed::Stale => "the head moved meanwhile".into(),
            MoveFailed::Failure(sentence) => sentence,
        }
    }
}

/// Compare and swap. An answer that was lost is looked for in the head itself, by the nonce of this write.
pub(super) async fn move_head<C: Exporting>(caps: &C, facts: &Facts, mut head: Head, etag: Option<Etag>) -> Result<(), MoveFailed> {
    head.writer = facts.settings.node.clone();
    head.nonce = caps.random();
    let bytes = sealing::signed_head(caps, &head).await.map_err(MoveFailed::Failure)?;
    match caps.swap(STORAGE, keys::HEAD, etag.as_ref(), bytes).await {
        Ok(Swap::Swapped) => Ok(()),
        Ok(Swap::Stale) => Err(MoveFailed::Stale),
        Err(StorageFailure { kind: StorageFailureKind::UnknownOutcome, detail, .. }) => match locate(caps, facts).await {
            Ok(Located { head: Some(found), .. }) if found.nonce == head.nonce => Ok(()),
            Ok(_) => Err(MoveFailed::Stale),
            Err(sentence) => Err(MoveFailed::Failure(format!("{detail}; and then {sentence}"))),
        },
        Err(failure) => Err(MoveFailed::Failure(failure.detail)),
    }
}

fn never<C: Exporting>(caps: &C, sentence: String) -> Published {
    caps.emit(Event::alarm(Name::ExportInvalid, format!("The configuration is not exported: {sentence}.")));
    Published::Never(sentence)
}
