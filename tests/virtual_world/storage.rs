//! A storage in memory: conditional writes that hold, marks that change with every write, and faults on request.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use holdover_plugin::model::UnixMs;
use holdover_ports::{
    Etag, Fetched, Listed, Listing, PutNew, StorageDelete, StorageFailure, StorageFailureKind, StorageRead, StorageWrite, Swap,
};

use tokio::time::Instant;

use super::{Act, Trace};

/// Bytes, mark, and when they were written.
type Objects = BTreeMap<String, (Bytes, u64, UnixMs)>;

pub struct VirtualStorage {
    index: usize,
    name: String,
    inner: Mutex<Inner>,
    trace: Arc<Trace>,
}

struct Inner {
    began: Instant,
    beginning: UnixMs,
    /// Neither If-Match nor If-None-Match is looked at, as with some stores.
    unconditional: bool,
    objects: Objects,
    writes: u64,
    /// Every request fails so.
    down: Option<StorageFailureKind>,
    /// How long it asks to be left alone, whenever it fails.
    pause: Option<Duration>,
    latency: Duration,
    /// What its clock shows, when it tells.
    date: Option<UnixMs>,
    put_faults: VecDeque<WriteFault>,
    swap_faults: VecDeque<WriteFault>,
}

/// What befalls one write.
pub enum WriteFault {
    /// The answer is lost.
    UnknownOutcome {
        written: bool,
    },
    Fails(StorageFailureKind),
    /// Other bytes than were sent arrive, and the answer is a success.
    Corrupts,
    /// Somebody else is faster: this object stands there when the write arrives.
    Overtaken {
        key: String,
        bytes: Vec<u8>,
    },
}

impl VirtualStorage {
    pub(super) fn new(index: usize, trace: Arc<Trace>) -> Self {
        let inner = Inner {
            began: Instant::now(),
            beginning: UnixMs(super::BEGINNING_UNIX_MS),
            unconditional: false,
            objects: Objects::default(),
            writes: 0,
            down: None,
            pause: None,
            latency: Duration::ZERO,
            date: None,
            put_faults: VecDeque::new(),
            swap_faults: VecDeque::new(),
        };
        Self { index, name: format!("virtual-{index}"), inner: Mutex::new(inner), trace }
    }

    pub fn hold(&self, key: &str, bytes: impl Into<Bytes>) {
        self.inner().write(key, bytes.into());
    }

    pub fn object(&self, key: &str) -> Option<Bytes> {
        self.inner().objects.get(key).map(|(bytes, ..)| bytes.clone())
    }

    pub fn keys(&self) -> Vec<String> {
        self.inner().objects.keys().cloned().collect()
    }

    pub fn is_down(&self, kind: StorageFailureKind) {
        self.inner().down = Some(kind);
    }

    pub fn asks_for(&self, pause: Duration) {
        self.inner().pause = Some(pause);
    }

    pub fn is_back(&self) {
        self.inner().down = None;
    }

    pub fn lose(&self, key: &str) {
        self.inner().objects.remove(key);
    }

    pub fn date_is(&self, date: UnixMs) {
        self.inner().date = Some(date);
    }

    /// Every request takes this long.
    pub fn takes(&self, latency: Duration) {
        self.inner().latency = latency;
    }

    pub fn next_put_meets(&self, fault: WriteFault) {
        self.inner().put_faults.push_back(fault);
    }

    pub fn next_swap_meets(&self, fault: WriteFault) {
        self.inner().swap_faults.push_back(fault);
    }

