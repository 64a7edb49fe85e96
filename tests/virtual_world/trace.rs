//! What the policy did, in order, with the virtual time of each.

use std::sync::Mutex;
use std::time::Duration;

use holdover_plugin::model::Digest;
use holdover_ports::{Answer, Event, Name, Slot, Why};
use tokio::time::Instant;

/// One thing asked of the world, noted when it was asked, or one thing said.
#[derive(Clone, Debug)]
pub struct Call {
    /// Since the world began.
    pub at: Duration,
    pub act: Act,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    Attempt,
    Unanswered(Answer),
    Delivered(Digest),
    /// The control plane's session is ended, to be dialled anew.
    Refreshed,
    Get {
        storage: usize,
        key: String,
    },
    PutNew {
        storage: usize,
        key: String,
    },
    Swap {
        storage: usize,
        key: String,
    },
    Delete {
        storage: usize,
        key: String,
    },
    CacheRead(Slot),
    CacheWrite(Slot),
    CacheNotWritten(Slot),
    CacheSetAside(Slot, String),
    Bundle,
    /// The gateway runs it.
    Applied(Digest),
    /// The gateway runs what it ran before.
    NotApplied(Digest),
    Slept(Why, Duration),
    Said(Event),
}

pub struct Trace {
    began_at: Instant,
    calls: Mutex<Vec<Call>>,
}

impl Trace {
    pub fn beginning_here() -> Self {
        Self { began_at: Instant::now(), calls: Mutex::new(Vec::new()) }
    }

    pub fn elapsed(&self) -> Duration {
        self.began_at.elapsed()
    }

    pub fn note(&self, act: Act) {
        let at = self.elapsed();
        self.calls.lock().unwrap().push(Call { at, act });
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// What was noted after the first so many.
    pub fn since(&self, known: usize) -> Vec<Call> {
        self.calls.lock().unwrap().get(known..).unwrap_or_default().to_vec()
    }

    pub fn forget(&self) {
        self.calls.lock().unwrap().clear();
    }

    /// When each act of this kind was asked for.
    pub fn times(&self, wanted: impl Fn(&Act) -> bool) -> Vec<Duration> {
        self.calls().iter().filter(|call| wanted(&call.act)).map(|call| call.at).collect()
    }

    pub fn count(&self, wanted: impl Fn(&Act) -> bool) -> usize {
        self.times(wanted).len()
    }

    /// The place in the order of the first act of this kind.
    pub fn first(&self, wanted: impl Fn(&Act) -> bool) -> Option<usize> {
        self.calls().iter().position(|call| wanted(&call.act))
    }

    pub fn gets(&self) -> Vec<(usize, String)> {
        let get = |call: Call| match call.act {
            Act::Get { storage, key } => Some((storage, key)),
            _other => None,
        };
        self.calls().into_iter().filter_map(get).collect()
    }

    /// What the gateway was handed and accepted, in order.
    pub fn applied(&self) -> Vec<Digest> {
        let applied = |call: Call| match call.act {
            Act::Applied(digest) => Some(digest),
            _other => None,
        };
        self.calls().into_iter().filter_map(applied).collect()
    }

    pub fn events(&self, name: Name) -> Vec<Event> {
        let said = |call: Call| match call.act {
            Act::Said(event) if event.name == name => Some(event),
            _other => None,
        };
        self.calls().into_iter().filter_map(said).collect()
    }

    /// The value of one field in each event of this name.
    pub fn said(&self, name: Name, field: &str) -> Vec<String> {
        let value = |event: Event| event.fields.into_iter().find(|(key, _)| key == field).map(|(_, value)| value);
        self.events(name).into_iter().filter_map(value).collect()
    }
}

impl Act {
    pub fn is_get(&self) -> bool {
        matches!(self, Self::Get { .. })
    }

    pub fn is_write(&self) -> bool {
        matches!(self, Self::PutNew { .. } | Self::Swap { .. })
    }

    pub fn says(&self, name: Name) -> bool {
        matches!(self, Self::Said(event) if event.name == name)
    }
}
