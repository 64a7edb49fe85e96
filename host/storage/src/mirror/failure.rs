//! The one place where a mirror's answers and the client's errors become ours: by status and type, never by searching a text.

use std::error::Error;
use std::time::Duration;

use holdover_ports::{StorageFailure, StorageFailureKind as Kind};

use crate::failure::{self, failure};
use crate::options::Proxy;

/// How a mirror is named in sentences.
pub(super) struct Words {
    storage: String,
    through: String,
}

impl Words {
    pub fn new(name: &str, proxy: Option<&Proxy>) -> Self {
        let through = proxy.map(|proxy| format!(" (proxy {})", proxy.shown)).unwrap_or_default();
        Self { storage: format!("cluster_fallback_config_storage = {name}"), through }
    }

    pub fn setting(&self, why: &str) -> String {
        format!("{}: {why}", self.storage)
    }

    pub fn not_answered(&self, key: &str, error: &reqwest::Error) -> StorageFailure {
        let (cause, storage) = (deepest(error), format!("{}{}", self.storage, self.through));
        let detail = if error.is_connect() {
            format!("{storage} cannot be reached ({cause}); check the address, that the mirror runs, and the way to it")
        } else {
            format!("{storage} did not answer a GET of '{key}' ({cause}); check the mirror and the way to it")
        };
        failure(Kind::Unreachable, detail, None)
    }

    pub fn silent(&self, key: &str) -> StorageFailure {
        let Self { storage, through } = self;
        let detail = format!("{storage}{through} did not answer a GET of '{key}' (no answer in time); check the mirror and the way to it");
        failure(Kind::Unreachable, detail, None)
    }

    pub fn refused(&self, key: &str, status: u16, pause: Option<Duration>) -> StorageFailure {
        let Self { storage, through } = self;
        let (kind, matter) = match status {
            404 | 410 => (Kind::Absent, format!(" holds no '{key}' ({status}); check the path, and that the storage is copied there")),
            401 => (Kind::Forbidden, format!(": '{key}' is shown only to who logs in ({status}); let nodes read the mirror without")),
            403 => (
                Kind::AbsentOrForbidden,
                format!(": '{key}' is absent or not to be read by this node ({status}); many servers do not say which of both"),
            ),
            407 => (
                Kind::Other,
                format!("{through}: the proxy asks for a user and password ({status}); write them into HTTPS_PROXY or HTTP_PROXY"),
            ),
            429 | 503 => (Kind::SlowDown, format!(": the mirror asks for a pause ({status}); if this lasts, look how many nodes ask it")),
            300..=399 => (
                Kind::Other,
                format!(": '{key}' was answered with a redirect ({status}), which is not followed; write the address that holds the files"),
            ),
            500..=599 => (Kind::Unreachable, format!("{through} failed at a GET of '{key}' ({status}); check the mirror")),
            _ => (Kind::Other, format!(": a GET of '{key}' was answered with {status}; check that the mirror serves plain files")),
        };
        failure(kind, format!("{storage}{matter}"), pause.filter(|_| kind == Kind::SlowDown))
    }

    pub fn encoded(&self, key: &str, encoding: &str) -> StorageFailure {
        let encoding: String = encoding.chars().filter(char::is_ascii_graphic).take(40).collect();
        let detail = format!(
            "{}: '{key}' came encoded ({encoding}), and its bytes are checked as they were published; have the mirror send files as they are",
            self.storage
        );
        failure(Kind::Other, detail, None)
    }

    pub fn too_large(&self, key: &str, bytes: u64, bytes_max: u64) -> StorageFailure {
        failure::too_large(&self.storage, key, bytes, bytes_max)
    }

    pub fn broke_off(&self, key: &str, received: u64, announced: Option<u64>, cause: &str) -> StorageFailure {
        let of = announced.map(|bytes| format!(" of {bytes}")).unwrap_or_default();
        let detail = format!(
            "{}{} broke off in the body of '{key}' after {received}{of} bytes ({cause}); check the mirror and the way to it",
            self.storage, self.through
        );
        failure(Kind::Unreachable, detail, None)
    }
}

/// What lies at the bottom of an error: the system's, TLS's or the resolver's own words, as part of a sentence.
pub(super) fn deepest(error: &(dyn Error + 'static)) -> String {
    let last = std::iter::successors(Some(error), |&error| error.source()).last();
    let words = last.unwrap_or(error).to_string();
    words.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect()
}
