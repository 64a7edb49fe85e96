//! Plays a story from beginning to end, in virtual time: whatever is due is done one episode at a time, and after each one nothing may
//! be the case that the story says is never so.

use std::pin::Pin;
use std::time::Duration;

use futures::future::join_all;
use holdover_plugin::policy::orders::{Order, give};
use holdover_plugin::snapshot::keys;
use holdover_plugin::snapshot::orders::{Act, Orders};
use holdover_ports::{Clock, StorageFailureKind};
use holdover_tests::virtual_world::{Behaviour, Published, documents};
use tokio::time::Instant;

use crate::backup::Backup;
use crate::cast::Cast;
use crate::claims::Witness;
use crate::gateway_node::GatewayNode;
use crate::runner::{Core, sweep};
use crate::script::{Line, Script};
use crate::vocabulary::{Given, Step, When};

/// More episodes in a story than this, and the policy spins.
const EPISODES_MAX: u32 = 20_000;
/// No story needs more virtual time. One that waits for ever ends here instead.
const STORY_MAX: Duration = Duration::from_secs(14 * 24 * 3600);
/// As long as a node runs what it is to have in its cache: until it has settled.
const SETTLED: Duration = Duration::from_secs(61);

/// `Err` names the line that does not hold, and how everybody stood.
pub fn play(script: &Script, core: Core, mutant: Option<&str>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let ended = runtime.block_on(async {
        let mut player =
            Player { cast: Cast::of(core, mutant, &script.givens), witness: Witness::default(), script, herd: Vec::new(), episodes: 0 };
        tokio::time::timeout(STORY_MAX, player.plays()).await
    });
    ended.unwrap_or_else(|_| Err(format!("{}: the story waits for something that never comes", script.file)))
}

/// A node that runs by itself for as long as it is polled.
type Running = Pin<Box<dyn Future<Output = ()>>>;

struct Player<'s> {
    script: &'s Script,
    herd: Vec<Running>,
    cast: Cast,
    witness: Witness,
    episodes: u32,
}

enum Due {
    Backup(String),
    Node(String),
}

