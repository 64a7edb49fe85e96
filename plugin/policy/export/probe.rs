//! Whether the storage does what an election needs (export-12): asked of the storage itself, on scratch keys, alone and in parallel.
//! What a vendor promises is not asked.

use std::time::Duration;

use futures_util::future::join_all;

use super::FIRST;
use super::state::{Probed, State, left};
use crate::mutants::{Mutant, active};
use crate::policy::backoff::millis;
use crate::policy::candidate::read_body;
use crate::policy::capabilities::{Etag, PutNew, Swap};
use crate::policy::events::{Event, Name};
use crate::policy::{Check, Exporting, Facts};
use crate::snapshot::keys;

const AGAIN_AFTER: Duration = Duration::from_secs(24 * 3600);
/// A storage that failed may have been mended or updated.
const AGAIN_AFTER_FAILURE: Duration = Duration::from_secs(600);
const WRITERS: u8 = 8;
const SCRATCH_BYTES_MAX: u64 = 1024;

/// Names the failing check if the storage is none to elect in. `Err`: it could not be asked.
pub(super) async fn is_sound<C: Exporting>(caps: &C, facts: &Facts, state: &mut State) -> Result<Option<String>, String> {
    let again = |probed: &Probed| if probed.failing.is_some() { AGAIN_AFTER_FAILURE } else { AGAIN_AFTER };
    if let Some(probed) = &state.probed
        && !left(probed.at_ms.saturating_add(millis(again(probed))), caps.monotonic()).is_zero()
    {
        return Ok(probed.failing.clone());
    }
    let checks = probe(caps, facts).await?;
    let failing = checks.iter().find_map(|check| Some(format!("{}: {}", check.name, check.found.as_ref().err()?)));
    let failing = failing.filter(|_| !active(Mutant::ElectsAnyway));
    caps.emit(match &failing {
        None => Event::info(Name::StorageProbed, "The first storage does what an election needs."),
        Some(failing) => Event::alarm(Name::StorageProbed, format!("The first storage does not do what an election needs ({failing})."))
            .with("reason", "failed"),
    });
    state.probed = Some(Probed { at_ms: millis(caps.monotonic()), failing: failing.clone() });
    Ok(failing)
}

/// Every check, in order. `Err` is a sentence: the storage could not be asked at all, which says nothing about it.
pub async fn probe<C: Exporting>(caps: &C, facts: &Facts) -> Result<Vec<Check>, String> {
    let place = format!("{}{}/{:016x}", keys::PROBES, scratch_name(&facts.settings.node), caps.random());
    let created = Scratch { caps, key: format!("{place}-new") };
    let swapped = Scratch { caps, key: format!("{place}-swap") };
    let mut checks = vec![
        Check { name: "creates-once", found: created.creates_once().await? },
        Check { name: "reads-what-was-written", found: created.holds(b"first").await? },
        Check { name: "creates-one-of-many", found: Scratch { caps, key: format!("{place}-many") }.creates_one_of_many().await? },
    ];
    let first = match caps.swap(FIRST, &swapped.key, None, b"first".to_vec()).await {
        Ok(Swap::Swapped) => Ok(swapped.etag().await?),
        Ok(Swap::Stale) => Err("an object that nobody wrote is said to be there".to_owned()),
        Err(failure) => return Err(failure.detail),
    };
    let first = match first {
        Ok(etag) => etag,
        Err(found) => {
            checks.push(Check { name: "swaps-absent", found: Err(found) });
            return Ok(checks);
        }
    };
    let Some(first) = first else {
        checks.push(Check { name: "names-versions", found: Err("it gives no ETag, and without one no write can be conditional".into()) });
        return Ok(checks);
    };
    checks.push(Check { name: "swaps-absent-once", found: swapped.refuses(None).await? });
    checks.push(Check { name: "swaps-one-of-many", found: swapped.swaps_one_of_many(&first).await? });
    checks.push(Check { name: "refuses-stale", found: swapped.refuses(Some(&first)).await? });
    Ok(checks)
}

struct Scratch<'a, C> {
    caps: &'a C,
    key: String,
}

type Found = Result<(), String>;

impl<C: Exporting> Scratch<'_, C> {
    async fn creates_once(&self) -> Result<Found, String> {
        let first = self.put_new(b"first").await?;
        let second = self.put_new(b"second").await?;
        Ok(match (first, second) {
            (PutNew::Created, PutNew::Exists) => Ok(()),
            (PutNew::Created, PutNew::Created) => Err("If-None-Match is ignored: it wrote over an object that was there".into()),
            (PutNew::Exists, _) => Err("an object that nobody wrote is said to be there".into()),
        })
    }

    async fn holds(&self, bytes: &[u8]) -> Result<Found, String> {
        let fetched = self.caps.get(FIRST, &self.key, SCRATCH_BYTES_MAX).await.map_err(|failure| failure.detail)?;
        let found = read_body(&fetched.object).await?;
        Ok(if found == bytes { Ok(()) } else { Err("a read after a write gave something else".into()) })
    }

    async fn creates_one_of_many(&self) -> Result<Found, String> {
        let tries = join_all((0..WRITERS).map(|nth| async move { self.put_new(&[nth]).await })).await;
        let created = tries.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().filter(|put| *put == PutNew::Created).count();
        Ok(one_of_many(created, "If-None-Match does not hold in parallel"))
    }

    async fn swaps_one_of_many(&self, expected: &Etag) -> Result<Found, String> {
        let tries = (0..WRITERS).map(|nth| self.caps.swap(FIRST, &self.key, Some(expected), vec![nth]));
        let mut swapped = 0;
        for tried in join_all(tries).await {
            swapped += usize::from(tried.map_err(|failure| failure.detail)? == Swap::Swapped);
        }
        Ok(one_of_many(swapped, "If-Match does not hold in parallel"))
    }

    async fn refuses(&self, expected: Option<&Etag>) -> Result<Found, String> {
        match self.caps.swap(FIRST, &self.key, expected, b"late".to_vec()).await {
            Ok(Swap::Stale) => Ok(Ok(())),
            Ok(Swap::Swapped) if expected.is_some() => Ok(Err("If-Match is ignored: it wrote over a version that had moved".into())),
            Ok(Swap::Swapped) => Ok(Err("If-None-Match is ignored: it wrote over an object that was there".into())),
            Err(failure) => Err(failure.detail),
        }
    }

    async fn put_new(&self, bytes: &[u8]) -> Result<PutNew, String> {
        self.caps.put_new(FIRST, &self.key, bytes.to_vec()).await.map_err(|failure| failure.detail)
    }

    async fn etag(&self) -> Result<Option<Etag>, String> {
        let fetched = self.caps.get(FIRST, &self.key, SCRATCH_BYTES_MAX).await.map_err(|failure| failure.detail)?;
        Ok(fetched.etag)
    }
}

fn one_of_many(winners: usize, otherwise: &str) -> Found {
    if winners == 1 { Ok(()) } else { Err(format!("{otherwise}: {winners} of {WRITERS} writers at once won")) }
}

/// A node's name in a key.
fn scratch_name(node: &str) -> String {
    node.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).take(40).collect()
}
