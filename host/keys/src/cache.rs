//! The cache, encrypted at rest: every file of the policy's slots is an age file for this node alone.
//!
//! Stands before any cache and knows nothing of what is kept. What is there in plain is refused, not taken: encryption that was switched
//! on must not be had around by a file that somebody else put there.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use holdover_age::{self as age, Recipient};
use holdover_plugin::snapshot::encryption;
use holdover_ports::{Cache, NodeFiles, NotUnwrapped, Pending, Slot, Unsealing};

use crate::ring::KeyRing;

pub struct EncryptedCache {
    inner: Arc<dyn NodeFiles>,
    keys: Arc<KeyRing>,
    own: Recipient,
}

impl EncryptedCache {
    /// `Err` is a sentence: without an identity nobody could read what it writes.
    pub fn new(inner: Arc<dyn NodeFiles>, keys: Arc<KeyRing>) -> Result<Self, String> {
        let own = keys
            .own_recipient()
            .ok_or("holdover_cache_encryption = on needs holdover_identity, the file of a key to open the cache with")?;
        Ok(Self { inner, keys, own })
    }
}

#[async_trait]
impl Cache for EncryptedCache {
    async fn read(&self, slot: Slot) -> Result<Option<Bytes>, String> {
        match self.inner.read(slot).await? {
            // The operator's word, written by a command that has no identity: it holds no secret.
            found if slot == Slot::Approval => Ok(found),
            Some(file) => decrypt(&self.keys, &file).map(Some),
            None => Ok(None),
        }
    }

    async fn write(&self, slot: Slot, parts: Vec<Bytes>) -> Result<(), String> {
        self.inner.write(slot, vec![self.encrypted(&parts.concat())?]).await
    }

    async fn set_aside(&self, slot: Slot, reason: &str) -> Result<(), String> {
        self.inner.set_aside(slot, reason).await
    }
}

impl EncryptedCache {
    fn encrypted(&self, plain: &[u8]) -> Result<Bytes, String> {
        let wrapping = age::wrap(std::slice::from_ref(&self.own))?;
        encryption::encrypt(&wrapping, plain).map(Bytes::from)
    }
}

#[async_trait]
impl Pending for EncryptedCache {
    async fn read_pending(&self) -> Result<Option<Bytes>, String> {
        match self.inner.read_pending().await? {
            Some(file) => decrypt(&self.keys, &file).map(Some),
            None => Ok(None),
        }
    }

    async fn write_pending(&self, config: Bytes) -> Result<(), String> {
        self.inner.write_pending(self.encrypted(&config)?).await
    }

    async fn remove_pending(&self) -> Result<(), String> {
        self.inner.remove_pending().await
    }
}

