//! World `exporter`: its own imports as capabilities, its exports as episodes.

use holdover_plugin::model::Digest;
use holdover_plugin::policy::capabilities::{Etag, Health, PutNew, Sealing, StorageFailure, StorageId, StorageWrite, Swap, Watching};
use holdover_plugin::policy::{Check, ExportOutcome, Office, export};
use holdover_plugin::snapshot::{KeyId, PayloadKey, Purpose, Signature, Wrapping};

use crate::capabilities::World;
use crate::generated::common::holdover::policy::{held, types};
use crate::generated::exporter::exports::holdover::policy::exporting::{
    Approvable, Check as WitCheck, ExportOutcome as WitOutcome, Guest, Office as WitOffice,
};
use crate::generated::exporter::holdover::policy::{sealing, storage_write, watching};
use crate::{convert, stream};

struct Exporter;

crate::generated::exporter::export!(Exporter with_types_in crate::generated::exporter);

impl Guest for Exporter {
    async fn received(config: held::Config, facts: types::Facts, state: Vec<u8>) -> WitOutcome {
        match convert::facts(facts) {
            Ok(facts) => outcome(export::received(&World, &facts, &state, &config).await),
            Err(sentence) => misled(state, sentence),
        }
    }

    async fn tick(pending: Option<held::Config>, facts: types::Facts, state: Vec<u8>) -> WitOutcome {
        match convert::facts(facts) {
            Ok(facts) => outcome(export::tick(&World, &facts, &state, pending.as_ref()).await),
            Err(sentence) => misled(state, sentence),
        }
    }

    async fn probe(facts: types::Facts) -> Vec<WitCheck> {
        let checks = match convert::facts(facts) {
            Ok(facts) => export::probe(&World, &facts).await,
            Err(sentence) => Err(sentence),
        };
        let wit = |check: Check| WitCheck { name: check.name.to_owned(), found: check.found };
        match checks {
            Ok(checks) => checks.into_iter().map(wit).collect(),
            Err(sentence) => vec![WitCheck { name: "answers".to_owned(), found: Err(sentence) }],
        }
    }
}

fn outcome(outcome: ExportOutcome) -> WitOutcome {
    WitOutcome {
        state: outcome.state,
        wake_after: outcome.wake_after.map(convert::millis),
        pending: outcome.pending,
        refresh: outcome.refresh,
        published: outcome.published.map(convert::position_back),
        held: outcome.held,
        approvable: outcome.approvable.map(|approvable| Approvable {
            gateway_version: approvable.gateway_version.to_string(),
            base: approvable.base.map(convert::position_back),
            sameness: approvable.sameness,
        }),
        office: match outcome.office {
            Office::None => WitOffice::None,
            Office::Leader(epoch) => WitOffice::Leader(epoch.0),
            Office::Standby(sentence) => WitOffice::Standby(sentence),
            Office::Declined(sentence) => WitOffice::Declined(sentence),
        },
    }
}

fn misled(state: Vec<u8>, sentence: String) -> WitOutcome {
    let held = format!("the host told the policy something it cannot use: {sentence}");
    WitOutcome {
        state,
        wake_after: None,
        pending: false,
        refresh: false,
        published: None,
        held: Some(held),
        approvable: None,
        office: WitOffice::None,
    }
}

impl StorageWrite for World {
    async fn put_new(&self, storage: StorageId, key: &str, body: Vec<u8>) -> Result<PutNew, StorageFailure> {
        let key = key.to_owned();
        match stream::feed(body, |size, body| storage_write::put_new(storage, key, size, body)).await {
            Ok(storage_write::PutNewOutcome::Created) => Ok(PutNew::Created),
            Ok(storage_write::PutNewOutcome::Exists) => Ok(PutNew::Exists),
            Err(failure) => Err(convert::storage_failure(failure)),
        }
    }

    async fn swap(&self, storage: StorageId, key: &str, expected: Option<&Etag>, body: Vec<u8>) -> Result<Swap, StorageFailure> {
        let expected = expected.map(|etag| etag.0.clone());
        match storage_write::swap(storage, key.to_owned(), expected, body).await {
            Ok(storage_write::SwapOutcome::Swapped) => Ok(Swap::Swapped),
            Ok(storage_write::SwapOutcome::Stale) => Ok(Swap::Stale),
            Err(failure) => Err(convert::storage_failure(failure)),
        }
    }
}

impl Watching for World {
    async fn health(&self, watched: u32) -> Health {
        match watching::health(watched).await {
            watching::Condition::Well(sameness) => Health::Well { sameness },
            watching::Condition::Ill(why) => Health::Ill(why),
            watching::Condition::Silent(why) => Health::Silent(why),
        }
    }
}

impl Sealing for World {
    async fn sign(&self, purpose: Purpose, digest: Digest) -> Result<Vec<Signature>, String> {
        let purpose = match purpose {
            Purpose::Snapshot => sealing::Purpose::Snapshot,
            Purpose::Head => sealing::Purpose::Head,
            Purpose::Lease => sealing::Purpose::Lease,
            Purpose::Orders => sealing::Purpose::Orders,
            Purpose::BreakGlass => sealing::Purpose::BreakGlass,
            Purpose::Sameness => sealing::Purpose::Sameness,
        };
        sealing::sign(purpose, digest.as_bytes())?.into_iter().map(signature).collect()
    }

    async fn wrap(&self) -> Result<Option<Wrapping>, String> {
        let Some(wrapping) = sealing::wrap()? else { return Ok(None) };
        let key = exactly(wrapping.key, "payload key")?;
        Ok(Some(Wrapping { wrapped: wrapping.wrapped, key: PayloadKey::from_bytes(key) }))
    }
}

fn signature(signature: sealing::Signature) -> Result<Signature, String> {
    Ok(Signature { key: KeyId::from_bytes(exactly(signature.key, "key id")?), bytes: exactly(signature.bytes, "signature")? })
}

fn exactly<const N: usize>(bytes: Vec<u8>, what: &str) -> Result<[u8; N], String> {
    bytes.try_into().map_err(|bytes: Vec<u8>| format!("the host gave a {what} of {} bytes, and one has {N}", bytes.len()))
}
