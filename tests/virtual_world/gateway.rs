//! A gateway that remembers what it runs and refuses what a test tells it to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use holdover_plugin::model::Digest;
use holdover_ports::{Config, Gateway, GatewayStatus, NotApplied};

use super::{Act, Trace};

pub struct VirtualGateway {
    inner: Mutex<Inner>,
    trace: Arc<Trace>,
}

#[derive(Default)]
struct Inner {
    running: Option<Digest>,
    refusals: BTreeMap<Digest, NotApplied>,
    failing: bool,
    hanging: bool,
}

impl VirtualGateway {
    pub(super) fn new(trace: Arc<Trace>) -> Self {
        Self { inner: Mutex::default(), trace }
    }

    pub fn running(&self) -> Option<Digest> {
        self.inner().running
    }

    pub fn rejects(&self, document: &[u8]) {
        let rejected = NotApplied::Rejected("it does not like it".into());
        self.inner().refusals.insert(Digest::of(document), rejected);
    }

    /// It cannot be asked, whatever it is handed.
    pub fn fails(&self, failing: bool) {
        self.inner().failing = failing;
    }

    /// It never answers.
    pub fn hangs(&self, hanging: bool) {
        self.inner().hanging = hanging;
    }

    /// It begins anew and runs nothing.
    pub fn restarts(&self) {
        self.inner().running = None;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
}

#[async_trait]
impl Gateway for VirtualGateway {
    async fn apply(&self, config: &Config) -> Result<(), NotApplied> {
        if self.inner().hanging {
            std::future::pending::<()>().await;
        }
        let digest = config.digest();
        let mut inner = self.inner();
        let refusal = match inner.failing {
            true => Some(NotApplied::Failed("it cannot be reached".into())),
            false => inner.refusals.get(&digest).cloned(),
        };
        match refusal {
            Some(refusal) => {
                self.trace.note(Act::NotApplied(digest));
                Err(refusal)
            }
            None => {
                inner.running = Some(digest);
                self.trace.note(Act::Applied(digest));
                Ok(())
            }
        }
    }

    fn status(&self) -> GatewayStatus {
        GatewayStatus { kind: "virtual", ..GatewayStatus::default() }
    }
}
