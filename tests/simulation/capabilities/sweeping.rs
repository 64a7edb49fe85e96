//! What only the janitor has: it lists and deletes.

use holdover_plugin::policy::capabilities::{Listed, Listing, StorageDelete, StorageFailure, StorageId};

use super::super::coverage::Situation;
use super::super::invariants;
use super::{Caps, JanitorRole};

/// A page is short, so that there are several.
const PAGE: usize = 5;

impl StorageDelete for Caps<JanitorRole> {
    async fn list(&self, storage: StorageId, prefix: &str, after: Option<&str>) -> Result<Listing, StorageFailure> {
        let situation = || Situation::Sweeping;
        let hazard = self.hazard(situation).await;
        if let Some(failure) = self.storage_failure(storage, prefix, situation) {
            return Err(failure);
        }
        let (out, back) = self.travel(situation);
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        let keys = self.ask(hazard, out, back, move |world| world.storages[storage as usize].keys(&prefix, after.as_deref())).await;
        let more = keys.len() > PAGE;
        let objects = keys.into_iter().take(PAGE).map(|(key, modified)| Listed { key, modified }).collect();
        Ok(Listing { objects, more })
    }

    async fn delete(&self, storage: StorageId, key: &str) -> Result<(), StorageFailure> {
        let situation = || Situation::Sweeping;
        let hazard = self.hazard(situation).await;
        if let Some(failure) = self.storage_failure(storage, key, situation) {
            return Err(failure);
        }
        let (out, back) = self.travel(situation);
        let (key, node) = (key.to_owned(), self.node.clone());
        self.ask(hazard, out, back, move |world| {
            invariants::deleted(world, &node, storage, &key);
            world.storages[storage as usize].delete(&key);
        })
        .await;
        Ok(())
    }
}
