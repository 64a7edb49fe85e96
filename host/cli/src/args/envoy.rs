//! `holdover envoy`: what is asked of it.

use std::net::SocketAddr;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub enum EnvoyCommand {
    /// Write a complete bootstrap for an Envoy with a Holdover node beside it, as JSON on stdout.
    Bootstrap(BootstrapArguments),
}

#[derive(Debug, Args)]
pub struct BootstrapArguments {
    /// The management server (ADS), as Envoy reaches it.
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port)]
    pub control_plane: (String, u16),
    /// The node's `holdover_ads_listen`, as Envoy reaches it.
    #[arg(long, default_value = "127.0.0.1:18000", value_name = "ADDRESS:PORT")]
    pub failover: SocketAddr,
    /// The node's `holdover_status_listen`: it answers health checks of the management server.
    #[arg(long, default_value = "127.0.0.1:8108", value_name = "ADDRESS:PORT")]
    pub health: SocketAddr,
    /// This Envoy's `node.id`. Default: the host's name.
    #[arg(long, value_name = "ID")]
    pub node_id: Option<String>,
    /// Its `node.cluster`, which is the node's `holdover_node_group`.
    #[arg(long, value_name = "NAME")]
    pub node_group: String,
    /// How it asks: one cluster with priorities, or Envoy's own failover, which is experimental there.
    #[arg(long, value_enum, default_value_t = Way::Priorities)]
    pub way: Way,
    /// What it asks with. Default: delta; with `--way failover` sotw, for with delta that keeps what only the failover had.
    #[arg(long, value_enum)]
    pub protocol: Option<Protocol>,
    /// Where its admin interface listens. Default: nowhere.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub admin: Option<SocketAddr>,
    /// Speak TLS to the management server, and trust who is signed by this file's certificates. All files are Envoy's to read.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<String>,
    /// The certificate to show it.
    #[arg(long, value_name = "FILE", requires = "ca", requires = "key")]
    pub cert: Option<String>,
    /// Its private key.
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<String>,
    /// The name expected of it. Default: the host of `--control-plane`.
    #[arg(long, value_name = "NAME", requires = "ca")]
    pub server_name: Option<String>,
    /// Speak TLS to the failover too, with the same files: for a node that does not listen on loopback. Its certificate must be for its address.
    #[arg(long, requires = "ca")]
    pub failover_tls: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Way {
    Priorities,
    Failover,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    Delta,
    Sotw,
}

fn host_and_port(text: &str) -> Result<(String, u16), String> {
    let how = "write host:port, for example xds.example.com:18000";
    let (host, port) = text.rsplit_once(':').ok_or(how)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match port.parse() {
        Ok(port) if port > 0 && !host.is_empty() && !host.contains('/') => Ok((host.to_owned(), port)),
        Ok(_) | Err(_) => Err(how.to_owned()),
    }
}
