//! Reading one object, with a bound for its size and for every wait.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use aws_sdk_s3::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::Bytes;
use holdover_plugin::model::UnixMs;
use holdover_ports::{Etag, Fetched, StorageFailure, StorageRead};

use super::client::Bucket;
use super::failure::{self, Asked};
use crate::body::{Pieces, Unread, read_whole};
use crate::{date, key};

pub(crate) struct S3Reader(Arc<Bucket>);

impl S3Reader {
    pub fn new(bucket: Arc<Bucket>) -> Self {
        Self(bucket)
    }
}

#[async_trait]
impl StorageRead for S3Reader {
    fn name(&self) -> &str {
        &self.0.name
    }

    async fn get(&self, key: &str, bytes_max: u64) -> Result<Fetched, StorageFailure> {
        let key = key::checked(key)?;
        let bucket = &self.0;
        let date = DateHeader::default();
        let request = bucket.client.get_object().bucket(&bucket.bucket).key(bucket.key(key));
        let sent = request.customize().interceptor(date.clone()).send().await;
        let answer = sent.map_err(|error| failure::of(&error, &bucket.words, Asked::Read(key)))?;
        let announced = answer.content_length.and_then(|bytes| u64::try_from(bytes).ok());
        let bytes = read_whole(answer.body, announced, bytes_max).await.map_err(|unread| match unread {
            Unread::TooLarge(bytes) => bucket.words.too_large(key, bytes, bytes_max),
            Unread::BrokeOff { received, cause } => bucket.words.broke_off(key, received, announced, &cause),
        })?;
        Ok(Fetched { bytes, etag: answer.e_tag.map(Etag), date: date.read() })
    }
}

impl Pieces for ByteStream {
    async fn next(&mut self) -> Option<Result<Bytes, String>> {
        let next = ByteStream::next(self).await?;
        Some(next.map_err(|error| failure::deepest(&error)))
    }
}

/// Takes the Date header off an answer, which the SDK does not hand out.
#[derive(Clone, Debug, Default)]
struct DateHeader(Arc<OnceLock<UnixMs>>);

impl DateHeader {
    fn read(&self) -> Option<UnixMs> {
        self.0.get().copied()
    }
}

#[dyn_dispatch_hint]
impl Intercept for DateHeader {
    fn name(&self) -> &'static str {
        "date header"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(date) = context.response().headers().get("date").and_then(date::parse) {
            // Set once: there is one answer to one request.
            let _ = self.0.set(date);
        }
        Ok(())
    }
}
