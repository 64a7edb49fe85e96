//! Listing and deleting, for the janitor alone. A deletion has no condition: it makes away with what nobody writes any more, and
//! asking twice does what asking once does.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::types::Object;
use holdover_ports::{Listed, Listing, StorageDelete, StorageFailure};

use super::client::Bucket;
use super::failure::{self, Asked};
use crate::{PAGE_OBJECTS_MAX, date, key};

pub(crate) struct S3Deleter(Arc<Bucket>);

impl S3Deleter {
    pub fn new(bucket: Arc<Bucket>) -> Self {
        Self(bucket)
    }

    /// `None` for what was not asked for: the answer is not that of an S3 service then, or of one that cannot go on from a key.
    fn asked_for(&self, object: &Object, prefix: &str, after: Option<&str>) -> Option<Listed> {
        let key = self.0.relative(object.key()?)?;
        let modified = date::written(object.last_modified().and_then(date::of_listing));
        (key.starts_with(prefix) && Some(key) != after).then(|| Listed { key: key.to_owned(), modified })
    }
}

#[async_trait]
impl StorageDelete for S3Deleter {
    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Listing, StorageFailure> {
        let prefix = key::checked_prefix(prefix)?;
        let bucket = &self.0;
        let keys_max = i32::try_from(PAGE_OBJECTS_MAX).unwrap_or(i32::MAX);
        let request = bucket.client.list_objects_v2().bucket(&bucket.bucket).prefix(bucket.key(prefix)).max_keys(keys_max);
        // A key and not the service's own token: that would not outlive an episode.
        let request = request.set_start_after(after.map(|after| bucket.key(after)));
        let answer = request.send().await.map_err(|error| failure::of(&error, &bucket.words, Asked::List(prefix)))?;
        let objects: Option<Vec<_>> = answer.contents().iter().map(|object| self.asked_for(object, prefix, after)).collect();
        let objects = objects.ok_or_else(|| bucket.words.not_asked_for(prefix))?;
        Ok(Listing { more: answer.is_truncated == Some(true) && !objects.is_empty(), objects })
    }

    async fn delete(&self, key: &str) -> Result<(), StorageFailure> {
        let key = key::checked(key)?;
        let bucket = &self.0;
        match bucket.client.delete_object().bucket(&bucket.bucket).key(bucket.key(key)).send().await {
            Ok(_) => Ok(()),
            // S3 itself says 204 to this; some others do not.
            Err(error) if failure::is_gone(&error) => Ok(()),
            Err(error) => Err(failure::of(&error, &bucket.words, Asked::Delete(key))),
        }
    }
}
