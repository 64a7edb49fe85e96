//! The command line, as text becomes types. Decides nothing; each command's doc comment is its help.

mod envoy;
mod orders;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use holdover_plugin::config::Format;
use holdover_plugin::config::kong::{Flavor, Role, Version};
use holdover_plugin::model::{Cluster, Digest, GatewayVersion, Lineage};

use crate::commands::generation::Which;
use crate::exit;

pub use envoy::{BootstrapArguments, EnvoyCommand, Protocol, Way};
pub use orders::{
    ApproveArguments, FreezeArguments, GenerationOrder, OperatorArguments, PublishArguments, UnfreezeArguments, UnpinArguments,
};

/// Gateways that start, and stay right, while their control plane is away.
#[derive(Debug, Parser)]
#[command(name = "holdover", version, after_help = exit::CODES, arg_required_else_help = true)]
pub struct Arguments {
    /// How log lines are written on stderr. Default: for people.
    #[arg(long, global = true, value_enum, default_value_t = LogForm::Human)]
    pub log: LogForm,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogForm {
    Human,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a node until SIGTERM or SIGINT.
    Run(SettingsFiles),
    /// Check settings, storages, cache and policy before a rollout.
    Check(CheckArguments),
    /// Judge a snapshot, cache, head or configuration file, or all generations of a storage. Ends with 0 only if all of it is good.
    Verify(VerifyArguments),
    /// List the generations that the storages offer, newest first.
    History(HistoryArguments),
    /// Show what a generation says of itself; never a value of its configuration.
    Show(ShowArguments),
    /// Say what differs between two generations. Ends with 0 whether they differ or not; no secret is shown.
    Diff(DiffArguments),
    /// Write a generation into a file, verified: the sealed snapshot, which is good as `holdover_bundle`.
    Fetch(FetchArguments),
    /// Have new nodes take one generation, whatever is newer, until `unpin`.
    Pin(GenerationOrder),
    /// Have new nodes take the newest good generation again.
    Unpin(UnpinArguments),
    /// Have an old generation published once more, as a new one.
    Restore(GenerationOrder),
    /// Stop all exports until `unfreeze`.
    Freeze(FreezeArguments),
    /// Let exports go on.
    Unfreeze(UnfreezeArguments),
    /// Release what a guard holds: one export, once and within an hour; or with `--rejoin` what this machine's node would not apply.
    Approve(ApproveArguments),
    /// Publish a configuration file, once, as an exporter does whose control plane delivered it.
    Publish(PublishArguments),
    /// Show what the running node serves, from where, and what it retries.
    Status(AskArguments),
    /// Say in sentences why the running node serves what it serves.
    Why(AskArguments),
    /// Make a private key, and say its public part.
    #[command(subcommand)]
    Keygen(KeygenCommand),
    /// Sign a token that lets a node take one older snapshot, once. Asks nobody: it works offline.
    BreakGlass(BreakGlassArguments),
    /// Serve a declarative file to Kong's data planes, as their hybrid control plane, and follow its changes.
    ControlPlane(ControlPlaneArguments),
    /// What an Envoy beside a node needs.
    #[command(subcommand)]
    Envoy(EnvoyCommand),
    /// Look at the policy component, or compile it ahead of time.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Play an outage through, on embedded parts: how long until a new node serves, and what is lost.
    Drill(DrillArguments),
}

#[derive(Clone, Debug, Default, Args)]
pub struct SettingsFiles {
    /// The settings. Default: /etc/holdover/holdover.conf, if there is one.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Kong's settings besides; what does not concern Holdover is left alone.
    #[arg(long, value_name = "FILE")]
    pub kong_conf: Option<PathBuf>,
}

/// Whom to believe, and what to open with.
#[derive(Clone, Debug, Default, Args)]
pub struct KeyArguments {
    /// A public key to believe instead of the settings' `holdover_trusted_keys`; may be repeated.
    #[arg(long, value_name = "KEY")]
    pub trusted_key: Vec<String>,
    /// The file of the private key that opens what is encrypted. Default: `holdover_identity` of the settings.
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
}

/// Which storages are asked, for whom. What is not given here comes from the settings; with `--storage` no settings are needed.
#[derive(Clone, Debug, Default, Args)]
pub struct StorageArguments {
    #[command(flatten)]
    pub files: SettingsFiles,
    /// A storage to ask instead of the settings'; may be repeated.
    #[arg(long, value_name = "URL")]
    pub storage: Vec<String>,
    /// The cluster that the storages must hold.
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<Cluster>,
    /// The gateway version to look at.
    #[arg(long, value_name = "VERSION")]
    pub gateway_version: Option<GatewayVersion>,
    #[command(flatten)]
    pub keys: KeyArguments,
}

#[derive(Debug, Args)]
pub struct CheckArguments {
    #[command(flatten)]
    pub files: SettingsFiles,
    /// Alone: whether the first storage does what an election needs, asked of the storage itself on scratch keys. Ends with 0 only if it
    /// does. With `--as importer`: a storage to restore from; may be repeated. Without URL: of the settings' storages.
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
    pub storage: Vec<String>,
    /// With `--as importer`: the cluster that the storages must hold.
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<Cluster>,
    /// With `--as importer`: the gateway version to restore for.
    #[arg(long, value_name = "VERSION")]
    pub gateway_version: Option<GatewayVersion>,
    #[command(flatten)]
    pub keys: KeyArguments,
    /// Prove that the backup restores: fetch, verify, open, validate and load it as a node born in an outage would, into nothing.
    /// Ends with 0 only if such a node would serve, else with 1 and what every rung said.
    #[arg(long = "as", value_enum, value_name = "ROLE")]
    pub role: Option<CheckedRole>,
    /// With `--as importer` and no settings: the language of the configuration.
    #[arg(long, default_value = "kong", value_name = "kong|xds|document")]
    pub format: Format,
    /// One JSON document on stdout.
    #[arg(long)]
    pub json: bool,
}

impl CheckArguments {
    /// The storages that were named, or none for those of the settings.
    pub fn storages(&self) -> StorageArguments {
        StorageArguments {
            files: self.files.clone(),
            storage: self.storage.iter().filter(|url| !url.is_empty()).cloned().collect(),
            cluster: self.cluster.clone(),
            gateway_version: self.gateway_version.clone(),
            keys: self.keys.clone(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CheckedRole {
    Importer,
}

#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// A snapshot, cache, head or configuration file; `-` for stdin; or a storage's URL.
    #[arg(required_unless_present = "storage", conflicts_with = "storage")]
    pub path: Option<String>,
    /// Every generation of a storage; may be repeated. Without URL: of the settings' storages.
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
    pub storage: Vec<String>,
    #[command(flatten)]
    pub files: SettingsFiles,
    /// The cluster that a storage must hold.
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<Cluster>,
    /// Of a storage, only what is for this version. Default: every version.
    #[arg(long, value_name = "VERSION")]
    pub gateway_version: Option<GatewayVersion>,
    #[command(flatten)]
    pub keys: KeyArguments,
    /// The language of a configuration file.
    #[arg(long, default_value = "kong", value_name = "kong|xds|document")]
    pub format: Format,
    /// A JSON Schema to hold a document against.
    #[arg(long, value_name = "FILE")]
    pub schema: Option<PathBuf>,
    #[command(flatten)]
    pub kong: KongArguments,
    /// One JSON document on stdout.
    #[arg(long)]
    pub json: bool,
}

/// Which Kong's verdict is asked for.
#[derive(Clone, Debug, Default, Args)]
pub struct KongArguments {
    /// Judge a configuration file as this Kong would, its plugins included; for example 3.9.1.
    #[arg(long, value_name = "VERSION", conflicts_with = "storage")]
    pub kong_version: Option<Version>,
    /// Its role; a data plane forgives unknown fields that are null. Default: dbless.
    #[arg(long, value_name = "dbless|data_plane", requires = "kong_version")]
    pub role: Option<Role>,
    /// Its `router_flavor`: traditional_compatible, traditional or expressions. Default: traditional_compatible.
    #[arg(long, value_name = "FLAVOR", requires = "kong_version")]
    pub router_flavor: Option<Flavor>,
    /// Its `plugins`, with commas: names, and `bundled` for all that it brings along. Default: bundled.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', requires = "kong_version")]
    pub plugins: Vec<String>,
}

#[derive(Debug, Args)]
pub struct HistoryArguments {
    #[command(flatten)]
    pub storages: StorageArguments,
    /// What operators did instead, newest first, and the orders that stand.
    #[arg(long)]
    pub audit: bool,
    /// One JSON document on stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ShowArguments {
    /// As `holdover history` lists it (7 or 2-7), `newest` or `good`.
    #[arg(default_value = "good")]
    pub generation: Which,
    #[command(flatten)]
    pub storages: StorageArguments,
    /// One JSON document on stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct DiffArguments {
    /// As `holdover history` lists it. Default: the good generation before NEW.
    pub old: Option<Which>,
    /// Default: the newest generation.
    pub new: Option<Which>,
    /// Compare two files instead: snapshots, cache entries or configurations.
    #[arg(long, num_args = 2, value_names = ["A", "B"], conflicts_with_all = ["old", "new"])]
    pub files: Vec<PathBuf>,
    /// The language of configuration files.
    #[arg(long, default_value = "kong", value_name = "kong|xds|document")]
    pub format: Format,
    #[command(flatten)]
    pub storages: StorageArguments,
    /// One JSON document on stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct FetchArguments {
    /// As `holdover history` lists it (7 or 2-7), `newest` or `good`.
    #[arg(default_value = "good")]
    pub generation: Which,
    /// Where to write it; readable by its owner alone.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Write over what is there.
    #[arg(long)]
    pub force: bool,
    /// The configuration itself instead of the sealed snapshot. It is secret.
    #[arg(long)]
    pub plain: bool,
    #[command(flatten)]
    pub storages: StorageArguments,
    /// One JSON document on stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct AskArguments {
    #[command(flatten)]
    pub files: SettingsFiles,
    /// The node's status address. Default: `holdover_status_listen` of the settings.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub address: Option<SocketAddr>,
    /// The node's answer as it is: one JSON document on stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum KeygenCommand {
    /// A key that signs: for `holdover_signing_key`, and for operators.
    Signing(KeygenArguments),
    /// A key that opens what was encrypted to it: for `holdover_identity`.
    Identity(KeygenArguments),
}

#[derive(Debug, Args)]
pub struct KeygenArguments {
    /// Where to write the private key: a file that does not exist yet. Default: stdout.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// One JSON document on stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct BreakGlassArguments {
    /// The operator's private key, as `holdover keygen signing` writes it.
    #[arg(long, value_name = "FILE")]
    pub operator_key: PathBuf,
    /// The lineage of the snapshot to allow.
    #[arg(long, value_name = "LINEAGE")]
    pub lineage: Lineage,
    /// The gateway version that the snapshot was made for.
    #[arg(long, value_name = "VERSION")]
    pub gateway_version: GatewayVersion,
    /// The digest of the snapshot's file.
    #[arg(long, value_name = "DIGEST")]
    pub file_digest: Digest,
    /// How long the token is good.
    #[arg(long, default_value_t = 4, value_name = "1..24", value_parser = clap::value_parser!(u8).range(1..=24))]
    pub hours: u8,
    /// The only node that may use it. Default: any.
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,
    /// The reason, for those who read about it later.
    #[arg(long, value_name = "TEXT")]
    pub why: String,
    /// Where to write the token: a file that does not exist yet. Default: stdout.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Args)]
pub struct ControlPlaneArguments {
    /// Kong's declarative format, in YAML or JSON.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Where data planes dial it: their `cluster_control_plane`.
    #[arg(long, default_value = "127.0.0.1:8005", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// The cluster's certificate: a path, PEM, or base64 of PEM. The data planes have the same one.
    #[arg(long, env = "KONG_CLUSTER_CERT", value_name = "CERT")]
    pub cert: String,
    /// Its private key.
    #[arg(long, env = "KONG_CLUSTER_CERT_KEY", value_name = "KEY", hide_env_values = true)]
    pub cert_key: String,
    /// Take every data plane whose certificate is signed by this authority (`cluster_mtls = pki`).
    #[arg(long, value_name = "CERT")]
    pub ca_cert: Option<String>,
    /// The Kong version to be: data planes of the same major version and no later minor one are served.
    #[arg(long, default_value = "3.9.1", value_name = "VERSION")]
    pub kong_version: String,
    /// Largest message, as compressed, in bytes: `cluster_max_payload`.
    #[arg(long, default_value_t = 16_777_216, value_name = "BYTES")]
    pub max_payload: usize,
}

/// A key may be given as text.
impl std::fmt::Debug for ControlPlaneArguments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ControlPlaneArguments").field("config", &self.config).field("listen", &self.listen).finish_non_exhaustive()
    }
}

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Show what a policy component imports and exports.
    Inspect {
        /// A component (`.wasm`). Default: the embedded ones.
        file: Option<PathBuf>,
        /// One JSON document on stdout.
        #[arg(long)]
        json: bool,
    },
    /// Compile the embedded policy to this machine's code, for an image that is to start fast.
    Precompile {
        /// The folder to write to; name it in `holdover_compiled_dir`.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// The inspector as well, which only nodes with `holdover_schema` load.
        #[arg(long)]
        with_inspector: bool,
    },
}

#[derive(Debug, Args)]
pub struct DrillArguments {
    /// One JSON document on stdout.
    #[arg(long)]
    pub json: bool,
    /// Keep the nodes' files and logs, and say where.
    #[arg(long)]
    pub keep: bool,
    /// How many routes the configuration has.
    #[arg(long, default_value_t = 100, value_name = "1..50000")]
    pub routes: usize,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Arguments::command().debug_assert();
    }
}
