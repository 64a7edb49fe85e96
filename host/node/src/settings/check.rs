//! Checks raw settings as a whole: each by itself, then against each other (all-05).
//!
//! Every group reads all of its settings before it gives up, so that no problem hides another.

mod acceptance;
mod control_plane;
mod exporting;
mod fallback;
mod front;
mod gateway;
mod hybrid;
mod keys;
mod speakers;
mod xds;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use holdover_plugin::config::Format;
use holdover_plugin::model::{Cluster, GatewayVersion, VersionRule};
use holdover_plugin::policy::{OnRefusal, RejoinGuard, Settings as PolicySettings};

use super::environment::Environment;
use super::listen;
use super::problem::{Problem, Problems};
use super::raw::RawSettings;
use super::reading::Reading;
use super::reference::Name;
use super::url;
use super::{ControlPlane, Export, Gateway, Hybrid, Judges, LogLevel, Role, Settings, Xds};
use acceptance::{Acceptance, acceptance};
use control_plane::control_plane;
use exporting::{Exporting, exporting};
use fallback::{Fallback, fallback};
use gateway::gateway;
use hybrid::hybrid;
use keys::{Keys, Ways, keys};
use speakers::Speakers;
use xds::xds;

pub fn check(raw: &RawSettings, environment: &Environment, judges: &Judges<'_>, problems: Vec<Problem>) -> Result<Settings, Problems> {
    let mut reading = Reading::new(raw, environment, problems);
    match groups(&mut reading, environment, judges) {
        Some(groups) if reading.problems.is_empty() => Ok(Settings { notes: reading.notes, ..settings(groups) }),
        Some(_) | None => Err(Problems(reading.problems)),
    }
}

pub fn status_address(raw: &RawSettings, environment: &Environment) -> Result<SocketAddr, Problems> {
    let mut reading = Reading::new(raw, environment, Vec::new());
    let address = reading.defaulted(Name::StatusListen, listen::parse_address);
    address.ok_or(Problems(reading.problems))
}

/// Every group, each sound by itself.
struct Groups {
    role: Role,
    control_plane: ControlPlane,
    fallback: Fallback,
    timing: Timing,
    exporting: Exporting,
    rejoin_guard: RejoinGuard,
    identity: Identity,
    format: Format,
    schema: Option<PathBuf>,
    gateway: Gateway,
    hybrid: Option<Hybrid>,
    xds: Option<Xds>,
    keys: Keys,
    acceptance: Acceptance,
    places: Places,
    log_level: LogLevel,
}

/// Every group is read before the first missing one ends it.
fn groups(reading: &mut Reading<'_>, environment: &Environment, judges: &Judges<'_>) -> Option<Groups> {
    let role = role(reading);
    let control_plane = control_plane(reading);
    let fallback = fallback(reading, environment, judges);
    let timing = timing(reading);
    let exporting = exporting(reading, fallback.as_ref().map(|fallback| fallback.export));
    let rejoin_guard = reading.choice(Name::RejoinGuard, &REJOIN_GUARDS);
    let format = format(reading);
    let identity = identity(reading, environment, format.as_ref().map(|(format, _)| *format));
    let gateway = gateway(reading, format.as_ref().map(|(format, _)| *format), judges);
    let speakers = Speakers::of(control_plane.as_ref(), gateway.as_ref(), format.as_ref().map(|(format, _)| *format));
    let hybrid = hybrid(reading, &speakers, judges);
    let xds = xds(reading, &speakers, judges);
    let ways = Ways::of(fallback.as_ref(), format.as_ref().map(|(format, _)| *format));
    let keys = keys(reading, ways, judges);
    let acceptance = acceptance(reading, fallback.as_ref(), keys.as_ref());
    let places = places(reading);
    let log_level = reading.choice(Name::LogLevel, &LOG_LEVELS);
    if let (Some(Role::ControlPlane), Some(Fallback { import: true, .. })) = (role, &fallback) {
        let fix = "a control plane has its configuration from its database; write off, or role = data_plane";
        reading.contradiction(Name::FallbackImport, fix);
    }
    let (format, schema) = format?;
    Some(Groups {
        role: role?,
        control_plane: control_plane?,
        fallback: fallback?,
        timing: timing?,
        exporting: exporting?,
        rejoin_guard: rejoin_guard?,
        identity: identity?,
        format,
        schema,
        gateway: gateway?,
        hybrid: hybrid?,
        xds: xds?,
        keys: keys?,
        acceptance: acceptance?,
        places: places?,
        log_level: log_level?,
    })
}

