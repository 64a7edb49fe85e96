//! Storages that are written, and what stands around an exporter: made for nodes that export, for `publish`, for the probe of `check`,
//! and for an operator's order. An importer's way comes nowhere near (host-02).

use std::sync::Arc;

use async_trait::async_trait;
use holdover_component::{NoSchema, Runtime};
use holdover_keys::KeyRing;
use holdover_node::settings::{Environment, Export, Settings};
use holdover_node::{Journal, StatusWatching, SystemClock, SystemRandom};
use holdover_plugin::config::Format;
use holdover_plugin::policy::{ExportOutcome, Facts, Settings as PolicySettings, Swept};
use holdover_ports::{Clock, Config, EpisodeLost, Exporter, ExporterPorts, Janitor, JanitorPorts, Random, Schemas, StorageRead};
use holdover_storage::{Opened, Options as StorageOptions, PutConfig, StorageUrl};

use super::{embedded_runtime, key_ring, linked, schemas, storage_options, visiting_runtime};
use crate::exit::Failure;

/// The storages that an exporter writes, in order: what the settings name without the mirrors, which are for readers.
pub struct Written {
    pub opened: Vec<Opened>,
    pub soak_watch: Vec<String>,
    pub janitor: bool,
}

/// What a policy is given besides storages.
pub struct AtHand {
    pub keys: Arc<KeyRing>,
    pub schemas: Arc<dyn Schemas>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub journal: Arc<Journal>,
}

/// An exporter without a node around it.
pub struct Alone {
    pub exporter: Arc<dyn Exporter>,
    pub settings: PolicySettings,
    pub first: Arc<dyn StorageRead>,
    pub journal: Arc<Journal>,
    pub random: Arc<dyn Random>,
}

impl Written {
    pub async fn open(settings: &Settings, export: &Export, environment: &Environment) -> Result<Self, Failure> {
        let mut opened = Vec::new();
        for storage in &settings.storages {
            opened.extend(writable(storage, Some(settings), environment).await?);
        }
        if opened.is_empty() {
            let sentence = "cluster_fallback_config_export is on, and cluster_fallback_config_storage names mirrors only, which nobody can \
                            write: put the storage that they mirror before them";
            return Err(Failure::settings(sentence));
        }
        Ok(Self { opened, soak_watch: export.soak_watch.clone(), janitor: export.janitor })
    }

    pub async fn exporter(&self, runtime: &Arc<Runtime>, at_hand: &AtHand) -> Result<Arc<dyn Exporter>, Failure> {
        let ports = ExporterPorts {
            storages: self.opened.iter().map(|opened| opened.reader.clone()).collect(),
            writers: self.opened.iter().map(|opened| opened.writer.clone()).collect(),
            sealing: at_hand.keys.clone(),
            unsealing: at_hand.keys.clone(),
            schemas: at_hand.schemas.clone(),
            watching: Arc::new(StatusWatching::new(self.soak_watch.clone())),
            clock: at_hand.clock.clone(),
            random: at_hand.random.clone(),
            events: at_hand.journal.clone(),
        };
        let policy = linked(runtime, |runtime| runtime.exporter(ports)).await?;
        Ok(Arc::new(Numbered { policy, storages: self.names() }))
    }

    /// `None`: the operator does not want anything removed.
    pub async fn janitor(&self, runtime: &Arc<Runtime>, at_hand: &AtHand) -> Result<Option<Arc<dyn Janitor>>, Failure> {
        if !self.janitor {
            return Ok(None);
        }
        let ports = JanitorPorts {
            storages: self.opened.iter().map(|opened| opened.reader.clone()).collect(),
            deleters: self.opened.iter().map(|opened| opened.deleter.clone()).collect(),
            clock: at_hand.clock.clone(),
            events: at_hand.journal.clone(),
        };
        let policy = linked(runtime, |runtime| runtime.janitor(ports)).await?;
        Ok(Some(Arc::new(Numbered { policy, storages: self.names() })))
    }

    fn names(&self) -> Vec<String> {
        self.opened.iter().map(|opened| opened.reader.name().to_owned()).collect()
    }
}

