//! The storages that a command asks: which ones, what their heads say, and one generation out of them. Reads only.
//!
//! ```text
//! flags, settings ──► Asked ──heads──► Heads: of one lineage, the highest leads ──pick──► Picked ──fetch──► verified bytes
//! ```
//!
//! Shows what is there. What a node takes of it is the policy's decision: `check --as importer` asks that.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use holdover_node::settings::{Environment, Settings};
use holdover_plugin::model::{Cluster, GatewayVersion, Lineage};
use holdover_plugin::policy::candidate::Skipped;
use holdover_plugin::snapshot::head::{Entry, HEAD_BYTES_MAX, Head, View};
use holdover_plugin::snapshot::{FILE_BYTES_MAX, KeyId, keys};
use holdover_ports::{StorageFailureKind, StorageRead};

use super::generation::Which;
use super::legible;
use super::opening::{Opener, Refused, is_named};
use crate::args::{SettingsFiles, StorageArguments};
use crate::exit::{Exit, Failure};
use crate::wire;

pub struct Asked {
    pub settings: Option<Settings>,
    pub readers: Vec<Arc<dyn StorageRead>>,
    pub opener: Opener,
    /// What the storages must hold, if it is known.
    pub cluster: Option<Cluster>,
    /// Said for this command.
    pub only_version: Option<GatewayVersion>,
}

/// What the storages say, all of one lineage.
pub struct Heads {
    pub leading: Found,
    /// Other storages' heads, in the order asked.
    pub behind: Vec<Found>,
    pub unread: Vec<Unread>,
}

pub struct Found {
    pub reader: Arc<dyn StorageRead>,
    pub head: Head,
    /// Whose signature was believed; `None` when none was asked for.
    pub signer: Option<KeyId>,
}

/// A storage whose head is not part of the answer.
pub struct Unread {
    pub storage: String,
    pub why: Refused,
    /// Whether it could not be looked into, which is no finding about what is there.
    pub unseen: bool,
}

/// One generation, and what stands around it.
pub struct Picked<'a> {
    pub found: &'a Found,
    pub version: &'a GatewayVersion,
    pub view: &'a View,
    pub entry: &'a Entry,
}

/// With storages named on the command line, settings that are not whole are passed over, and that is said.
pub fn settings(files: &SettingsFiles, environment: &Environment, needed: bool) -> Result<Option<Settings>, Failure> {
    let problems = match wire::settings(files, environment.clone()) {
        Ok(settings) => return Ok(Some(settings)),
        Err(problems) => problems,
    };
    if needed || files.config.is_some() || files.kong_conf.is_some() {
        return Err(problems.into());
    }
    let meant = |name: &String| name.starts_with("HOLDOVER_") || name.starts_with("KONG_CLUSTER_FALLBACK");
    if wire::has_default_config() || environment.variables().keys().any(meant) {
        let failure = Failure::from(problems);
        super::warn(&format!("the settings are not used, only what the command line says: {failure}"));
    }
    Ok(None)
}

pub async fn asked(arguments: &StorageArguments) -> Result<Asked, Failure> {
    let environment = Environment::of_process();
    let settings = settings(&arguments.files, &environment, arguments.storage.is_empty())?;
    let opener = Opener::new(settings.as_ref(), &arguments.keys)?;
    let readers = readers(&arguments.storage, settings.as_ref(), &environment).await?;
    let cluster = arguments.cluster.clone().or_else(|| settings.as_ref().map(|settings| settings.policy.cluster.clone()));
    Ok(Asked { settings, readers, opener, cluster, only_version: arguments.gateway_version.clone() })
}

/// Those of the command line, else those of the settings. Nothing of this host stands between: what is shared here is passed by.
pub async fn readers(
    urls: &[String],
    settings: Option<&Settings>,
    environment: &Environment,
) -> Result<Vec<Arc<dyn StorageRead>>, Failure> {
    let (urls, flag) = match (urls, settings) {
        ([], Some(settings)) => (settings.storages.as_slice(), ""),
        ([], None) | ([_, ..], _) => (urls, "--storage: "),
    };
    let mut readers = Vec::new();
    for url in urls {
        let reader = wire::reader(url, settings, environment).await;
        readers.push(reader.map_err(|failure| Failure { sentence: format!("{flag}{}", failure.sentence), ..failure })?);
    }
    Ok(readers)
}

