//! Who plays in a story: backup nodes and nodes, each in a world of its own, around one storage; and the configurations by their names.

use std::collections::BTreeMap;
use std::time::Duration;

use holdover_keys::KeyRing;
use holdover_plugin::model::{Digest, Position};
use holdover_plugin::policy::{Settings, Standing};
use holdover_plugin::snapshot::head::{Entry, Head};
use holdover_plugin::snapshot::{self, Publication, Trust, keys};
use holdover_ports::{Health, Random};
use holdover_tests::virtual_world::{World, WriteFault, documents, seal_with};

use crate::backup::Backup;
use crate::configurations;
use crate::gateway_node::{GatewayNode, Shown};
use crate::node::Stage;
use crate::runner::Core;
use crate::script::Line;
use crate::vocabulary::Given;

pub struct Cast {
    core: Core,
    /// Breaks the same rule in everybody.
    mutant: Option<String>,
    /// Holds the storage, and notes every question that reaches it.
    pub hub: World,
    pub backups: BTreeMap<String, Backup>,
    pub nodes: BTreeMap<String, GatewayNode>,
    /// The nodes of each group, and how they stand once they run.
    herds: BTreeMap<String, Vec<(Option<GatewayNode>, Shown)>>,
    configs: BTreeMap<String, Vec<u8>>,
    pub watched_are_well: bool,
    watched: u64,
}

impl Cast {
    /// Everybody whom the givens name, and nobody has begun. Worlds begin here, all at the same moment.
    pub fn of(core: Core, mutant: Option<&str>, givens: &[Line<Given>]) -> Self {
        let (hub, mutant) = (World::seeded(1, 1), mutant.map(|mutant| format!("mutant:{mutant}")));
        let (backups, nodes, configs) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut cast = Self { core, mutant, hub, backups, nodes, herds: BTreeMap::new(), configs, watched_are_well: true, watched: 0 };
        let mut told = Told::default();
        for given in givens {
            told.hears(&given.means);
        }
        cast.watched = told.watched;
        for given in givens {
            cast.appears(&given.means, &told);
        }
        cast
    }

    fn appears(&mut self, given: &Given, told: &Told) {
        match given {
            Given::Services { config, services, authenticated } => {
                self.configs.insert(config.clone(), configurations::services(config, *services, *authenticated));
            }
            Given::Empty { config } => {
                self.configs.insert(config.clone(), configurations::empty());
            }
            Given::Blank { config, services } => {
                self.configs.insert(config.clone(), configurations::blank(config, *services));
            }
            Given::Exporter { name } => {
                let world = self.world_of(0);
                world.watched.say(&vec![Health::Silent("it has not begun".into()); self.watched as usize]);
                let settings = Settings { soak: told.soak, ..self.stage(name).settings(&world) };
                self.backups.insert(name.clone(), Backup::new(self.core, world, settings));
            }
            Given::Node { name } | Given::CachedNode { name, .. } => {
                let node = self.new_node(name, 0, told);
                self.nodes.insert(name.clone(), node);
            }
            Given::Nodes { count, name } => {
                for nth in 1..=*count {
                    let node = self.new_node(&format!("{name}-{nth}"), nth, told);
                    self.herds.entry(name.clone()).or_default().push((Some(node), Shown::default()));
                }
            }
            Given::StorageHolds { .. } | Given::GatewaysReject { .. } | Given::SchemaForbids { .. } => {}
            Given::Soak(_) | Given::Watched(_) | Given::FirstFetchSpread(_) => {}
        }
    }

    fn new_node(&self, name: &str, nth: u64, told: &Told) -> GatewayNode {
        let world = self.world_of(nth);
        let settings = Settings { first_fetch_jitter: told.first_fetch_spread, ..self.stage(name).settings(&world) };
        GatewayNode::new(self.core, world, settings)
    }

    /// With the storage that everybody has, and chance of its own.
    fn world_of(&self, nth: u64) -> World {
        let mut world = World::seeded(0, 2 + (self.backups.len() + self.nodes.len()) as u64 + 1000 * nth);
        world.storages = self.hub.storages.clone();
        world
    }

    pub fn stage(&self, name: &str) -> Stage {
        Stage { core: self.core, node: self.mutant.clone().unwrap_or_else(|| name.to_owned()) }
    }

    pub fn backup(&self, name: &str) -> Result<&Backup, String> {
        self.backups.get(name).ok_or_else(|| format!("there is no exporter '{name}'"))
    }

    pub fn backup_mut(&mut self, name: &str) -> Result<&mut Backup, String> {
        self.backups.get_mut(name).ok_or_else(|| format!("there is no exporter '{name}'"))
    }

