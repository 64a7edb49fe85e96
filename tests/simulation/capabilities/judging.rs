//! What is asked of keys, schemas and watched nodes.

use holdover_plugin::model::Digest;
use holdover_plugin::policy::capabilities::{Health, NotUnwrapped, Schemas, Sealing, Unsealing, Watching};
use holdover_plugin::snapshot::{PayloadKey, Purpose, Signature, Wrapping};

use super::super::coverage::Situation;
use super::super::documents;
use super::held::Config;
use super::{Caps, ExporterRole, Role};

impl<R: Role> Schemas for Caps<R> {
    async fn conforms(&self, config: &Config) -> Result<(), Vec<String>> {
        // An exporter's operator has one; a node takes what was published.
        let refused = R::NAME == "exporter"
            && self.world.plan.schema
            && documents::by_digest(config.digest).is_some_and(|document| !document.conforms);
        if refused { Err(vec!["the operator's schema does not want it".into()]) } else { Ok(()) }
    }
}

impl<R: Role> Unsealing for Caps<R> {
    async fn unwrap(&self, _wrapped: &[u8]) -> Result<PayloadKey, NotUnwrapped> {
        Err(NotUnwrapped::NoIdentity)
    }
}

impl Sealing for Caps<ExporterRole> {
    async fn sign(&self, purpose: Purpose, digest: Digest) -> Result<Vec<Signature>, String> {
        Ok(self.world.keys.sign(purpose, digest))
    }

    async fn wrap(&self) -> Result<Option<Wrapping>, String> {
        Ok(None)
    }
}

impl Watching for Caps<ExporterRole> {
    async fn health(&self, watched: u32) -> Health {
        self.node.doing.set(Some(Situation::Soaking));
        let hazard = self.hazard(|| Situation::Soaking).await;
        let (out, back) = self.travel(|| Situation::Soaking);
        let index = self.world.plan.exporters + watched as usize;
        let health = self
            .ask(hazard, out, back, move |world| {
                let Some(node) = world.nodes.get(index) else { return Health::Silent("there is none".into()) };
                if node.process().is_none() {
                    return Health::Silent("it does not answer".into());
                }
                if node.memory.borrow().rejected {
                    return Health::Ill("its gateway rejected a configuration".into());
                }
                let runs = node.gateway.borrow().runs.and_then(documents::by_digest);
                match runs.and_then(|document| document.valid.as_ref()) {
                    Some(valid) if node.is_serving() => Health::Well { sameness: valid.sameness.clone() },
                    Some(_) | None => Health::Ill("it is not ready".into()),
                }
            })
            .await;
        self.node.memory.borrow_mut().looked_at = Some(self.world.now());
        if let Health::Ill(_) = health {
            self.node.memory.borrow_mut().saw_ill = Some(self.world.now());
        }
        self.world.note(self.node.actor(), "looks after", u64::from(watched), || format!("{health:?}"));
        health
    }
}