/// What the policy is told.
fn policy(groups: &Groups) -> PolicySettings {
    let Groups { fallback, timing, exporting, identity, keys, acceptance, .. } = groups;
    PolicySettings {
        cluster: identity.cluster.clone(),
        gateway_version: identity.gateway_version.clone(),
        format: groups.format,
        version_rule: match groups.format {
            // Groups have no order, whatever their names look like.
            Format::Xds => VersionRule::Exact,
            Format::Kong | Format::Document => acceptance.version_rule,
        },
        node: identity.node.clone(),
        import: fallback.import,
        storages: fallback.storages.iter().map(|storage| url::shown(storage)).collect(),
        on_refusal: timing.on_refusal,
        give_up: timing.give_up,
        first_fetch_jitter: timing.first_fetch_jitter,
        export_delay: timing.export_delay,
        single_exporter: exporting.single_exporter,
        lease_renew: exporting.lease_renew,
        lease_expire: exporting.lease_expire,
        guard: exporting.guard,
        soak: exporting.soak,
        soak_watch: exporting.soak_watch.clone(),
        rejoin_guard: groups.rejoin_guard,
        settle: timing.settle,
        staleness_warn: timing.staleness_warn,
        head_age_max: acceptance.head_age_max,
        on_stale: acceptance.on_stale,
        cache_age_max: acceptance.cache_age_max,
        trusted: keys.trusted.clone(),
        operators: keys.operators.clone(),
        has_identity: keys.files.identity.is_some(),
        // Only whoever opens the files knows: `wire.rs` says it.
        sealed_as: String::new(),
        kong_layout: keys.kong_layout,
        min_generation: acceptance.min_generation,
        accept_lineage: acceptance.accept_lineage,
        break_glass: acceptance.break_glass.clone(),
    }
}

fn settings(groups: Groups) -> Settings {
    let policy = policy(&groups);
    let Groups { fallback, exporting, places, .. } = groups;
    Settings {
        policy,
        role: groups.role,
        control_plane: groups.control_plane,
        gateway: groups.gateway,
        hybrid: groups.hybrid,
        xds: groups.xds,
        storages: fallback.storages,
        s3_addressing: fallback.s3_addressing,
        shared_fetch_dir: fallback.shared_fetch_dir,
        export: fallback.export.then_some(Export {
            s3_config: fallback.s3_config,
            soak_watch: exporting.soak_watch,
            janitor: exporting.janitor,
        }),
        keys: groups.keys.files,
        schema: groups.schema,
        cache_dir: places.cache_dir,
        bundle: places.bundle,
        status_listen: places.status_listen,
        log_level: groups.log_level,
        policy_file: places.policy_file,
        compiled_dir: places.compiled_dir,
        notes: Vec::new(),
    }
}

const REJOIN_GUARDS: [(&str, RejoinGuard); 3] = [("empty", RejoinGuard::Empty), ("shrink", RejoinGuard::Shrink), ("off", RejoinGuard::Off)];

const LOG_LEVELS: [(&str, LogLevel); 8] = [
    ("debug", LogLevel::Debug),
    ("info", LogLevel::Info),
    ("notice", LogLevel::Notice),
    ("warn", LogLevel::Warn),
    ("error", LogLevel::Error),
    ("crit", LogLevel::Crit),
    ("alert", LogLevel::Alert),
    ("emerg", LogLevel::Emerg),
];

fn role(reading: &mut Reading<'_>) -> Option<Role> {
    const ROLES: [(&str, Role); 3] =
        [("traditional", Role::Traditional), ("control_plane", Role::ControlPlane), ("data_plane", Role::DataPlane)];
    reading.choice(Name::Role, &ROLES)
}

struct Timing {
    on_refusal: OnRefusal,
    give_up: Duration,
    first_fetch_jitter: Duration,
    export_delay: Duration,
    settle: Duration,
    staleness_warn: Duration,
}