    pub fn node(&self, name: &str) -> Result<&GatewayNode, String> {
        self.nodes.get(name).ok_or_else(|| format!("there is no node '{name}'"))
    }

    pub fn node_mut(&mut self, name: &str) -> Result<&mut GatewayNode, String> {
        self.nodes.get_mut(name).ok_or_else(|| format!("there is no node '{name}'"))
    }

    pub fn config(&self, name: &str) -> Result<Vec<u8>, String> {
        self.configs.get(name).cloned().ok_or_else(|| format!("there is no configuration '{name}'"))
    }

    pub fn sameness(&self, name: &str) -> Result<String, String> {
        self.config(name).map(|document| documents::sameness(&document))
    }

    /// How the nodes of a group stand.
    pub fn group(&self, group: &str) -> Result<Vec<Option<Standing>>, String> {
        let members = self.herds.get(group).ok_or_else(|| format!("there are no nodes named '{group}'"))?;
        Ok(members.iter().map(|(_, shown)| shown.borrow().clone()).collect())
    }

    /// The nodes of a group, to be run: once in a story.
    pub fn herd_starts(&mut self, group: &str) -> Result<Vec<(GatewayNode, Shown)>, String> {
        let members = self.herds.get_mut(group).ok_or_else(|| format!("there are no nodes named '{group}'"))?;
        Ok(members.iter_mut().filter_map(|(node, shown)| Some((node.take()?, shown.clone()))).collect())
    }

    pub fn head(&self) -> Option<Head> {
        let bytes = self.hub.storage().object(keys::HEAD)?;
        Some(Head::read(&bytes, &self.hub.keys.trusted()).unwrap_or_else(|refusal| panic!("the head is none: {refusal}")))
    }

    /// What the watched nodes say of themselves, if there are any.
    pub fn health(&self) -> Vec<Health> {
        let newest = self.head().and_then(|head| newest(&head).and_then(|entry| entry.shown.clone()));
        let health = match self.watched_are_well {
            true => Health::Well { sameness: newest.map(|shown| shown.sameness).unwrap_or_default() },
            false => Health::Ill("its gateway broke".into()),
        };
        vec![health; self.watched as usize]
    }

    /// The head as somebody else would move it who has just taken office; its snapshot is there already.
    pub fn rival(&self, document: &[u8]) -> Result<WriteFault, String> {
        let mut head = self.head().ok_or("there is no head that a rival could move")?;
        let at = Position { epoch: head.epoch.next(), generation: head.generation.next() };
        let publication = Publication { lineage: head.lineage, epoch: at.epoch, generation: at.generation };
        let snapshot = seal_with(&KeyRing::default(), document, documents::VERSION, Some(publication), head.cluster.as_str());
        let entry = Entry::of(&snapshot, String::new()).ok_or("it was sealed for no place")?;
        self.hub.storage().hold(&entry.key, snapshot.bytes().to_vec());
        (head.epoch, head.generation, head.nonce) = (at.epoch, at.generation, self.hub.random.random());
        head.writer = "rival".into();
        head.publish(documents::VERSION.parse().unwrap(), entry);
        Ok(WriteFault::Overtaken { key: keys::HEAD.into(), bytes: head.lines()?.sign(&[]) })
    }
}

/// The settings that the givens speak of.
#[derive(Default)]
struct Told {
    soak: Duration,
    first_fetch_spread: Duration,
    watched: u64,
}

impl Told {
    fn hears(&mut self, given: &Given) {
        match given {
            Given::Soak(time) => self.soak = *time,
            Given::FirstFetchSpread(time) => self.first_fetch_spread = *time,
            Given::Watched(count) => self.watched = *count,
            Given::Services { .. }
            | Given::Empty { .. }
            | Given::Blank { .. }
            | Given::StorageHolds { .. }
            | Given::Exporter { .. }
            | Given::Node { .. }
            | Given::CachedNode { .. }
            | Given::Nodes { .. }
            | Given::GatewaysReject { .. }
            | Given::SchemaForbids { .. } => {}
        }
    }
}

pub fn newest(head: &Head) -> Option<&Entry> {
    head.newest(&documents::VERSION.parse().unwrap())
}

/// Whether the storage holds just what the head says.
pub fn is_there(world: &World, entry: &Entry) -> bool {
    world.storage().object(&entry.key).is_some_and(|file| file.len() as u64 == entry.file_bytes && file_digest(&file) == entry.file_digest)
}

fn file_digest(file: &[u8]) -> Digest {
    let verified = snapshot::verify(file, &Trust::unasked());
    verified.map(|verified| verified.file_digest()).unwrap_or_else(|_| Digest::of(file))
}
