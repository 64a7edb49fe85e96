//! What a drill found, as it is told: line by line to a person, or as one JSON document to a machine. Knows no step by name.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::Show;

/// What a drill found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    pub steps: Vec<Step>,
    /// Whether the story was told to its end.
    pub complete: bool,
    /// From the start of a node without a cache, while the control plane is away, to its first right answer.
    pub rto_ms: Option<u64>,
    /// The same for a node that has a cache.
    pub restart_ms: Option<u64>,
    /// From the control plane's return to the first right answer on a route that only it knew.
    pub rejoin_ms: Option<u64>,
    pub requests: u64,
    pub failed_requests: u64,
    pub slowest_request_ms: u64,
    pub routes: usize,
    pub config_bytes: usize,
    /// The first failed requests, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<String>,
    /// How the logs of the nodes and the control plane end, when something failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<NodeLog>,
    /// Where the files of the processes are, when they were to be kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<PathBuf>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Step {
    pub name: &'static str,
    pub ok: bool,
    /// Whether this or a part of it could not be looked at; the note says why.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub skipped: bool,
    pub ms: u64,
    pub note: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct NodeLog {
    pub node: String,
    pub tail: String,
}

impl Report {
    /// Whether every promise was kept: all steps, every request.
    pub fn ok(&self) -> bool {
        self.complete && self.steps.iter().all(|step| step.ok) && self.requests > 0 && self.failed_requests == 0
    }

    /// The last lines of the human form.
    fn closing(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(rto_ms) = self.rto_ms {
            lines.push(format!("A node without cache served {rto_ms} ms after its start, with no control plane."));
        }
        if let Some(rejoin_ms) = self.rejoin_ms {
            lines.push(format!("The returned control plane's change was served after {rejoin_ms} ms."));
        }
        if self.requests > 0 {
            let Self { requests, failed_requests, slowest_request_ms, .. } = self;
            lines.push(format!("{requests} requests, {failed_requests} failed; the slowest took {slowest_request_ms} ms."));
        }
        lines.extend(self.failures.iter().map(|failure| format!("  failed: {failure}")));
        lines.extend(self.logs.iter().map(|log| format!("The log of the {} ends with:\n{}", log.node, log.tail)));
        lines.extend(self.kept.iter().map(|folder| format!("The files are kept in {}.", folder.display())));
        lines
    }
}

/// The drill's voice. That nobody listens any more stops no drill.
pub(crate) struct Voice {
    show: Show,
    colours: bool,
}

impl Voice {
    pub fn new(show: Show) -> Self {
        let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { show, colours }
    }

    pub fn opening(&self, sentence: &str) {
        match self.show {
            Show::Lines => say(sentence),
            Show::Json | Show::Nothing => {}
        }
    }

    pub fn step(&self, step: &Step) {
        match self.show {
            Show::Lines => say(&step_line(step, self.colours)),
            Show::Json | Show::Nothing => {}
        }
    }

    pub fn closing(&self, report: &Report) {
        match self.show {
            Show::Lines => report.closing().iter().for_each(|line| say(line)),
            Show::Json => say(&serde_json::to_string(report).unwrap_or_default()),
            Show::Nothing => {}
        }
    }
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn step_line(step: &Step, colours: bool) -> String {
    let (mark, colour) = match (step.ok, step.skipped) {
        (true, false) => ("✓", "32"),
        (true, true) => ("–", "33"),
        (false, _) => ("✗", "31"),
    };
    let mark = if colours { format!("\x1b[{colour}m{mark}\x1b[0m") } else { mark.to_owned() };
    format!("{mark} {:<24} {:>7} ms  {}", step.name, step.ms, step.note)
}

pub(crate) fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_ok_only_when_the_story_ended_and_no_request_failed() {
        let whole = Report { steps: vec![step(true)], complete: true, requests: 1, ..Report::default() };
        assert!(whole.ok());
        assert!(!Report { complete: false, ..whole.clone() }.ok());
        assert!(!Report { requests: 0, ..whole.clone() }.ok());
        assert!(!Report { failed_requests: 1, ..whole.clone() }.ok());
        assert!(!Report { steps: vec![step(true), step(false)], ..whole }.ok());
    }

    #[test]
    fn a_machine_reads_what_was_not_measured_as_null() {
        let json = serde_json::to_value(Report { steps: vec![step(true)], rto_ms: Some(7), ..Report::default() }).ok();
        let field = |name: &str| json.as_ref().and_then(|json| json.get(name)).cloned();
        assert_eq!((field("rto_ms"), field("rejoin_ms")), (Some(7.into()), Some(serde_json::Value::Null)));
        assert_eq!((field("failed_requests"), field("logs")), (Some(0.into()), None));
    }

    #[test]
    fn only_a_terminal_is_shown_colours() {
        assert!(!step_line(&step(false), false).contains('\x1b'));
        assert!(step_line(&step(false), true).contains("\x1b[31m✗"));
    }

    fn step(ok: bool) -> Step {
        Step { name: "parts", ok, skipped: false, ms: 12, note: String::new() }
    }
}