    pub fn ignores_conditions(&self, ignores: bool) {
        self.inner().unconditional = ignores;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    async fn answer(&self, key: &str) -> Result<(), StorageFailure> {
        let latency = self.inner().latency;
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        let (down, retry_after) = {
            let inner = self.inner();
            (inner.down, inner.pause)
        };
        match down {
            Some(kind) => Err(StorageFailure { retry_after, ..self.failure(kind, key) }),
            None => Ok(()),
        }
    }

    fn failure(&self, kind: StorageFailureKind, key: &str) -> StorageFailure {
        StorageFailure::new(kind, format!("cluster_fallback_config_storage = {}: {key}: it met {kind:?}", self.name))
    }

    /// Carries a write out as its fault allows. `Ok(false)`: the condition did not hold.
    fn write(&self, key: &str, body: Bytes, fault: Option<WriteFault>, holds: impl Fn(&Objects) -> bool) -> Result<bool, StorageFailure> {
        let mut inner = self.inner();
        if let Some(WriteFault::Overtaken { key, bytes }) = &fault {
            inner.write(key, Bytes::copy_from_slice(bytes));
        }
        let held = inner.unconditional || holds(&inner.objects);
        match fault {
            None | Some(WriteFault::Overtaken { .. }) if held => inner.write(key, body),
            None | Some(WriteFault::Overtaken { .. }) => {}
            Some(WriteFault::Corrupts) => inner.write(key, Bytes::from(body.iter().map(|byte| byte ^ 1).collect::<Vec<u8>>())),
            Some(WriteFault::Fails(kind)) => return Err(self.failure(kind, key)),
            Some(WriteFault::UnknownOutcome { written }) => {
                if written && held {
                    inner.write(key, body);
                }
                return Err(self.failure(StorageFailureKind::UnknownOutcome, key));
            }
        }
        Ok(held)
    }
}

impl Inner {
    fn write(&mut self, key: &str, bytes: Bytes) {
        self.writes += 1;
        let at = self.beginning.plus(self.began.elapsed());
        self.objects.insert(key.to_owned(), (bytes, self.writes, at));
    }
}

fn etag(mark: u64) -> Etag {
    Etag(format!("\"{mark}\""))
}

#[async_trait]
impl StorageRead for VirtualStorage {
    fn name(&self) -> &str {
        &self.name
    }

    async fn get(&self, key: &str, bytes_max: u64) -> Result<Fetched, StorageFailure> {
        self.trace.note(Act::Get { storage: self.index, key: key.to_owned() });
        self.answer(key).await?;
        let found = self.inner().objects.get(key).cloned();
        let (bytes, mark, _) = found.ok_or_else(|| self.failure(StorageFailureKind::Absent, key))?;
        if bytes.len() as u64 > bytes_max {
            return Err(self.failure(StorageFailureKind::TooLarge, key));
        }
        Ok(Fetched { bytes, etag: Some(etag(mark)), date: self.inner().date })
    }
}

#[async_trait]
impl StorageWrite for VirtualStorage {
    async fn put_new(&self, key: &str, body: Bytes) -> Result<PutNew, StorageFailure> {
        self.trace.note(Act::PutNew { storage: self.index, key: key.to_owned() });
        self.answer(key).await?;
        let fault = self.inner().put_faults.pop_front();
        let created = self.write(key, body, fault, |objects| !objects.contains_key(key))?;
        Ok(if created { PutNew::Created } else { PutNew::Exists })
    }

    async fn swap(&self, key: &str, expected: Option<&Etag>, body: Bytes) -> Result<Swap, StorageFailure> {
        self.trace.note(Act::Swap { storage: self.index, key: key.to_owned() });
        self.answer(key).await?;
        let fault = self.inner().swap_faults.pop_front();
        let swapped = self.write(key, body, fault, |objects| objects.get(key).map(|(_, mark, _)| etag(*mark)).as_ref() == expected)?;
        Ok(if swapped { Swap::Swapped } else { Swap::Stale })
    }
}

#[async_trait]
impl StorageDelete for VirtualStorage {
    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Listing, StorageFailure> {
        self.answer(prefix).await?;
        let inner = self.inner();
        let under = inner.objects.iter().filter(|(key, _)| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after));
        let mut objects: Vec<_> = under.map(|(key, (.., modified))| Listed { key: key.clone(), modified: *modified }).collect();
        let more = objects.len() > PAGE;
        objects.truncate(PAGE);
        Ok(Listing { objects, more })
    }

    async fn delete(&self, key: &str) -> Result<(), StorageFailure> {
        self.trace.note(Act::Delete { storage: self.index, key: key.to_owned() });
        self.answer(key).await?;
        self.inner().objects.remove(key);
        Ok(())
    }
}

/// Small, so that every listing has a second page.
const PAGE: usize = 7;
