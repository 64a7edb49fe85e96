//! Station *publish*: upload the snapshot, read it back, verify it, then move the head (export-08).

use super::located::{Located, NotMoved, later, move_head};
use super::sealing::{self, Sealed};
use super::state::{Copies, Guarded, Held, Reason, Soak, State};
use super::{CONFIRM_EVERY, FIRST, kong_place, office, ordered, soak};
use crate::config::{self, Strictness, ValidConfig};
use crate::model::{Epoch, GatewayVersion, Generation, Lineage, Position};
use crate::mutants::{Mutant, active};
use crate::policy::candidate::read_body;
use crate::policy::capabilities::{Etag, PutNew, StorageFailure, StorageFailureKind};
use crate::policy::events::{Event, Name};
use crate::policy::guard::{self, Counted};
use crate::policy::{Exporting, Facts};
use crate::snapshot::Snapshot;
use crate::snapshot::head::{Entry, Head};
use crate::snapshot::orders::Orders;

/// How often one delivery is tried against a head that moves under it.
const ROUNDS_MAX: u32 = 3;

pub(super) enum Published {
    At(Position),
    /// The newest generation is the same configuration.
    Already(Position),
    /// Waiting would not help; the sentence says what would.
    Never(String),
    /// An operator must say something first.
    Held(Held),
    /// Whoever tries again says when.
    NotThisTime(String),
}

/// Why a round ended without a publication, when the next round may do better.
enum Stopped {
    With(Published),
    /// The head moved, or the key is taken by somebody else's snapshot.
    Raced,
}

/// What is published for whom, and under which rules.
struct Wanted<'a> {
    version: &'a GatewayVersion,
    /// `None`: the operator ordered it, which is approval enough.
    orders: Option<Option<&'a Orders>>,
}

impl From<Published> for Stopped {
    fn from(published: Published) -> Self {
        Self::With(published)
    }
}

/// What the control plane delivered.
pub(super) async fn publish<C: Exporting>(
    caps: &C,
    facts: &Facts,
    state: &mut State,
    orders: Option<&Orders>,
    config: &C::Config,
) -> Published {
    let wanted = Wanted { version: &facts.settings.gateway_version, orders: Some(orders) };
    for taken in 0..ROUNDS_MAX {
        let round = match validated(caps, facts, config).await {
            Ok(valid) => round(caps, facts, state, &wanted, valid, taken).await,
            Err(published) => Err(published.into()),
        };
        match round {
            Ok(position) => {
                kong_place::write(caps, facts, config).await;
                return Published::At(position);
            }
            Err(Stopped::With(Published::Already(position))) if state.published != Some(position) => {
                // By a try whose answer was lost, or by another process: what comes after the head may not have been done.
                kong_place::write(caps, facts, config).await;
                let came_through = state.unanswered.take() == Some(position.epoch);
                return if came_through { Published::At(position) } else { Published::Already(position) };
            }
            Err(Stopped::With(published)) => return published,
            Err(Stopped::Raced) => caps.emit(Event::info(Name::ExportLostRace, "Somebody else wrote to the storage meanwhile: once more.")),
        }
    }
    Published::NotThisTime("the head moved under every try: another exporter writes here too".into())
}

/// What was published once, as a new generation: by order, so no guard and no soak stands before it.
pub(super) async fn again<C: Exporting>(
    caps: &C,
    facts: &Facts,
    state: &mut State,
    version: &GatewayVersion,
    valid: ValidConfig,
) -> Published {
    match round(caps, facts, state, &Wanted { version, orders: None }, valid, 0).await {
        Ok(position) => Published::At(position),
        Err(Stopped::With(published)) => published,
        Err(Stopped::Raced) => Published::NotThisTime("somebody else wrote to the storage meanwhile".into()),
    }
}

