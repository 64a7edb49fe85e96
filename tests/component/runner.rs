//! The two runners of one policy. The component with the mutants in it is built once and its native code kept, whichever test process
//! comes first.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use holdover_component::{Runtime, RuntimeOptions};
use holdover_plugin::mutants;
use holdover_plugin::policy::state::State;
use holdover_plugin::policy::{ExportOutcome, Facts, Outcome, Swept, boot, export, janitor};
use holdover_ports::{Config, EpisodeLost, Exporter, ExporterPorts, Importer, ImporterPorts};
use holdover_tests::mutants as guest;
use holdover_tests::virtual_world::World;

use crate::native::{HeldConfig, Native};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Core {
    Native,
    Component,
}

pub enum Importing {
    Native(Native<ImporterPorts>),
    Component(Arc<dyn Importer>),
}

pub enum Exporting {
    Native(Native<ExporterPorts>),
    Component(Arc<dyn Exporter>),
}

impl Importing {
    pub fn of(core: Core, world: &World) -> Self {
        match core {
            Core::Native => Self::Native(Native(world.importer_ports())),
            Core::Component => Self::Component(with_mutants().importer(world.importer_ports()).unwrap()),
        }
    }

    pub async fn boot(&self, facts: Facts, state: Vec<u8>) -> Result<Outcome, EpisodeLost> {
        match self {
            Self::Native(caps) => {
                mutants::choose(&facts.settings.node);
                Ok(boot::boot(caps, &facts).await)
            }
            Self::Component(importer) => importer.boot(facts, state).await,
        }
    }

    pub async fn received(&self, config: Config, facts: Facts, state: Vec<u8>) -> Result<Outcome, EpisodeLost> {
        match self {
            Self::Native(caps) => {
                mutants::choose(&facts.settings.node);
                Ok(boot::received(caps, &facts, State::read(&state, facts.process), HeldConfig(config)).await)
            }
            Self::Component(importer) => importer.received(config, facts, state).await,
        }
    }

    pub async fn tick(&self, facts: Facts, state: Vec<u8>) -> Result<Outcome, EpisodeLost> {
        match self {
            Self::Native(caps) => {
                mutants::choose(&facts.settings.node);
                Ok(boot::tick(caps, &facts, State::read(&state, facts.process)).await)
            }
            Self::Component(importer) => importer.tick(facts, state).await,
        }
    }
}

impl Exporting {
    pub fn of(core: Core, world: &World) -> Self {
        match core {
            Core::Native => Self::Native(Native(world.exporter_ports())),
            Core::Component => Self::Component(embedded().exporter(world.exporter_ports()).unwrap()),
        }
    }

    pub async fn received(&self, config: Config, facts: Facts, state: Vec<u8>) -> Result<ExportOutcome, EpisodeLost> {
        match self {
            Self::Native(caps) => {
                mutants::choose(&facts.settings.node);
                Ok(export::received(caps, &facts, &state, &HeldConfig(config)).await)
            }
            Self::Component(exporter) => exporter.received(config, facts, state).await,
        }
    }

    pub async fn tick(&self, pending: Option<Config>, facts: Facts, state: Vec<u8>) -> Result<ExportOutcome, EpisodeLost> {
        match self {
            Self::Native(caps) => {
                mutants::choose(&facts.settings.node);
                Ok(export::tick(caps, &facts, &state, pending.map(HeldConfig).as_ref()).await)
            }
            Self::Component(exporter) => exporter.tick(pending, facts, state).await,
        }
    }
}

/// The importer in which any rule can be broken.
pub fn with_mutants() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let _alone = guest::alone(&target());
        let policy = guest::build(&target());
        let runtime = Runtime::load(RuntimeOptions { policy: Some(policy), compiled_dir: Some(compiled_dir()) }).unwrap();
        // Compiled here, under the lock, and only read by whoever comes next.
        runtime.importer(World::new(0).importer_ports()).unwrap();
        runtime
    })
}

/// The worlds as they are shipped.
pub fn embedded() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let _alone = guest::alone(&target());
        let runtime = Runtime::load(RuntimeOptions { policy: None, compiled_dir: Some(compiled_dir()) }).unwrap();
        runtime.exporter(World::new(0).exporter_ports()).unwrap();
        runtime
    })
}

fn compiled_dir() -> PathBuf {
    target().join("component-tests-native")
}

/// This test is `<target>/<profile>/deps/component-…`.
fn target() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).expect("a test lies three floors under the target folder").to_path_buf()
}

/// One sweep of the world's storages.
pub async fn sweep(stage: &crate::node::Stage, world: &World) -> Swept {
    let ports = world.janitor_ports();
    let settings = stage.settings(world);
    let facts = Facts::beginning(settings, 1);
    match stage.core {
        Core::Native => {
            mutants::choose(&facts.settings.node);
            janitor::sweep(&Native(ports), &facts).await
        }
        Core::Component => embedded().janitor(ports).unwrap().sweep(facts).await.unwrap(),
    }
}
