//! What happened, in order: always as one running sum, and as lines when somebody wants to read it.

use std::fmt;
use std::time::Duration;

use super::chance::{fold, fold_bytes};

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Actor {
    Node(usize),
    ControlPlane,
    Storage(usize),
    Operator,
    Janitor,
    /// The plan of the seed.
    Fate,
}

#[derive(Default)]
pub struct Trace {
    sum: u64,
    entries: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    pub fn new(readable: bool) -> Self {
        Self { lines: readable.then(Vec::new), ..Self::default() }
    }

    /// `about` and `outcome` are made only when somebody reads them; `number` stands for them in the sum.
    pub fn note(&mut self, at: Duration, actor: Actor, act: &str, number: u64, text: impl FnOnce() -> String) {
        self.entries += 1;
        self.sum = fold(fold(self.sum, at.as_micros() as u64), actor.number() ^ number.rotate_left(8));
        self.sum = fold_bytes(self.sum, act.as_bytes());
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>12.3}  {actor:<13} {act:<16} {}", at.as_secs_f64(), text()));
        }
    }

    pub fn sum(&self) -> u64 {
        self.sum
    }

    pub fn entries(&self) -> u64 {
        self.entries
    }

    pub fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}

impl Actor {
    fn number(self) -> u64 {
        match self {
            Self::Node(node) => node as u64,
            Self::Storage(storage) => 100 + storage as u64,
            Self::ControlPlane => 200,
            Self::Operator => 201,
            Self::Janitor => 202,
            Self::Fate => 203,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => f.pad(&format!("node-{node}")),
            Self::Storage(storage) => f.pad(&format!("storage-{storage}")),
            Self::ControlPlane => f.pad("control-plane"),
            Self::Operator => f.pad("operator"),
            Self::Janitor => f.pad("janitor"),
            Self::Fate => f.pad("fate"),
        }
    }
}
