//! The policy's capabilities over a gateway's calls: HTTP, clock and log. Where a gateway has nothing of the kind, nothing is there.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use holdover_plugin::model::{Digest, UnixMs};
use holdover_plugin::policy::capabilities::{
    Answer, Body, Bundle, Cache, Clock, ControlPlane, Events, Fetched, Gateway, Held, Keep, NotApplied, NotUnwrapped, Opening, Random,
    Schemas, Slot, StorageFailure, StorageFailureKind, StorageId, StorageRead, Unanswered, Unsealing,
};
use holdover_plugin::policy::events::{Event, Name, Severity, Why};
use holdover_plugin::policy::outage::Found;
use holdover_plugin::routing::{self, Table, Unroutable};
use holdover_plugin::snapshot::{self, PayloadKey};
use proxy_wasm::types::LogLevel;

use super::calls::Calls;
use super::control_plane::{self, Asked};
use super::settings::Settings;
use super::storage;
use super::telling::Known;
use crate::log::log;
use crate::vm::{self, Moment};

pub struct World {
    settings: Settings,
    calls: Rc<Calls>,
    known: Rc<Known>,
    began: Moment,
    /// `None` without a session.
    session: RefCell<Option<Session>>,
    /// How many sessions there were.
    sessions: Cell<u64>,
}

/// What the control plane delivered last, while it is asked again and again.
struct Session {
    delivered: Digest,
    etag: Option<String>,
}

/// What asking on brought.
pub enum Polled {
    Same,
    Other(Config),
}

/// A configuration. Only the control plane's answer and [`Opening::open`] make one.
pub struct Config(Vec<u8>);

/// What was fetched from the storage.
pub struct Object(Vec<u8>);

impl World {
    pub fn new(settings: Settings, calls: Rc<Calls>, known: Rc<Known>) -> Self {
        Self { settings, calls, known, began: Moment::now(), session: RefCell::default(), sessions: Cell::new(0) }
    }

    pub fn is_connected(&self) -> bool {
        self.session.borrow().is_some()
    }

    /// The number of the session that delivered last.
    pub fn sessions(&self) -> u64 {
        self.sessions.get()
    }

    /// What is delivered next is delivered whether it is other bytes or not.
    pub fn begin_anew(&self) {
        *self.session.borrow_mut() = None;
    }

    pub fn lost(&self) {
        self.begin_anew();
        self.known.found(Found::Silent);
    }

    /// The session's latest; where there is none, a session begins with it. Returns what was its latest before.
    fn delivered(&self, delivered: Digest, etag: Option<String>) -> Option<Digest> {
        let before = self.session.replace(Some(Session { delivered, etag }));
        if before.is_none() {
            self.sessions.set(self.sessions.get() + 1);
        }
        before.map(|before| before.delivered)
    }

    fn unwrap_key(&self, wrapped: &[u8]) -> Result<PayloadKey, NotUnwrapped> {
        holdover_age::unwrap(&self.settings.identities, wrapped)
    }

    /// Asks on, in a session.
    pub async fn poll(&self, patience: Duration) -> Result<Polled, Unanswered> {
        let etag = self.session.borrow().as_ref().and_then(|session| session.etag.clone());
        match control_plane::ask(&self.calls, &self.settings.control_plane, etag.as_deref(), patience).await? {
            Asked::NotModified => Ok(Polled::Same),
            Asked::Delivered { body, etag } => {
                let config = Config(body);
                let delivered = config.digest();
                let before = self.delivered(delivered, etag);
                Ok(if before == Some(delivered) { Polled::Same } else { Polled::Other(config) })
            }
        }
    }
}

