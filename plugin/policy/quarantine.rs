//! Keeps a configuration that breaks the gateway from breaking it at every start (boot-15).
//!
//! Before a configuration is applied, its digest is on disk; once it ran healthily for the settle time, or the node stopped in an
//! orderly way, the digest is taken off again. Two starts that ended otherwise quarantine it on this node. What the live control
//! plane sends is never quarantined.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::capabilities::{Cache, Events, Keep, Slot};
use super::events::{Event, Name};
use crate::model::Digest;
use crate::mutants::{Mutant, active};
use crate::snapshot::{read_own_lines, write_own_lines};

const UNSETTLED_STARTS_MAX: u32 = 2;

/// Unsettled starts per digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempts {
    unsettled: BTreeMap<Digest, u32>,
}

impl Attempts {
    /// What cannot be read is set aside and counts as empty: a node must not fail to start over its own notes.
    pub async fn load<C: Cache + Events>(caps: &C) -> Self {
        let found = match caps.read(Slot::Attempts).await {
            Ok(None) => return Self::default(),
            Ok(Some(object)) => super::candidate::read_body(&object).await,
            Err(sentence) => Err(sentence),
        };
        let read = found.and_then(|bytes| read_own_lines(&bytes).map_err(|refusal| refusal.to_string()));
        match read {
            Ok(attempts) => attempts,
            Err(sentence) => {
                super::candidate::set_aside(caps, Slot::Attempts, "unreadable", &sentence).await;
                Self::default()
            }
        }
    }

    pub fn quarantined(&self, digest: Digest) -> bool {
        !active(Mutant::NeverQuarantines) && self.unsettled.get(&digest).is_some_and(|starts| *starts >= UNSETTLED_STARTS_MAX)
    }

    pub async fn begin<C: Cache + Events>(&mut self, caps: &C, digest: Digest) {
        *self.unsettled.entry(digest).or_default() += 1;
        self.store(caps).await;
    }

    pub async fn settle<C: Cache + Events>(&mut self, caps: &C, digest: Digest) {
        if self.unsettled.remove(&digest).is_some() {
            self.store(caps).await;
        }
    }

    async fn store<C: Cache + Events>(&self, caps: &C) {
        let written = match write_own_lines(self) {
            Ok(bytes) => caps.write(Slot::Attempts, Vec::new(), Keep::Bytes(bytes)).await,
            Err(sentence) => Err(sentence),
        };
        if let Err(sentence) = written {
            caps.emit(Event::alarm(
                Name::CacheNotKept,
                format!("A start cannot be noted, so a configuration that breaks the gateway would not be quarantined: {sentence}."),
            ));
        }
    }
}
