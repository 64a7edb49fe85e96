//! Whom an operator's command believes and what it opens with. Private keys stay in the ring; configurations that were opened here
//! are for counting and comparing, and no value of them is for printing (all-04).

use std::fmt;
use std::sync::Arc;

use holdover_keys::{KeyRing, KeySettings, read_identities};
use holdover_node::settings::Settings;
use holdover_plugin::config::Invalid;
use holdover_plugin::model::{Cluster, Lineage};
use holdover_plugin::policy::candidate::Skipped;
use holdover_plugin::snapshot::head::Entry;
use holdover_plugin::snapshot::{self, OpenedConfig, Particulars, PayloadKey, PublicKey, PublicKeyError, Refusal, Trust, VerifiedSnapshot};
use holdover_ports::{NotUnwrapped, StorageFailure, Unsealing};

use crate::args::KeyArguments;
use crate::exit::Failure;

pub struct Opener {
    pub trust: Trust,
    pub ring: Arc<KeyRing>,
}

/// Why something is not taken: a stable word, and a sentence without its end.
#[derive(Clone, Debug)]
pub struct Refused {
    pub reason: &'static str,
    pub sentence: String,
}

/// What stands between a verified snapshot and its configuration.
pub enum Lock {
    Open,
    Unlocked(PayloadKey),
    /// There is no identity to try.
    NoIdentity,
}

impl Opener {
    /// What the flags say counts; what they leave out comes from the settings.
    pub fn new(settings: Option<&Settings>, flags: &KeyArguments) -> Result<Self, Failure> {
        let trust = match flags.trusted_key.as_slice() {
            [] => settings.map(|settings| settings.policy.trusted.clone()).unwrap_or_default(),
            keys => Trust::new(keys.iter().map(|key| public_key(key)).collect::<Result<_, _>>()?),
        };
        if let Some(path) = &flags.identity {
            read_identities(path).map_err(|why| Failure::not_opened(format!("--identity {}: {why}", path.display())))?;
        }
        let identity = flags.identity.clone().or_else(|| settings.and_then(|settings| settings.keys.identity.clone()));
        let ring = KeyRing::open(&KeySettings { identity, ..KeySettings::default() });
        let ring = ring.map_err(|sentences| Failure::settings(sentences.join("\n")))?;
        Ok(Self { trust, ring: Arc::new(ring) })
    }

    pub fn verify<'a>(&self, file: &'a [u8]) -> Result<VerifiedSnapshot<'a>, Refused> {
        Ok(snapshot::verify(file, &self.trust)?)
    }

    /// An identity that does not fit is a refusal; having none is not.
    pub fn unlock(&self, verified: &VerifiedSnapshot<'_>) -> Result<Lock, Refused> {
        match verified.wrapped()? {
            None => Ok(Lock::Open),
            Some(_) if !self.ring.has_identity() => Ok(Lock::NoIdentity),
            Some(wrapped) => Ok(Lock::Unlocked(self.ring.unwrap(wrapped)?)),
        }
    }

    pub fn open(&self, verified: &VerifiedSnapshot<'_>) -> Result<OpenedConfig, Refused> {
        let lock = self.unlock(verified)?;
        Ok(verified.open(lock.key()?)?)
    }

    /// `None`: it is encrypted, and there is no identity.
    pub fn particulars(&self, verified: &VerifiedSnapshot<'_>) -> Result<Option<Particulars>, Refused> {
        match self.unlock(verified)? {
            Lock::NoIdentity => Ok(None),
            lock @ (Lock::Open | Lock::Unlocked(_)) => Ok(Some(verified.particulars(lock.key()?)?)),
        }
    }
}

impl Lock {
    pub fn key(&self) -> Result<Option<&PayloadKey>, Refused> {
        match self {
            Self::Open => Ok(None),
            Self::Unlocked(key) => Ok(Some(key)),
            Self::NoIdentity => Err(NotUnwrapped::NoIdentity.into()),
        }
    }
}

/// Whether a file is the one that a head names, and stands where it belongs.
pub fn is_named(verified: &VerifiedSnapshot<'_>, entry: &Entry, lineage: Lineage, cluster: &Cluster) -> Result<(), Refused> {
    let manifest = verified.manifest();
    if manifest.cluster != *cluster {
        return Err(Skipped::ForeignCluster { producer: manifest.cluster.clone(), consumer: cluster.clone() }.into());
    }
    let publication = manifest.publication.ok_or(Skipped::NeverPublished)?;
    match verified.file_digest() == entry.file_digest && publication.lineage == lineage && publication.position() == entry.position() {
        true => Ok(()),
        false => Err(Skipped::NotTheOneNamed.into()),
    }
}

/// A key that was taken for a public one may be a private one: the text is not repeated.
fn public_key(text: &str) -> Result<PublicKey, Failure> {
    text.parse().map_err(|error: PublicKeyError| Failure::settings(format!("--trusted-key: {error}")))
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { reason: refusal.reason(), sentence: refusal.to_string() }
    }
}

impl From<Skipped> for Refused {
    fn from(skipped: Skipped) -> Self {
        Self { reason: skipped.reason(), sentence: skipped.to_string() }
    }
}

impl From<NotUnwrapped> for Refused {
    fn from(failure: NotUnwrapped) -> Self {
        let sentence = match &failure {
            NotUnwrapped::NoIdentity => {
                "it is encrypted, and there is no identity to open it with; give --identity FILE, or set holdover_identity".to_owned()
            }
            NotUnwrapped::ForOthers | NotUnwrapped::Damaged(_) => failure.to_string(),
        };
        Self { sentence, ..Skipped::NotUnwrapped(failure).into() }
    }
}

impl From<Invalid> for Refused {
    fn from(invalid: Invalid) -> Self {
        Skipped::Invalid(invalid).into()
    }
}

impl From<StorageFailure> for Refused {
    fn from(failure: StorageFailure) -> Self {
        Self { reason: failure.kind.reason(), sentence: failure.detail }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.sentence, self.reason)
    }
}
