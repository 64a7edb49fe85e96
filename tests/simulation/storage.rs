//! A storage: objects with marks, conditional writes that are atomic where they land, and what it held before.
//!
//! Knows no node and no key. Whether its conditions hold is a property of the storage (export-12).

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use holdover_plugin::model::UnixMs;

use super::BEGINNING;

pub type Bytes = Rc<[u8]>;

/// What the storage makes of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conditions {
    Hold,
    /// It writes in any case, and says that it did.
    Ignored,
    /// It writes over what is there in spite of If-None-Match.
    IgnoredForNew,
    /// It looks first and writes later, with nothing in between to keep others away.
    Racy,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    pub bytes: Bytes,
    /// Differs with every write.
    pub mark: u64,
    pub modified: UnixMs,
}

pub struct Storage {
    pub conditions: Conditions,
    /// How much faster than time its clock runs: so a day passes in a seed of minutes.
    clock_rate: u32,
    /// Whether it sends a Date with its answers.
    tells_the_time: bool,
    objects: RefCell<BTreeMap<String, Object>>,
    /// What stood under a key before.
    earlier: RefCell<BTreeMap<String, Object>>,
    marks: Cell<u64>,
    away_until: Cell<Duration>,
    budget_per_s: Cell<Option<u32>>,
    requests_per_s: RefCell<Vec<u32>>,
    refused: Cell<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// If there is none.
    Absent,
    /// If it still has this mark.
    Mark(u64),
}

impl Storage {
    pub fn new(conditions: Conditions, clock_rate: u32, tells_the_time: bool) -> Self {
        Self {
            conditions,
            clock_rate,
            tells_the_time,
            objects: RefCell::default(),
            earlier: RefCell::default(),
            marks: Cell::new(0),
            away_until: Cell::new(Duration::ZERO),
            budget_per_s: Cell::new(None),
            requests_per_s: RefCell::default(),
            refused: Cell::new(0),
        }
    }

    pub fn clock(&self, now: Duration) -> UnixMs {
        BEGINNING.plus(now * self.clock_rate)
    }

    /// What it says with an answer.
    pub fn date(&self, now: Duration) -> Option<UnixMs> {
        self.tells_the_time.then(|| self.clock(now))
    }

    pub fn object(&self, key: &str) -> Option<Object> {
        self.objects.borrow().get(key).cloned()
    }

    pub fn earlier(&self, key: &str) -> Option<Object> {
        self.earlier.borrow().get(key).cloned()
    }

    /// Any other object than this one.
    pub fn other(&self, key: &str, nth: usize) -> Option<Object> {
        let objects = self.objects.borrow();
        let others: Vec<_> = objects.iter().filter(|(other, _)| *other != key).collect();
        others.get(nth % others.len().max(1)).map(|(_, object)| (*object).clone())
    }

    pub fn keys(&self, prefix: &str, after: Option<&str>) -> Vec<(String, UnixMs)> {
        let objects = self.objects.borrow();
        let listed = objects.iter().filter(|(key, _)| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after));
        listed.map(|(key, object)| (key.clone(), object.modified)).collect()
    }

    pub fn holds(&self, key: &str, condition: Condition) -> bool {
        let mark = self.objects.borrow().get(key).map(|object| object.mark);
        match condition {
            Condition::Absent => mark.is_none(),
            Condition::Mark(wanted) => mark == Some(wanted),
        }
    }

    /// What was there before.
    pub fn write(&self, at: Duration, key: &str, bytes: Bytes) -> Option<Object> {
        self.marks.set(self.marks.get() + 1);
        let object = Object { bytes, mark: self.marks.get(), modified: self.clock(at) };
        let before = self.objects.borrow_mut().insert(key.to_owned(), object);
        if let Some(before) = before.clone() {
            self.earlier.borrow_mut().insert(key.to_owned(), before);
        }
        before
    }

    pub fn delete(&self, key: &str) -> bool {
        self.objects.borrow_mut().remove(key).is_some()
    }

    /// Somebody brings the object back as it was before its last write.
    pub fn roll_back(&self, at: Duration, key: &str) -> bool {
        let Some(earlier) = self.earlier(key) else { return false };
        self.write(at, key, earlier.bytes);
        true
    }

    pub fn goes_away_until(&self, until: Duration) {
        self.away_until.set(until);
    }

    /// So many requests in any second; the rest are told to slow down.
    pub fn allows(&self, budget_per_s: u32) {
        self.budget_per_s.set(Some(budget_per_s));
    }

    /// Whether this one is within the budget.
    pub fn admits(&self, now: Duration) -> bool {
        let Some(budget) = self.budget_per_s.get() else { return true };
        let mut requests = self.requests_per_s.borrow_mut();
        let second = now.as_secs() as usize;
        if requests.len() <= second {
            requests.resize(second + 1, 0);
        }
        requests[second] += 1;
        let admits = requests[second] <= budget;
        self.refused.set(self.refused.get() + u64::from(!admits));
        admits
    }

    pub fn requests_per_s(&self) -> Vec<u32> {
        self.requests_per_s.borrow().clone()
    }

    pub fn refused(&self) -> u64 {
        self.refused.get()
    }

    pub fn is_away(&self, now: Duration) -> bool {
        now < self.away_until.get()
    }
}
