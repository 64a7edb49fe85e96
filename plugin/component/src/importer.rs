//! World `importer`: its own imports as capabilities, its exports as episodes.

use std::time::Duration;

use holdover_plugin::policy::capabilities::{Answer, Bundle, Cache, ControlPlane, Gateway, Keep, NotApplied, Opening, Slot, Unanswered};
use holdover_plugin::policy::state::State;
use holdover_plugin::policy::{self, boot};

use crate::capabilities::World;
use crate::convert;
use crate::generated::common::holdover::policy::{held, types};
use crate::generated::importer::exports::holdover::policy::importing::{Guest, Outcome, Standing};
use crate::generated::importer::holdover::policy::{bundle, cache, control_plane, gateway, opening};
use crate::stream;

struct Importer;

crate::generated::importer::export!(Importer with_types_in crate::generated::importer);

impl Guest for Importer {
    async fn boot(facts: types::Facts, state: Vec<u8>) -> Outcome {
        match convert::facts(facts) {
            Ok(facts) => outcome(boot::boot(&World, &facts).await),
            Err(sentence) => misled(state, sentence),
        }
    }

    async fn received(config: held::Config, facts: types::Facts, state: Vec<u8>) -> Outcome {
        match convert::facts(facts) {
            Ok(facts) => outcome(boot::received(&World, &facts, State::read(&state, facts.process), config).await),
            Err(sentence) => misled(state, sentence),
        }
    }

    async fn tick(facts: types::Facts, state: Vec<u8>) -> Outcome {
        match convert::facts(facts) {
            Ok(facts) => outcome(boot::tick(&World, &facts, State::read(&state, facts.process)).await),
            Err(sentence) => misled(state, sentence),
        }
    }
}

fn outcome(outcome: policy::Outcome) -> Outcome {
    let standing = match outcome.standing {
        policy::Standing::Serving(serving) => Standing::Serving(convert::serving_back(serving)),
        policy::Standing::Stranded(why) => Standing::Stranded(why),
        policy::Standing::Refused(why) => Standing::Refused(why),
    };
    Outcome { state: outcome.state, wake_after: outcome.wake_after.map(convert::millis), refresh: outcome.refresh, standing }
}

fn misled(state: Vec<u8>, sentence: String) -> Outcome {
    Outcome {
        state,
        wake_after: None,
        refresh: false,
        standing: Standing::Stranded(format!("the host told the policy something it cannot use: {sentence}")),
    }
}

impl ControlPlane for World {
    async fn attempt(&self, patience: Duration) -> Result<held::Config, Unanswered> {
        control_plane::attempt(convert::millis(patience))
            .await
            .map_err(|unanswered| Unanswered { answer: answer(unanswered.answer), detail: unanswered.detail })
    }
}

fn answer(answer: control_plane::Answer) -> Answer {
    use control_plane::Answer as Wit;
    match answer {
        Wit::NameNotResolved => Answer::NameNotResolved,
        Wit::ConnectionRefused => Answer::ConnectionRefused,
        Wit::ConnectionReset => Answer::ConnectionReset,
        Wit::TimedOut => Answer::TimedOut,
        Wit::TheirCertificate => Answer::TheirCertificate,
        Wit::ClosedAfterTls => Answer::ClosedAfterTls,
        Wit::ServerError => Answer::ServerError,
        Wit::Silent => Answer::Silent,
        Wit::NotConfigured => Answer::NotConfigured,
        Wit::BadRequest => Answer::BadRequest,
        Wit::Unauthorised => Answer::Unauthorised,
        Wit::Forbidden => Answer::Forbidden,
        Wit::UpgradeRequired => Answer::UpgradeRequired,
        Wit::ClosedAfterIntroduction => Answer::ClosedAfterIntroduction,
        Wit::OurCertificate => Answer::OurCertificate,
        Wit::Unexpected => Answer::Unexpected,
    }
}

impl Opening for World {
    async fn open(&self, object: &held::Object) -> Result<held::Config, String> {
        opening::open(object).await
    }

    async fn adopt(&self, object: &held::Object) -> Result<held::Config, String> {
        opening::adopt(object).await
    }
}

impl Cache for World {
    async fn read(&self, slot: Slot) -> Result<Option<held::Object>, String> {
        cache::read(wit_slot(slot)).await
    }

    async fn write(&self, slot: Slot, header: Vec<u8>, body: Keep<'_, held::Object>) -> Result<(), String> {
        let slot = wit_slot(slot);
        match body {
            Keep::Object(object) => cache::write_object(slot, header, object).await,
            Keep::Bytes(bytes) => stream::feed(bytes, |size, body| cache::write_bytes(slot, header, size, body)).await,
        }
    }

    async fn set_aside(&self, slot: Slot, reason: &str) -> Result<(), String> {
        cache::set_aside(wit_slot(slot), reason.to_owned()).await
    }
}

fn wit_slot(slot: Slot) -> cache::Slot {
    match slot {
        Slot::Applied => cache::Slot::Applied,
        Slot::Settled => cache::Slot::Settled,
        Slot::Attempts => cache::Slot::Attempts,
        Slot::Marks => cache::Slot::Marks,
        Slot::Approval => cache::Slot::Approval,
    }
}

impl Bundle for World {
    async fn bundle(&self) -> Result<Option<held::Object>, String> {
        bundle::bundle().await
    }
}

impl Gateway for World {
    async fn apply(&self, config: &held::Config) -> Result<(), NotApplied> {
        gateway::apply(config).await.map_err(|not_applied| match not_applied {
            gateway::NotApplied::Rejected(why) => NotApplied::Rejected(why),
            gateway::NotApplied::Failed(why) => NotApplied::Failed(why),
        })
    }
}