impl Asked {
    /// Where no storage is set, there is nothing to ask.
    pub fn need_storages(&self) -> Result<(), Failure> {
        match self.readers.is_empty() {
            true => Err(Failure::settings(
                "there is no storage to ask; give --storage URL, for example s3://bucket/prefix, or set cluster_fallback_config_storage",
            )),
            false => Ok(()),
        }
    }

    /// All storages are asked at once.
    pub async fn heads(&self) -> Result<Heads, Failure> {
        self.need_storages()?;
        let ask = |reader: &Arc<dyn StorageRead>| {
            let reader = reader.clone();
            tokio::spawn(async move { reader.get(keys::HEAD, HEAD_BYTES_MAX).await })
        };
        let asking: Vec<_> = self.readers.iter().map(ask).collect();
        let (mut found, mut unread) = (Vec::new(), Vec::new());
        for (reader, asking) in self.readers.iter().zip(asking) {
            let answer = asking.await.map_err(|_| Failure::not_opened(format!("asking {} ended early", reader.name())))?;
            let (why, unseen) = match answer {
                Ok(fetched) => match believe(reader, &fetched.bytes, &self.opener, self.cluster.as_ref()) {
                    Ok(head) => {
                        found.push(head);
                        continue;
                    }
                    Err(why) => (why, false),
                },
                Err(failure) => {
                    let unseen = is_unseen(failure.kind);
                    (failure.into(), unseen)
                }
            };
            unread.push(Unread { storage: reader.name().to_owned(), why, unseen });
        }
        self.of_one_lineage(found, unread)
    }

    /// Two lineages are two stories, and a command tells one.
    fn of_one_lineage(&self, found: Vec<Found>, mut unread: Vec<Unread>) -> Result<Heads, Failure> {
        let lineages: BTreeSet<Lineage> = found.iter().map(|found| found.head.lineage).collect();
        let accepted = self.settings.as_ref().and_then(|settings| settings.policy.accept_lineage);
        if accepted.is_none() && lineages.len() > 1 {
            let named: Vec<String> = found.iter().map(|found| format!("{} has {}", found.reader.name(), found.head.lineage)).collect();
            let sentence = format!("the storages hold {} lineages: {}; ask one of them with --storage", lineages.len(), named.join(", "));
            return Err(Failure::new(Exit::Invalid, sentence));
        }
        let Some(consumer) = accepted.or_else(|| lineages.first().copied()) else { return Err(nothing_found(&unread)) };
        let (mut ours, others): (Vec<Found>, Vec<Found>) = found.into_iter().partition(|found| found.head.lineage == consumer);
        unread.extend(others.into_iter().map(|found| {
            let why = Skipped::ForeignLineage { producer: found.head.lineage, consumer }.into();
            Unread { storage: found.reader.name().to_owned(), why, unseen: false }
        }));
        let highest =
            ours.iter().enumerate().max_by_key(|(place, found)| (found.head.position(), found.head.confirmed_at, usize::MAX - place));
        match highest.map(|(place, _)| place) {
            Some(place) => Ok(Heads { leading: ours.remove(place), behind: ours, unread }),
            None => Err(nothing_found(&unread)),
        }
    }
}

/// Seal, signature and cluster of a head.
pub fn believe(reader: &Arc<dyn StorageRead>, file: &[u8], opener: &Opener, cluster: Option<&Cluster>) -> Result<Found, Refused> {
    let (head, signer) = Head::read_signed(file, &opener.trust)?;
    match cluster.filter(|cluster| **cluster != head.cluster) {
        Some(consumer) => Err(Skipped::ForeignCluster { producer: head.cluster, consumer: consumer.clone() }.into()),
        None => Ok(Found { reader: reader.clone(), head, signer }),
    }
}

fn nothing_found(unread: &[Unread]) -> Failure {
    let exit = if unread.iter().any(|unread| !unread.unseen) { Exit::Invalid } else { Exit::NotOpened };
    let lines: Vec<String> = unread.iter().map(|unread| format!("\n  {}: {}", unread.storage, unread.why)).collect();
    Failure::new(exit, format!("no storage has a head that can be used:{}", lines.concat()))
}