fn decrypt(keys: &KeyRing, file: &[u8]) -> Result<Bytes, String> {
    if !encryption::is_encrypted(file) {
        return Err("the cache holds plain files: remove them or switch holdover_cache_encryption off".into());
    }
    let damaged = |why: String| format!("the cache's file cannot be opened: {why}; remove it, and the node fetches what it needs");
    let (wrapped, chunks) = encryption::split(file).map_err(|refusal| damaged(refusal.to_string()))?;
    let key = keys.unwrap(wrapped).map_err(|failure| match failure {
        NotUnwrapped::ForOthers => "the cache was encrypted to another identity: add that identity to the file of holdover_identity, or \
                                    remove the cache's files"
            .to_owned(),
        NotUnwrapped::NoIdentity | NotUnwrapped::Damaged(_) => damaged(failure.to_string()),
    })?;
    encryption::decrypt(&key, chunks).map(Bytes::from).map_err(|refusal| damaged(refusal.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use std::collections::BTreeMap;
    use std::path::Path;
    use std::sync::Mutex;

    use holdover_age::Identity;

    use super::*;
    use crate::file::keep_private;
    use crate::ring::KeySettings;

    const SLOTS: [Slot; 4] = [Slot::Applied, Slot::Settled, Slot::Attempts, Slot::Marks];

    #[tokio::test]
    async fn what_is_written_is_read_back_and_stands_nowhere_in_plain() {
        let (files, cache) = (Arc::new(Files::default()), ring());
        let cache = EncryptedCache::new(files.clone(), cache).unwrap();
        for slot in SLOTS {
            assert_eq!(cache.read(slot).await, Ok(None));
            cache.write(slot, vec!["origin ".into(), Bytes::new(), "of a secret".into()]).await.unwrap();
            assert_eq!(cache.read(slot).await, Ok(Some("origin of a secret".into())));
            let file = files.read(slot).await.unwrap().unwrap();
            assert!(encryption::is_encrypted(&file) && !file.windows(6).any(|window| window == b"secret"));
        }
        cache.write(Slot::Attempts, Vec::new()).await.unwrap();
        assert_eq!(cache.read(Slot::Attempts).await, Ok(Some(Bytes::new())));
        cache.set_aside(Slot::Applied, "torn").await.unwrap();
        assert_eq!(cache.read(Slot::Applied).await, Ok(None));
    }

    #[tokio::test]
    async fn no_flipped_bit_and_no_truncation_is_taken() {
        let files = Arc::new(Files::default());
        let cache = EncryptedCache::new(files.clone(), ring()).unwrap();
        cache.write(Slot::Applied, vec![Bytes::from(vec![7; 300])]).await.unwrap();
        let file = files.read(Slot::Applied).await.unwrap().unwrap();
        for at in 0..file.len() {
            for bit in 0..8 {
                let mut touched = file.to_vec();
                touched[at] ^= 1 << bit;
                files.write(Slot::Applied, vec![touched.into()]).await.unwrap();
                assert!(cache.read(Slot::Applied).await.is_err(), "bit {bit} of byte {at}");
            }
        }
        for len in 0..file.len() {
            files.write(Slot::Applied, vec![file.slice(..len)]).await.unwrap();
            assert!(cache.read(Slot::Applied).await.is_err(), "{len} bytes");
        }
    }

    #[tokio::test]
    async fn plain_files_and_those_of_another_identity_are_refused_with_what_to_do() {
        let files = Arc::new(Files::default());
        let cache = EncryptedCache::new(files.clone(), ring()).unwrap();
        files.write(Slot::Applied, vec!["HOLDOVER plain".into()]).await.unwrap();
        let sentence = cache.read(Slot::Applied).await.unwrap_err();
        assert_eq!(sentence, "the cache holds plain files: remove them or switch holdover_cache_encryption off");
        EncryptedCache::new(files.clone(), ring()).unwrap().write(Slot::Applied, vec!["theirs".into()]).await.unwrap();
        let sentence = cache.read(Slot::Applied).await.unwrap_err();
        assert!(sentence.contains("another identity") && sentence.contains("holdover_identity"), "{sentence}");
    }

    #[tokio::test]
    async fn an_identity_may_be_followed_by_the_one_it_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let (old, successor) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        let files = Arc::new(Files::default());
        let cache = |name: &str, text: String| {
            let path = folder.path().join(name);
            keep_private(&path, &text).unwrap();
            EncryptedCache::new(files.clone(), opened(&path)).unwrap()
        };
        cache("before", old.expose().to_string()).write(Slot::Applied, vec!["kept".into()]).await.unwrap();
        let both = cache("after", format!("{}\n{}\n", successor.expose().as_str(), old.expose().as_str()));
        assert_eq!(both.read(Slot::Applied).await, Ok(Some("kept".into())));
        both.write(Slot::Applied, vec!["kept again".into()]).await.unwrap();
        assert_eq!(cache("alone", successor.expose().to_string()).read(Slot::Applied).await, Ok(Some("kept again".into())));
    }

    #[test]
    fn a_cache_is_not_encrypted_to_nobody() {
        let sentence = EncryptedCache::new(Arc::new(Files::default()), Arc::new(KeyRing::default())).err().unwrap();
        assert!(sentence.contains("holdover_identity"), "{sentence}");
    }

    /// A cache in memory that keeps what it is given.
    #[derive(Default)]
    struct Files(Mutex<BTreeMap<String, Bytes>>);

    #[async_trait]
    impl Cache for Files {
        async fn read(&self, slot: Slot) -> Result<Option<Bytes>, String> {
            Ok(self.0.lock().unwrap().get(&format!("{slot:?}")).cloned())
        }

        async fn write(&self, slot: Slot, parts: Vec<Bytes>) -> Result<(), String> {
            self.0.lock().unwrap().insert(format!("{slot:?}"), parts.concat().into());
            Ok(())
        }

        async fn set_aside(&self, slot: Slot, _reason: &str) -> Result<(), String> {
            self.0.lock().unwrap().remove(&format!("{slot:?}"));
            Ok(())
        }
    }

    #[async_trait]
    impl Pending for Files {
        async fn read_pending(&self) -> Result<Option<Bytes>, String> {
            Ok(self.0.lock().unwrap().get("pending").cloned())
        }

        async fn write_pending(&self, config: Bytes) -> Result<(), String> {
            self.0.lock().unwrap().insert("pending".into(), config);
            Ok(())
        }

        async fn remove_pending(&self) -> Result<(), String> {
            self.0.lock().unwrap().remove("pending");
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_is_pending_stands_nowhere_in_plain_and_an_approval_does() {
        let files = Arc::new(Files::default());
        let cache = EncryptedCache::new(files.clone(), ring()).unwrap();
        cache.write_pending("a secret".into()).await.unwrap();
        assert!(encryption::is_encrypted(&files.read_pending().await.unwrap().unwrap()));
        assert_eq!(cache.read_pending().await, Ok(Some("a secret".into())));
        cache.remove_pending().await.unwrap();
        assert_eq!(cache.read_pending().await, Ok(None));
        files.write(Slot::Approval, vec!["the operator's word".into()]).await.unwrap();
        assert_eq!(cache.read(Slot::Approval).await, Ok(Some("the operator's word".into())));
    }

    fn ring() -> Arc<KeyRing> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity");
        keep_private(&path, &Identity::generate().unwrap().expose()).unwrap();
        opened(&path)
    }

    fn opened(identity: &Path) -> Arc<KeyRing> {
        Arc::new(KeyRing::open(&KeySettings { identity: Some(identity.to_owned()), ..KeySettings::default() }).unwrap())
    }
}
