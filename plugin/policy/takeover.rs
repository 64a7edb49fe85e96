//! Stations *apply* and *keep*: a candidate becomes what the gateway runs, then what the cache holds. In this order (boot-09): what
//! a gateway rejects never replaces a good cache.

use super::candidate::{self, Candidate, Source};
use super::capabilities::{Keep, NotApplied, Slot};
use super::events::{Event, Name};
use super::ladder::{Memory, Next};
use super::marks::Marks;
use super::quarantine::Attempts;
use super::rejoin::{self, Admission};
use super::state::{Due, State, Unused};
use super::{Facts, Importing, Origin, Outcome, RejoinGuard, Serving, Standing};
use crate::config::{Proof, Strictness, ValidConfig, needs};
use crate::model::Digest;
use crate::mutants::{Mutant, active};
use crate::snapshot::cached::{self, CachedOrigin, Found, Header};
use crate::snapshot::{About, Snapshot, seal};

/// Whether the gateway runs it.
pub enum Applied {
    Runs(Serving),
    /// It runs what it ran before; the sentence says why.
    NotThis(String),
    /// The same, and it may take it another time.
    NotNow(String),
}

/// Applies a candidate of the ladder, with its digest noted on disk meanwhile (boot-15).
pub async fn apply_fallback<C: Importing>(caps: &C, facts: &Facts, state: &mut State, next: Next<C>, memory: &mut Memory) -> Applied {
    let Next { candidate, by_token } = next;
    let digest = candidate.proof().digest();
    let published = candidate.published().cloned();
    let lacking = needs::sentences(candidate.needs(), caps.now());
    memory.attempts.begin(caps, digest).await;
    let applied = apply(caps, facts, candidate).await;
    match &applied {
        Applied::Runs(_) => {
            state.settling = Some(digest);
            state.set(Due::Settle, caps, Some(facts.settings.settle));
            if let Some(published) = &published {
                memory.marks.applied(caps, published, digest, by_token).await;
            }
            say_needs(caps, lacking);
        }
        // The gateway said no and lives: that is not a start it did not survive.
        Applied::NotThis(_) | Applied::NotNow(_) => memory.attempts.settle(caps, digest).await,
    }
    applied
}

/// What the fallback cannot give is said (boot-16).
fn say_needs<C: Importing>(caps: &C, lacking: Vec<String>) {
    if active(Mutant::SaysNothingOfNeeds) {
        return;
    }
    for sentence in lacking {
        caps.emit(Event::warning(Name::NeedsControlPlane, format!("Until the control plane is back: {sentence}.")));
    }
}

