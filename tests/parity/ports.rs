//! A node's ports over a source of answers: whatever the policy asks is noted in order, with its time, and so is the answer.
//!
//! As in the module there is no disk: nothing is found in the cache, and keeping costs nothing. Asking the control plane is one HTTP
//! request, which ends with its caller, and whose answer is the session.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use holdover_plugin::config::Format;
use holdover_plugin::model::{Digest, UnixMs};
use holdover_plugin::policy::{OnRefusal, Settings};
use holdover_plugin::snapshot::{PayloadKey, Trust};
use holdover_ports::{
    Bundle, Cache, Clock, Config, ControlPlane, Etag, Event, Events, Fetched, Gate, Gateway, GatewayStatus, ImporterPorts, NotApplied,
    NotUnwrapped, Random, Schemas, Slot, StorageFailure, StorageRead, Unanswered, Unsealing, Why,
};
use holdover_tests::virtual_world::BEGINNING_UNIX_MS;
use tokio::time::Instant;

use crate::http;
use crate::source::{Reply, Source};
use crate::trace::{Act, Got, Heard, Said, Step, Told};

/// The node's storage, as the module names it.
pub const STORAGE: &str = "/bucket/prefix";

pub struct Ports {
    source: Arc<dyn Source>,
    began: Instant,
    steps: Mutex<Vec<Step>>,
    session: Mutex<Session>,
}

/// As `plugin/proxy-wasm/src/node/world.rs` keeps it.
#[derive(Clone, Copy, Default)]
pub struct Session {
    /// What it delivered last; `None` without a session.
    pub latest: Option<Digest>,
    /// How many there were.
    pub number: u64,
}

impl Ports {
    pub fn over(source: Arc<dyn Source>) -> Self {
        Self { source, began: Instant::now(), steps: Mutex::default(), session: Mutex::default() }
    }

    pub fn note(&self, act: Act) {
        let at_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap();
        self.steps.lock().unwrap().push(Step { at_ms, act });
    }

    pub fn steps(&self) -> Vec<Step> {
        self.steps.lock().unwrap().clone()
    }

    pub fn session(&self) -> Session {
        *self.session.lock().unwrap()
    }

    pub fn end_session(&self) {
        self.session.lock().unwrap().latest = None;
    }

    pub fn importer(self: &Arc<Self>, told: &Told) -> ImporterPorts {
        ImporterPorts {
            control_plane: self.clone(),
            storages: vec![self.clone()],
            gate: Gate { trusted: trusted(told), keys: self.clone(), has_identity: false },
            cache: self.clone(),
            bundle: self.clone(),
            gateway: self.clone(),
            schemas: self.clone(),
            clock: self.clone(),
            random: self.clone(),
            events: self.clone(),
        }
    }

    async fn answer<T>(&self, reply: Reply<T>) -> T {
        match reply.after {
            Some(after) => tokio::time::sleep(after).await,
            None => std::future::pending().await,
        }
        reply.what
    }
}

/// What a module with the same settings makes of them.
pub fn settings(told: &Told) -> Settings {
    let on_refusal = match told.on_refusal.as_str() {
        "wait" => OnRefusal::Wait,
        "fallback" => OnRefusal::Fallback,
        other => panic!("{other} is no holdover_on_refusal"),
    };
    Settings {
        node: "envoy".into(),
        storages: vec![STORAGE.into()],
        on_refusal,
        give_up: Duration::from_millis(told.give_up_ms),
        settle: Duration::MAX,
        trusted: trusted(told),
        ..Settings::new(told.cluster.parse().unwrap(), told.gateway_version.parse().unwrap(), Format::Kong)
    }
}

fn trusted(told: &Told) -> Trust {
    Trust::new(told.trusted_keys.iter().map(|key| key.parse().unwrap()).collect())
}

#[async_trait]
impl ControlPlane for Ports {
    async fn attempt(&self, patience: Duration) -> Result<Config, Unanswered> {
        self.note(Act::Asks);
        let heard = self.answer(self.source.heard(self.began.elapsed(), patience)).await;
        self.note(Act::Heard(heard.clone()));
        match heard {
            Heard::Delivery(body) => {
                let config = Config::delivered(self.source.body(&body));
                let mut session = self.session.lock().unwrap();
                if session.latest.replace(config.digest()).is_none() {
                    session.number += 1;
                }
                Ok(config)
            }
            Heard::Answer(word) => Err(Unanswered { answer: http::answer(&word).0, detail: format!("the trace has it answer {word}") }),
        }
    }
}

#[async_trait]
impl StorageRead for Ports {
    fn name(&self) -> &str {
        STORAGE
    }

    async fn get(&self, key: &str, _: u64) -> Result<Fetched, StorageFailure> {
        self.note(Act::Gets(key.to_owned()));
        let got = self.answer(self.source.got(self.began.elapsed(), key)).await;
        self.note(Act::Got(got.clone()));
        match got {
            Got::Object(body) => {
                let etag = Some(Etag(http::etag(&body)));
                Ok(Fetched { bytes: self.source.body(&body), etag, date: Some(UnixMs(BEGINNING_UNIX_MS)) })
            }
            Got::Failure(word) => Err(StorageFailure::new(http::failure(&word).kind, format!("the trace has '{key}' be {word}"))),
        }
    }
}

#[async_trait]
impl Gateway for Ports {
    async fn apply(&self, config: &Config) -> Result<(), NotApplied> {
        self.note(Act::Applies(config.digest().to_string()));
        let taken = self.source.takes(config.bytes());
        self.note(Act::Applied(taken));
        if taken { Ok(()) } else { Err(NotApplied::Rejected("it cannot route by it".into())) }
    }

    fn status(&self) -> GatewayStatus {
        GatewayStatus { kind: "parity", ..GatewayStatus::default() }
    }
}

#[async_trait]
impl Cache for Ports {
    async fn read(&self, _: Slot) -> Result<Option<Bytes>, String> {
        Ok(None)
    }

    async fn write(&self, _: Slot, _: Vec<Bytes>) -> Result<(), String> {
        Ok(())
    }

    async fn set_aside(&self, _: Slot, _: &str) -> Result<(), String> {
        Ok(())
    }
}

#[async_trait]
impl Bundle for Ports {
    async fn bundle(&self) -> Result<Option<Bytes>, String> {
        Ok(None)
    }
}

#[async_trait]
impl Schemas for Ports {
    async fn conforms(&self, _: &Config) -> Result<(), Vec<String>> {
        Ok(())
    }
}

impl Unsealing for Ports {
    fn unwrap(&self, _: &[u8]) -> Result<PayloadKey, NotUnwrapped> {
        Err(NotUnwrapped::NoIdentity)
    }
}

#[async_trait]
impl Clock for Ports {
    fn now(&self) -> UnixMs {
        UnixMs(BEGINNING_UNIX_MS).plus(self.began.elapsed())
    }

    fn monotonic(&self) -> Duration {
        self.began.elapsed()
    }

    async fn sleep(&self, duration: Duration, why: Why) {
        let ms = u64::try_from(duration.as_millis()).unwrap();
        self.note(Act::Sleeps { why: why.as_str().to_owned(), ms });
        tokio::time::sleep(duration).await;
    }
}

impl Random for Ports {
    fn random(&self) -> u64 {
        let number = self.source.number();
        self.note(Act::Draws(number));
        number
    }
}

impl Events for Ports {
    fn emit(&self, event: Event) {
        self.note(Act::Says(Said::from(event)));
    }
}