impl Config {
    fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

impl Object {
    pub fn fetched(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Held for World {
    type Config = Config;
    type Object = Object;
}

impl Body for Config {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    async fn read(&self) -> Result<Vec<u8>, String> {
        Ok(self.0.clone())
    }
}

impl Body for Object {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    async fn read(&self) -> Result<Vec<u8>, String> {
        Ok(self.0.clone())
    }
}

impl ControlPlane for World {
    /// The session that a delivery begins is [`super::life`] asking on. An attempt that is not waited for ends with its caller.
    async fn attempt(&self, patience: Duration) -> Result<Config, Unanswered> {
        match control_plane::ask(&self.calls, &self.settings.control_plane, None, patience).await {
            Ok(Asked::Delivered { body, etag }) => {
                let config = Config(body);
                self.known.found(Found::Answers);
                self.delivered(config.digest(), etag);
                Ok(config)
            }
            // Nothing was said that it could be the same as.
            Ok(Asked::NotModified) => {
                let detail = "the control plane answered 304 to a request without a condition: look at its log".to_owned();
                Err(Unanswered { answer: Answer::Unexpected, detail })
            }
            Err(unanswered) => {
                self.known.found(Found::by(unanswered.answer));
                Err(unanswered)
            }
        }
    }
}

impl StorageRead for World {
    async fn get(&self, storage: StorageId, key: &str, bytes_max: u64) -> Result<Fetched<Object>, StorageFailure> {
        match storage {
            0 => storage::get(&self.calls, &self.settings.storage, key, bytes_max).await,
            _ => {
                let detail = format!("there is one storage here, and none at place {storage}: this is a mistake of the module");
                Err(StorageFailure::new(StorageFailureKind::NoSuchStorage, detail))
            }
        }
    }
}

/// There is no disk: nothing is found, and keeping costs nothing.
impl Cache for World {
    async fn read(&self, _: Slot) -> Result<Option<Object>, String> {
        Ok(None)
    }

    async fn write(&self, _: Slot, _: Vec<u8>, _: Keep<'_, Object>) -> Result<(), String> {
        Ok(())
    }

    async fn set_aside(&self, _: Slot, _: &str) -> Result<(), String> {
        Ok(())
    }
}

impl Bundle for World {
    async fn bundle(&self) -> Result<Option<Object>, String> {
        Ok(None)
    }
}

impl Opening for World {
    async fn open(&self, object: &Object) -> Result<Config, String> {
        let verified = snapshot::verify(&object.0, &self.settings.policy.trusted).map_err(|refusal| refusal.to_string())?;
        let key = match verified.wrapped().map_err(|refusal| refusal.to_string())? {
            Some(wrapped) => Some(self.unwrap_key(wrapped).map_err(|why| why.to_string())?),
            None => None,
        };
        let opened = verified.open(key.as_ref()).map_err(|refusal| refusal.to_string())?;
        Ok(Config(opened.into_bytes()))
    }

    async fn adopt(&self, object: &Object) -> Result<Config, String> {
        match self.settings.policy.trusted.is_configured() || !self.settings.identities.is_empty() {
            true => Err("legacy-would-downgrade: what nobody sealed is not taken by a node that has keys".into()),
            false => Ok(Config(object.0.clone())),
        }
    }
}

impl Unsealing for World {
    async fn unwrap(&self, wrapped: &[u8]) -> Result<PayloadKey, NotUnwrapped> {
        self.unwrap_key(wrapped)
    }
}

impl Gateway for World {
    async fn apply(&self, config: &Config) -> Result<(), NotApplied> {
        let rejected = |unroutable: Unroutable| NotApplied::Rejected(unroutable.to_string());
        let packed = routing::pack(&config.0, &self.settings.unenforced).map_err(rejected)?;
        // As each filter is going to.
        let table = Table::unpack(&packed).map_err(rejected)?;
        let unenforced = table.unenforced_plugins();
        if !unenforced.is_empty() {
            let names = unenforced.join(", ");
            log(LogLevel::Warn, &format!("these plugins are not enforced here, so their routes answer 503: {names}"));
        }
        self.known.share(&packed);
        Ok(())
    }
}

impl Schemas for World {
    async fn conforms(&self, _: &Config) -> Result<(), Vec<String>> {
        Ok(())
    }
}

impl Clock for World {
    fn now(&self) -> UnixMs {
        vm::now()
    }

    fn monotonic(&self) -> Duration {
        self.began.elapsed()
    }

    async fn sleep(&self, duration: Duration, _: Why) {
        let due = self.monotonic().saturating_add(duration);
        poll_fn(|_| if self.monotonic() < due { Poll::Pending } else { Poll::Ready(()) }).await;
    }
}

impl Random for World {
    fn random(&self) -> u64 {
        vm::random()
    }
}

impl Events for World {
    fn emit(&self, event: Event) {
        // True of every other node: here, keeping succeeded because there is nowhere to keep.
        if event.name == Name::CacheKept {
            return;
        }
        let level = match event.severity {
            Severity::Info => LogLevel::Info,
            Severity::Warning => LogLevel::Warn,
            Severity::Alarm => LogLevel::Error,
        };
        let fields: String = event.fields.iter().map(|(field, value)| format!(" {field}={value}")).collect();
        log(level, &format!("{} event={}{fields}", event.sentence, event.name));
    }
}
