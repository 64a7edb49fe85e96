//! What a trace is, and how it stands in its file: one JSON value a line, so that a change of one step is a change of one line.
//!
//! A trace is one node's life as its policy saw it: what it asked of its capabilities and was answered, and what it decided. Knows no
//! world and no player.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::PathBuf;

use holdover_plugin::policy;
use holdover_ports::{Event, Severity};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    pub head: Head,
    /// What was delivered and fetched, by the short digests that the steps name.
    pub bodies: BTreeMap<String, Written>,
    pub steps: Vec<Step>,
    pub standing: Standing,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The file's name, and the scenario's.
    pub name: String,
    /// What happens, for people.
    pub says: String,
    pub settings: Told,
    /// What everybody's clock shows at the beginning.
    pub begins_unix_ms: u64,
    pub lasts_ms: u64,
    /// Whether two waits run at once whose lengths are drawn, so that other random numbers bring about another order.
    pub is_ordered_by_chance: bool,
}

/// Of the node's settings, those that a scenario chooses. What is not here is the same in all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    pub cluster: String,
    pub gateway_version: String,
    pub on_refusal: String,
    pub give_up_ms: u64,
    pub trusted_keys: Vec<String>,
}

/// Bytes as people can read them, where they are text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Written {
    Text(String),
    Hex(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Since the beginning.
    pub at_ms: u64,
    pub act: Act,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// An episode of the policy.
    Begins(String),
    Ends(Standing),
    /// The control plane is asked.
    Asks,
    /// Its answer to what was asked last. There is none where nobody waited for it.
    Heard(Heard),
    /// The storage is asked.
    Gets(String),
    Got(Got),
    /// The gateway is handed a configuration, by digest.
    Applies(String),
    Applied(bool),
    Draws(u64),
    Sleeps {
        why: String,
        ms: u64,
    },
    Says(Said),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Heard {
    /// A body, by its short digest.
    Delivery(String),
    /// The stable word of an answer.
    Answer(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Got {
    Object(String),
    /// The stable word of a failure.
    Failure(String),
}

/// An event, without its sentence: that names settings, which are not the same everywhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    pub event: String,
    pub severity: String,
    pub fields: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    Serving { digest: String, origin: String, position: Option<String> },
    Stranded,
    Refused,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Line {
    Trace(Head),
    Body { name: String, bytes: Written },
    Step(Step),
    Standing(Standing),
}

impl Trace {
    pub fn path(name: &str) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("parity/traces").join(format!("{name}.jsonl"))
    }

    pub fn read(name: &str) -> Self {
        let path = Self::path(name);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self::parse(&text).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
    }

    pub fn text(&self) -> String {
        let bodies = self.bodies.iter().map(|(name, bytes)| Line::Body { name: name.clone(), bytes: bytes.clone() });
        let steps = self.steps.iter().cloned().map(Line::Step);
        let all = [Line::Trace(self.head.clone())].into_iter().chain(bodies).chain(steps).chain([Line::Standing(self.standing.clone())]);
        all.map(|line| serde_json::to_string(&line).unwrap() + "\n").collect()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines().map(|line| serde_json::from_str(line).map_err(|error| format!("{error} in {line}")));
        let Some(Line::Trace(head)) = lines.next().transpose()? else { return Err("it does not begin with its head".into()) };
        let (mut bodies, mut steps, mut standing) = (BTreeMap::new(), Vec::new(), None);
        for line in lines {
            match line? {
                Line::Trace(_) => return Err("it has two heads".into()),
                Line::Body { name, bytes } => drop(bodies.insert(name, bytes)),
                Line::Step(step) => steps.push(step),
                Line::Standing(at_the_end) => standing = Some(at_the_end),
            }
        }
        Ok(Self { head, bodies, steps, standing: standing.ok_or("it does not say how the node stands at the end")? })
    }

    pub fn body(&self, name: &str) -> Vec<u8> {
        self.bodies.get(name).unwrap_or_else(|| panic!("{}: no body {name}", self.head.name)).bytes()
    }
}

impl Written {
    pub fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Hex(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Hex(digits) => {
                let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
                pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
            }
        }
    }
}

impl From<Event> for Said {
    fn from(event: Event) -> Self {
        let severity = match event.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Alarm => "alarm",
        };
        let fields = event.fields.into_iter().map(|(field, value)| (field.into_owned(), value)).collect();
        Self { event: event.name.to_string(), severity: severity.into(), fields }
    }
}

impl From<&policy::Standing> for Standing {
    fn from(standing: &policy::Standing) -> Self {
        match standing {
            policy::Standing::Serving(serving) => Self::Serving {
                digest: serving.digest.to_string(),
                origin: serving.origin.as_str().to_owned(),
                position: serving.position.map(|position| position.to_string()),
            },
            policy::Standing::Stranded(_) => Self::Stranded,
            policy::Standing::Refused(_) => Self::Refused,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {} ms {}", self.at_ms, serde_json::to_string(&self.act).map_err(|_| fmt::Error)?)
    }
}