async fn round<C: Exporting>(
    caps: &C,
    facts: &Facts,
    state: &mut State,
    wanted: &Wanted<'_>,
    valid: ValidConfig,
    taken: u32,
) -> Result<Position, Stopped> {
    let located = office::own_head(caps, facts, state).await;
    let Some(epoch) = state.tenure.as_ref().map(|tenure| tenure.epoch) else {
        return Err(Published::Never(located.err().unwrap_or_else(|| "this exporter is not in office".into())).into());
    };
    let Located { head, etag } = located.map_err(Published::NotThisTime)?;
    let head = head.unwrap_or_else(|| Head::first(facts.settings.cluster.clone(), Lineage::from_random(caps.random(), caps.random())));
    if let Some(newest) = head.newest(wanted.version)
        && !active(Mutant::PublishesTheSame)
        && sealing::is_same(caps, facts, state, &head, newest, valid.proof()).await.map_err(Published::NotThisTime)?
    {
        let position = newest.position();
        soak::take_over(caps, facts, state, &head);
        return Err(already(caps, facts, state, head, etag, position).await.into());
    }
    let position = place(&head, epoch, taken);
    let (sameness, counts) = (valid.proof().sameness().to_owned(), valid.proof().counts().clone());
    let sealed = sealing::sealed(caps, facts, wanted.version, state.captured_at, head.lineage, position, valid).await;
    let Sealed { snapshot, entry } = sealed.map_err(Published::NotThisTime)?;
    if let Some(orders) = wanted.orders {
        let after = Counted { counts: &counts, bytes: Some(entry.file_bytes) };
        guarded(caps, facts, &head, wanted.version, orders, &after, &sameness)?;
    }
    if !active(Mutant::MovesTheHeadFirst) {
        upload(caps, snapshot, &entry).await?;
    }
    office::is_fresh(caps, facts, state).await.map_err(Published::NotThisTime)?;
    let soaking = wanted.orders.is_some() && !facts.settings.soak.is_zero() && !active(Mutant::GoodAtOnce);
    let next = advance(caps, head, position, entry, wanted.version, soaking);
    let is_candidate = next.view(wanted.version).is_some_and(|view| view.candidate == Some(position));
    state.unanswered = Some(epoch);
    match move_head(caps, facts, next, etag).await {
        Ok(()) => state.unanswered = None,
        Err(NotMoved::Stale) => return Err(Stopped::Raced),
        Err(NotMoved::Failed(sentence)) => return Err(Published::NotThisTime(sentence).into()),
    }
    remember(caps, facts, state, position, sameness, is_candidate);
    caps.emit(
        Event::info(Name::Exported, "A configuration is published.").with("position", position).with("gateway_version", wanted.version),
    );
    Ok(position)
}

fn remember<C: Exporting>(caps: &C, facts: &Facts, state: &mut State, position: Position, sameness: String, is_candidate: bool) {
    state.published = Some(position);
    state.published_sameness = Some(sameness);
    state.copies = Some(Copies::default());
    state.soak = None;
    if is_candidate {
        state.soak = Some(Soak::begins(position, caps.monotonic(), facts.settings.soak));
        let seconds = facts.settings.soak.as_secs();
        caps.emit(
            Event::info(Name::SoakBegan, format!("Generation {position} is a candidate for {seconds} s.")).with("position", position),
        );
    }
}

/// Only what validates is exported; what the operator's own schema refuses is not (export-02).
async fn validated<C: Exporting>(caps: &C, facts: &Facts, config: &C::Config) -> Result<ValidConfig, Published> {
    let bytes = read_body(config).await.map_err(Published::NotThisTime)?;
    let valid =
        config::validate(bytes, facts.settings.format, Strictness::Delivered).map_err(|invalid| never(caps, invalid.to_string()))?;
    match caps.conforms(config).await {
        Err(violations) if !active(Mutant::IgnoresTheSchema) => {
            return Err(never(caps, format!("it does not conform to holdover_schema: {}", violations.join("; "))));
        }
        Ok(()) | Err(_) => {}
    }
    for warning in valid.proof().warnings() {
        caps.emit(Event::warning(Name::ExportWarning, warning.clone()));
    }
    Ok(valid)
}

