//! What validation says of a bad document: where, and what is wrong there. Never a value of the document (all-04).

use std::fmt;

/// One disagreement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The way to the field from the document's root, for example `services[2].routes[0].paths[1]`; empty for the whole.
    pub path: String,
    pub message: String,
}

/// At least one finding; the first [`Findings::MAX`] are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    pub findings: Vec<Finding>,
    /// How many more there were.
    pub more: usize,
}

/// Collects findings up to a bound, so that a bad document of any size gives a report that can be read.
#[derive(Debug, Default)]
pub struct Findings {
    findings: Vec<Finding>,
    more: usize,
}

impl Findings {
    pub const MAX: usize = 50;

    pub fn push(&mut self, path: impl Into<String>, message: impl Into<String>) {
        if self.findings.len() < Self::MAX {
            self.findings.push(Finding { path: path.into(), message: message.into() });
        } else {
            self.more += 1;
        }
    }

    /// Takes the other's findings in behind its own.
    pub fn append(&mut self, other: Self) {
        for finding in other.findings {
            self.push(finding.path, finding.message);
        }
        self.more += other.more;
    }

    /// Of all there were, kept or not.
    pub fn count(&self) -> usize {
        self.findings.len() + self.more
    }

    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    pub fn into_result(self) -> Result<(), Invalid> {
        if self.findings.is_empty() {
            return Ok(());
        }
        Err(Invalid { findings: self.findings, more: self.more })
    }

    pub fn into_sentences(self) -> Vec<String> {
        Invalid { findings: self.findings, more: self.more }.sentences()
    }
}

impl Invalid {
    /// A finding about the document as a whole.
    pub fn whole(message: impl Into<String>) -> Self {
        Self { findings: vec![Finding { path: String::new(), message: message.into() }], more: 0 }
    }

    pub fn sentences(&self) -> Vec<String> {
        let mut sentences: Vec<String> = self.findings.iter().map(ToString::to_string).collect();
        if self.more > 0 {
            sentences.push(format!("and {} more findings", self.more));
        }
        sentences
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.message),
            path => write!(f, "{path}: {}", self.message),
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentences().join("; "))
    }
}

impl std::error::Error for Invalid {}