/// One storage with its writer; `None` for a mirror. Without a node's settings, as the environment says.
async fn writable(storage: &str, settings: Option<&Settings>, environment: &Environment) -> Result<Option<Opened>, Failure> {
    let url = StorageUrl::parse(storage).map_err(Failure::settings)?;
    if url.is_read_only() {
        return Ok(None);
    }
    let s3_config = settings.and_then(|settings| settings.export.as_ref()?.s3_config.as_deref());
    let put = match s3_config {
        None => PutConfig::default(),
        Some(json) => PutConfig::parse(json).map_err(Failure::settings)?,
    };
    let options = match settings {
        Some(settings) => storage_options(settings, environment)?,
        None => StorageOptions::from_environment(environment.variables()).map_err(Failure::settings)?,
    };
    let opened = holdover_storage::open_with(&url, environment.variables(), put, &options).await;
    opened.map(Some).map_err(Failure::settings)
}

/// The storage in which exporters elect and operators give orders: the first that can be written.
pub async fn first_writable(storages: &[String], settings: Option<&Settings>, environment: &Environment) -> Result<Opened, Failure> {
    for storage in storages {
        if let Some(opened) = writable(storage, settings, environment).await? {
            return Ok(opened);
        }
    }
    Err(Failure::settings(
        "there is no storage to write to; give --storage URL, for example s3://bucket/prefix, or set cluster_fallback_config_storage",
    ))
}

/// The exporting policy with everything that the settings' exporter has, or for the probe of one storage with nothing but that.
pub async fn publisher(settings: Option<&Settings>, written: Written) -> Result<Alone, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::starting_here());
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let journal = Arc::new(Journal::new(clock.clone()));
    let (runtime, keys, schemas): (_, _, Arc<dyn Schemas>) = match settings {
        Some(settings) => {
            let runtime = visiting_runtime(settings).await?;
            let schemas = schemas(settings, &runtime).await?;
            (runtime, key_ring(settings)?, schemas)
        }
        None => (embedded_runtime().await?, KeyRing::default(), Arc::new(NoSchema)),
    };
    let policy = match settings {
        Some(settings) => PolicySettings { sealed_as: keys.sealed_as(), ..settings.policy.clone() },
        None => nobodys()?,
    };
    let first = written.opened.first().map(|opened| opened.reader.clone());
    let first = first.ok_or_else(|| Failure::settings("there is no storage to write to"))?;
    let at_hand = AtHand { keys: Arc::new(keys), schemas, clock, random: random.clone(), journal: journal.clone() };
    let exporter = written.exporter(&runtime, &at_hand).await?;
    Ok(Alone { exporter, settings: policy, first, journal, random })
}

/// For an episode that looks at the storage only.
fn nobodys() -> Result<PolicySettings, Failure> {
    let unnamed = |error: &dyn std::fmt::Display| Failure::settings(error.to_string());
    let cluster = "default".parse().map_err(|error| unnamed(&error))?;
    let version = "0.0.0".parse().map_err(|error| unnamed(&error))?;
    Ok(PolicySettings { node: "check".to_owned(), ..PolicySettings::new(cluster, version, Format::Kong) })
}

/// A policy that is told of the storages that its ports have, and of no other.
struct Numbered<P: ?Sized> {
    storages: Vec<String>,
    policy: Arc<P>,
}

impl<P: ?Sized> Numbered<P> {
    fn facts(&self, mut facts: Facts) -> Facts {
        facts.settings.storages = self.storages.clone();
        facts
    }
}

#[async_trait]
impl Exporter for Numbered<dyn Exporter> {
    async fn received(&self, config: Config, facts: Facts, state: Vec<u8>) -> Result<ExportOutcome, EpisodeLost> {
        self.policy.received(config, self.facts(facts), state).await
    }

    async fn tick(&self, pending: Option<Config>, facts: Facts, state: Vec<u8>) -> Result<ExportOutcome, EpisodeLost> {
        self.policy.tick(pending, self.facts(facts), state).await
    }

    async fn probe(&self, facts: Facts) -> Result<Vec<(String, Result<(), String>)>, EpisodeLost> {
        self.policy.probe(self.facts(facts)).await
    }
}

#[async_trait]
impl Janitor for Numbered<dyn Janitor> {
    async fn sweep(&self, facts: Facts) -> Result<Swept, EpisodeLost> {
        self.policy.sweep(self.facts(facts)).await
    }
}
