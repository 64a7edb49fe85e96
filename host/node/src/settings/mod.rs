//! What the operator asks for: from files and the environment to [`Settings`], complete and checked as a whole (all-05).
//!
//! ```text
//! holdover.conf ─┐
//! kong.conf ─────┼─► RawSettings ──expand──► check ──► Settings, or every Problem at once
//! environment ───┘   mirrors what was written          no default is written twice: they stand in `reference`
//! ```
//!
//! Knows names, bounds and what contradicts what. Knows no adapter: storage URLs stay texts, and whoever can parse them is
//! handed in as [`Judges`].

mod check;
mod duration;
mod environment;
mod file;
mod listen;
mod problem;
mod raw;
mod reading;
pub mod reference;
mod secret;
#[cfg(test)]
mod tests;
mod url;

use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdover_plugin::policy::Settings as PolicySettings;
use holdover_plugin::routing::Unenforced;
use holdover_plugin::snapshot::PublicKey;

pub use environment::Environment;
pub use problem::{Problem, Problems};
pub use secret::Secret;

use raw::{ConfFile, RawSettings};

const CONF_BYTES_MAX: u64 = 1024 * 1024;

/// Where settings are looked for. Later ones win: `kong.conf`, `holdover.conf`, `KONG_…`, `HOLDOVER_…`.
#[derive(Debug, Default)]
pub struct Sources {
    pub config: Option<PathBuf>,
    pub kong_conf: Option<PathBuf>,
    pub environment: Environment,
}

/// Adapters' own judgement of their part of a setting. `Err` is the rest of the sentence "setting = value: …".
pub struct Judges<'a> {
    pub storage: &'a dyn Fn(&str) -> Result<(), String>,
    pub s3_put: &'a dyn Fn(&str) -> Result<(), String>,
    /// Opens the file of a private key, and says whose signatures it makes.
    pub signing_key: &'a dyn Fn(&Path) -> Result<PublicKey, String>,
    /// Opens the file of a private key that decrypts.
    pub identity: &'a dyn Fn(&Path) -> Result<(), String>,
    pub recipient: &'a dyn Fn(&str) -> Result<(), String>,
    /// Opens certificate and key. `Err` is a sentence that begins with the setting at fault.
    pub hybrid: &'a dyn Fn(&Hybrid) -> Result<(), String>,
    /// Opens certificates and keys. `Err` is a sentence that begins with the setting at fault.
    pub front: &'a dyn Fn(&Front) -> Result<(), String>,
    /// The same for xDS.
    pub xds: &'a dyn Fn(&Xds) -> Result<(), String>,
}

/// Everything a node needs to know, without gaps and contradictions. Only [`load`] makes one.
#[derive(Clone, Debug)]
pub struct Settings {
    pub policy: PolicySettings,
    pub role: Role,
    pub control_plane: ControlPlane,
    pub gateway: Gateway,
    /// Where the control plane or the gateway speaks Kong's hybrid protocol.
    pub hybrid: Option<Hybrid>,
    /// Where the control plane or the gateway speaks xDS.
    pub xds: Option<Xds>,
    /// URLs in the order given; the policy's `StorageId` is an index into them.
    pub storages: Vec<String>,
    pub s3_addressing: S3Addressing,
    /// Where the nodes of this machine share what they fetch.
    pub shared_fetch_dir: Option<PathBuf>,
    /// Whether and how this node publishes.
    pub export: Option<Export>,
    pub keys: Keys,
    /// A JSON Schema for format `document`.
    pub schema: Option<PathBuf>,
    pub cache_dir: PathBuf,
    pub bundle: Option<PathBuf>,
    pub status_listen: SocketAddr,
    pub log_level: LogLevel,
    /// An importing policy other than the embedded one.
    pub policy_file: Option<PathBuf>,
    pub compiled_dir: PathBuf,
    /// What was given, is allowed and has no effect: one sentence each.
    pub notes: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Traditional,
    ControlPlane,
    DataPlane,
}

#[derive(Clone, Debug)]
pub enum ControlPlane {
    Http {
        url: String,
        credentials: Option<Credentials>,
        /// Trusted besides the machine's own roots.
        ca_file: Option<PathBuf>,
        poll_interval: Duration,
    },
    File {
        path: PathBuf,
    },
    /// Kong's hybrid protocol; [`Settings::hybrid`] says as whom.
    Kong {
        /// `host:port`.
        address: String,
        /// Which setting says so.
        setting: &'static str,
    },
    /// An xDS management server, over ADS; [`Settings::xds`] says as whom.
    Xds {
        /// `http://host:port` or `https://host:port`.
        url: String,
        token: Option<Secret>,
        protocol: XdsProtocol,
    },
}

