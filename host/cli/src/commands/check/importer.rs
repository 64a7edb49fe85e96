//! `holdover check --as importer`: proves from any host that the backup restores. The importing policy itself boots a new node whose
//! control plane is away: it locates, fetches, verifies, opens, validates and applies as in an outage. No rule stands here; what is
//! real is the storages, the keys and the bundle, and nothing of the node's own cache or marks is looked at or touched.

use std::sync::Arc;
use std::time::{Duration, Instant};

use holdover_node::settings::{Gateway as GatewaySettings, Settings};
use holdover_node::{FileBundle, Journal, SystemClock, SystemRandom};
use holdover_plugin::config::{self, Proof, Strictness, needs};
use holdover_plugin::model::{Cluster, GatewayVersion, UnixMs};
use holdover_plugin::policy::{Facts, Serving, Settings as PolicySettings, Standing};
use holdover_plugin::routing::Unenforced;
use holdover_plugin::snapshot::{self, KeyId, Manifest};
use holdover_ports::{Clock, Gate, ImporterPorts, Random, StorageRead};
use serde_json::{Value, json};

use super::ports::{Away, EmptyCache, Loaded, Noted, NotedBundle, NowhereGateway, Reads};
use crate::args::CheckArguments;
use crate::commands::history::short_counts;
use crate::commands::opening::Opener;
use crate::commands::storages::{Asked, asked};
use crate::commands::times::{ago, rfc3339, size};
use crate::commands::{legible, now, say, say_json};
use crate::exit::{Exit, Failure};
use crate::wire;

/// What the settings' default says; the command line knows no other.
const CLUSTER: &str = "default";

/// How it ended.
struct Rehearsed {
    standing: Standing,
    loaded: Option<Loaded>,
    journal: Arc<Journal>,
    reads: Arc<Reads>,
    /// Until the policy's code was there; a node keeps that.
    ready: Duration,
    /// From the start of the episode to a gateway that runs.
    took: Duration,
}

/// What was restored.
struct Restored {
    serving: Serving,
    loaded: Loaded,
    proof: Proof,
    validated: Duration,
    /// Of a sealed one.
    sealed: Option<(Manifest, Option<KeyId>, String)>,
}

pub async fn check(arguments: &CheckArguments) -> Result<Exit, Failure> {
    let asked = asked(&arguments.storages()).await?;
    let policy = policy_settings(&asked, arguments)?;
    let bundle = asked.settings.as_ref().and_then(|settings| settings.bundle.clone());
    if bundle.is_none() {
        asked.need_storages()?;
    }
    let format = policy.format;
    let rehearsed = rehearse(&asked, policy, FileBundle::new(bundle)).await?;
    let now = now();
    let restored = match (&rehearsed.standing, &rehearsed.loaded) {
        (Standing::Serving(serving), Some(loaded)) => Ok(restored(&asked.opener, &rehearsed, serving, loaded, format)?),
        (Standing::Serving(_), None) => Err("the policy says that it serves, and handed nothing to the gateway".to_owned()),
        (Standing::Stranded(why) | Standing::Refused(why), _) => Err(why.clone()),
    };
    if arguments.json {
        say_json(&document(&restored, &rehearsed, now))?;
    } else {
        say(lines(&restored, &rehearsed, now).iter().map(|line| legible(line)));
    }
    Ok(if restored.is_ok() { Exit::Done } else { Exit::Invalid })
}

/// A new node's, with what the command line says.
fn policy_settings(asked: &Asked, arguments: &CheckArguments) -> Result<PolicySettings, Failure> {
    let mut policy = match &asked.settings {
        Some(settings) => settings.policy.clone(),
        None => {
            let version = asked.only_version.clone();
            let version: GatewayVersion = version.ok_or_else(|| {
                Failure::settings("--gateway-version: without settings nobody knows what the gateways are; write for example 3.9.1")
            })?;
            let cluster: Cluster = CLUSTER.parse().map_err(|error| Failure::settings(format!("--cluster: {error}")))?;
            PolicySettings::new(cluster, version, arguments.format)
        }
    };
    policy.cluster = asked.cluster.clone().unwrap_or(policy.cluster);
    policy.gateway_version = asked.only_version.clone().unwrap_or(policy.gateway_version);
    policy.import = true;
    policy.storages = asked.readers.iter().map(|reader| reader.name().to_owned()).collect();
    // Nobody waits for a herd that is not there.
    policy.first_fetch_jitter = Duration::ZERO;
    policy.trusted = asked.opener.trust.clone();
    policy.has_identity = asked.opener.ring.has_identity();
    Ok(policy)
}

