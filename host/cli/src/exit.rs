//! How the process ends: an exit code that scripts may rely on, and one sentence for whoever ran it.

use std::fmt;
use std::process::ExitCode;

use holdover_node::settings::Problems;

/// Stable once released; `holdover help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    /// What was inspected is not valid, or the drill failed.
    Invalid = 1,
    /// Settings or usage.
    Settings = 2,
    /// Something that is needed could not be opened or reached: a port, the cache, a storage.
    NotOpened = 3,
    /// The policy cannot be loaded.
    Policy = 4,
    /// The running node could not be asked.
    NotAnswered = 5,
    /// The orders stand, and nobody obeyed them in time.
    NotObeyed = 6,
    /// Nothing is published until an operator says so: a guard or a freeze.
    Held = 7,
    /// Another exporter leads, or may.
    StandsBy = 8,
}

pub const CODES: &str = "\
Exit codes:
  0  done; what was inspected is valid
  1  what was inspected is not valid, or the drill failed
  2  settings or usage
  3  a port, the cache, a file or a storage could not be opened
  4  the policy cannot be loaded
  5  the running node could not be asked
  6  the orders stand, and no leader has obeyed them yet
  7  held by a guard or a freeze: nothing is published until an operator says so
  8  another exporter leads";

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    /// For the operator; holds no secret.
    pub sentence: String,
}

impl Failure {
    pub fn new(exit: Exit, sentence: impl Into<String>) -> Self {
        Self { exit, sentence: sentence.into() }
    }

    pub fn settings(sentence: impl Into<String>) -> Self {
        Self::new(Exit::Settings, sentence)
    }

    pub fn not_opened(sentence: impl Into<String>) -> Self {
        Self::new(Exit::NotOpened, sentence)
    }

    pub fn policy(sentence: impl Into<String>) -> Self {
        Self::new(Exit::Policy, sentence)
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        let count = problems.0.len();
        let head = if count == 1 { "one setting is wrong".to_owned() } else { format!("{count} settings are wrong") };
        let lines: Vec<String> = problems.0.iter().map(|problem| format!("\n  {problem}")).collect();
        Self::settings(format!("{head}:{}", lines.concat()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_in_the_help() {
        let exits = [Exit::Done, Exit::Invalid, Exit::Settings, Exit::NotOpened, Exit::Policy, Exit::NotAnswered];
        for exit in exits.into_iter().chain([Exit::NotObeyed, Exit::Held, Exit::StandsBy]) {
            assert!(CODES.contains(&format!("\n  {}  ", exit as u8)), "{exit:?}");
        }
    }
}
