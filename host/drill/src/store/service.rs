//! S3's operations on the stored objects.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use s3s::dto::{
    DeleteObjectInput, DeleteObjectOutput, ETag, GetObjectInput, GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput,
    HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output, PutObjectInput, PutObjectOutput, StreamingBlob,
};
use s3s::{Body, S3, S3Request, S3Response, S3Result, s3_error};

use super::access::Keys;
use super::faults::Faults;
use super::objects::{NotPut, Object, Objects};

const LISTED_MAX: i32 = 1000;

pub(super) struct Service {
    bucket: String,
    objects: Arc<Objects>,
    faults: Faults,
    keys: Keys,
}

impl Service {
    pub fn new(bucket: &str, objects: Arc<Objects>, faults: Faults, keys: Keys) -> Self {
        Self { bucket: bucket.to_owned(), objects, faults, keys }
    }

    fn known(&self, bucket: &str) -> S3Result<()> {
        if bucket == self.bucket { Ok(()) } else { Err(s3_error!(NoSuchBucket)) }
    }

    /// S3 tells only those who may list that there is nothing.
    fn found<T>(&self, request: &S3Request<T>, key: &str) -> S3Result<Object> {
        if let Some(object) = self.objects.get(key) {
            return Ok(object);
        }
        let identity = request.credentials.as_ref().and_then(|credentials| self.keys.get(&credentials.access_key));
        if identity.is_some_and(|key| key.may_list) { Err(s3_error!(NoSuchKey)) } else { Err(s3_error!(AccessDenied)) }
    }
}

#[async_trait]
impl S3 for Service {
    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.known(&request.input.bucket)?;
        let newest = self.found(&request, &request.input.key)?;
        let overwritten = self.objects.overwritten(&request.input.key);
        let object = overwritten.filter(|_| self.faults.reads_stale()).unwrap_or(newest);
        Ok(S3Response::new(GetObjectOutput {
            content_length: Some(length(&object)),
            e_tag: Some(ETag::Strong(object.etag)),
            last_modified: Some(object.modified.into()),
            body: Some(StreamingBlob::from(Body::from(object.bytes))),
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        self.known(&request.input.bucket)?;
        let object = self.found(&request, &request.input.key)?;
        Ok(S3Response::new(HeadObjectOutput {
            content_length: Some(length(&object)),
            e_tag: Some(ETag::Strong(object.etag)),
            last_modified: Some(object.modified.into()),
            ..HeadObjectOutput::default()
        }))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        self.known(&input.bucket)?;
        let bytes = read(input.body).await?;
        let (if_none_match, if_match) = self.faults.honoured(input.if_none_match, input.if_match);
        match self.objects.put(&input.key, bytes, if_none_match.as_ref(), if_match.as_ref()) {
            Ok(object) => Ok(S3Response::new(PutObjectOutput { e_tag: Some(ETag::Strong(object.etag)), ..PutObjectOutput::default() })),
            Err(NotPut::ConditionFailed) => Err(s3_error!(PreconditionFailed)),
            Err(NotPut::NoSuchKey) => Err(s3_error!(NoSuchKey)),
        }
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.known(&request.input.bucket)?;
        self.objects.delete(&request.input.key);
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn list_objects_v2(&self, request: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        self.known(&input.bucket)?;
        let prefix = input.prefix.unwrap_or_default();
        let after = input.continuation_token.clone().or(input.start_after).unwrap_or_default();
        let page = input.max_keys.unwrap_or(LISTED_MAX).clamp(0, LISTED_MAX);
        let mut listed = self.objects.under(&prefix, &after, page as usize + 1);
        let is_truncated = listed.len() > page as usize;
        listed.truncate(page as usize);
        let next = listed.last().map(|(key, _)| key.clone()).filter(|_| is_truncated);
        let contents: Vec<_> = listed.into_iter().map(|(key, object)| listing(key, object)).collect();
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(prefix),
            key_count: i32::try_from(contents.len()).ok(),
            max_keys: Some(page),
            contents: Some(contents),
            continuation_token: input.continuation_token,
            is_truncated: Some(is_truncated),
            next_continuation_token: next,
            ..ListObjectsV2Output::default()
        }))
    }

    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.known(&request.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }
}

async fn read(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let Some(body) = body else { return Ok(Bytes::new()) };
    let read = body.try_fold(BytesMut::new(), |mut whole, chunk| async move {
        whole.extend_from_slice(&chunk);
        Ok(whole)
    });
    read.await.map(BytesMut::freeze).map_err(|_| s3_error!(IncompleteBody))
}

fn listing(key: String, object: Object) -> s3s::dto::Object {
    s3s::dto::Object {
        size: Some(length(&object)),
        key: Some(key),
        e_tag: Some(ETag::Strong(object.etag)),
        last_modified: Some(object.modified.into()),
        ..s3s::dto::Object::default()
    }
}

fn length(object: &Object) -> i64 {
    i64::try_from(object.bytes.len()).unwrap_or(i64::MAX)
}
