//! What only an importer asks: its control plane, its files, its gateway, the host's gate.

use std::rc::Rc;
use std::time::Duration;

use holdover_plugin::policy::capabilities::{Bundle, Cache, ControlPlane, Gateway, Keep, NotApplied, Opening, Slot, Unanswered};

use super::super::documents::{self, Nature};
use super::super::executor::Answer;
use super::super::faults::Fault;
use super::super::node::Seen;
use super::super::session::{Attempted, Session, Stage};
use super::super::{control_plane, disk, invariants};
use super::held::{Config, Object, Provenance, Source};
use super::{Caps, ImporterRole, Role};

/// A caller's place in the queue. Dropped with an answer that nobody read, it passes the answer on.
struct Waiting {
    answer: Answer<Attempted>,
    session: Rc<Session>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(Ok(said)) = self.answer.take() {
            self.session.put_back(said);
        }
    }
}

impl ControlPlane for Caps<ImporterRole> {
    async fn attempt(&self, patience: Duration) -> Result<Config, Unanswered> {
        let _hazard = self.hazard(|| self.node.situation()).await;
        let session = self.node.session();
        if let Some(latest) = session.latest() {
            return Ok(Config::delivered(latest));
        }
        let waiting = Waiting { answer: Answer::default(), session: session.clone() };
        let joined = match &mut *session.stage.borrow_mut() {
            Stage::Dialling { waiting: queue, .. } => {
                queue.push(waiting.answer.clone());
                true
            }
            Stage::Closed | Stage::Open { .. } => false,
        };
        if !joined {
            control_plane::dial(&self.world, &self.node, patience, vec![waiting.answer.clone()], false);
        }
        let answered = waiting.answer.wait().await;
        self.node.memory.borrow_mut().answered(&answered);
        answered.map(Config::delivered)
    }
}

impl Cache for Caps<ImporterRole> {
    async fn read(&self, slot: Slot) -> Result<Option<Object>, String> {
        let situation = || self.node.situation();
        let _hazard = self.hazard(situation).await;
        let name = disk::name(slot);
        if let Some(mut chance) = self.world.strikes(Fault::CacheDamaged, &self.node, situation) {
            self.node.disk.damage(name, chance.number() as usize);
            self.node.memory.borrow_mut().cached = None;
        }
        Ok(self.node.disk.file(name).map(|bytes| Object::whole(bytes, Provenance::Cache(slot))))
    }

    async fn write(&self, slot: Slot, header: Vec<u8>, body: Keep<'_, Object>) -> Result<(), String> {
        let file = match body {
            Keep::Bytes(bytes) => [header, bytes].concat(),
            Keep::Object(object) => [&header[..], &object.bytes].concat(),
        };
        self.trap(|| self.node.situation());
        invariants::cache_is_written(&self.world, &self.node, slot, &file);
        self.keep(disk::name(slot), file.into()).await
    }

    async fn set_aside(&self, slot: Slot, _reason: &str) -> Result<(), String> {
        let _hazard = self.hazard(|| self.node.situation()).await;
        self.world.note(self.node.actor(), "sets aside", slot as u64, || disk::name(slot).to_owned());
        self.node.disk.set_aside(disk::name(slot));
        if slot == Slot::Marks {
            self.world.model.borrow_mut().unmarked(self.node.index);
        }
        Ok(())
    }
}

impl Bundle for Caps<ImporterRole> {
    async fn bundle(&self) -> Result<Option<Object>, String> {
        Ok(None)
    }
}

impl Opening for Caps<ImporterRole> {
    async fn open(&self, object: &Object) -> Result<Config, String> {
        Config::open(object, &self.world.keys.trusted())
    }

    async fn adopt(&self, object: &Object) -> Result<Config, String> {
        match self.world.keys.is_signing() {
            true => Err("legacy-would-downgrade".into()),
            false => Ok(Config {
                digest: holdover_plugin::model::Digest::of(&object.bytes),
                bytes: object.bytes.clone(),
                source: Source::KongPlace,
            }),
        }
    }
}

impl Gateway for Caps<ImporterRole> {
    async fn apply(&self, config: &Config) -> Result<(), NotApplied> {
        let situation = || ImporterRole::situation(&self.node);
        let hazard = self.hazard(situation).await;
        let fails = self.world.strikes(Fault::GatewayFails, &self.node, situation).is_some();
        let nature = documents::by_digest(config.digest).map_or(Nature::Healthy, |document| document.nature);
        let (node, digest, process) = (self.node.clone(), config.digest, self.node.process());
        let handed = invariants::Handed::now(&self.world, &self.node, config);
        let out = self.world.chance(|chance| chance.duration(Duration::from_millis(1), Duration::from_millis(80)));
        self.node.gateway.borrow_mut().asked += 1;
        let nth = self.node.gateway.borrow().asked;
        let before = std::mem::replace(&mut self.node.gateway.borrow_mut().seen, Seen::Perhaps(digest));
        let applied = self
            .ask(hazard, out, Duration::from_micros(200), move |world| {
                if node.process() != process || node.gateway.borrow().carried_out > nth {
                    return Err(NotApplied::Failed("another one came after it".into()));
                }
                node.gateway.borrow_mut().carried_out = nth;
                let accepted = match (fails, nature) {
                    (true, _) => Err(NotApplied::Failed("it cannot be reached".into())),
                    (false, Nature::Rejected) => Err(NotApplied::Rejected("it does not like it".into())),
                    (false, Nature::Healthy | Nature::Breaks) => Ok(()),
                };
                invariants::handed_to_the_gateway(world, &node, &handed, accepted.is_ok());
                if accepted.is_ok() && nature == Nature::Breaks {
                    break_later(world, &node);
                }
                accepted
            })
            .await;
        self.node.gateway.borrow_mut().seen = match &applied {
            Ok(()) => Seen::This(digest),
            Err(_) => before,
        };
        applied
    }
}

/// Minutes later the gateway falls over this configuration, and its process with it.
fn break_later(world: &Rc<super::World>, node: &Rc<super::Node>) {
    let applied = node.gateway.borrow().applied;
    let after = world.chance(|chance| chance.magnitude(Duration::from_secs(3), Duration::from_secs(240)));
    let node = node.clone();
    world.after(after, move |world| {
        if node.gateway.borrow().applied == applied && node.gateway.borrow().runs.is_some() {
            world.model.borrow_mut().broke(node.index, node.gateway.borrow().runs);
            node.kill(world, "its configuration broke the gateway", Duration::from_secs(2));
        }
    });
}