fn timing(reading: &mut Reading<'_>) -> Option<Timing> {
    let on_refusal = reading.choice(Name::OnRefusal, &[("wait", OnRefusal::Wait), ("fallback", OnRefusal::Fallback)]);
    let give_up = reading.duration(Name::GiveUp, Duration::from_millis(1));
    let first_fetch_jitter = reading.duration(Name::FirstFetchJitter, Duration::ZERO);
    let export_delay = reading.duration(Name::FallbackExportDelay, Duration::ZERO);
    let settle = reading.duration(Name::Settle, Duration::ZERO);
    let staleness_warn = reading.duration(Name::StalenessWarn, Duration::from_secs(1));
    Some(Timing {
        on_refusal: on_refusal?,
        give_up: give_up?,
        first_fetch_jitter: first_fetch_jitter?,
        export_delay: export_delay?,
        settle: settle?,
        staleness_warn: staleness_warn?,
    })
}

struct Identity {
    cluster: Cluster,
    gateway_version: GatewayVersion,
    node: String,
}

fn identity(reading: &mut Reading<'_>, environment: &Environment, format: Option<Format>) -> Option<Identity> {
    let cluster = reading.of_type::<Cluster>(Name::Cluster);
    let gateway_version = view(reading, format);
    let node = reading.parsed(Name::NodeName, |text| match text.len() <= 255 && !text.chars().any(char::is_control) {
        true => Ok(text.to_owned()),
        false => Err("write 1 to 255 printable characters".to_owned()),
    });
    let node = node?.unwrap_or_else(|| environment.hostname().unwrap_or("holdover").to_owned());
    Some(Identity { cluster: cluster?, gateway_version: gateway_version?, node })
}

/// What of the cluster is served here: gateways of one version, or with xDS one group of nodes, whatever their versions.
fn view(reading: &mut Reading<'_>, format: Option<Format>) -> Option<GatewayVersion> {
    match format {
        Some(Format::Xds) => {
            reading.idle(Name::GatewayVersion, "with the format xds holdover_node_group has its place");
            reading.idle(Name::VersionRule, "with the format xds snapshots are for one group and taken by no other");
            let how = "write the node.cluster of the Envoys that are served, for example edge";
            let only = |_| "write 1 to 64 characters of a-z A-Z 0-9 . _ - +".to_owned();
            reading.required(Name::NodeGroup, how, |text| text.parse().map_err(only))
        }
        Some(Format::Kong | Format::Document) | None => {
            reading.idle(Name::NodeGroup, "only the format xds has node groups; holdover_gateway_version says what is served");
            reading.required(Name::GatewayVersion, "write the gateways' version, for example 3.9.1", |text| {
                text.parse().map_err(|error: holdover_plugin::model::VersionError| error.to_string())
            })
        }
    }
}

fn format(reading: &mut Reading<'_>) -> Option<(Format, Option<PathBuf>)> {
    let format = reading.choice(Name::Format, &[("kong", Format::Kong), ("xds", Format::Xds), ("document", Format::Document)]);
    let schema = reading.path(Name::Schema)?;
    let format = format?;
    if schema.is_some() && format != Format::Document {
        let fix = format!(
            "a JSON Schema is held against documents, and the format is {format}; leave it out, or write holdover_format = document"
        );
        reading.contradiction(Name::Schema, fix);
        return None;
    }
    Some((format, schema))
}

struct Places {
    cache_dir: PathBuf,
    compiled_dir: PathBuf,
    bundle: Option<PathBuf>,
    policy_file: Option<PathBuf>,
    status_listen: SocketAddr,
}

fn places(reading: &mut Reading<'_>) -> Option<Places> {
    let cache_dir = reading.path(Name::CacheDir).flatten();
    let compiled_dir = reading.path(Name::CompiledDir);
    let bundle = reading.path(Name::Bundle);
    let policy_file = reading.path(Name::Policy);
    let status_listen = reading.defaulted(Name::StatusListen, listen::parse_address);
    let cache_dir = cache_dir?;
    let compiled_dir = compiled_dir?.unwrap_or_else(|| cache_dir.join("compiled"));
    Some(Places { compiled_dir, cache_dir, bundle: bundle?, policy_file: policy_file?, status_listen: status_listen? })
}
