//! The gateway, and whether what it runs may be another configuration than the node knows of: an episode that is lost after the gateway
//! said yes takes its word with it (all-02). Notes what went through; judges nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use holdover_plugin::model::Digest;
use holdover_ports::{Config, Gateway, GatewayStatus, NotApplied};

pub struct RunningGateway {
    inner: Arc<dyn Gateway>,
    runs: Mutex<Runs>,
}

/// What the gateway was last seen to accept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Runs {
    #[default]
    Nothing,
    This(Digest),
    /// An apply was dropped before its answer: this, or what it ran before.
    Perhaps(Digest),
}

impl RunningGateway {
    pub fn new(inner: Arc<dyn Gateway>) -> Self {
        Self { inner, runs: Mutex::default() }
    }

    pub(crate) fn runs(&self) -> Runs {
        *self.noted()
    }

    fn noted(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Gateway for RunningGateway {
    async fn apply(&self, config: &Config) -> Result<(), NotApplied> {
        let before = std::mem::replace(&mut *self.noted(), Runs::Perhaps(config.digest()));
        let applied = self.inner.apply(config).await;
        *self.noted() = match &applied {
            Ok(()) => Runs::This(config.digest()),
            Err(_) => before,
        };
        applied
    }

    fn status(&self) -> GatewayStatus {
        self.inner.status()
    }
}
