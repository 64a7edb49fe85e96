//! The policy's capabilities over a gateway's calls: HTTP, clock and log. Where a gateway has nothing of the kind, nothing is there.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant, UNIX_EPOCH};

use holdover_plugin::model::{Digest, UnixMs};
use holdover_plugin::policy::capabilities::{
    Body, Bundle, Cache, Clock, ControlPlane, Events, Fetched, Gateway, Held, Keep, NotApplied, NotUnwrapped, Opening, Random, Schemas,
    Slot, StorageFailure, StorageFailureKind, StorageId, StorageRead, Unanswered, Unsealing,
};
use holdover_plugin::policy::events::{Event, Name, Severity, Why};
use holdover_plugin::routing::Table;
use holdover_plugin::snapshot::{self, PayloadKey};
use proxy_wasm::hostcalls;
use proxy_wasm::types::LogLevel;

use crate::settings::Settings;
use crate::vm::{self, Vm};
use crate::{control_plane, storage};

pub struct World {
    settings: Settings,
    vm: Rc<Vm>,
    began: Instant,
    /// What the control plane delivered last, while it is asked again and again.
    session: Cell<Option<Digest>>,
    /// How many sessions there were.
    sessions: Cell<u64>,
}

/// A configuration. Only the control plane's answer and [`Opening::open`] make one.
pub struct Config(Vec<u8>);

/// What was fetched from the storage.
pub struct Object(Vec<u8>);

impl World {
    pub fn new(settings: Settings, vm: Rc<Vm>) -> Self {
        Self { settings, vm, began: Instant::now(), session: Cell::new(None), sessions: Cell::new(0) }
    }

    /// The digest of the session's last delivery; `None` without a session.
    pub fn session(&self) -> Option<Digest> {
        self.session.get()
    }

    /// The number of the session that delivered last.
    pub fn sessions(&self) -> u64 {
        self.sessions.get()
    }

    pub fn end_session(&self) {
        self.session.set(None);
    }
}

impl Config {
    pub fn digest(&self) -> Digest {
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
    /// The session that a delivery begins is [`crate::node`] asking on. An attempt that is not waited for ends with its caller.
    async fn attempt(&self, patience: Duration) -> Result<Config, Unanswered> {
        let config = Config(control_plane::ask(&self.vm.calls, &self.settings.control_plane, patience).await?);
        if self.session.replace(Some(config.digest())).is_none() {
            self.sessions.set(self.sessions.get() + 1);
        }
        Ok(config)
    }
}

impl StorageRead for World {
    async fn get(&self, storage: StorageId, key: &str, bytes_max: u64) -> Result<Fetched<Object>, StorageFailure> {
        match storage {
            0 => storage::get(&self.vm.calls, &self.settings.storage, key, bytes_max).await,
            _ => {
                let detail = format!("there is one storage here, and none at place {storage}: this is a mistake of the filter");
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
        let opened = verified.open(None).map_err(|refusal| refusal.to_string())?;
        Ok(Config(opened.into_bytes()))
    }

    async fn adopt(&self, object: &Object) -> Result<Config, String> {
        match self.settings.policy.trusted.is_configured() {
            true => Err("legacy-would-downgrade: what nobody sealed is not taken by a filter that has keys".into()),
            false => Ok(Config(object.0.clone())),
        }
    }
}

/// A filter has no place for a private key: what is encrypted cannot be opened here.
impl Unsealing for World {
    async fn unwrap(&self, _: &[u8]) -> Result<PayloadKey, NotUnwrapped> {
        Err(NotUnwrapped::NoIdentity)
    }
}

impl Gateway for World {
    async fn apply(&self, config: &Config) -> Result<(), NotApplied> {
        let table = Table::build(&config.0, &self.settings.unenforced);
        let table = table.map_err(|unroutable| NotApplied::Rejected(unroutable.to_string()))?;
        let unenforced = table.unenforced_plugins();
        if !unenforced.is_empty() {
            let names = unenforced.join(", ");
            log(LogLevel::Warn, &format!("these plugins are not enforced here, so their routes answer 503: {names}"));
        }
        self.vm.replace_table(table);
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
        let since = hostcalls::get_current_time().ok().and_then(|now| now.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        UnixMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
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

/// Into Envoy's own log.
pub fn log(level: LogLevel, sentence: &str) {
    // What cannot be logged cannot be reported either.
    let _ = hostcalls::log(level, &format!("holdover: {sentence}"));
}
