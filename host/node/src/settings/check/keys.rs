//! Keys: whom to believe, by which key and for whom to seal, and what goes together with what.
//!
//! Files are opened by their judges only: here are paths and public keys, and no byte of a private one.

use std::path::{Path, PathBuf};

use holdover_plugin::config::Format;
use holdover_plugin::snapshot::{PublicKey, PublicKeyError, Trust};

use super::super::reading::Reading;
use super::super::reference::Name;
use super::super::secret::is_private_key;
use super::super::{Judges, Keys as Files};
use super::fallback::Fallback;

const RECIPIENTS_MAX: usize = 20;

pub struct Keys {
    pub trusted: Trust,
    pub operators: Trust,
    pub files: Files,
    pub kong_layout: bool,
}

/// Which ways configurations go here, and in which language, as far as those settings could be read.
#[derive(Clone, Copy)]
pub struct Ways {
    import: bool,
    export: bool,
    format: Format,
}

#[derive(Clone, Copy)]
enum KongLayout {
    Auto,
    On,
    Off,
}

impl Ways {
    pub fn of(fallback: Option<&Fallback>, format: Option<Format>) -> Option<Self> {
        let fallback = fallback?;
        Some(Self { import: fallback.import, export: fallback.export, format: format? })
    }
}

pub fn keys(reading: &mut Reading<'_>, ways: Option<Ways>, judges: &Judges<'_>) -> Option<Keys> {
    let trusted = public_keys(reading, Name::TrustedKeys);
    let operators = public_keys(reading, Name::OperatorKeys);
    let signing = key_file(reading, Name::SigningKey, judges.signing_key);
    let recipients = recipients(reading, judges);
    let identity = key_file(reading, Name::Identity, judges.identity);
    let cache_encryption = reading.switch(Name::CacheEncryption);
    let layouts = [("auto", KongLayout::Auto), ("on", KongLayout::On), ("off", KongLayout::Off)];
    let layout = reading.choice(Name::KongLayout, &layouts);
    if cache_encryption == Some(true) && matches!(identity, Some(None)) {
        reading
            .missing(Name::Identity, "holdover_cache_encryption = on needs it: name the file that `holdover keygen identity --out` wrote");
    }

    let (trusted, recipients, cache_encryption, ways) = (trusted?, recipients?, cache_encryption?, ways?);
    let (signing_key, public) = signing?.unzip();
    let identity = identity?.map(|(path, ())| path);
    let sealed = Sealed { trusted: &trusted, public, recipients: &recipients, has_identity: identity.is_some() };
    sealed.note(reading, ways, cache_encryption);
    let kong_layout = kong_layout(reading, layout?, ways, &sealed)?;
    let files = Files { signing_key, recipients, identity, cache_encryption };
    Some(Keys { trusted, operators: operators?, files, kong_layout })
}

fn public_keys(reading: &mut Reading<'_>, name: Name) -> Option<Trust> {
    let keys = reading.list(name, |text| match is_private_key(text) {
        true => Err(format!("it is a private key, and what stands here is for everybody; {}", PublicKeyError)),
        false => text.parse::<PublicKey>().map_err(|error| error.to_string()),
    });
    keys.map(Trust::new)
}

fn recipients(reading: &mut Reading<'_>, judges: &Judges<'_>) -> Option<Vec<String>> {
    let recipients = reading.list(Name::Recipients, |text| (judges.recipient)(text).map(|()| text.to_owned()))?;
    if recipients.len() > RECIPIENTS_MAX {
        reading.contradiction(Name::Recipients, format!("there are {}; name at most {RECIPIENTS_MAX}", recipients.len()));
        return None;
    }
    Some(recipients)
}

type KeyFile<T> = Option<(PathBuf, T)>;

fn key_file<T>(reading: &mut Reading<'_>, name: Name, judge: &dyn Fn(&Path) -> Result<T, String>) -> Option<KeyFile<T>> {
    reading.parsed(name, |text| {
        if is_private_key(text) {
            let fix = "it names a file, not the key itself; write the key into a file that only its owner may read (chmod 600), and its path here";
            return Err(fix.to_owned());
        }
        let path = PathBuf::from(text);
        let judged = judge(&path)?;
        Ok((path, judged))
    })
}

/// What this node seals with and opens, for what follows from it.
struct Sealed<'a> {
    trusted: &'a Trust,
    public: Option<PublicKey>,
    recipients: &'a [String],
    has_identity: bool,
}

impl Sealed<'_> {
    fn note(&self, reading: &mut Reading<'_>, ways: Ways, cache_encryption: bool) {
        // A bundle comes from outside as well.
        let takes = ways.import || reading.is_given(Name::Bundle);
        if !ways.export {
            reading.idle(Name::SigningKey, "cluster_fallback_config_export is off");
            reading.idle(Name::Recipients, "cluster_fallback_config_export is off");
            reading.idle(Name::KongLayout, "cluster_fallback_config_export is off");
        }
        if !takes {
            reading.idle(Name::TrustedKeys, "cluster_fallback_config_import is off, and there is no holdover_bundle");
        }
        if !takes && !cache_encryption {
            reading.idle(Name::Identity, "cluster_fallback_config_import is off, and there is no holdover_bundle");
        }
        if ways.export && ways.import {
            self.note_what_comes_back(reading);
        }
        if ways.export && matches!(ways.format, Format::Kong | Format::Xds) && self.recipients.is_empty() {
            reading.notes.push(format!(
                "cluster_fallback_config_export: a configuration of the format {} counts as secret, and without holdover_recipients whoever may \
                 read the storage can read it",
                ways.format
            ));
        }
    }

    fn note_what_comes_back(&self, reading: &mut Reading<'_>) {
        let believed = !self.trusted.is_configured() || self.public.is_some_and(|public| self.trusted.keys().contains(&public));
        if !believed {
            let note = match self.public {
                Some(public) => format!("holdover_trusted_keys: this node would not believe what it publishes; add its own key, {public}"),
                None => {
                    "holdover_trusted_keys: this node would not believe what it publishes, which nobody signs; set holdover_signing_key"
                        .into()
                }
            };
            reading.notes.push(note);
        }
        if !self.recipients.is_empty() && !self.has_identity {
            let note = "holdover_recipients: this node could not open what it publishes; set holdover_identity, and name its recipient";
            reading.notes.push(note.to_owned());
        }
    }
}

/// Kong's documented place holds the configuration in plain (export-13).
fn kong_layout(reading: &mut Reading<'_>, layout: KongLayout, ways: Ways, sealed: &Sealed<'_>) -> Option<bool> {
    let on = match layout {
        KongLayout::Off => false,
        KongLayout::Auto => ways.format == Format::Kong && sealed.public.is_none() && sealed.recipients.is_empty(),
        KongLayout::On if !sealed.recipients.is_empty() => {
            let fix = "it would write in plain what holdover_recipients asks to be encrypted; write off, or leave holdover_recipients out";
            reading.contradiction(Name::KongLayout, fix);
            return None;
        }
        KongLayout::On if ways.format != Format::Kong => {
            let fix = "only the format kong has a documented place; write off, or holdover_format = kong";
            reading.contradiction(Name::KongLayout, fix);
            return None;
        }
        KongLayout::On => true,
    };
    Some(on && ways.export)
}
