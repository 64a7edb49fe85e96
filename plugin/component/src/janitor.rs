//! World `janitor`: lists and deletes, and has no way to write.

use holdover_plugin::model::UnixMs;
use holdover_plugin::policy::capabilities::{Listed, Listing, StorageDelete, StorageFailure, StorageId};
use holdover_plugin::policy::janitor;

use crate::capabilities::World;
use crate::convert;
use crate::generated::common::holdover::policy::types;
use crate::generated::janitor::exports::holdover::policy::sweeping::{Guest, Swept};
use crate::generated::janitor::holdover::policy::storage_delete;

struct Janitor;

crate::generated::janitor::export!(Janitor with_types_in crate::generated::janitor);

impl Guest for Janitor {
    async fn sweep(facts: types::Facts) -> Swept {
        // Facts that the host got wrong are a reason to remove nothing.
        let Ok(facts) = convert::facts(facts) else { return Swept { wake_after: None, removed: 0 } };
        let swept = janitor::sweep(&World, &facts).await;
        Swept { wake_after: swept.wake_after.map(convert::millis), removed: swept.removed }
    }
}

impl StorageDelete for World {
    async fn list(&self, storage: StorageId, prefix: &str, after: Option<&str>) -> Result<Listing, StorageFailure> {
        let page = storage_delete::list(storage, prefix.to_owned(), after.map(str::to_owned)).await.map_err(convert::storage_failure)?;
        let listed = |listed: storage_delete::Listed| Listed { key: listed.key, modified: UnixMs(listed.modified) };
        Ok(Listing { objects: page.objects.into_iter().map(listed).collect(), more: page.more })
    }

    async fn delete(&self, storage: StorageId, key: &str) -> Result<(), StorageFailure> {
        storage_delete::delete(storage, key.to_owned()).await.map_err(convert::storage_failure)
    }
}
