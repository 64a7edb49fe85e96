//! The command line of an operator's orders, and of `publish`.

use std::path::PathBuf;

use clap::Args;

use super::{SettingsFiles, StorageArguments};
use crate::commands::generation::{Base, Which};

/// Who gives an order, and where.
#[derive(Clone, Debug, Default, Args)]
pub struct OperatorArguments {
    #[command(flatten)]
    pub storages: StorageArguments,
    /// Who gives the order, for those who read about it later. Default: your user's name and this machine's.
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Your private key, as `holdover keygen signing` writes it. Needed where `holdover_operator_keys` is set.
    #[arg(long, value_name = "FILE")]
    pub operator_key: Option<PathBuf>,
    /// One JSON document on stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct GenerationOrder {
    /// As `holdover history` lists it (7 or 2-7), `newest` or `good`.
    pub generation: Which,
    /// The reason, for those who read about it later.
    #[arg(long, value_name = "TEXT")]
    pub why: String,
    /// How long to wait until a leader obeys; 0 does not wait.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    pub wait: u64,
    #[command(flatten)]
    pub operator: OperatorArguments,
}

#[derive(Debug, Args)]
pub struct UnpinArguments {
    /// The reason, for those who read about it later.
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
    /// How long to wait until a leader obeys; 0 does not wait.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    pub wait: u64,
    #[command(flatten)]
    pub operator: OperatorArguments,
}

#[derive(Debug, Args)]
pub struct FreezeArguments {
    /// The reason, for those who read about it later.
    #[arg(long, value_name = "TEXT")]
    pub why: String,
    #[command(flatten)]
    pub operator: OperatorArguments,
}

#[derive(Debug, Args)]
pub struct UnfreezeArguments {
    /// The reason, for those who read about it later.
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
    #[command(flatten)]
    pub operator: OperatorArguments,
}

#[derive(Debug, Args)]
pub struct ApproveArguments {
    /// The sameness of what is held. Default: what the exporter's status page says.
    #[arg(long, value_name = "SAMENESS")]
    pub sameness: Option<String>,
    /// With `--sameness`: the newest generation when it was held, as in 7-41, or `none`.
    #[arg(long, value_name = "EPOCH-GENERATION", requires = "sameness", conflicts_with = "rejoin")]
    pub base: Option<Base>,
    /// The node that holds it. Default: `holdover_status_listen` of the settings.
    #[arg(long, value_name = "http://HOST:PORT")]
    pub status: Option<String>,
    /// Release what this machine's node holds since its control plane came back: a word left in `holdover_cache_dir`.
    #[arg(long)]
    pub rejoin: bool,
    /// The reason, for those who read about it later.
    #[arg(long, value_name = "TEXT")]
    pub why: String,
    #[command(flatten)]
    pub operator: OperatorArguments,
}

#[derive(Debug, Args)]
pub struct PublishArguments {
    /// The configuration, judged strictly before anything is asked.
    pub file: PathBuf,
    #[command(flatten)]
    pub files: SettingsFiles,
    /// How long to try: an exporter that died holds its lease for `holdover_lease_expire`.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub wait: u64,
    /// One JSON document on stdout.
    #[arg(long)]
    pub json: bool,
}
