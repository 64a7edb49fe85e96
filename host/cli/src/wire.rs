//! The one place that knows every adapter: settings in, parts of a node out.
//!
//! Each adapter gets its part of the settings and nothing else. A node that only imports has no storage writer anywhere
//! (boot-12, host-02): writers are made in [`written`], and only for an exporter or an operator's order.

mod gateways;
mod hybrid;
mod written;
mod xds;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdover_component::{LoadError, NoSchema, Readiness, Runtime, RuntimeOptions, SchemaCheck};
use holdover_control_plane::{Authorization, FileControlPlane, HttpControlPlane, HttpSettings, KongControlPlane, XdsControlPlane};
use holdover_gateway::{Builtin, NoGateway, StandIn as KongStandIn};
use holdover_hybrid::Target;
use holdover_keys::{EncryptedCache, KeyRing, KeySettings, Recipient, SigningKey, read_identities};
use holdover_node::settings::{ControlPlane, Credentials, Environment, Judges, Problems, S3Addressing, Settings, Sources};
use holdover_node::settings::{load, status_address as status_address_of};
use holdover_node::{
    FileBundle, FileCache, Journal, NodeParts, PolicyInfo, RunningGateway, Sessions, SystemClock, SystemRandom, new_id, node_id,
};
use holdover_plugin::model::Digest;
use holdover_plugin::policy::{Settings as PolicySettings, StandIn};
use holdover_ports::{Clock, Config, Dial, Gate, Importer, ImporterPorts, Inspector, NodeFiles, Random, Schemas, StorageRead, Unanswered};
use holdover_storage::{Addressing, Options as StorageOptions, PutConfig, StorageUrl};
use tokio::sync::watch;

use crate::args::SettingsFiles;
use crate::commands::read_file;
use crate::exit::Failure;
use gateways::{Gateways, gateways};
use written::AtHand;

pub use hybrid::{alone, judge};
pub use written::{Alone, Written, first_writable, publisher};

const DEFAULT_CONFIG: &str = "/etc/holdover/holdover.conf";
const CA_BYTES_MAX: u64 = 1024 * 1024;
const COMPONENT_BYTES_MAX: u64 = 64 * 1024 * 1024;

pub fn settings(files: &SettingsFiles, environment: Environment) -> Result<Settings, Problems> {
    // The storage's sentence begins with the setting, which the problem names already.
    let storage = |url: &str| match StorageUrl::parse(url) {
        Ok(_) => Ok(()),
        Err(sentence) => Err(without_setting(&sentence)),
    };
    let s3_put = |json: &str| match PutConfig::parse(json) {
        Ok(_) => Ok(()),
        Err(sentence) => Err(without_setting(&sentence)),
    };
    let signing_key = |path: &Path| SigningKey::read(path).map(|key| key.public());
    let identity = |path: &Path| read_identities(path).map(drop);
    let recipient = |text: &str| text.parse::<Recipient>().map(drop);
    let judges = Judges {
        storage: &storage,
        s3_put: &s3_put,
        signing_key: &signing_key,
        identity: &identity,
        recipient: &recipient,
        hybrid: &hybrid::judge,
        front: &gateways::judge,
        xds: &xds::judge,
    };
    load(&sources(files, environment), &judges)
}

pub fn status_address(files: &SettingsFiles, environment: Environment) -> Result<std::net::SocketAddr, Problems> {
    status_address_of(&sources(files, environment))
}

fn sources(files: &SettingsFiles, environment: Environment) -> Sources {
    let default = || Some(PathBuf::from(DEFAULT_CONFIG)).filter(|path| path.exists());
    Sources { config: files.config.clone().or_else(default), kong_conf: files.kong_conf.clone(), environment }
}

/// Whether this machine has settings where they are looked for.
pub fn has_default_config() -> bool {
    Path::new(DEFAULT_CONFIG).exists()
}

fn without_setting(sentence: &str) -> String {
    match sentence.split_once(": ") {
        Some((setting, rest)) if setting.starts_with("cluster_fallback") && !setting.contains(' ') => rest.to_owned(),
        Some(_) | None => sentence.to_owned(),
    }
}

/// A node's parts, and those that have a say in how it ends.
pub struct Wired {
    pub parts: NodeParts,
    /// To be brought to rest after the node.
    pub builtin: Option<Arc<Builtin>>,
    /// May meet its own node.
    pub kong: Option<Arc<KongStandIn>>,
}