/// What a storage surely does not have is a finding about it; what it would not tell is none.
pub fn is_unseen(kind: StorageFailureKind) -> bool {
    match kind {
        StorageFailureKind::Absent | StorageFailureKind::TooLarge => false,
        StorageFailureKind::AbsentOrForbidden
        | StorageFailureKind::Forbidden
        | StorageFailureKind::Credentials
        | StorageFailureKind::NoSuchStorage
        | StorageFailureKind::SlowDown
        | StorageFailureKind::Unreachable
        | StorageFailureKind::UnknownOutcome
        | StorageFailureKind::Other => true,
    }
}

impl Heads {
    pub fn all(&self) -> impl Iterator<Item = &Found> {
        std::iter::once(&self.leading).chain(&self.behind)
    }

    /// Whose head lists this very file.
    pub fn holders<'a>(&'a self, version: &'a GatewayVersion, entry: &'a Entry) -> impl Iterator<Item = &'a Found> {
        let holds = |view: &View| view.history.iter().any(|held| held.key == entry.key && held.file_digest == entry.file_digest);
        self.all().filter(move |found| found.head.views.get(version).is_some_and(holds))
    }

    /// The version that a word like `good` is about.
    pub fn version(&self, asked: &Asked) -> Result<&GatewayVersion, Failure> {
        let views = &self.leading.head.views;
        let listed = || views.keys().map(GatewayVersion::as_str).collect::<Vec<_>>().join(", ");
        let of_settings = || asked.settings.as_ref().map(|settings| &settings.policy.gateway_version);
        match (asked.only_version.as_ref().or_else(of_settings), views.len()) {
            (Some(wanted), _) => views.get_key_value(wanted).map(|(version, _)| version).ok_or_else(|| {
                Failure::new(Exit::Invalid, format!("nothing is published for gateway version {wanted}; there is {}", listed()))
            }),
            (None, 2..) => Err(Failure::settings(format!("--gateway-version: there are {}; name one of them", listed()))),
            (None, _) => views.keys().next().ok_or_else(|| Failure::new(Exit::Invalid, "nothing is published there yet")),
        }
    }

    /// Numbers are looked for in every version, unless one was said.
    pub fn pick(&self, which: Which, asked: &Asked) -> Result<Picked<'_>, Failure> {
        let only = match which {
            Which::Newest | Which::Good => Some(self.version(asked)?),
            Which::Numbered(_) | Which::At(_) => asked.only_version.as_ref(),
        };
        let views = self.all().flat_map(|found| found.head.views.iter().map(move |(version, view)| (found, version, view)));
        let mut entries = views
            .filter(|(_, version, _)| only.is_none_or(|only| only == *version))
            .filter_map(|(found, version, view)| Some(Picked { found, version, view, entry: which.of(view)? }));
        entries.next().ok_or_else(|| {
            let sentence = format!("there is no generation '{which}'; `holdover history` lists what there is");
            Failure::new(Exit::Invalid, sentence)
        })
    }

    /// From the first storage that gives it whole. What comes back is the file that the head names.
    pub async fn fetch(&self, picked: &Picked<'_>, opener: &Opener) -> Result<Bytes, Failure> {
        let head = &picked.found.head;
        let (mut sentences, mut exit) = (String::new(), Exit::NotOpened);
        for found in self.holders(picked.version, picked.entry) {
            let why = match found.reader.get(&picked.entry.key, picked.entry.file_bytes.min(FILE_BYTES_MAX)).await {
                Ok(fetched) => {
                    let verified = opener.verify(&fetched.bytes);
                    match verified.and_then(|verified| is_named(&verified, picked.entry, head.lineage, &head.cluster)) {
                        Ok(()) => return Ok(fetched.bytes),
                        Err(refused) => {
                            exit = Exit::Invalid;
                            refused
                        }
                    }
                }
                Err(failure) => {
                    exit = if is_unseen(failure.kind) { exit } else { Exit::Invalid };
                    failure.into()
                }
            };
            sentences.push_str(&format!("\n  {}, {}: {why}", found.reader.name(), legible(&picked.entry.key)));
        }
        Err(Failure::new(exit, format!("generation {} cannot be had:{sentences}", picked.entry.position())))
    }
}
