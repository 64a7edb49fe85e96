//! The head as an exporter reads and moves it: a compare and swap whose lost answer is looked for in the head itself (export-08).

use super::sealing;
use crate::model::{Cluster, UnixMs};
use crate::mutants::{Mutant, active};
use crate::policy::candidate::read_body;
use crate::policy::capabilities::{Etag, StorageFailure, StorageFailureKind, StorageId, Swap};
use crate::policy::{Exporting, Facts};
use crate::snapshot::head::{HEAD_BYTES_MAX, Head};
use crate::snapshot::keys;

/// The head as it was read, with its mark for the swap.
pub(super) struct Located {
    pub head: Option<Head>,
    pub etag: Option<Etag>,
}

/// One of the small files that are swapped, as it stands in a storage.
pub(super) struct Fetched {
    pub file: Vec<u8>,
    pub etag: Option<Etag>,
}

/// `None`: it is not there. Without ListBucket "absent" looks like "forbidden"; the swap that follows writes only if there is none.
pub(super) async fn fetch<C: Exporting>(caps: &C, storage: StorageId, key: &str, bytes_max: u64) -> Result<Option<Fetched>, String> {
    match caps.get(storage, key, bytes_max).await {
        Ok(fetched) => Ok(Some(Fetched { file: read_body(&fetched.object).await?, etag: fetched.etag })),
        Err(StorageFailure { kind: StorageFailureKind::Absent | StorageFailureKind::AbsentOrForbidden, .. }) => Ok(None),
        Err(failure) => Err(failure.detail),
    }
}

/// Station *locate*. A storage that cannot be looked into never looks like an empty one.
pub(super) async fn locate<C: Exporting>(caps: &C, facts: &Facts, storage: StorageId) -> Result<Located, String> {
    let Some(Fetched { file, etag }) = fetch(caps, storage, keys::HEAD, HEAD_BYTES_MAX).await? else {
        return Ok(Located { head: None, etag: None });
    };
    let head = Head::read(&file, &facts.settings.trusted)
        .map_err(|refusal| format!("the head in the storage cannot be used, and is not overwritten: {refusal}"))?;
    if head.cluster != facts.settings.cluster {
        return Err(of_another_cluster(&head.cluster, facts));
    }
    Ok(Located { head: Some(head), etag })
}

/// A sentence for what stands in the storage and is somebody else's.
pub(super) fn of_another_cluster(found: &Cluster, facts: &Facts) -> String {
    format!(
        "the storage holds cluster '{found}', and holdover_cluster is '{}': give each cluster a prefix of its own in cluster_fallback_config_storage",
        facts.settings.cluster
    )
}

/// Why the head was not moved.
pub(super) enum NotMoved {
    /// Somebody else moved it.
    Stale,
    /// A sentence.
    Failed(String),
}

impl From<NotMoved> for String {
    fn from(not_moved: NotMoved) -> Self {
        match not_moved {
            NotMoved::Stale => "the head moved meanwhile".into(),
            NotMoved::Failed(sentence) => sentence,
        }
    }
}

/// Signs the head and swaps it in. A lost answer is looked for in the head, by the nonce of this write.
pub(super) async fn move_head<C: Exporting>(caps: &C, facts: &Facts, mut head: Head, etag: Option<Etag>) -> Result<(), NotMoved> {
    head.writer = facts.settings.node.clone();
    head.nonce = caps.random();
    let bytes = sealing::signed_head(caps, &head).await.map_err(NotMoved::Failed)?;
    match caps.swap(super::FIRST, keys::HEAD, etag.as_ref(), bytes).await {
        Ok(Swap::Swapped) => Ok(()),
        Ok(Swap::Stale) => Err(NotMoved::Stale),
        Err(StorageFailure { kind: StorageFailureKind::UnknownOutcome, .. }) if active(Mutant::TrustsALostAnswer) => Ok(()),
        Err(StorageFailure { kind: StorageFailureKind::UnknownOutcome, detail, .. }) => match locate(caps, facts, super::FIRST).await {
            Ok(Located { head: Some(found), .. }) if found.nonce == head.nonce => Ok(()),
            Ok(_) => Err(NotMoved::Stale),
            Err(sentence) => Err(NotMoved::Failed(format!("{detail}; and then {sentence}"))),
        },
        Err(failure) => Err(NotMoved::Failed(failure.detail)),
    }
}

/// A clock that jumped back must not make a head look older than it is.
pub(super) fn later(known: UnixMs, now: UnixMs) -> UnixMs {
    known.max(now)
}