/// Everything that a node is made of, opened. Asks no control plane and no storage anything yet.
pub async fn node(settings: &Settings, environment: &Environment) -> Result<Wired, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::starting_here());
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let journal = Arc::new(Journal::new(clock.clone()));
    let keys = Arc::new(key_ring(settings)?);
    let cache = Arc::new(FileCache::open(&settings.cache_dir).map_err(Failure::not_opened)?);
    let node_id = || node_id(&settings.cache_dir, &*random).map_err(Failure::not_opened);
    let control_plane = kong_target(settings, environment, node_id)?;
    let sessions = Arc::new(Sessions::new(dial(settings, control_plane.as_ref(), &random).await?));
    let stand_in = watch::Sender::new(StandIn::Waits);
    let kept = kept(settings, &cache, &keys)?;
    let storages = readers(settings, environment).await?;
    let written = match &settings.export {
        None => None,
        Some(export) => Some(Written::open(settings, export, environment).await?),
    };
    let Gateways { gateway, builtin, kong } = gateways(settings, control_plane, &stand_in, &clock).await?;
    let gateway = Arc::new(RunningGateway::new(gateway));
    let runtime = runtime(settings, Some(settings.compiled_dir.clone())).await?;
    let schemas = schemas(settings, &runtime).await?;

    let importer = ImporterPorts {
        control_plane: sessions.clone(),
        storages,
        gate: gate(settings, &keys),
        cache: kept.clone(),
        bundle: Arc::new(FileBundle::new(settings.bundle.clone())),
        gateway: gateway.clone(),
        schemas: schemas.clone(),
        clock: clock.clone(),
        random: random.clone(),
        events: journal.clone(),
    };
    let at_hand = AtHand { keys: keys.clone(), schemas, clock: clock.clone(), random: random.clone(), journal: journal.clone() };
    let importer = linked(&runtime, |runtime| runtime.importer(importer)).await?;
    let (exporter, janitor) = match &written {
        None => (None, None),
        Some(written) => (Some(written.exporter(&runtime, &at_hand).await?), written.janitor(&runtime, &at_hand).await?),
    };
    let policy = Some(policy_info(settings, runtime.readiness()).await?);
    let status_listen = Some(settings.status_listen);
    let settings = PolicySettings { sealed_as: keys.sealed_as(), ..settings.policy.clone() };
    let parts = NodeParts {
        importer,
        exporter,
        janitor,
        pending: kept,
        sessions,
        gateway,
        cache,
        settings,
        journal,
        clock,
        random,
        policy,
        stand_in,
        status_listen,
    };
    Ok(Wired { parts, builtin, kong })
}

/// The settings were judged with these very files; one that changed since is named again.
fn key_ring(settings: &Settings) -> Result<KeyRing, Failure> {
    let keys = &settings.keys;
    let keys = KeySettings { signing_key: keys.signing_key.clone(), recipients: keys.recipients.clone(), identity: keys.identity.clone() };
    KeyRing::open(&keys).map_err(|sentences| Failure::settings(sentences.join("\n")))
}

/// What the host asks of a snapshot, whatever the policy finds (host-01).
fn gate(settings: &Settings, keys: &Arc<KeyRing>) -> Gate {
    Gate { trusted: settings.policy.trusted.clone(), keys: keys.clone(), has_identity: keys.has_identity() }
}

/// What a node keeps its configurations in: its own files, encrypted when asked for.
fn kept(settings: &Settings, cache: &Arc<FileCache>, keys: &Arc<KeyRing>) -> Result<Arc<dyn NodeFiles>, Failure> {
    match settings.keys.cache_encryption {
        false => Ok(cache.clone()),
        true => Ok(Arc::new(EncryptedCache::new(cache.clone(), keys.clone()).map_err(Failure::settings)?)),
    }
}