/// What xDS is spoken with, as a management server's client and in its place. Texts as given: the adapter reads them.
#[derive(Clone, Debug)]
pub struct Xds {
    /// `node.cluster` of the Envoys that are served.
    pub node_group: String,
    /// What the management server is told besides: JSON, which the adapter reads.
    pub node_description: Option<String>,
    /// Whether the management server is spoken to over TLS.
    pub follows_tls: bool,
    /// Whether Envoys of other machines are served, which is over TLS and for who shows a certificate.
    pub serves_tls: bool,
    /// Certificate and key of this node.
    pub identity: Option<(String, Secret)>,
    pub ca_cert: Option<String>,
    pub server_name: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XdsProtocol {
    Delta,
    StateOfTheWorld,
}

/// What Kong's hybrid protocol is spoken with, as control plane's follower and as stand-in. Texts as given: the adapter reads them.
#[derive(Clone, Debug)]
pub struct Hybrid {
    pub mtls: ClusterMtls,
    pub cert: String,
    pub cert_key: Secret,
    /// In the mode `pki`.
    pub ca_cert: Option<String>,
    pub server_name: Option<String>,
    pub payload_bytes_max: usize,
    /// Whether the gateways have the plugins that Kong brings along.
    pub bundled_plugins: bool,
    pub custom_plugins: Vec<String>,
    /// May hold a password.
    pub proxy: Option<Secret>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterMtls {
    Shared,
    Pki,
}

#[derive(Clone, Debug)]
pub enum Credentials {
    Token(Secret),
    Basic { user: String, password: Secret },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gateway {
    Builtin {
        /// For plain http.
        listen: Vec<SocketAddr>,
        /// For TLS, with the certificates of the configuration. At least one of both.
        tls_listen: Vec<SocketAddr>,
        unenforced: Unenforced,
        front: Front,
    },
    File {
        path: PathBuf,
        /// Run after each replacement of the file.
        reload_command: Option<String>,
    },
    /// Kong data planes, to which this node is the control plane.
    Kong {
        listen: SocketAddr,
    },
    /// Envoys, to which this node is the management server while theirs is away.
    Envoy {
        listen: SocketAddr,
    },
    None,
}

/// What the built-in gateway shows its clients and tells them, and which proxies and upstreams it believes. Texts as given: the adapter reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Front {
    /// As many as there are keys; none where TLS is not spoken.
    pub certs: Vec<String>,
    pub cert_keys: Vec<Secret>,
    pub trusted_ips: Vec<String>,
    pub real_ip_header: String,
    pub real_ip_recursive: bool,
    pub headers: Vec<String>,
    /// Whether upstreams have to prove who they are where their service does not say.
    pub verifies_upstreams: bool,
    pub trusted_certificates: Vec<String>,
}

/// Where a bucket's name stands in a request to S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum S3Addressing {
    Auto,
    Path,
    Virtual,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Extra parameters of every put to S3, as JSON (export-14).
    pub s3_config: Option<String>,
    /// The nodes that a candidate must not harm, as `http://host:port`; the policy's names for them are an index into them (export-10).
    pub soak_watch: Vec<String>,
    /// Whether this node sweeps while it leads (export-09).
    pub janitor: bool,
}

/// The files of private keys, and for whom to encrypt. Whom to believe stands in the policy's part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    pub signing_key: Option<PathBuf>,
    /// Recipients as text, each one judged.
    pub recipients: Vec<String>,
    pub identity: Option<PathBuf>,
    /// Whether the cache is encrypted to the identity, which is then set.
    pub cache_encryption: bool,
}

/// Kong's levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    Debug,
    Info,
    Notice,
    Warn,
    Error,
    Crit,
    Alert,
    Emerg,
}

impl LogLevel {
    /// The level of `tracing` that shows at least as much.
    pub fn as_tracing(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info | Self::Notice => "info",
            Self::Warn => "warn",
            Self::Error | Self::Crit | Self::Alert | Self::Emerg => "error",
        }
    }
}

/// Reads, expands and checks. Either everything is right, or every problem is named.
pub fn load(sources: &Sources, judges: &Judges<'_>) -> Result<Settings, Problems> {
    let (raw, problems) = gather(sources)?;
    check::check(&raw, &sources.environment, judges, problems)
}

/// Only where the status page is: a shell that asks the node need not have all that the node has.
pub fn status_address(sources: &Sources) -> Result<SocketAddr, Problems> {
    let (raw, _) = gather(sources)?;
    check::status_address(&raw, &sources.environment)
}

fn gather(sources: &Sources) -> Result<(RawSettings, Vec<Problem>), Problems> {
    let mut problems = Vec::new();
    let config = sources.config.as_deref().and_then(|path| read(path, &mut problems));
    let kong_conf = sources.kong_conf.as_deref().and_then(|path| read(path, &mut problems));
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    let raw = RawSettings::gather(config.as_ref(), kong_conf.as_ref(), &sources.environment, &mut problems);
    Ok((raw, problems))
}

fn read(path: &Path, problems: &mut Vec<Problem>) -> Option<ConfFile> {
    let shown = path.display().to_string();
    let opened = fs::File::open(path).and_then(|file| {
        let mut text = String::new();
        let world_readable = secret::is_world_readable(&file.metadata()?);
        file.take(CONF_BYTES_MAX + 1).read_to_string(&mut text)?;
        Ok((text, world_readable))
    });
    match opened {
        Ok((text, _)) if text.len() as u64 > CONF_BYTES_MAX => {
            problems.push(Problem::of_source(shown, format!("the file has more than {CONF_BYTES_MAX} bytes; give a settings file")));
            None
        }
        Ok((text, world_readable)) => Some(ConfFile { path: shown, text, world_readable }),
        Err(error) => {
            problems
                .push(Problem::of_source(shown, format!("the file cannot be read ({error}); give the path of a readable settings file")));
            None
        }
    }
}
