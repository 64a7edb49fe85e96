//! WIT values to the policy's and back, field by field.

use std::time::Duration;

use holdover_plugin::config::Format;
use holdover_plugin::model::{Epoch, Generation, Lineage, Position, VersionRule};
use holdover_plugin::policy::capabilities::{StorageFailure, StorageFailureKind};
use holdover_plugin::policy::{self, Guard, OnRefusal, OnStale, Origin, RejoinGuard};
use holdover_plugin::snapshot::{PublicKey, Trust};

use crate::generated::common::holdover::policy::{storage_failures, types};

/// The host checked these values when it read its settings, so a failure here is the host's mistake, said in a sentence.
pub fn facts(facts: types::Facts) -> Result<policy::Facts, String> {
    let settings = settings(facts.settings)?;
    let serving = facts.serving.map(serving).transpose()?;
    holdover_plugin::mutants::choose(&settings.node);
    Ok(policy::Facts {
        settings,
        serving,
        connected: facts.connected,
        stopping: facts.stopping,
        appeared: facts.appeared,
        process: facts.process,
        session: facts.session,
    })
}

fn settings(settings: types::Settings) -> Result<policy::Settings, String> {
    Ok(policy::Settings {
        cluster: settings.cluster.parse().map_err(|error| format!("settings.cluster: {error}"))?,
        gateway_version: settings.gateway_version.parse().map_err(|error| format!("settings.gateway-version: {error}"))?,
        format: match settings.format {
            types::ConfigFormat::Kong => Format::Kong,
            types::ConfigFormat::Document => Format::Document,
            types::ConfigFormat::Xds => Format::Xds,
        },
        version_rule: match settings.version_rule {
            types::VersionRule::Exact => VersionRule::Exact,
            types::VersionRule::Patch => VersionRule::Patch,
            types::VersionRule::Minor => VersionRule::Minor,
        },
        node: settings.node,
        import: settings.import,
        storages: settings.storages,
        on_refusal: match settings.on_refusal {
            types::OnRefusal::Wait => OnRefusal::Wait,
            types::OnRefusal::Fallback => OnRefusal::Fallback,
        },
        give_up: Duration::from_millis(settings.give_up),
        first_fetch_jitter: Duration::from_millis(settings.first_fetch_jitter),
        export_delay: Duration::from_millis(settings.export_delay),
        single_exporter: settings.single_exporter,
        lease_renew: Duration::from_millis(settings.lease_renew),
        lease_expire: Duration::from_millis(settings.lease_expire),
        guard: Guard { shrink_percent: settings.guard.shrink_percent, growth_percent: settings.guard.growth_percent },
        soak: Duration::from_millis(settings.soak),
        soak_watch: settings.soak_watch,
        rejoin_guard: match settings.rejoin_guard {
            types::RejoinGuard::Empty => RejoinGuard::Empty,
            types::RejoinGuard::Shrink => RejoinGuard::Shrink,
            types::RejoinGuard::Off => RejoinGuard::Off,
        },
        settle: Duration::from_millis(settings.settle),
        staleness_warn: Duration::from_millis(settings.staleness_warn),
        head_age_max: Duration::from_millis(settings.head_age_max),
        on_stale: match settings.on_stale {
            types::OnStale::Warn => OnStale::Warn,
            types::OnStale::Refuse => OnStale::Refuse,
        },
        cache_age_max: settings.cache_age_max.map(Duration::from_millis),
        trusted: trust("settings.trusted-keys", &settings.trusted_keys)?,
        operators: trust("settings.operator-keys", &settings.operator_keys)?,
        has_identity: settings.has_identity,
        sealed_as: settings.sealed_as,
        kong_layout: settings.kong_layout,
        min_generation: Generation(settings.min_generation),
        accept_lineage: settings.accept_lineage.map(lineage).transpose()?,
        break_glass: settings.break_glass,
    })
}

fn trust(name: &str, keys: &[String]) -> Result<Trust, String> {
    let keys: Result<Vec<PublicKey>, _> = keys.iter().map(|key| key.parse()).collect();
    keys.map(Trust::new).map_err(|error| format!("{name}: {error}"))
}

fn lineage(text: String) -> Result<Lineage, String> {
    text.parse().map_err(|error| format!("settings.accept-lineage: {error}"))
}

pub fn serving(serving: types::Serving) -> Result<policy::Serving, String> {
    Ok(policy::Serving {
        digest: serving.digest.parse().map_err(|error| format!("serving.digest: {error}"))?,
        sameness: serving.sameness,
        origin: match serving.origin {
            types::Origin::ControlPlane => Origin::ControlPlane,
            types::Origin::Cache => Origin::Cache,
            types::Origin::Storage => Origin::Storage,
            types::Origin::Bundle => Origin::Bundle,
        },
        position: serving.position.map(|position| Position { epoch: Epoch(position.epoch), generation: Generation(position.generation) }),
    })
}

#[cfg(feature = "importer")]
pub fn serving_back(serving: policy::Serving) -> types::Serving {
    types::Serving {
        digest: serving.digest.to_string(),
        sameness: serving.sameness,
        origin: match serving.origin {
            Origin::ControlPlane => types::Origin::ControlPlane,
            Origin::Cache => types::Origin::Cache,
            Origin::Storage => types::Origin::Storage,
            Origin::Bundle => types::Origin::Bundle,
        },
        position: serving.position.map(position_back),
    }
}

#[cfg(any(feature = "importer", feature = "exporter"))]
pub fn position_back(position: Position) -> types::Position {
    types::Position { epoch: position.epoch.0, generation: position.generation.0 }
}

pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub fn storage_failure(failure: storage_failures::Failure) -> StorageFailure {
    use storage_failures::Kind;
    let kind = match failure.kind {
        Kind::Absent => StorageFailureKind::Absent,
        Kind::AbsentOrForbidden => StorageFailureKind::AbsentOrForbidden,
        Kind::Forbidden => StorageFailureKind::Forbidden,
        Kind::Credentials => StorageFailureKind::Credentials,
        Kind::NoSuchStorage => StorageFailureKind::NoSuchStorage,
        Kind::SlowDown => StorageFailureKind::SlowDown,
        Kind::TooLarge => StorageFailureKind::TooLarge,
        Kind::Unreachable => StorageFailureKind::Unreachable,
        Kind::UnknownOutcome => StorageFailureKind::UnknownOutcome,
        Kind::Other => StorageFailureKind::Other,
    };
    StorageFailure { kind, detail: failure.detail, retry_after: failure.retry_after.map(Duration::from_millis) }
}