impl Player<'_> {
    async fn plays(&mut self) -> Result<(), String> {
        for given in &self.script.givens {
            self.given(&given.means).await.map_err(|why| at(given, &why))?;
        }
        self.looks()?;
        for step in &self.script.steps {
            match &step.means {
                Step::When(when) => self.when(when).await.map_err(|why| at(step, &why))?,
                Step::Expect(claim) => {
                    let is_so = self.witness.finds(&self.cast, claim).map_err(|why| at(step, &why))?;
                    is_so.then_some(()).ok_or_else(|| at(step, &format!("it is not so\n{}", self.situation())))?;
                }
            }
        }
        Ok(())
    }

    async fn given(&mut self, given: &Given) -> Result<(), String> {
        match given {
            Given::StorageHolds { config } => {
                let mut published = Published::nothing();
                published.generation(documents::VERSION, &self.cast.config(config)?);
                published.put_on(self.cast.hub.storage());
            }
            Given::GatewaysReject { config } => {
                let document = self.cast.config(config)?;
                self.cast.nodes.values().for_each(|node| node.world.gateway.rejects(&document));
            }
            Given::SchemaForbids { config } => {
                let document = self.cast.config(config)?;
                self.cast.backups.values().for_each(|backup| backup.world.schemas.forbids(&document));
            }
            Given::CachedNode { name, config } => {
                let document = self.cast.config(config)?;
                self.cast.node_mut(name)?.is_delivered(&document);
                self.starts(name).await?;
                self.until(Instant::now() + SETTLED).await?;
                let node = self.cast.node_mut(name)?;
                node.stops().await;
                node.loses_its_control_plane();
                node.world.trace.forget();
            }
            Given::Services { .. } | Given::Empty { .. } | Given::Blank { .. } => {}
            Given::Exporter { .. } | Given::Node { .. } | Given::Nodes { .. } => {}
            Given::Soak(_) | Given::Watched(_) | Given::FirstFetchSpread(_) => {}
        }
        Ok(())
    }

    async fn when(&mut self, when: &When) -> Result<(), String> {
        match when {
            When::Starts { name } => self.starts(name).await?,
            When::AllStart { group } => self.all_start(group)?,
            When::IsKilled { name } => self.of(name, |backup| backup.is_killed(), |node| node.is_killed())?,
            When::IsPaused { name } => self.of(name, |backup| backup.paused = true, |node| node.paused = true)?,
            When::Continues { name } => self.of(name, |backup| backup.paused = false, |node| node.paused = false)?,
            When::Delivers { name, config, anew } => {
                let document = self.cast.config(config)?;
                self.of(name, |backup| backup.is_delivered(&document), |node| node.is_delivered(&document))?;
                if let Some(anew) = anew {
                    self.will_hear(name, anew)?;
                }
            }
            When::HasAnew { name, config } => self.will_hear(name, config)?,
            When::GoesAway { name } => {
                self.of(name, |backup| backup.loses_its_control_plane(), |node| node.loses_its_control_plane())?;
            }
            When::Answers { name, answer } => self.meets(name, Behaviour::answers(*answer))?,
            When::Hangs { name } => self.meets(name, Behaviour::Hangs)?,
            When::Passes(time) => self.until(Instant::now() + *time).await?,
            When::StorageFails(kind) => self.storage_fails(*kind),
            When::StorageIsBack => self.cast.hub.storage().is_back(),
            When::WatchedAre { well } => self.cast.watched_are_well = *well,
            When::Approves { name } => self.approves(name)?,
            When::Sweeps => {
                sweep(&self.cast.stage("janitor"), &self.cast.hub).await;
            }
            When::RivalPublishes { config } => {
                let document = self.cast.config(config)?;
                let fault = self.cast.rival(&document)?;
                self.cast.hub.storage().next_swap_meets(fault);
            }
        }
        self.looks()?;
        self.until(Instant::now()).await
    }

    async fn starts(&mut self, name: &str) -> Result<(), String> {
        match self.cast.backups.get_mut(name) {
            Some(backup) => backup.starts(),
            None => {
                let asked = self.witness.reads.len();
                self.cast.node_mut(name)?.starts().await;
                self.looks_after_node(name, asked)?;
            }
        }
        Ok(())
    }

    /// Side by side from here on: nobody waits for the slowest.
    fn all_start(&mut self, group: &str) -> Result<(), String> {
        let herd = self.cast.herd_starts(group)?;
        self.herd.extend(herd.into_iter().map(|(node, shown)| Box::pin(node.runs_alone(shown)) as Running));
        Ok(())
    }

    /// Does what becomes due until then, and lets the herds run beside it.
    async fn until(&mut self, end: Instant) -> Result<(), String> {
        let mut herd = std::mem::take(&mut self.herd);
        let ended = tokio::select! {
            biased;
            _ = join_all(herd.iter_mut()) , if !herd.is_empty() => Err("a herd does not end".into()),
            ended = self.others_until(end) => ended,
        };
        self.herd = herd;
        ended?;
        self.looks()
    }

    /// The earliest first, and one after the other.
    async fn others_until(&mut self, end: Instant) -> Result<(), String> {
        while let Some((at, due)) = self.earliest().filter(|(at, _)| *at <= end) {
            tokio::time::sleep_until(at).await;
            self.steps(due).await?;
            self.episodes += 1;
            if self.episodes > EPISODES_MAX {
                return Err("the policy spins".into());
            }
        }
        tokio::time::sleep_until(end).await;
        Ok(())
    }

    fn earliest(&self) -> Option<(Instant, Due)> {
        let backups = self.cast.backups.iter().filter_map(|(name, backup)| Some((backup.due()?, Due::Backup(name.clone()))));
        let nodes = self.cast.nodes.iter().filter_map(|(name, node)| Some((node.due()?, Due::Node(name.clone()))));
        backups.chain(nodes).min_by_key(|(at, _)| *at)
    }

    async fn steps(&mut self, due: Due) -> Result<(), String> {
        match due {
            Due::Backup(name) => {
                let health = self.cast.health();
                let backup = self.cast.backup_mut(&name)?;
                backup.world.watched.say(&health);
                backup.step().await;
                self.looks()
            }
            Due::Node(name) => {
                let asked = self.witness.reads.len();
                self.cast.node_mut(&name)?.step().await;
                self.looks_after_node(&name, asked)
            }
        }
    }

    /// What reached the storage since so many reads, this node asked.
    fn looks_after_node(&mut self, name: &str, asked: usize) -> Result<(), String> {
        self.witness.looks(&self.cast);
        let first = self.witness.reads.get(asked).copied();
        let node = self.cast.node_mut(name)?;
        node.asked_at = node.asked_at.or(first);
        self.looks()
    }

    fn looks(&mut self) -> Result<(), String> {
        self.witness.looks(&self.cast);
        for never in &self.script.nevers {
            if self.witness.finds(&self.cast, &never.means).map_err(|why| at(never, &why))? {
                return Err(at(never, &format!("it is so\n{}", self.situation())));
            }
        }
        Ok(())
    }

    fn of(&mut self, name: &str, backup: impl FnOnce(&mut Backup), node: impl FnOnce(&mut GatewayNode)) -> Result<(), String> {
        match self.cast.backups.get_mut(name) {
            Some(found) => backup(found),
            None => node(self.cast.node_mut(name)?),
        }
        Ok(())
    }

    fn will_hear(&mut self, name: &str, config: &str) -> Result<(), String> {
        let document = self.cast.config(config)?;
        self.of(name, |backup| backup.will_hear(&document), |node| node.will_hear(&document))
    }

    fn meets(&mut self, name: &str, behaviour: Behaviour) -> Result<(), String> {
        self.cast.node_mut(name)?.meets(behaviour);
        Ok(())
    }

    fn storage_fails(&self, kind: StorageFailureKind) {
        self.cast.hub.storage().is_down(kind);
    }

    /// As `holdover approve` writes it.
    fn approves(&mut self, name: &str) -> Result<(), String> {
        let approvable = self.cast.backup(name)?.approvable.clone().ok_or("it holds nothing that an approval could release")?;
        let head = self.cast.head().ok_or("there is no head")?;
        let hub = &self.cast.hub;
        let mut orders = match hub.storage().object(keys::ORDERS) {
            Some(file) => Orders::read(&file, &hub.keys.operators()).map_err(|refusal| refusal.to_string())?,
            None => Orders::none(head.cluster.clone(), head.lineage),
        };
        let act = Act { by: "operator".into(), at: hub.clock.now(), why: "the story says so".into() };
        give(&mut orders, &head, Order::Approve { approvable }, act)?;
        hub.storage().hold(keys::ORDERS, orders.lines()?.sign(&[]));
        Ok(())
    }

    /// For whoever reads why a story ended.
    fn situation(&self) -> String {
        let head = self.cast.head().map_or_else(|| "none".to_owned(), |head| head.position().to_string());
        let backups = self.cast.backups.iter().map(|(name, backup)| format!("  {name}: {:?}, held: {:?}", backup.office, backup.held));
        let nodes = self.cast.nodes.iter().map(|(name, node)| format!("  {name}: {:?}", node.standing));
        let at = self.cast.hub.trace.elapsed();
        format!("  {at:?}, head: {head}\n{}", backups.chain(nodes).collect::<Vec<_>>().join("\n"))
    }
}

fn at<T>(line: &Line<T>, why: &str) -> String {
    match why.starts_with("tests/") {
        // It names the line already.
        true => why.to_owned(),
        false => format!("{}: '{}': {why}", line.place, line.text),
    }
}
