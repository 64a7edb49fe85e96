//! What an exporter makes of a valid configuration: a sealed, signed and perhaps encrypted snapshot, its entry in the head, and the
//! signed head itself. The private keys stay with the host (host-02).

use super::state::State;
use crate::config::{Proof, ValidConfig};
use crate::model::{Digest, GatewayVersion, Lineage, Position, UnixMs};
use crate::policy::capabilities::Sealing;
use crate::policy::{Exporting, Facts};
use crate::snapshot::head::{Entry, Head};
use crate::snapshot::{self, About, Publication, Purpose, Snapshot, Trust, seal};

/// A snapshot, and what the head is to say of it.
pub(super) struct Sealed {
    pub snapshot: Snapshot,
    pub entry: Entry,
}

/// The error is a sentence: nothing was sealed, and the next try may do better.
pub(super) async fn sealed<C: Exporting>(
    caps: &C,
    facts: &Facts,
    version: &GatewayVersion,
    captured_at: UnixMs,
    lineage: Lineage,
    position: Position,
    valid: ValidConfig,
) -> Result<Sealed, String> {
    let about = About {
        cluster: facts.settings.cluster.clone(),
        gateway_version: version.clone(),
        publication: Some(Publication { lineage, epoch: position.epoch, generation: position.generation }),
        captured_at,
        sealed_at: caps.now(),
        sealed_by: facts.settings.node.clone(),
    };
    let wrapping = caps.wrap().await?;
    let sameness_tag = match &wrapping {
        None => None,
        Some(_) => sameness_tag(caps, lineage, valid.proof().sameness()).await?,
    };
    let unsigned = seal(valid, &about, wrapping.as_ref())?;
    let signatures = caps.sign(Purpose::Snapshot, unsigned.digest()).await?;
    let snapshot = unsigned.sign(&signatures)?;
    let mut entry = Entry::of(&snapshot, facts.settings.sealed_as.clone()).ok_or("the snapshot says nothing of its place")?;
    entry.sameness_tag = sameness_tag;
    Ok(Sealed { snapshot, entry })
}

/// Whether these are the bytes that the head names. Whose signature they bear is known. `Err`: they are no snapshot; a sentence.
pub(super) fn is_entrys(file: &[u8], entry: &Entry) -> Result<bool, String> {
    let verified = snapshot::verify(file, &Trust::unasked()).map_err(|refusal| refusal.to_string())?;
    Ok(verified.file_digest() == entry.file_digest)
}

/// Whether a published generation is this configuration, sealed by the same keys and for the same recipients (export-05).
pub(super) async fn is_same<C: Exporting>(
    caps: &C,
    facts: &Facts,
    state: &State,
    head: &Head,
    newest: &Entry,
    proof: &Proof,
) -> Result<bool, String> {
    if newest.sealed_as != facts.settings.sealed_as {
        return Ok(false);
    }
    if let Some(shown) = &newest.shown {
        return Ok(shown.sameness == proof.sameness());
    }
    if state.published == Some(newest.position()) && state.published_sameness.as_deref() == Some(proof.sameness()) {
        return Ok(true);
    }
    match newest.sameness_tag {
        None => Ok(false),
        tag @ Some(_) => Ok(sameness_tag(caps, head.lineage, proof.sameness()).await? == tag),
    }
}

/// A number that only the signer can make, so that an encrypted history tells readers nothing, not even what was there twice. Ed25519
/// signs deterministically: the same key makes the same number again. Without a signing key there is none.
async fn sameness_tag<C: Sealing>(caps: &C, lineage: Lineage, sameness: &str) -> Result<Option<Digest>, String> {
    let asked = Digest::of(format!("{lineage} {sameness}").as_bytes());
    let signatures = caps.sign(Purpose::Sameness, asked).await?;
    Ok(signatures.first().map(|signature| Digest::of(&signature.bytes)))
}

/// The head as it goes to the storage.
pub(super) async fn signed_head<C: Sealing>(caps: &C, head: &Head) -> Result<Vec<u8>, String> {
    let lines = head.lines()?;
    let signatures = caps.sign(Purpose::Head, lines.digest()).await?;
    Ok(lines.sign(&signatures))
}
