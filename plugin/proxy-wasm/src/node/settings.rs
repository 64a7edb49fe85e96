//! The node's configuration in Envoy's bootstrap: one JSON object, read as a whole, every mistake said at once (all-05).

use std::fmt;
use std::time::Duration;

use holdover_age::Identity;
use holdover_plugin::config::Format;
use holdover_plugin::model::{Cluster, GatewayVersion};
use holdover_plugin::policy::{self, OnRefusal};
use holdover_plugin::routing::Unenforced;
use holdover_plugin::snapshot::{PublicKey, Trust};
use serde::Deserialize;

use crate::vm;

const GIVE_UP_MS: u64 = 10_000;
/// A private key has no place among settings that anybody may read in Envoy's admin interface.
const IDENTITY: &str = "HOLDOVER_IDENTITY";

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSettings {
    #[serde(rename = "role")]
    _role: String,
    cluster: Option<String>,
    gateway_version: Option<String>,
    format: Option<String>,
    storage_cluster: Option<String>,
    /// The Host that the storage is asked by, and that its requests are signed for.
    storage_authority: Option<String>,
    /// `/bucket/prefix`, path style.
    storage_prefix: Option<String>,
    control_plane_cluster: Option<String>,
    control_plane_authority: Option<String>,
    control_plane_path: Option<String>,
    give_up_ms: Option<u64>,
    on_refusal: Option<String>,
    while_control_plane_answers: Option<String>,
    unenforced_plugins: Option<String>,
    /// Ed25519 public keys: who may seal what the node takes.
    trusted_keys: Option<Vec<String>>,
}

/// Complete and checked.
pub struct Settings {
    pub policy: policy::Settings,
    pub storage: Storage,
    pub control_plane: ControlPlane,
    pub unenforced: Unenforced,
    pub while_answering: WhileAnswering,
    /// What opens an encrypted snapshot.
    pub identities: Vec<Identity>,
}

/// What becomes of requests while the control plane answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhileAnswering {
    /// They are left to Envoy's own routes.
    StepAside,
    /// They are routed by the control plane's configuration.
    Route,
}

pub struct Storage {
    pub cluster: String,
    pub authority: String,
    /// With a slash before and none behind.
    pub prefix: String,
}

pub struct ControlPlane {
    pub cluster: String,
    pub authority: String,
    pub path: String,
}

impl Settings {
    pub fn read(json: &[u8]) -> Result<Self, Vec<String>> {
        let raw: RawSettings = serde_json::from_slice(json).map_err(|error| {
            vec![format!("the plugin's configuration cannot be read: {error}; write it as one JSON object of its settings")]
        })?;
        let mut wrong = Vec::new();
        let settings = Reading { wrong: &mut wrong }.settings(raw);
        settings.filter(|_| wrong.is_empty()).ok_or(wrong)
    }
}

struct Reading<'a> {
    wrong: &'a mut Vec<String>,
}

