//! What is stored, and the one lock under which conditions are judged and writes happen.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use holdover_plugin::model::Digest;
use s3s::dto::ETagCondition;

#[derive(Default)]
pub(super) struct Objects(Mutex<BTreeMap<String, Object>>);

#[derive(Clone)]
pub(super) struct Object {
    pub bytes: Bytes,
    /// Of the bytes as they were written, without quotes. Like S3's for a plain PUT: equal bytes, equal ETag.
    pub etag: String,
    pub modified: SystemTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotPut {
    ConditionFailed,
    /// `If-Match` on an absent key.
    NoSuchKey,
}

impl Objects {
    pub fn get(&self, key: &str) -> Option<Object> {
        self.lock().get(key).cloned()
    }

    pub fn keys(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    pub fn under(&self, prefix: &str) -> Vec<(String, Object)> {
        let objects = self.lock();
        let from = objects.range(prefix.to_owned()..);
        from.take_while(|(key, _)| key.starts_with(prefix)).map(|(key, object)| (key.clone(), object.clone())).collect()
    }

    /// Judges and writes in one step.
    pub fn put(
        &self,
        key: &str,
        bytes: Bytes,
        if_none_match: Option<&ETagCondition>,
        if_match: Option<&ETagCondition>,
    ) -> Result<Object, NotPut> {
        let mut objects = self.lock();
        let there = objects.get(key);
        if if_none_match.is_some_and(|condition| there.is_some_and(|object| object.matches(condition))) {
            return Err(NotPut::ConditionFailed);
        }
        match (if_match, there) {
            (Some(_), None) => return Err(NotPut::NoSuchKey),
            (Some(condition), Some(object)) if !object.matches(condition) => return Err(NotPut::ConditionFailed),
            (Some(_) | None, _) => {}
        }
        let etag = Digest::of(&bytes).to_string().chars().take(32).collect();
        let object = Object { bytes, etag, modified: SystemTime::now() };
        objects.insert(key.to_owned(), object.clone());
        Ok(object)
    }

    pub fn delete(&self, key: &str) {
        self.lock().remove(key);
    }

    pub fn flip(&self, key: &str, offset: usize) -> bool {
        let mut objects = self.lock();
        let Some(object) = objects.get_mut(key) else { return false };
        let mut bytes = object.bytes.to_vec();
        let Some(byte) = bytes.get_mut(offset) else { return false };
        *byte ^= 1;
        object.bytes = bytes.into();
        true
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Object>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Object {
    fn matches(&self, condition: &ETagCondition) -> bool {
        condition.is_any() || condition.as_etag().is_some_and(|etag| etag.as_strong() == Some(self.etag.as_str()))
    }
}
