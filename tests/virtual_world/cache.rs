//! The node's own files and its bundle, in memory. They survive the node, as files survive a process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use holdover_ports::{Bundle, Cache, Slot};

use super::{Act, Trace};

pub struct VirtualCache {
    inner: Mutex<Inner>,
    trace: Arc<Trace>,
}

#[derive(Default)]
struct Inner {
    files: HashMap<Slot, Bytes>,
    aside: Vec<(Slot, String, Bytes)>,
    unwritable: bool,
    unreadable: bool,
    unmovable: bool,
}

impl VirtualCache {
    pub(super) fn new(trace: Arc<Trace>) -> Self {
        Self { inner: Mutex::default(), trace }
    }

    pub fn file(&self, slot: Slot) -> Option<Bytes> {
        self.inner().files.get(&slot).cloned()
    }

    pub fn hold(&self, slot: Slot, bytes: impl Into<Bytes>) {
        self.inner().files.insert(slot, bytes.into());
    }

    pub fn lose(&self, slot: Slot) {
        self.inner().files.remove(&slot);
    }

    /// What was moved out of the way, with the reason.
    pub fn aside(&self) -> Vec<(Slot, String)> {
        self.inner().aside.iter().map(|(slot, reason, _)| (*slot, reason.clone())).collect()
    }

    pub fn is_unwritable(&self, unwritable: bool) {
        self.inner().unwritable = unwritable;
    }

    pub fn is_unreadable(&self, unreadable: bool) {
        self.inner().unreadable = unreadable;
    }

    /// Nothing can be set aside.
    pub fn moves_nothing(&self, unmovable: bool) {
        self.inner().unmovable = unmovable;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
}

#[async_trait]
impl Cache for VirtualCache {
    async fn read(&self, slot: Slot) -> Result<Option<Bytes>, String> {
        self.trace.note(Act::CacheRead(slot));
        let inner = self.inner();
        if inner.unreadable {
            return Err("holdover_cache_dir = virtual: it cannot be read".into());
        }
        Ok(inner.files.get(&slot).cloned())
    }

    async fn write(&self, slot: Slot, parts: Vec<Bytes>) -> Result<(), String> {
        let mut inner = self.inner();
        if inner.unwritable {
            self.trace.note(Act::CacheNotWritten(slot));
            return Err("holdover_cache_dir = virtual: the disk is full".into());
        }
        self.trace.note(Act::CacheWrite(slot));
        inner.files.insert(slot, Bytes::from(parts.concat()));
        Ok(())
    }

    async fn set_aside(&self, slot: Slot, reason: &str) -> Result<(), String> {
        self.trace.note(Act::CacheSetAside(slot, reason.to_owned()));
        let mut inner = self.inner();
        if inner.unmovable {
            return Err("holdover_cache_dir = virtual: nothing can be renamed".into());
        }
        if let Some(bytes) = inner.files.remove(&slot) {
            inner.aside.push((slot, reason.to_owned(), bytes));
        }
        Ok(())
    }
}

pub struct VirtualBundle {
    file: Mutex<Option<Bytes>>,
    trace: Arc<Trace>,
}

impl VirtualBundle {
    pub(super) fn new(trace: Arc<Trace>) -> Self {
        Self { file: Mutex::default(), trace }
    }

    pub fn hold(&self, file: impl Into<Bytes>) {
        *self.file.lock().unwrap() = Some(file.into());
    }
}

#[async_trait]
impl Bundle for VirtualBundle {
    async fn bundle(&self) -> Result<Option<Bytes>, String> {
        self.trace.note(Act::Bundle);
        Ok(self.file.lock().unwrap().clone())
    }
}