/// What the control plane delivered replaces what is served, in one step, unless it is the same (boot-11) or held (boot-14).
pub async fn receive<C: Importing>(caps: &C, facts: &Facts, state: &mut State, config: C::Config, session: u64) -> Applied {
    state.set(Due::Dial, caps, None);
    state.set(Due::Climb, caps, None);
    state.refused = None;
    state.unused = None;
    // A gateway that serves nothing would not be ready with nothing in it (boot-10).
    let strictness = if facts.serving.is_some() { Strictness::Live } else { Strictness::Delivered };
    let candidate = match candidate::of_delivery(config, &facts.settings, strictness).await {
        Ok(candidate) => candidate,
        Err(skipped) => {
            let incomparable = facts.serving.is_none() && facts.settings.rejoin_guard != RejoinGuard::Off;
            state.unused = incomparable.then_some(Unused::Incomparable);
            // It said something else than what is held.
            rejoin::forget(caps, state);
            let sentence = format!("What the control plane delivered is not used: {skipped}");
            caps.emit(Event::alarm(Name::ConfigInvalid, format!("{sentence}.")).with("reason", skipped.reason()));
            return Applied::NotThis(sentence);
        }
    };
    say_warnings(caps, &candidate);
    if let Some(serving) = facts.serving.as_ref().filter(|serving| serving.sameness == candidate.proof().sameness()) {
        let rejoined = serving.origin != Origin::ControlPlane;
        let name = if rejoined { Name::Rejoined } else { Name::ConfigUnchanged };
        caps.emit(
            Event::info(name, "The control plane delivered what is being served already: nothing is applied.")
                .with("digest", serving.digest),
        );
        state.session = session;
        rejoin::forget(caps, state);
        return Applied::Runs(Serving { origin: Origin::ControlPlane, position: None, ..serving.clone() });
    }
    let losses = match rejoin::admit(caps, facts, state, session, candidate.proof()).await {
        Admission::Taken => None,
        Admission::TakenWithLosses(losses) => Some(losses),
        Admission::Held(sentence) => return Applied::NotThis(sentence),
    };
    let replaced_fallback = facts.serving.as_ref().is_some_and(|serving| serving.origin != Origin::ControlPlane);
    let applied = apply(caps, facts, candidate).await;
    // A note for later: no configuration waits for it.
    Marks::load(caps).await.live(caps, caps.now()).await;
    if matches!(applied, Applied::NotNow(_)) && !active(Mutant::NeverRedials) {
        // The session has said it and says it no more: it is asked again for what it said.
        state.unused = Some(Unused::NotTaken);
        state.redial_later(caps);
    }
    if let Applied::Runs(serving) = &applied {
        state.session = session;
        // Only one digest settles at a time: the one that runs.
        state.settling = Some(serving.digest);
        state.set(Due::Settle, caps, Some(facts.settings.settle));
        if let Some(event) = rejoined(replaced_fallback, losses) {
            caps.emit(event.with("digest", serving.digest));
        }
    }
    applied
}

fn rejoined(replaced_fallback: bool, losses: Option<String>) -> Option<Event> {
    let sentence = "The control plane is back, and its configuration took over";
    match losses {
        Some(losses) => {
            let sentence = format!("{sentence}, from which much is gone: {losses}. See whether that was meant.");
            Some(Event::alarm(Name::Rejoined, sentence).with("reason", "shrink"))
        }
        None => replaced_fallback.then(|| Event::info(Name::Rejoined, format!("{sentence}."))),
    }
}

/// What ran for the settle time is what a node may fall back to.
pub async fn settle<C: Importing>(caps: &C, facts: &Facts, state: &mut State) {
    state.set(Due::Settle, caps, None);
    let Some(digest) = state.settling.take() else { return };
    let runs = |serving: &Serving| serving.digest == digest && !serving.sameness.is_empty();
    if !facts.serving.as_ref().is_some_and(runs) {
        return;
    }
    Attempts::load(caps).await.settle(caps, digest).await;
    Marks::load(caps).await.settled(caps, digest).await;
    match keep_settled(caps, digest).await {
        Ok(()) => caps.emit(Event::info(Name::ConfigSettled, "The configuration ran for the settle time.").with("digest", digest)),
        Err(sentence) => caps.emit(Event::alarm(Name::CacheNotKept, format!("The settled configuration is not kept: {sentence}."))),
    }
}

/// Only what is known to be this configuration: an older one may still stand there, when keeping this one failed.
async fn keep_settled<C: Importing>(caps: &C, digest: Digest) -> Result<(), String> {
    let entry = caps.read(Slot::Applied).await?.ok_or("nothing was kept when it was applied")?;
    let file = candidate::read_body(&entry).await?;
    let kept = cached::unwrap(&file).map_err(|refusal| refusal.to_string())?;
    if kept.header.found.digest() != digest {
        return Err("the cache holds another one".into());
    }
    caps.write(Slot::Settled, Vec::new(), Keep::Object(&entry)).await
}

pub fn outcome<C: Importing>(caps: &C, state: State, serving: Serving) -> Outcome {
    state.outcome(caps, Standing::Serving(serving))
}

