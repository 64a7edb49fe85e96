//! The reading of a whole set: every resource is held against its bounds and its own name, counted and listed; then it is settled
//! whether each name that is asked for is there. Collects findings and never stops at one, except where a bound is broken.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::super::{Findings, Invalid, Need};
use super::naming::{name_of, shown};
use super::references::{self, Seen};
use super::resource::{self, Record};
use super::types;
use crate::model::{Digest, UnixMs};

const NAME_BYTES_MAX: usize = 4096;
const TYPE_URL_BYTES_MAX: usize = 256;

#[derive(Default)]
pub struct Survey<'a> {
    findings: Findings,
    pub counts: BTreeMap<String, u64>,
    rows: Vec<Row<'a>>,
    asked: Vec<Asked>,
    /// Other management servers, and how many resources ask each.
    servers: BTreeMap<String, u64>,
    keys: u64,
    ends: Vec<UnixMs>,
    unsettled_scopes: u64,
    /// What is asked for over the stream and followed by nobody: how many ask, and who was the first.
    unfollowed: BTreeMap<&'static str, (u64, String)>,
}

/// One resource, as far as it counts for whether two sets are the same (export-05). It is as it was when both version and bytes are:
/// there are management servers that count from one again after each restart, and such that always say the same; and a version that
/// moved is what Envoys are told, whatever the bytes.
struct Row<'a> {
    type_url: &'a str,
    name: &'a str,
    version: &'a str,
    value: Digest,
}

/// A name that is asked for, and who asks.
struct Asked {
    type_url: &'static str,
    name: String,
    by: Asking,
}

enum Asking {
    /// A cluster or a listener, by its place.
    Resource(String),
    /// A scope, which only a configuration that was handed over as a file can hold. Whom its routes are asked of says the listener that
    /// asks for scopes, and it may be somebody else.
    Scope,
    /// A filter that asks for what it is configured with, by the place of what it stands in. A file can hold that, no stream brings it.
    Filter(String),
}

impl Row<'_> {
    /// Type and name are the whole order, for none is there twice. Inlined into a sort this makes the importer 20 KB larger.
    #[inline(never)]
    fn against(&self, type_url: &str, name: &str) -> Ordering {
        (self.type_url, self.name).cmp(&(type_url, name))
    }
}