/// How much went away or came since the newest generation (export-03). Of an encrypted one only the size is known.
fn guarded<C: Exporting>(
    caps: &C,
    facts: &Facts,
    head: &Head,
    version: &GatewayVersion,
    orders: Option<&Orders>,
    after: &Counted<'_>,
    sameness: &str,
) -> Result<(), Published> {
    let Some(newest) = head.newest(version) else { return Ok(()) };
    let counts = match &newest.shown {
        Some(shown) => &shown.counts,
        None => {
            let sentence = "The newest generation is encrypted and shows no counts: the guards compared its size only.";
            caps.emit(Event::warning(Name::ExportWarning, sentence).with("reason", "guard-blind"));
            after.counts
        }
    };
    let before = Counted { counts, bytes: Some(newest.file_bytes) };
    let objections = guard::judge(&before, after, &facts.settings.guard);
    let Some(first) = objections.first().filter(|_| !active(Mutant::NoGuards)) else { return Ok(()) };
    let asked = Guarded { base: Some(newest.position()), sameness: sameness.to_owned() };
    let objection = guard::sentence(&objections);
    if ordered::is_approved(caps, orders, version, &asked) {
        caps.emit(Event::warning(Name::ExportApproved, format!("An operator approved the export although {objection}.")));
        return Ok(());
    }
    let sentence = format!("{objection}; `holdover approve` releases it, if that is meant");
    Err(Published::Held(Held { reason: Reason::Guard(first.change()), sentence, approvable: Some(asked) }))
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
    let age = now.since(head.confirmed_at);
    let mut confirm_after = CONFIRM_EVERY.saturating_sub(age);
    if age >= CONFIRM_EVERY {
        if let Err(sentence) = office::is_fresh(caps, facts, state).await {
            return Published::NotThisTime(sentence);
        }
        head.confirmed_at = later(head.confirmed_at, now);
        match move_head(caps, facts, head, etag).await {
            Ok(()) => {
                confirm_after = CONFIRM_EVERY;
                state.copies.get_or_insert_default().due_ms = 0;
                caps.emit(Event::info(Name::HeadConfirmed, "The head is confirmed: nothing changed."));
            }
            Err(not_moved) => return Published::NotThisTime(not_moved.into()),
        }
    }
    state.confirm_after(caps.monotonic(), confirm_after);
    caps.emit(Event::info(Name::ExportUnchanged, "The newest generation is this configuration already.").with("position", position));
    Published::Already(position)
}

fn place(head: &Head, epoch: Epoch, taken: u32) -> Position {
    Position { epoch, generation: Generation(head.generation.0.saturating_add(1 + u64::from(taken))) }
}

async fn upload<C: Exporting>(caps: &C, snapshot: Snapshot, entry: &Entry) -> Result<(), Stopped> {
    match caps.put_new(FIRST, &entry.key, snapshot.into_bytes()).await {
        Ok(PutNew::Created) => read_back(caps, entry).await.map_err(|sentence| Published::NotThisTime(sentence).into()),
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
    if active(Mutant::DoesNotReadBack) {
        return Ok(());
    }
    let fetched = caps.get(FIRST, &entry.key, entry.file_bytes).await.map_err(|failure| failure.detail)?;
    let file = read_body(&fetched.object).await?;
    match sealing::is_entrys(&file, entry)? {
        true => Ok(()),
        false => Err(format!("the storage gave other bytes back than were written under {}", entry.key)),
    }
}

fn advance<C: Exporting>(caps: &C, mut head: Head, position: Position, entry: Entry, version: &GatewayVersion, soaking: bool) -> Head {
    head.epoch = position.epoch;
    head.generation = position.generation;
    head.confirmed_at = later(head.confirmed_at, caps.now());
    match soaking {
        true => head.publish_candidate(version.clone(), entry),
        false => head.publish(version.clone(), entry),
    }
    if active(Mutant::ForgetsHistory)
        && let Some(view) = head.views.get_mut(version)
    {
        view.history.truncate(1);
    }
    head
}

fn never<C: Exporting>(caps: &C, sentence: String) -> Published {
    caps.emit(Event::alarm(Name::ExportInvalid, format!("The configuration is not exported: {sentence}.")));
    Published::Never(sentence)
}