async fn dial(settings: &Settings, kong: Option<&Target>, random: &Arc<dyn Random>) -> Result<Arc<dyn Dial>, Failure> {
    match &settings.control_plane {
        ControlPlane::Kong { address, setting } => {
            let target =
                kong.ok_or_else(|| Failure::settings(format!("{setting} = {address}: it cannot be dialled without cluster_cert")))?;
            Ok(Arc::new(KongControlPlane::new(target.clone(), setting)))
        }
        ControlPlane::Xds { url, token, protocol } => {
            Ok(Arc::new(XdsControlPlane::new(xds::target(settings, url, token.as_ref(), *protocol)?)))
        }
        ControlPlane::File { path } => Ok(Arc::new(FileControlPlane::new(path.clone()))),
        ControlPlane::Http { url, credentials, ca_file, poll_interval } => {
            let authorization = match credentials {
                None => None,
                Some(Credentials::Token(token)) => Some(Authorization::bearer(token.expose().to_owned()).map_err(Failure::settings)?),
                Some(Credentials::Basic { user, password }) => Some(Authorization::basic(user.clone(), password.expose().to_owned())),
            };
            let ca_pem = match ca_file {
                None => None,
                Some(path) => Some(pem(path).await?),
            };
            let http = HttpSettings { url: url.clone(), authorization, ca_pem, poll_interval: *poll_interval };
            Ok(Arc::new(HttpControlPlane::new(http, random.clone()).map_err(Failure::settings)?))
        }
    }
}

/// For a policy that is loaded and never asked anything.
async fn nobodys_dial(settings: &Settings, random: &Arc<dyn Random>) -> Result<Arc<dyn Dial>, Failure> {
    let kong = kong_target(settings, &Environment::default(), || Ok(new_id(&**random)))?;
    dial(settings, kong.as_ref(), random).await
}

/// Whom a data plane of Kong's dials, if the control plane is Kong's: the node itself, and the gateway's relay.
fn kong_target(
    settings: &Settings,
    environment: &Environment,
    node_id: impl FnOnce() -> Result<String, Failure>,
) -> Result<Option<Target>, Failure> {
    match &settings.control_plane {
        ControlPlane::Kong { address, .. } => hybrid::target(settings, environment, address, node_id()?).map(Some),
        ControlPlane::Http { .. } | ControlPlane::File { .. } | ControlPlane::Xds { .. } => Ok(None),
    }
}

/// A configuration file, as the control plane adapter for files delivers it.
pub async fn file_config(path: &Path) -> Result<Config, Failure> {
    let unread = |unanswered: Unanswered| Failure::not_opened(unanswered.detail);
    let mut session = FileControlPlane::new(path.to_owned()).dial().await.map_err(unread)?;
    session.next().await.map_err(unread)
}

async fn pem(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = read_file(path, CA_BYTES_MAX).await;
    bytes.map(Vec::from).map_err(|why| Failure::settings(format!("cluster_ca_cert = '{}': {why}", path.display())))
}

/// As an importer reads them: what never changes is fetched once per host, if the operator says where.
async fn readers(settings: &Settings, environment: &Environment) -> Result<Vec<Arc<dyn StorageRead>>, Failure> {
    let mut readers = Vec::new();
    for storage in &settings.storages {
        let reader = reader(storage, Some(settings), environment).await?;
        readers.push(match &settings.shared_fetch_dir {
            None => reader,
            Some(folder) => holdover_storage::shared(reader, folder).map_err(Failure::not_opened)?,
        });
    }
    Ok(readers)
}

/// One storage itself: for whoever looks at what is really there. Without a node's settings, as the environment says.
pub async fn reader(storage: &str, settings: Option<&Settings>, environment: &Environment) -> Result<Arc<dyn StorageRead>, Failure> {
    let url = StorageUrl::parse(storage).map_err(Failure::settings)?;
    let options = match settings {
        Some(settings) => storage_options(settings, environment)?,
        None => StorageOptions::from_environment(environment.variables()).map_err(Failure::settings)?,
    };
    holdover_storage::open_reader_with(&url, environment.variables(), &options).await.map_err(Failure::settings)
}

fn storage_options(settings: &Settings, environment: &Environment) -> Result<StorageOptions, Failure> {
    let addressing = match settings.s3_addressing {
        S3Addressing::Auto => Addressing::Auto,
        S3Addressing::Path => Addressing::Path,
        S3Addressing::Virtual => Addressing::Virtual,
    };
    let options = StorageOptions::from_environment(environment.variables()).map_err(Failure::settings)?;
    Ok(options.with_addressing(addressing))
}

