//! Kong's documented place, written besides (export-13): after the head, by one conditional PUT, and only when asked to.

use super::FIRST;
use crate::config::CONFIG_BYTES_MAX;
use crate::model::Digest;
use crate::policy::candidate::read_body;
use crate::policy::capabilities::{Body, StorageFailure, StorageFailureKind, Swap};
use crate::policy::events::{Event, Name};
use crate::policy::{Exporting, Facts};
use crate::snapshot::keys;

/// The configuration's bytes as the control plane sent them. That they are not written fails no export: the snapshot stands.
pub(super) async fn write<C: Exporting>(caps: &C, facts: &Facts, config: &C::Config) {
    if !facts.settings.kong_layout {
        return;
    }
    if let Err(sentence) = replace(caps, facts, config).await {
        let sentence = format!("Kong's config.json is not up to date, the snapshot is: {sentence}.");
        caps.emit(Event::warning(Name::ExportWarning, sentence).with("reason", "kong-place"));
    }
}

async fn replace<C: Exporting>(caps: &C, facts: &Facts, config: &C::Config) -> Result<(), String> {
    let key = keys::kong_place(&facts.settings.gateway_version);
    let bytes = read_body(config).await?;
    let etag = match caps.get(FIRST, &key, CONFIG_BYTES_MAX as u64).await {
        Ok(fetched) => {
            let same_size = fetched.object.size() == bytes.len() as u64;
            if same_size && Digest::of(&read_body(&fetched.object).await?) == Digest::of(&bytes) {
                return Ok(());
            }
            fetched.etag
        }
        Err(StorageFailure { kind: StorageFailureKind::Absent | StorageFailureKind::AbsentOrForbidden, .. }) => None,
        Err(failure) => return Err(failure.detail),
    };
    match caps.swap(FIRST, &key, etag.as_ref(), bytes).await {
        Ok(Swap::Swapped) => Ok(()),
        Ok(Swap::Stale) => Err(format!("somebody else writes {key}, too")),
        Err(failure) => Err(failure.detail),
    }
}
