//! What is stored, and the one lock under which conditions are judged and writes happen.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use holdover_plugin::model::Digest;
use s3s::dto::ETagCondition;

#[derive(Default)]
pub(super) struct Objects(Mutex<BTreeMap<String, Versions>>);

/// An object, and what it replaced, for the fault of stale reads. Everything else sees the newest.
struct Versions {
    newest: Object,
    before: Option<Object>,
}

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
        self.lock().get(key).map(|versions| versions.newest.clone())
    }

    /// What was there before the last write; `None` unless that replaced something.
    pub fn overwritten(&self, key: &str) -> Option<Object> {
        self.lock().get(key)?.before.clone()
    }

    pub fn keys(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// The first of the objects whose keys begin with the prefix and stand behind `after`.
    pub fn under(&self, prefix: &str, after: &str, objects_max: usize) -> Vec<(String, Object)> {
        let objects = self.lock();
        let from = if after < prefix { Bound::Included(prefix) } else { Bound::Excluded(after) };
        let found = objects.range::<str, _>((from, Bound::Unbounded)).take_while(|(key, _)| key.starts_with(prefix));
        found.take(objects_max).map(|(key, versions)| (key.clone(), versions.newest.clone())).collect()
    }

    /// Judges and writes in one step.
    pub fn put(
        &self,
        key: &str,
        bytes: Bytes,
        if_none_match: Option<&ETagCondition>,
        if_match: Option<&ETagCondition>,
    ) -> Result<Object, NotPut> {
        let etag = Digest::of(&bytes).to_string().chars().take(32).collect();
        let mut objects = self.lock();
        let there = objects.get(key).map(|versions| &versions.newest);
        if if_none_match.is_some_and(|condition| there.is_some_and(|object| object.matches(condition))) {
            return Err(NotPut::ConditionFailed);
        }
        match (if_match, there) {
            (Some(_), None) => return Err(NotPut::NoSuchKey),
            (Some(condition), Some(object)) if !object.matches(condition) => return Err(NotPut::ConditionFailed),
            (Some(_) | None, _) => {}
        }
        let before = there.cloned();
        let object = Object { bytes, etag, modified: SystemTime::now() };
        objects.insert(key.to_owned(), Versions { newest: object.clone(), before });
        Ok(object)
    }

    pub fn delete(&self, key: &str) {
        self.lock().remove(key);
    }

    pub fn flip(&self, key: &str, offset: usize) -> bool {
        let mut objects = self.lock();
        let Some(object) = objects.get_mut(key).map(|versions| &mut versions.newest) else { return false };
        let mut bytes = object.bytes.to_vec();
        let Some(byte) = bytes.get_mut(offset) else { return false };
        *byte ^= 1;
        object.bytes = bytes.into();
        true
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Versions>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Object {
    fn matches(&self, condition: &ETagCondition) -> bool {
        condition.is_any() || condition.as_etag().is_some_and(|etag| etag.as_strong() == Some(self.etag.as_str()))
    }
}

#[cfg(test)]
// A test stops at the first thing that is not as it says.
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use s3s::dto::ETag;

    use super::*;

    const WRITERS: usize = 16;

    #[test]
    fn of_many_writers_with_one_condition_one_wins_in_every_round() {
        let objects = Objects::default();
        for round in 0..100 {
            let key = format!("round-{round}");
            let created = at_once(|number| objects.put(&key, body(number), Some(&ETagCondition::Any), None).map(|object| object.bytes));
            let there = objects.get(&key).unwrap();
            assert_eq!(created, std::slice::from_ref(&there.bytes), "round {round}: who created it");
            let condition = still_is(&there);
            // Bodies that differ from what is there: equal bytes have an equal ETag.
            let swapped = at_once(|number| objects.put(&key, body(WRITERS + number), None, Some(&condition)).map(|object| object.bytes));
            assert_eq!(swapped, [objects.get(&key).unwrap().bytes], "round {round}: who swapped it");
            assert_eq!(objects.overwritten(&key).unwrap().etag, there.etag);
        }
    }

    #[test]
    fn what_was_overwritten_is_remembered_until_it_is_deleted() {
        let objects = Objects::default();
        assert!(objects.overwritten("head").is_none());
        objects.put("head", body(1), None, None).unwrap();
        assert!(objects.overwritten("head").is_none());
        objects.put("head", body(2), None, None).unwrap();
        objects.put("head", body(3), None, None).unwrap();
        assert_eq!(objects.overwritten("head").unwrap().bytes, body(2));
        objects.delete("head");
        assert!(objects.overwritten("head").is_none());
        objects.put("head", body(4), None, None).unwrap();
        assert!(objects.overwritten("head").is_none(), "what was deleted was not overwritten");
    }

    #[test]
    fn a_page_begins_behind_a_key_and_ends_with_the_prefix() {
        let objects = Objects::default();
        for key in ["a", "b/1", "b/2", "b/3", "b2", "c"] {
            objects.put(key, Bytes::new(), None, None).unwrap();
        }
        let page = |prefix: &str, after: &str, max| objects.under(prefix, after, max).into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        assert_eq!(page("", "", 10), ["a", "b/1", "b/2", "b/3", "b2", "c"]);
        assert_eq!(page("b/", "", 2), ["b/1", "b/2"]);
        assert_eq!(page("b/", "b/2", 10), ["b/3"]);
        assert_eq!(page("b/", "a", 10), ["b/1", "b/2", "b/3"]);
        assert_eq!(page("b", "b/11", 10), ["b/2", "b/3", "b2"]);
        assert_eq!(page("b/", "c", 10), [""; 0]);
        assert_eq!(page("", "", 0), [""; 0]);
    }

    /// What the winners wrote.
    fn at_once(put: impl Fn(usize) -> Result<Bytes, NotPut> + Sync) -> Vec<Bytes> {
        let ready = Barrier::new(WRITERS);
        thread::scope(|scope| {
            let begun = (0..WRITERS).map(|number| {
                let (ready, put) = (&ready, &put);
                scope.spawn(move || {
                    ready.wait();
                    put(number)
                })
            });
            // All begin before the first is waited for.
            let begun: Vec<_> = begun.collect();
            begun.into_iter().filter_map(|writer| writer.join().unwrap().ok()).collect()
        })
    }

    fn body(number: usize) -> Bytes {
        Bytes::from(format!("writer {number}"))
    }

    fn still_is(object: &Object) -> ETagCondition {
        ETagCondition::ETag(ETag::Strong(object.etag.clone()))
    }
}
