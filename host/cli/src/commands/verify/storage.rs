//! A whole storage: the head's seal and signature, then every generation that it lists, each fetched and judged.

use std::sync::Arc;

use bytes::Bytes;
use holdover_plugin::model::{Cluster, GatewayVersion};
use holdover_plugin::policy::candidate::Skipped;
use holdover_plugin::snapshot::head::{Entry, HEAD_BYTES_MAX};
use holdover_plugin::snapshot::{FILE_BYTES_MAX, keys};
use holdover_ports::{StorageFailure, StorageRead};
use serde_json::{Value, json};

use super::progress::Progress;
use super::{Judge, is_valid, refused, with};
use crate::commands::history::head_document;
use crate::commands::now;
use crate::commands::opening::{Refused, is_named};
use crate::commands::storages::{Found, believe, is_unseen};
use crate::exit::{Exit, Failure};

/// Several storages are judged one after the other; one that cannot be looked into keeps nobody from the next.
pub async fn storages(
    judge: Judge,
    readers: Vec<Arc<dyn StorageRead>>,
    cluster: Option<Cluster>,
    version: Option<GatewayVersion>,
) -> Result<(Value, Exit), Failure> {
    let look = Look { judge, cluster, version };
    match readers.as_slice() {
        [] => Err(Failure::settings("there is no storage to verify; give --storage URL, or set cluster_fallback_config_storage")),
        [reader] => {
            let judged = look.storage(reader).await?;
            let exit = if is_valid(&judged) { Exit::Done } else { Exit::Invalid };
            Ok((judged, exit))
        }
        several => {
            let (mut judged, mut unseen) = (Vec::new(), false);
            for reader in several {
                judged.push(match look.storage(reader).await {
                    Ok(storage) => storage,
                    Err(failure) if failure.exit == Exit::NotOpened => {
                        unseen = true;
                        refused(reader.name(), "storage", &Refused { reason: "unseen", sentence: failure.sentence })
                    }
                    Err(failure) => return Err(failure),
                });
            }
            let invalid = judged.iter().any(|storage| !is_valid(storage) && storage.get("reason") != Some(&json!("unseen")));
            let exit = if invalid {
                Exit::Invalid
            } else if unseen {
                Exit::NotOpened
            } else {
                Exit::Done
            };
            let name = format!("of {} storages", several.len());
            Ok((json!({"name": name, "kind": "set", "valid": exit == Exit::Done, "storages": judged}), exit))
        }
    }
}

struct Look {
    judge: Judge,
    cluster: Option<Cluster>,
    version: Option<GatewayVersion>,
}

impl Look {
    async fn storage(&self, reader: &Arc<dyn StorageRead>) -> Result<Value, Failure> {
        let name = reader.name().to_owned();
        let file = match reader.get(keys::HEAD, HEAD_BYTES_MAX).await {
            Ok(fetched) => fetched.bytes,
            Err(failure) => return not_there(&name, failure),
        };
        let found = match believe(reader, &file, &self.judge.opener, self.cluster.as_ref()) {
            Ok(found) => found,
            Err(why) => {
                let why = Refused { sentence: format!("its head is refused: {}", why.sentence), ..why };
                return Ok(refused(&name, "storage", &why));
            }
        };
        let wanted = |version: &GatewayVersion| self.version.as_ref().is_none_or(|wanted| wanted == version);
        let listed: Vec<(&GatewayVersion, &Entry)> = found
            .head
            .views
            .iter()
            .filter(|(version, _)| wanted(version))
            .flat_map(|(version, view)| view.history.iter().map(move |entry| (version, entry)))
            .collect();
        if listed.is_empty() {
            let known: Vec<&str> = found.head.views.keys().map(GatewayVersion::as_str).collect();
            let sentence = format!("it names no snapshot for the version asked for; it has {}", known.join(", "));
            return Ok(refused(&name, "storage", &Refused { reason: "nothing-fitting", sentence }));
        }
        let progress = Progress::over(listed.len());
        let mut snapshots = Vec::new();
        for (nth, (version, entry)) in (1..).zip(listed) {
            progress.at(nth, &entry.key);
            let judged = with(self.generation(&found, version, entry).await?, "version", json!(version));
            snapshots.push(with(judged, "position", json!(entry.position().to_string())));
        }
        drop(progress);
        let valid = snapshots.iter().all(is_valid);
        let head = head_document(&found, now());
        Ok(json!({"name": name, "kind": "storage", "valid": valid, "head": head, "snapshots": snapshots}))
    }

    /// A generation that cannot be had is a finding about this one, and the look goes on.
    async fn generation(&self, found: &Found, version: &GatewayVersion, entry: &Entry) -> Result<Value, Failure> {
        let file = match found.reader.get(&entry.key, entry.file_bytes.min(FILE_BYTES_MAX)).await {
            Ok(fetched) => fetched.bytes,
            Err(failure) => return Ok(refused(&entry.key, "snapshot", &failure.into())),
        };
        match self.named(found, version, entry, &file) {
            Ok(()) => self.judge.snapshot(&entry.key, file).await,
            Err(why) => Ok(refused(&entry.key, "snapshot", &why)),
        }
    }

    fn named(&self, found: &Found, version: &GatewayVersion, entry: &Entry, file: &Bytes) -> Result<(), Refused> {
        let verified = self.judge.opener.verify(file)?;
        is_named(&verified, entry, found.head.lineage, &found.head.cluster)?;
        match verified.manifest().gateway_version == *version {
            true => Ok(()),
            false => Err(Skipped::NotTheOneNamed.into()),
        }
    }
}

/// What a storage surely does not have is a finding about it; what it would not tell is none.
fn not_there(name: &str, failure: StorageFailure) -> Result<Value, Failure> {
    if is_unseen(failure.kind) {
        return Err(Failure::not_opened(failure.detail));
    }
    let why = Refused::from(failure);
    let why = Refused { sentence: format!("there is no {} to be had: {}", keys::HEAD, why.sentence), ..why };
    Ok(refused(name, "storage", &why))
}