impl<'a> Survey<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Self, Invalid> {
        let mut survey = Self::default();
        for (index, record) in resource::records(bytes).enumerate() {
            survey.resource(index, record?);
        }
        Ok(survey)
    }

    fn resource(&mut self, index: usize, record: Record<'a>) {
        if let Err(wrong) = within_bounds(record) {
            self.findings.push(format!("resources[{index}]"), wrong);
            return;
        }
        let Record { type_url, name, version, value } = record;
        let kind = types::short(type_url);
        match self.counts.get_mut(kind) {
            Some(count) => *count += 1,
            None => drop(self.counts.insert(kind.to_owned(), 1)),
        }
        if types::is_known(type_url) {
            self.look(record, &place(type_url, name));
        }
        self.rows.push(Row { type_url, name, version, value: Digest::of(value) });
    }

    fn look(&mut self, record: Record<'a>, place: &str) {
        match name_of(record.type_url, record.value) {
            Ok(name) if name == record.name => {}
            Ok(name) => self.findings.push(place, format!("calls itself '{}'", shown(&name))),
            Err(wrong) => return self.findings.push(place, wrong),
        }
        let Seen { wanted, unfollowed, servers, keys, ends } = match references::look(record.type_url, record.value) {
            Ok(seen) => seen,
            Err(wrong) => return self.findings.push(place, wrong),
        };
        for (type_url, names) in [(types::ENDPOINTS, wanted.endpoints), (types::ROUTES, wanted.routes), (types::SECRET, wanted.secrets)] {
            self.asked.extend(names.into_iter().map(|name| {
                let by = if record.type_url == types::SCOPED_ROUTES { Asking::Scope } else { Asking::Resource(place.to_owned()) };
                Asked { type_url, name, by }
            }));
        }
        self.asked.extend(unfollowed.extensions.into_iter().map(|name| {
            let by = Asking::Filter(place.to_owned());
            Asked { type_url: types::EXTENSION_CONFIG, name, by }
        }));
        if unfollowed.scopes {
            self.miss("scoped routes", place.to_owned());
        }
        if unfollowed.virtual_hosts {
            self.miss("virtual hosts", place.to_owned());
        }
        for server in servers {
            *self.servers.entry(server).or_default() += 1;
        }
        self.keys += keys;
        self.ends.extend(ends);
    }

    #[inline(never)]
    fn miss(&mut self, what: &'static str, by: String) {
        self.unfollowed.entry(what).or_insert((0, by)).0 += 1;
    }

    /// Puts the rows into their order. Fails with all that was found.
    pub fn settle(mut self) -> Result<Self, Invalid> {
        self.rows.sort_unstable_by(|row, other| row.against(other.type_url, other.name));
        for (row, next) in self.rows.iter().zip(self.rows.iter().skip(1)) {
            if (row.type_url, row.name) == (next.type_url, next.name) {
                self.findings.push(place(row.type_url, row.name), "is there twice");
            }
        }
        for Asked { type_url, name, by } in std::mem::take(&mut self.asked) {
            if self.rows.binary_search_by(|row| row.against(type_url, &name)).is_ok() {
                continue;
            }
            match by {
                Asking::Resource(place) => {
                    let (kind, name) = (types::short(type_url), shown(&name));
                    self.findings.push(place, format!("asks for {kind} '{name}' over its own stream, and there are none of that name"));
                }
                Asking::Scope => self.unsettled_scopes += 1,
                Asking::Filter(place) => self.miss("its configuration", format!("filter '{}' of {place}", shown(&name))),
            }
        }
        std::mem::take(&mut self.findings).into_result()?;
        Ok(self)
    }

    /// BLAKE3 of the rows, each part behind its length, so that no two lists are written alike. In hexadecimal.
    pub fn sameness(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for Row { type_url, name, version, value } in &self.rows {
            for part in [type_url.as_bytes(), name.as_bytes(), version.as_bytes(), value.as_bytes()] {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
        }
        Digest::from_bytes(*hasher.finalize().as_bytes()).to_string()
    }

    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Findings::default();
        if self.keys > 0 {
            let keys = self.keys;
            let message = format!(
                "counts as secret: {keys} secrets or private keys stand in it, and without holdover_recipients whoever may read the storage \
                 can read them"
            );
            warnings.push("", message);
        }
        if self.unsettled_scopes > 0 {
            let scopes = self.unsettled_scopes;
            warnings.push("scoped-routes", format!("{scopes} name routes that are not here: they are asked of somebody else, or missing"));
        }
        for (what, (count, first)) in &self.unfollowed {
            let message = format!(
                "asks for {what} over its own stream, the first of {count}; this is not followed, and an Envoy born from this snapshot \
                 lacks it"
            );
            warnings.push(first.clone(), message);
        }
        for (server, count) in &self.servers {
            let server = shown(server);
            let message = format!(
                "asked by {count} of the resources for a part of them: the node must reach this management server without the control plane"
            );
            warnings.push(format!("management server '{server}'"), message);
        }
        warnings.into_sentences()
    }

    pub fn needs(&self) -> Vec<Need> {
        let count = self.ends.len() as u64;
        self.ends.iter().min().map(|first| Need::Certificates { count, ends_at: *first }).into_iter().collect()
    }
}

fn within_bounds(record: Record<'_>) -> Result<(), String> {
    let Record { type_url, name, version, value: _ } = record;
    let is_type = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._".contains(&byte));
    if type_url.len() > TYPE_URL_BYTES_MAX || !type_url.strip_prefix(types::PREFIX).is_some_and(is_type) {
        let prefix = types::PREFIX;
        return Err(format!("its type is not '{prefix}' and the name of a message, of at most {TYPE_URL_BYTES_MAX} bytes"));
    }
    if name.is_empty() {
        return Err("has no name".to_owned());
    }
    for (what, text) in [("name", name), ("version", version)] {
        let bytes = text.len();
        if bytes > NAME_BYTES_MAX {
            return Err(format!("its {what} has {bytes} bytes; {NAME_BYTES_MAX} is the most that is taken"));
        }
    }
    Ok(())
}

fn place(type_url: &str, name: &str) -> String {
    format!("{}/{}", types::short(type_url), shown(name))
}
