//! Reads one setting at a time as a type. A bad one leaves a problem and `None`; reading goes on, so that every problem is found.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::environment::Environment;
use super::problem::Problem;
use super::raw::{Given, RawSettings};
use super::reference::Name;
use super::secret::{Secret, is_world_readable};
use super::{duration, raw};

pub struct Reading<'a> {
    raw: &'a RawSettings,
    environment: &'a Environment,
    pub problems: Vec<Problem>,
    pub notes: Vec<String>,
}

/// A value with what sentences about it need.
pub struct Read {
    given: Given,
    pub text: String,
}

impl<'a> Reading<'a> {
    pub fn new(raw: &'a RawSettings, environment: &'a Environment, problems: Vec<Problem>) -> Self {
        Self { raw, environment, problems, notes: Vec::new() }
    }

    pub fn is_given(&self, name: Name) -> bool {
        self.raw.given(name).is_some()
    }

    /// The value as written, expanded, or else the default. `None` when there is neither, or when it cannot be expanded.
    pub fn value(&mut self, name: Name) -> Option<Read> {
        let entry = name.entry();
        let Some(given) = self.raw.given(name) else {
            let text = entry.default?.to_owned();
            return Some(Read { given: Given { name, text: text.clone(), origin: "default".into() }, text });
        };
        match self.environment.expand(&given.text, entry.secret) {
            Ok(text) => {
                // Where the text stands directly, show what came of a reference too; a secret stays hidden by its name.
                let shown = Given { text: text.clone(), ..given.clone() };
                Some(Read { given: shown, text })
            }
            Err(fix) => {
                self.problems.push(given.problem(fix));
                None
            }
        }
    }

    /// Parses the value. `Some(None)`: not set, and no default.
    pub fn parsed<T>(&mut self, name: Name, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<Option<T>> {
        let unset = !self.is_given(name) && name.entry().default.is_none();
        if unset {
            return Some(None);
        }
        let read = self.value(name)?;
        match parse(&read.text) {
            Ok(value) => Some(Some(value)),
            Err(fix) => {
                self.problems.push(read.problem(fix));
                None
            }
        }
    }

    /// For settings that have a default.
    pub fn defaulted<T>(&mut self, name: Name, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        self.parsed(name, parse).flatten()
    }

    /// For settings that must be written.
    pub fn required<T>(&mut self, name: Name, how: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        if !self.is_given(name) {
            self.missing(name, how);
            return None;
        }
        self.parsed(name, parse).flatten()
    }

    pub fn missing(&mut self, name: Name, how: &str) {
        let fix = format!("it is not set; {how}");
        self.problems.push(Problem { setting: name.as_str().to_owned(), value: None, origin: None, fix });
    }

    pub fn switch(&mut self, name: Name) -> Option<bool> {
        self.choice(name, &[("on", true), ("off", false)])
    }

    pub fn choice<T: Copy>(&mut self, name: Name, choices: &[(&str, T)]) -> Option<T> {
        self.defaulted(name, |text| {
            let chosen = choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
            chosen.ok_or_else(|| {
                let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
                format!("write one of {}", words.join(", "))
            })
        })
    }

    pub fn duration(&mut self, name: Name, least: Duration) -> Option<Duration> {
        self.defaulted(name, |text| match duration::parse(text) {
            Ok(duration) if duration < least => Err(format!("write at least {}", duration::text(least))),
            Ok(duration) => Ok(duration),
            Err(how) => Err(how.to_owned()),
        })
    }

    pub fn of_type<T: FromStr>(&mut self, name: Name) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        self.defaulted(name, |text| text.parse().map_err(|error: T::Err| error.to_string()))
    }

    pub fn text(&mut self, name: Name) -> Option<Option<String>> {
        self.parsed(name, |text| Ok(text.to_owned()))
    }

    pub fn secret(&mut self, name: Name) -> Option<Option<Secret>> {
        self.parsed(name, |text| Ok(Secret::new(text.to_owned())))
    }

    pub fn path(&mut self, name: Name) -> Option<Option<PathBuf>> {
        self.parsed(name, |text| Ok(PathBuf::from(text)))
    }

    /// Parses each of a comma-separated list. Nothing when it is not set; `None` when one of them is bad.
    pub fn list<T>(&mut self, name: Name, parse: impl Fn(&str) -> Result<T, String>) -> Option<Vec<T>> {
        let list = self.parsed(name, |text| {
            let parts: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
            let parsed = parts.iter().zip(1..).map(|(part, place)| match parse(part) {
                Err(fix) if parts.len() > 1 => Err(format!("number {place} of {}: {fix}", parts.len())),
                parsed => parsed,
            });
            parsed.collect::<Result<Vec<T>, String>>()
        });
        list.map(Option::unwrap_or_default)
    }

    /// A problem with a setting that was read well by itself.
    pub fn contradiction(&mut self, name: Name, fix: impl Into<String>) {
        let problem = match self.raw.given(name) {
            Some(given) => given.problem(fix),
            None => {
                let entry = name.entry();
                let value = entry.default.map(|default| format!("'{default}'"));
                Problem { setting: entry.name.to_owned(), value, origin: Some("default".into()), fix: fix.into() }
            }
        };
        self.problems.push(problem);
    }

    /// What an adapter said of several settings, in a sentence that begins with the one at fault.
    pub fn judged(&mut self, names: &[Name], sentence: String) {
        // Of two names that begin alike the longer one is meant.
        let found = names.iter().copied().filter(|name| sentence.starts_with(name.as_str())).max_by_key(|name| name.as_str().len());
        let Some(name) = found else {
            let source = names.first().map(|name| name.as_str().to_owned()).unwrap_or_default();
            self.problems.push(Problem::of_source(source, sentence));
            return;
        };
        let fix = sentence.strip_prefix(name.as_str()).unwrap_or(&sentence);
        let fix = fix.strip_prefix(':').unwrap_or(fix).trim_start();
        let fix = match fix.strip_prefix("= ").and_then(|rest| rest.split_once(": ")) {
            // The problem shows the value already, unless this is one of several.
            Some((value, fix)) if self.raw.given(name).is_some_and(|given| given.text == value) => fix.to_owned(),
            Some((value, fix)) => format!("{value}: {fix}"),
            None => fix.to_owned(),
        };
        self.contradiction(name, fix);
    }

    /// Kong reads a key that everybody may read, and Kubernetes mounts them so unless told otherwise: said, not refused.
    pub fn note_open_key(&mut self, name: Name, key: &Secret) {
        let path = key.expose();
        let looks_like_a_path = path.len() < 4096 && !path.contains(['\n', '\0']);
        if looks_like_a_path && Path::new(path).metadata().is_ok_and(|file| file.is_file() && is_world_readable(&file)) {
            self.notes.push(format!("{}: everybody on this machine may read {path}; run: chmod o-r {path}", name.as_str()));
        }
    }

    /// Says of a setting that was written that it has no effect.
    pub fn idle(&mut self, name: Name, why: &str) {
        if let Some(given) = self.raw.given(name) {
            self.notes.push(format!("{} ({}) has no effect: {why}", name.as_str(), given.origin));
        }
    }
}

impl Read {
    pub fn problem(&self, fix: impl Into<String>) -> Problem {
        raw::Given::problem(&self.given, fix)
    }
}
