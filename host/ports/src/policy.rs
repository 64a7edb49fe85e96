//! The policy as the host sees it: episodes that can be lost, never half-done in a way that matters (all-02).

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use holdover_plugin::config::Format;
use holdover_plugin::policy::{ExportOutcome, Facts, Outcome, Swept};
use holdover_plugin::snapshot::{PayloadKey, Trust};

use crate::Config;

/// Decides for a node how it gets and keeps its configuration.
#[async_trait]
pub trait Importer: Send + Sync {
    /// A node begins: to be called once per process.
    async fn boot(&self, facts: Facts, state: Vec<u8>) -> Result<Outcome, EpisodeLost>;

    /// The control plane delivered.
    async fn received(&self, config: Config, facts: Facts, state: Vec<u8>) -> Result<Outcome, EpisodeLost>;

    /// The time that an earlier outcome asked for has come, or the control plane's session was lost.
    async fn tick(&self, facts: Facts, state: Vec<u8>) -> Result<Outcome, EpisodeLost>;
}

/// Decides for a backup node what is published.
#[async_trait]
pub trait Exporter: Send + Sync {
    async fn received(&self, config: Config, facts: Facts, state: Vec<u8>) -> Result<ExportOutcome, EpisodeLost>;

    /// `pending` is the newest delivery that an earlier outcome asked to keep.
    async fn tick(&self, pending: Option<Config>, facts: Facts, state: Vec<u8>) -> Result<ExportOutcome, EpisodeLost>;

    /// Whether the first storage does what an election needs: each check by its name, with what happened instead.
    async fn probe(&self, facts: Facts) -> Result<Vec<(String, Result<(), String>)>, EpisodeLost>;
}

/// Decides what is removed from the storages.
#[async_trait]
pub trait Janitor: Send + Sync {
    async fn sweep(&self, facts: Facts) -> Result<Swept, EpisodeLost>;
}

/// Judges files without doing anything: for `verify`, `check` and schemas.
#[async_trait]
pub trait Inspector: Send + Sync {
    /// A configuration as an operator wrote it, judged strictly.
    async fn validate(&self, bytes: Bytes, format: Format, schema: Option<String>) -> Result<Verdict, EpisodeLost>;

    /// A snapshot file, verified, opened and validated. `key` opens an encrypted one.
    async fn verify(&self, bytes: Bytes, trust: &Trust, key: Option<&PayloadKey>) -> Result<Verdict, EpisodeLost>;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Valid(Report),
    /// One sentence per finding.
    Invalid(Vec<String>),
}

/// What an inspection found in a valid file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub digest: String,
    pub sameness: String,
    pub bytes: u64,
    /// Entities per type, for example `routes: 100`.
    pub counts: Vec<(String, u64)>,
    pub warnings: Vec<String>,
    /// The manifest as JSON, for a snapshot.
    pub manifest: Option<String>,
    /// What a snapshot says of its configuration, as JSON.
    pub particulars: Option<String>,
}

/// An episode that trapped, ran out of time or memory. The node goes on as it was; the state before it still holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpisodeLost {
    pub episode: &'static str,
    pub reason: String,
}

impl fmt::Display for EpisodeLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the policy's episode '{}' was lost: {}", self.episode, self.reason)
    }
}

impl std::error::Error for EpisodeLost {}