async fn rehearse(asked: &Asked, policy: PolicySettings, bundle: FileBundle) -> Result<Rehearsed, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::starting_here());
    let (random, reads): (Arc<dyn Random>, Arc<Reads>) = (Arc::new(SystemRandom), Arc::default());
    let journal = Arc::new(Journal::new(clock.clone()));
    let gateway = Arc::new(NowhereGateway::new(policy.format, unenforced(asked.settings.as_ref())));
    let noted =
        |reader: &Arc<dyn StorageRead>| -> Arc<dyn StorageRead> { Arc::new(Noted { reader: reader.clone(), reads: reads.clone() }) };
    let keys = asked.opener.ring.clone();
    let began = Instant::now();
    let importer = wire::rehearsal(asked.settings.as_ref(), |schemas| ImporterPorts {
        control_plane: Arc::new(Away),
        storages: asked.readers.iter().map(noted).collect(),
        gate: Gate { trusted: asked.opener.trust.clone(), has_identity: keys.has_identity(), keys },
        cache: Arc::new(EmptyCache::default()),
        bundle: Arc::new(NotedBundle { bundle: Arc::new(bundle), reads: reads.clone() }),
        gateway: gateway.clone(),
        schemas,
        clock: clock.clone(),
        random: random.clone(),
        events: journal.clone(),
    });
    let importer = importer.await?;
    let ready = began.elapsed();
    let facts = Facts::beginning(policy, random.random());
    let began = Instant::now();
    let outcome = importer.boot(facts, Vec::new()).await.map_err(|lost| Failure::policy(lost.to_string()))?;
    Ok(Rehearsed { standing: outcome.standing, loaded: gateway.loaded(), journal, reads, ready, took: began.elapsed() })
}

/// What the built-in gateway leaves out, where it is the one that would serve.
fn unenforced(settings: Option<&Settings>) -> Option<Unenforced> {
    match settings.map(|settings| &settings.gateway) {
        None => Some(Unenforced::default()),
        Some(GatewaySettings::Builtin { unenforced, .. }) => Some(unenforced.clone()),
        Some(GatewaySettings::File { .. } | GatewaySettings::Kong { .. } | GatewaySettings::Envoy { .. } | GatewaySettings::None) => None,
    }
}

/// Looks at what was applied once more, to say what it is.
fn restored(
    opener: &Opener,
    rehearsed: &Rehearsed,
    serving: &Serving,
    loaded: &Loaded,
    format: config::Format,
) -> Result<Restored, Failure> {
    let began = Instant::now();
    let valid = config::validate(loaded.config.bytes().to_vec(), format, Strictness::Delivered);
    let valid = valid.map_err(|invalid| Failure::new(Exit::Invalid, format!("what was restored is not valid here: {invalid}")))?;
    let validated = began.elapsed();
    let sealed = rehearsed.reads.all().into_iter().rev().find_map(|read| {
        let verified = snapshot::verify(&read.bytes, &opener.trust).ok()?;
        let is_it = serving.position.is_some() && verified.manifest().position() == serving.position;
        is_it.then(|| (verified.manifest().clone(), verified.signer(), read.from.clone()))
    });
    Ok(Restored { serving: serving.clone(), loaded: loaded.clone(), proof: valid.into_proof(), validated, sealed })
}