/// Loads the policy of these settings and links it with ports that do nothing lasting. Says in how many milliseconds.
pub async fn try_policy(settings: &Settings) -> Result<f64, Failure> {
    let keys = Arc::new(key_ring(settings)?);
    let scratch = tempfile::tempdir().map_err(|error| Failure::not_opened(format!("no temporary folder can be made: {error}")))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::starting_here());
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let ports = ImporterPorts {
        control_plane: Arc::new(Sessions::new(nobodys_dial(settings, &random).await?)),
        storages: Vec::new(),
        gate: gate(settings, &keys),
        cache: Arc::new(FileCache::open(scratch.path()).map_err(Failure::not_opened)?),
        bundle: Arc::new(FileBundle::new(None)),
        gateway: Arc::new(NoGateway),
        schemas: Arc::new(NoSchema),
        events: Arc::new(Journal::new(clock.clone())),
        clock,
        random,
    };
    let runtime = runtime(settings, None).await?;
    linked(&runtime, |runtime| runtime.importer(ports)).await?;
    Ok(runtime.readiness().ready_ms)
}

/// The importing policy of these settings, or the embedded one, with the caller's ports. Keeps no native code.
pub async fn rehearsal(
    settings: Option<&Settings>,
    ports: impl FnOnce(Arc<dyn Schemas>) -> ImporterPorts,
) -> Result<Arc<dyn Importer>, Failure> {
    let (runtime, schemas): (_, Arc<dyn Schemas>) = match settings {
        Some(settings) => {
            let runtime = runtime(settings, None).await?;
            let schemas = schemas(settings, &runtime).await?;
            (runtime, schemas)
        }
        None => (embedded_runtime().await?, Arc::new(NoSchema)),
    };
    let ports = ports(schemas);
    linked(&runtime, |runtime| runtime.importer(ports)).await
}

/// The embedded judge, for files.
pub async fn inspector() -> Result<Arc<dyn Inspector>, Failure> {
    compiling(|| Runtime::load(RuntimeOptions::default())?.inspector()).await
}

/// The same beside a node.
pub async fn inspector_beside(settings: &Settings) -> Result<Arc<dyn Inspector>, Failure> {
    linked(&visiting_runtime(settings).await?, Runtime::inspector).await
}

async fn schemas(settings: &Settings, runtime: &Arc<Runtime>) -> Result<Arc<dyn Schemas>, Failure> {
    let Some(path) = &settings.schema else { return Ok(Arc::new(NoSchema)) };
    let text = crate::schema::text(path).await;
    let text = text.map_err(|why| Failure::settings(format!("holdover_schema = '{}': {why}", path.display())))?;
    let runtime = runtime.clone();
    Ok(Arc::new(SchemaCheck::new(compiling(move || runtime.inspector()).await?, text)))
}

async fn runtime(settings: &Settings, compiled_dir: Option<PathBuf>) -> Result<Arc<Runtime>, Failure> {
    let options = RuntimeOptions { compiled_dir, policy: settings.policy_file.clone() };
    Ok(Arc::new(compiling(|| Runtime::load(options)).await?))
}

/// For a command beside a node: it takes the native code that the node keeps, and makes no folder that would not be the node's own.
async fn visiting_runtime(settings: &Settings) -> Result<Arc<Runtime>, Failure> {
    runtime(settings, Some(settings.compiled_dir.clone()).filter(|dir| dir.is_dir())).await
}

/// Where no settings say anything else.
async fn embedded_runtime() -> Result<Arc<Runtime>, Failure> {
    Ok(Arc::new(compiling(|| Runtime::load(RuntimeOptions::default())).await?))
}

/// A world of the policy, compiled and given its ports.
async fn linked<T: Send + 'static>(
    runtime: &Arc<Runtime>,
    link: impl FnOnce(&Runtime) -> Result<T, LoadError> + Send + 'static,
) -> Result<T, Failure> {
    let runtime = runtime.clone();
    compiling(move || link(&runtime)).await
}

/// Compiling is a second or more of computing: not on the threads that answer.
async fn compiling<T: Send + 'static>(work: impl FnOnce() -> Result<T, LoadError> + Send + 'static) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Failure::policy("loading the policy ended early"))?.map_err(|error| Failure::policy(error.sentence))
}

async fn policy_info(settings: &Settings, readiness: Readiness) -> Result<PolicyInfo, Failure> {
    let digest = match &settings.policy_file {
        Some(path) => {
            let bytes = read_file(path, COMPONENT_BYTES_MAX).await;
            Digest::of(&bytes.map_err(|why| Failure::policy(format!("holdover_policy = '{}': {why}", path.display())))?)
        }
        None => {
            let [(_, importer), ..] = holdover_component::embedded();
            Digest::of(importer)
        }
    };
    Ok(PolicyInfo { digest: digest.to_string(), ready_ms: readiness.ready_ms.round() as u64, kept: readiness.kept })
}
