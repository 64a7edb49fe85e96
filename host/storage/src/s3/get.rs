//! Reading one object, with a bound for its size and for every wait.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_types::DateTime;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::date_time::Format;
use bytes::{Bytes, BytesMut};
use holdover_plugin::model::UnixMs;
use holdover_ports::{Etag, Fetched, StorageFailure, StorageRead};
use tokio::time::{Instant, timeout_at};

use super::client::Bucket;
use super::failure::{self, Asked};
use crate::key;

/// A body may pause this long.
const STALL_MAX: Duration = Duration::from_secs(15);
/// A body may take this long as a whole: shorter than an episode's wall time.
const BODY_MAX: Duration = Duration::from_secs(240);
/// What an answer may make this process set aside before a byte of it came.
const RESERVED_BYTES_MAX: u64 = 1024 * 1024;

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

/// Why a body was not read to its end.
enum Unread {
    /// At least this many bytes.
    TooLarge(u64),
    BrokeOff {
        received: u64,
        cause: String,
    },
}

/// A length is judged before a byte is read, and what came is held against it afterwards.
async fn read_whole(mut body: ByteStream, announced: Option<u64>, bytes_max: u64) -> Result<Bytes, Unread> {
    if let Some(bytes) = announced.filter(|bytes| *bytes > bytes_max) {
        return Err(Unread::TooLarge(bytes));
    }
    let end = Instant::now() + BODY_MAX;
    let reserved = announced.unwrap_or_default().min(RESERVED_BYTES_MAX);
    let mut buffer = BytesMut::with_capacity(usize::try_from(reserved).unwrap_or_default());
    loop {
        let received = buffer.len() as u64;
        let patience = end.min(Instant::now() + STALL_MAX);
        match timeout_at(patience, body.next()).await {
            Ok(Some(Ok(chunk))) if received + chunk.len() as u64 > bytes_max => {
                return Err(Unread::TooLarge(received + chunk.len() as u64));
            }
            Ok(Some(Ok(chunk))) => buffer.extend_from_slice(&chunk),
            Ok(Some(Err(error))) => return Err(Unread::BrokeOff { received, cause: failure::deepest(&error) }),
            Ok(None) if announced.is_some_and(|announced| announced != received) => {
                return Err(Unread::BrokeOff { received, cause: "it ended early".into() });
            }
            Ok(None) => return Ok(buffer.freeze()),
            Err(_) => return Err(Unread::BrokeOff { received, cause: "no more came in time".into() }),
        }
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
        if let Some(date) = context.response().headers().get("date").and_then(parse_date) {
            // Set once: there is one answer to one request.
            let _ = self.0.set(date);
        }
        Ok(())
    }
}

fn parse_date(text: &str) -> Option<UnixMs> {
    let date = DateTime::from_str(text, Format::HttpDate).ok()?;
    u64::try_from(date.to_millis().ok()?).ok().map(UnixMs)
}

#[cfg(test)]
// A test stops at the first thing that is not as it says.
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_date_header_is_read_and_a_bad_one_is_none() {
        assert_eq!(parse_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(UnixMs(784_111_777_000)));
        for bad in ["", "yesterday", "Sun, 06 Nov 1894 08:49:37 GMT"] {
            assert_eq!(parse_date(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn a_body_is_held_against_its_bound_and_its_announced_length() {
        let body = || ByteStream::from_static(b"0123456789");
        assert!(matches!(read_whole(body(), None, 10).await, Ok(bytes) if bytes.len() == 10));
        assert!(matches!(read_whole(body(), None, 9).await, Err(Unread::TooLarge(10))));
        assert!(matches!(read_whole(body(), Some(11), 10).await, Err(Unread::TooLarge(11))));
        assert!(matches!(read_whole(body(), Some(11), 20).await, Err(Unread::BrokeOff { received: 10, .. })));
    }
}