fn document(restored: &Result<Restored, String>, rehearsed: &Rehearsed, now: UnixMs) -> Value {
    let reads: Vec<Value> = rehearsed
        .reads
        .all()
        .iter()
        .map(|read| json!({"from": read.from, "key": read.key, "bytes": read.bytes.len(), "ms": ms(read.took)}))
        .collect();
    let stations = json!({"policy_ready_ms": ms(rehearsed.ready), "reads": reads, "boot_ms": ms(rehearsed.took),
        "validate_ms": restored.as_ref().ok().map(|restored| ms(restored.validated)),
        "load_ms": restored.as_ref().ok().map(|restored| ms(restored.loaded.took))});
    let said = json!(rehearsed.journal.entries());
    let restored = match restored {
        Err(why) => return json!({"serves": false, "why": why, "said": said, "stations": stations}),
        Ok(restored) => restored,
    };
    let sealed = restored.sealed.as_ref().map(|(manifest, signer, from)| {
        json!({"from": from, "signer": signer, "sealed_at": rfc3339(manifest.sealed_at), "sealed_by": manifest.sealed_by,
            "age_s": now.since(manifest.sealed_at).as_secs(), "manifest": manifest})
    });
    json!({
        "serves": true, "origin": restored.serving.origin.as_str(), "position": restored.serving.position.map(|at| at.to_string()),
        "digest": restored.serving.digest, "sealed": sealed, "bytes": restored.proof.bytes_len(), "counts": restored.proof.counts(),
        "needs": needs::sentences(restored.proof.needs(), now), "warnings": restored.proof.warnings(),
        "unenforced_plugins": restored.loaded.unenforced_plugins, "unroutable_by_the_built_in_gateway": restored.loaded.unroutable,
        "said": said, "stations": stations,
    })
}

fn lines(restored: &Result<Restored, String>, rehearsed: &Rehearsed, now: UnixMs) -> Vec<String> {
    let troubles = || {
        let entries = rehearsed.journal.entries().into_iter();
        // Control plane and cache are left out on purpose, and what is needed has lines of its own.
        let entries = entries.filter(|entry| !entry.fields.get("rung").is_some_and(|rung| rung.starts_with("cache")));
        let telling = entries.filter(|entry| {
            let told = ["rung-failed", "rung-empty", "head-refused", "snapshot-skipped", "two-lineages", "config-rejected", "stale"];
            told.contains(&entry.name) || entry.name.starts_with("break-glass")
        });
        telling.map(|entry| format!("{:<12} {}", entry.severity, entry.sentence)).collect::<Vec<String>>()
    };
    let restored = match restored {
        Err(_) => {
            let mut lines = vec!["would not serve: a node born now would be stranded".to_owned()];
            lines.extend(troubles());
            return lines;
        }
        Ok(restored) => restored,
    };
    let Restored { serving, loaded, proof, validated, sealed } = restored;
    let position = serving.position.map_or_else(|| "nothing that was sealed".to_owned(), |at| format!("generation {at}"));
    let mut lines = vec![format!("would serve: {position}, from the {}", serving.origin.as_str())];
    let mut fact = |name: &str, text: String| lines.push(format!("{name:<12} {text}"));
    fact("digest", serving.digest.to_string());
    if let Some((manifest, signer, from)) = sealed {
        let signer = signer.map_or_else(|| "nobody was asked for a signature".to_owned(), |signer| format!("signed by key {signer}"));
        fact("found in", format!("{from}, for gateway version {}", manifest.gateway_version));
        fact("sealed", format!("{}, {}, by {}; {signer}", rfc3339(manifest.sealed_at), ago(manifest.sealed_at, now), manifest.sealed_by));
    }
    fact("entities", format!("{}, {}", short_counts(proof.counts()), size(proof.bytes_len())));
    for need in needs::sentences(proof.needs(), now) {
        fact("needs", need);
    }
    if !loaded.unenforced_plugins.is_empty() {
        fact("503", format!("the built-in gateway does not enforce, and refuses where they act: {}", loaded.unenforced_plugins.join(", ")));
    }
    if let Some(why) = &loaded.unroutable {
        fact("note", format!("the built-in gateway could not route it, which is not this node's: {why}"));
    }
    for read in rehearsed.reads.all() {
        fact("read", format!("{} of {}: {}, {} ms", read.key, read.from, size(read.bytes.len() as u64), ms(read.took)));
    }
    let times = (ms(rehearsed.took), ms(*validated), ms(loaded.took), ms(rehearsed.ready));
    fact(
        "took",
        format!("{} ms, with {} ms of loading; validating alone {} ms; the policy was ready in {} ms", times.0, times.2, times.1, times.3),
    );
    lines.extend(troubles());
    lines
}

/// Milliseconds to a tenth.
fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}
