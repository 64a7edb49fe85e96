//! The command line, as text becomes types. Decides nothing; each command's doc comment is its help.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use holdover_plugin::config::Format;
use holdover_plugin::model::GatewayVersion;

use crate::exit;

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
    /// Judge a snapshot, a configuration file or a storage.
    Verify(VerifyArguments),
    /// Show what the running node serves, from where, and what it retries.
    Status(AskArguments),
    /// Say in sentences why the running node serves what it serves.
    Why(AskArguments),
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

#[derive(Debug, Args)]
pub struct CheckArguments {
    #[command(flatten)]
    pub files: SettingsFiles,
    /// One JSON document on stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// A snapshot or configuration file, or a storage's URL.
    pub path: String,
    /// The language of a configuration file.
    #[arg(long, default_value = "kong", value_name = "kong|document")]
    pub format: Format,
    /// A JSON Schema to hold a document against.
    #[arg(long, value_name = "FILE")]
    pub schema: Option<PathBuf>,
    /// Of a storage, only the newest snapshot for this version. Default: for every version.
    #[arg(long, value_name = "VERSION")]
    pub gateway_version: Option<GatewayVersion>,
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