impl Reading<'_> {
    fn settings(&mut self, raw: RawSettings) -> Option<Settings> {
        let cluster: Option<Cluster> = self.parsed("cluster", raw.cluster);
        let gateway_version: Option<GatewayVersion> = self.parsed("gateway_version", raw.gateway_version);
        self.format(raw.format);
        let refusals = [("wait", OnRefusal::Wait), ("fallback", OnRefusal::Fallback)];
        let on_refusal = self.one_of("on_refusal", raw.on_refusal.as_deref(), refusals);
        let trusted = self.trusted(raw.trusted_keys.unwrap_or_default());
        let ways = [("step-aside", WhileAnswering::StepAside), ("route", WhileAnswering::Route)];
        let while_answering = self.one_of("while_control_plane_answers", raw.while_control_plane_answers.as_deref(), ways);
        let unenforced = self.unenforced(raw.unenforced_plugins.as_deref());
        let identities = self.identities(vm::variable(IDENTITY));
        let storage_cluster = self.given("storage_cluster", raw.storage_cluster);
        let storage_authority = self.given("storage_authority", raw.storage_authority);
        let prefix = self.path("storage_prefix", raw.storage_prefix);
        let control_plane_cluster = self.given("control_plane_cluster", raw.control_plane_cluster);
        let path = self.path("control_plane_path", raw.control_plane_path);
        let give_up = raw.give_up_ms.unwrap_or(GIVE_UP_MS);
        if give_up == 0 {
            self.wrong.push("give_up_ms is 0, which leaves the control plane no time to answer: leave it out for 10000".into());
        }
        let storage =
            Storage { cluster: storage_cluster?, authority: storage_authority?, prefix: prefix?.trim_end_matches('/').to_owned() };
        let control_plane_cluster = control_plane_cluster?;
        let control_plane = ControlPlane {
            authority: raw.control_plane_authority.unwrap_or_else(|| control_plane_cluster.clone()),
            cluster: control_plane_cluster,
            path: path?,
        };
        let policy = policy::Settings {
            node: "envoy".into(),
            storages: vec![storage.prefix.clone()],
            on_refusal: on_refusal?,
            give_up: Duration::from_millis(give_up),
            // Without a disk there is nothing that could settle.
            settle: Duration::MAX,
            trusted: trusted?,
            has_identity: identities.as_ref().is_some_and(|identities| !identities.is_empty()),
            ..policy::Settings::new(cluster?, gateway_version?, Format::Kong)
        };
        Some(Settings {
            policy,
            storage,
            control_plane,
            unenforced: unenforced?,
            while_answering: while_answering?,
            identities: identities?,
        })
    }

    fn given(&mut self, name: &str, value: Option<String>) -> Option<String> {
        let value = value.filter(|value| !value.is_empty());
        if value.is_none() {
            self.wrong.push(format!("{name} is not set: set it"));
        }
        value
    }

    fn parsed<T: std::str::FromStr<Err: fmt::Display>>(&mut self, name: &str, value: Option<String>) -> Option<T> {
        let value = self.given(name, value)?;
        value.parse().map_err(|error| self.wrong.push(format!("{name} = {value}: {error}"))).ok()
    }

    fn path(&mut self, name: &str, value: Option<String>) -> Option<String> {
        let value = self.given(name, value)?;
        if value.starts_with('/') && value.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Some(value);
        }
        self.wrong.push(format!("{name} = {value} is no path: begin it with '/' and leave out blanks"));
        None
    }

    /// The filter routes by the configuration, and only Kong's says how.
    fn format(&mut self, value: Option<String>) {
        match value.as_deref() {
            None | Some("kong") => {}
            Some(other) => self.wrong.push(format!("format = {other} is not one that requests are routed by here: use 'kong'")),
        }
    }

    /// One of two words. Left out, it is the first.
    fn one_of<T>(&mut self, name: &str, value: Option<&str>, words: [(&str, T); 2]) -> Option<T> {
        let [(first, by_default), (second, otherwise)] = words;
        match value {
            None => Some(by_default),
            Some(word) if word == first => Some(by_default),
            Some(word) if word == second => Some(otherwise),
            Some(other) => {
                self.wrong.push(format!("{name} = {other} is neither '{first}' nor '{second}': use one of them"));
                None
            }
        }
    }

    fn trusted(&mut self, keys: Vec<String>) -> Option<Trust> {
        let keys: Result<Vec<PublicKey>, _> = keys.iter().map(|key| key.parse()).collect();
        keys.map(Trust::new).map_err(|error| self.wrong.push(format!("trusted_keys: {error}"))).ok()
    }

    /// As lines of age's identity file. What is wrong is said without a byte of it.
    fn identities(&mut self, lines: Option<String>) -> Option<Vec<Identity>> {
        let Some(lines) = lines else { return Some(Vec::new()) };
        let identities = Identity::parse_file(&lines).ok();
        if identities.is_none() {
            self.wrong.push(format!("{IDENTITY} in the VM's environment is no identity: write it as AGE-SECRET-KEY-1…, one a line"));
        }
        identities
    }

    fn unenforced(&mut self, value: Option<&str>) -> Option<Unenforced> {
        let parsed = Unenforced::parse(value.unwrap_or("refuse"));
        parsed.map_err(|bad| self.wrong.push(format!("unenforced_plugins: {bad}"))).ok()
    }
}

impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "storage_cluster = {}, storage_prefix = {}", self.cluster, self.prefix)
    }
}