async fn apply<C: Importing>(caps: &C, facts: &Facts, candidate: Candidate<C>) -> Applied {
    let serving = candidate.serving();
    let origin = serving.origin.as_str();
    let accepted = caps.apply(candidate.config()).await;
    if accepted.is_err() && active(Mutant::KeepsBeforeTheGatewayAccepts) {
        keep(caps, facts, candidate).await;
        return Applied::NotThis("kept, and then rejected".into());
    }
    match accepted {
        Ok(()) => {}
        Err(_) if active(Mutant::ServingAlthoughRejected) => return Applied::Runs(serving),
        Err(NotApplied::Rejected(why)) => {
            let sentence = format!("The gateway rejected the configuration from {origin}: {why}");
            caps.emit(Event::alarm(Name::ConfigRejected, format!("{sentence}.")).with("digest", serving.digest).with("origin", origin));
            return Applied::NotThis(sentence);
        }
        Err(NotApplied::Failed(why)) => {
            let sentence = format!("The gateway could not take the configuration from {origin}: {why}");
            caps.emit(Event::alarm(Name::ConfigRejected, format!("{sentence}.")).with("digest", serving.digest).with("origin", origin));
            return Applied::NotNow(sentence);
        }
    }
    let mut event = Event::info(Name::ConfigApplied, format!("The gateway runs a configuration from {origin}."));
    event = event.with("digest", serving.digest).with("origin", origin);
    if let Some(position) = serving.position {
        event = event.with("position", position);
    }
    caps.emit(event);
    keep(caps, facts, candidate).await;
    Applied::Runs(serving)
}

/// Losing the cache loses no traffic, so a failure is an alarm and nothing more.
async fn keep<C: Importing>(caps: &C, facts: &Facts, candidate: Candidate<C>) {
    let kept = match candidate.into_source() {
        (Source::Cached(Slot::Applied | Slot::Attempts | Slot::Marks | Slot::Approval, _), _) => return,
        // What the other slot holds was passed over; it must not be taken for this one when this one settles.
        (Source::Cached(Slot::Settled, entry), _) => caps.write(Slot::Applied, Vec::new(), Keep::Object(&entry)).await,
        (Source::Sealed(object, file_digest), proof) => match front(caps, CachedOrigin::Storage, file_digest, proof) {
            Ok(front) => caps.write(Slot::Applied, front, Keep::Object(&object)).await,
            Err(sentence) => Err(sentence),
        },
        (Source::Plain(valid, origin), proof) => match own(caps, facts, valid) {
            Ok(snapshot) => match front(caps, origin, snapshot.file_digest(), proof) {
                Ok(front) => caps.write(Slot::Applied, front, Keep::Bytes(snapshot.into_bytes())).await,
                Err(sentence) => Err(sentence),
            },
            Err(sentence) => Err(sentence),
        },
    };
    match kept {
        Ok(()) => caps.emit(Event::info(Name::CacheKept, "The configuration is in the cache.")),
        Err(sentence) => {
            let sentence =
                format!("The configuration is served but not cached, so a restart in an outage would need the storage: {sentence}.");
            caps.emit(Event::alarm(Name::CacheNotKept, sentence));
        }
    }
}

/// For this node's cache only: nobody signs it.
fn own<C: Importing>(caps: &C, facts: &Facts, valid: ValidConfig) -> Result<Snapshot, String> {
    let now = caps.now();
    let about = About {
        cluster: facts.settings.cluster.clone(),
        gateway_version: facts.settings.gateway_version.clone(),
        publication: None,
        captured_at: now,
        sealed_at: now,
        sealed_by: facts.settings.node.clone(),
    };
    seal(valid, &about, None)?.sign(&[])
}

fn front<C: Importing>(caps: &C, origin: CachedOrigin, file_digest: Digest, proof: Proof) -> Result<Vec<u8>, String> {
    cached::wrap(&Header { origin, kept_at: caps.now(), found: Found::now(file_digest, proof) })
}

fn say_warnings<C: Importing>(caps: &C, candidate: &Candidate<C>) {
    let warnings = candidate.proof().warnings();
    if let Some(first) = warnings.first() {
        let sentence = format!(
            "The control plane delivered a configuration with {} disagreements with the schema, the first: {first}.",
            warnings.len()
        );
        caps.emit(Event::warning(Name::ControlPlaneDelivered, sentence));
    }
}
