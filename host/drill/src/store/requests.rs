//! What was asked and how it was answered: one by one with headers, and counted by operation.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One request as it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    /// Within the bucket; empty for the bucket itself.
    pub key: String,
    /// As the request claims; empty when it is not signed.
    pub access_key: String,
    /// `None` when the connection was cut instead of answering.
    pub status: Option<u16>,
    /// Names in small letters. Without the signature.
    pub headers: BTreeMap<String, String>,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    Get,
    Head,
    Put,
    Delete,
    /// A GET of the bucket itself.
    List,
    Other,
}

/// How many requests were answered, and how. A connection that was cut is in none of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// With success.
    pub done: u64,
    /// With 429 or 503.
    pub slowed: u64,
    /// With any other status: absent, forbidden, a condition that did not hold.
    pub refused: u64,
}

#[derive(Default)]
pub(super) struct Requests(Mutex<Log>);

#[derive(Default)]
struct Log {
    all: Vec<Request>,
    answered: BTreeMap<Operation, Answered>,
}

impl Request {
    pub fn operation(&self) -> Operation {
        match (self.method.as_str(), self.key.as_str()) {
            ("GET", "") => Operation::List,
            ("GET", _) => Operation::Get,
            ("HEAD", _) => Operation::Head,
            ("PUT", _) => Operation::Put,
            ("DELETE", _) => Operation::Delete,
            // An open set: what is no operation of ours is refused by the service.
            _ => Operation::Other,
        }
    }
}

impl Answered {
    pub fn total(&self) -> u64 {
        self.done + self.slowed + self.refused
    }

    fn count(&mut self, status: u16) {
        match status {
            200..=299 => self.done += 1,
            429 | 503 => self.slowed += 1,
            _ => self.refused += 1,
        }
    }
}

impl Requests {
    pub fn push(&self, request: Request) {
        let mut log = self.lock();
        if let Some(status) = request.status {
            log.answered.entry(request.operation()).or_default().count(status);
        }
        log.all.push(request);
    }

    pub fn all(&self) -> Vec<Request> {
        self.lock().all.clone()
    }

    pub fn answered(&self, operation: Operation) -> Answered {
        self.lock().answered.get(&operation).copied().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_what_was_asked_and_how_it_went() {
        let requests = Requests::default();
        let asked = [
            ("GET", "head", Some(200)),
            ("GET", "head", Some(404)),
            ("GET", "head", Some(503)),
            ("GET", "head", None),
            ("GET", "", Some(200)),
            ("HEAD", "head", Some(200)),
            ("PUT", "head", Some(412)),
            ("DELETE", "head", Some(204)),
            ("POST", "", Some(501)),
        ];
        for (method, key, status) in asked {
            let (method, key) = (method.to_owned(), key.to_owned());
            requests.push(Request { method, key, access_key: String::new(), status, headers: BTreeMap::new() });
        }
        let answered = |operation| requests.answered(operation);
        assert_eq!(answered(Operation::Get), Answered { done: 1, slowed: 1, refused: 1 });
        assert_eq!(answered(Operation::Get).total(), 3);
        assert_eq!(answered(Operation::List), Answered { done: 1, ..Answered::default() });
        assert_eq!(answered(Operation::Head), Answered { done: 1, ..Answered::default() });
        assert_eq!(answered(Operation::Put), Answered { refused: 1, ..Answered::default() });
        assert_eq!(answered(Operation::Delete), Answered { done: 1, ..Answered::default() });
        assert_eq!(answered(Operation::Other), Answered { refused: 1, ..Answered::default() });
        assert_eq!(requests.all().len(), asked.len());
    }
}
