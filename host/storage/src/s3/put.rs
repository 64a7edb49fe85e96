//! Conditional writes. Every write here has a condition, and every outcome has a name: a lost answer is not a failed write.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Config;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::Bytes;
use holdover_ports::{Etag, PutNew, StorageFailure, StorageWrite, Swap};

use super::PutConfig;
use super::client::{ANSWER_TIMEOUT, Bucket, timeouts};
use super::failure::{self, Asked};
use crate::key;

/// The slowest upload that is waited for; 256 MiB then take 128 s.
const UPLOAD_BYTES_PER_SECOND_MIN: u64 = 2 * 1024 * 1024;

pub(crate) struct S3Writer {
    bucket: Arc<Bucket>,
    put: PutConfig,
}

enum Condition<'a> {
    NothingThere,
    StillIs(&'a Etag),
}

enum Written {
    Done,
    /// The condition did not hold; nothing was written.
    ConditionFailed,
}

impl S3Writer {
    pub fn new(bucket: Arc<Bucket>, put: PutConfig) -> Self {
        Self { bucket, put }
    }

    async fn put(&self, key: &str, condition: Condition<'_>, body: Bytes) -> Result<Written, StorageFailure> {
        let key = key::checked(key)?;
        let bucket = &self.bucket;
        let patience = ANSWER_TIMEOUT + Duration::from_secs(body.len() as u64 / UPLOAD_BYTES_PER_SECOND_MIN);
        let request = self.put.apply(bucket.client.put_object());
        let request = request.bucket(&bucket.bucket).key(bucket.key(key)).body(ByteStream::from(body));
        let request = match condition {
            Condition::NothingThere => request.if_none_match("*"),
            Condition::StillIs(etag) => request.if_match(&etag.0),
        };
        let bounded = Config::builder().timeout_config(timeouts(patience));
        match request.customize().config_override(bounded).send().await {
            Ok(_) => Ok(Written::Done),
            Err(error) if failure::is_lost_race(&error) => Ok(Written::ConditionFailed),
            Err(error) if matches!(condition, Condition::StillIs(_)) && failure::is_gone(&error) => Ok(Written::ConditionFailed),
            Err(error) => Err(failure::of(&error, &bucket.words, Asked::Write(key))),
        }
    }
}

#[async_trait]
impl StorageWrite for S3Writer {
    async fn put_new(&self, key: &str, body: Bytes) -> Result<PutNew, StorageFailure> {
        Ok(match self.put(key, Condition::NothingThere, body).await? {
            Written::Done => PutNew::Created,
            Written::ConditionFailed => PutNew::Exists,
        })
    }

    async fn swap(&self, key: &str, expected: Option<&Etag>, body: Bytes) -> Result<Swap, StorageFailure> {
        let condition = expected.map_or(Condition::NothingThere, Condition::StillIs);
        Ok(match self.put(key, condition, body).await? {
            Written::Done => Swap::Swapped,
            Written::ConditionFailed => Swap::Stale,
        })
    }
}
