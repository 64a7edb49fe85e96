//! The policy's values to WIT and back, field by field.

use std::time::Duration;

use holdover_plugin::config::Format;
use holdover_plugin::model::{Epoch, Generation, Position, VersionRule};
use holdover_plugin::policy::{Facts, OnRefusal, OnStale, Origin, RejoinGuard, Serving};
use holdover_plugin::snapshot::Trust;
use holdover_ports::{StorageFailure, StorageFailureKind};

use crate::bindings::common::holdover::policy::{storage_failures, types};

pub fn facts(facts: Facts) -> types::Facts {
    let settings = facts.settings;
    types::Facts {
        settings: types::Settings {
            cluster: settings.cluster.to_string(),
            gateway_version: settings.gateway_version.to_string(),
            format: match settings.format {
                Format::Kong => types::ConfigFormat::Kong,
                Format::Document => types::ConfigFormat::Document,
                Format::Xds => types::ConfigFormat::Xds,
            },
            version_rule: match settings.version_rule {
                VersionRule::Exact => types::VersionRule::Exact,
                VersionRule::Patch => types::VersionRule::Patch,
                VersionRule::Minor => types::VersionRule::Minor,
            },
            node: settings.node,
            import: settings.import,
            storages: settings.storages,
            on_refusal: match settings.on_refusal {
                OnRefusal::Wait => types::OnRefusal::Wait,
                OnRefusal::Fallback => types::OnRefusal::Fallback,
            },
            give_up: millis(settings.give_up),
            first_fetch_jitter: millis(settings.first_fetch_jitter),
            export_delay: millis(settings.export_delay),
            single_exporter: settings.single_exporter,
            lease_renew: millis(settings.lease_renew),
            lease_expire: millis(settings.lease_expire),
            guard: types::Guard { shrink_percent: settings.guard.shrink_percent, growth_percent: settings.guard.growth_percent },
            soak: millis(settings.soak),
            soak_watch: settings.soak_watch,
            rejoin_guard: match settings.rejoin_guard {
                RejoinGuard::Empty => types::RejoinGuard::Empty,
                RejoinGuard::Shrink => types::RejoinGuard::Shrink,
                RejoinGuard::Off => types::RejoinGuard::Off,
            },
            settle: millis(settings.settle),
            staleness_warn: millis(settings.staleness_warn),
            head_age_max: millis(settings.head_age_max),
            on_stale: match settings.on_stale {
                OnStale::Warn => types::OnStale::Warn,
                OnStale::Refuse => types::OnStale::Refuse,
            },
            cache_age_max: settings.cache_age_max.map(millis),
            trusted_keys: keys(&settings.trusted),
            operator_keys: keys(&settings.operators),
            has_identity: settings.has_identity,
            sealed_as: settings.sealed_as,
            kong_layout: settings.kong_layout,
            min_generation: settings.min_generation.0,
            accept_lineage: settings.accept_lineage.map(|lineage| lineage.to_string()),
            break_glass: settings.break_glass,
        },
        serving: facts.serving.map(serving),
        connected: facts.connected,
        stopping: facts.stopping,
        appeared: facts.appeared,
        process: facts.process,
        session: facts.session,
    }
}

pub fn keys(trust: &Trust) -> Vec<String> {
    trust.keys().iter().map(ToString::to_string).collect()
}

fn serving(serving: Serving) -> types::Serving {
    types::Serving {
        digest: serving.digest.to_string(),
        sameness: serving.sameness,
        origin: match serving.origin {
            Origin::ControlPlane => types::Origin::ControlPlane,
            Origin::Cache => types::Origin::Cache,
            Origin::Storage => types::Origin::Storage,
            Origin::Bundle => types::Origin::Bundle,
        },
        position: serving.position.map(|position| types::Position { epoch: position.epoch.0, generation: position.generation.0 }),
    }
}

/// A policy in another language may say anything; what is no digest is its mistake, and costs the episode.
pub fn serving_back(serving: types::Serving) -> wasmtime::Result<Serving> {
    let digest = serving.digest.parse();
    Ok(Serving {
        digest: digest.map_err(|_| wasmtime::Error::msg("the policy named a digest that is none"))?,
        sameness: serving.sameness,
        origin: match serving.origin {
            types::Origin::ControlPlane => Origin::ControlPlane,
            types::Origin::Cache => Origin::Cache,
            types::Origin::Storage => Origin::Storage,
            types::Origin::Bundle => Origin::Bundle,
        },
        position: serving.position.map(position_back),
    })
}

pub fn position_back(position: types::Position) -> Position {
    Position { epoch: Epoch(position.epoch), generation: Generation(position.generation) }
}

pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub fn storage_failure(failure: StorageFailure) -> storage_failures::Failure {
    use storage_failures::Kind;
    let kind = match failure.kind {
        StorageFailureKind::Absent => Kind::Absent,
        StorageFailureKind::AbsentOrForbidden => Kind::AbsentOrForbidden,
        StorageFailureKind::Forbidden => Kind::Forbidden,
        StorageFailureKind::Credentials => Kind::Credentials,
        StorageFailureKind::NoSuchStorage => Kind::NoSuchStorage,
        StorageFailureKind::SlowDown => Kind::SlowDown,
        StorageFailureKind::TooLarge => Kind::TooLarge,
        StorageFailureKind::Unreachable => Kind::Unreachable,
        StorageFailureKind::UnknownOutcome => Kind::UnknownOutcome,
        StorageFailureKind::Other => Kind::Other,
    };
    storage_failures::Failure { kind, detail: failure.detail, retry_after: failure.retry_after.map(millis) }
}
