//! Keeps the report while the story goes on: times each step, holds the load against it, says it aloud. Knows no step.

use std::fs;
use std::time::Instant;

use tempfile::TempDir;

use crate::load::Watch;
use crate::options::DrillOptions;
use crate::report::{NodeLog, Report, Step, Voice, whole_ms};

const LOG_LINES_MAX: usize = 30;

/// A step that went well.
pub(crate) struct Done<T> {
    value: T,
    note: String,
    skipped: bool,
}

/// A step failed; the report says which and why.
pub(crate) struct Stopped;

pub(crate) struct Telling {
    pub report: Report,
    /// From here on, a failed request fails the step that it happens in.
    pub watch: Option<Watch>,
    voice: Voice,
}

impl<T> Done<T> {
    pub fn new(value: T, note: impl Into<String>) -> Self {
        Self { value, note: note.into(), skipped: false }
    }

    /// It could not be looked at, or not in full.
    pub fn skipped(value: T, note: impl Into<String>) -> Self {
        Self { value, note: note.into(), skipped: true }
    }

    /// For whoever tells no story.
    pub fn into_value(self) -> T {
        self.value
    }
}

impl Telling {
    pub fn begin(options: &DrillOptions) -> Self {
        let voice = Voice::new(options.show);
        voice.opening(&format!("A drill with {} routes, on loopback only.", options.routes));
        Self { report: Report { routes: options.routes, ..Report::default() }, watch: None, voice }
    }

    pub async fn step<T>(&mut self, name: &'static str, step: impl Future<Output = anyhow::Result<Done<T>>>) -> Result<T, Stopped> {
        let began = Instant::now();
        let outcome = step.await;
        let ms = whole_ms(began.elapsed());
        let (value, step) = match (outcome, self.failed_request()) {
            (Ok(done), None) => (Some(done.value), Step { name, ok: true, skipped: done.skipped, ms, note: done.note }),
            (Ok(_), Some(failure)) => (None, Step { name, ok: false, skipped: false, ms, note: failure }),
            (Err(failure), _) => (None, Step { name, ok: false, skipped: false, ms, note: format!("{failure:#}") }),
        };
        self.voice.step(&step);
        self.report.steps.push(step);
        value.ok_or(Stopped)
    }

    /// The report, once nothing runs any more. The folder with the nodes' files is removed unless it is to be kept.
    pub fn end(mut self, told: Result<(), Stopped>, folder: TempDir, keep: bool) -> Report {
        self.report.complete = told.is_ok();
        if let Some(counts) = self.watch.take().map(|watch| watch.counts()) {
            self.report.requests = counts.requests;
            self.report.failed_requests = counts.failed;
            self.report.slowest_request_ms = whole_ms(counts.slowest);
            self.report.failures = counts.failures;
        }
        if !self.report.ok() {
            self.report.logs = logs(&folder);
        }
        self.report.kept = keep.then(|| folder.keep());
        self.voice.closing(&self.report);
        self.report
    }

    fn failed_request(&self) -> Option<String> {
        let counts = self.watch.as_ref()?.counts();
        let first = counts.failures.first()?;
        Some(format!("{} of {} requests failed so far; the first: {first}", counts.failed, counts.requests))
    }
}

/// How the log of each process ends: every folder with a log in here is one process's.
fn logs(folder: &TempDir) -> Vec<NodeLog> {
    let nodes = fs::read_dir(folder.path()).into_iter().flatten().flatten();
    let mut logs: Vec<NodeLog> = nodes
        .filter_map(|node| {
            let log = fs::read(node.path().join("log")).ok()?;
            let tail = tail(&String::from_utf8_lossy(&log), LOG_LINES_MAX);
            Some(NodeLog { node: node.file_name().to_string_lossy().into_owned(), tail })
        })
        .collect();
    logs.sort_by(|one, other| one.node.cmp(&other.node));
    logs
}

/// The last lines of a text.
pub(crate) fn tail(text: &str, lines_max: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(lines_max)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    // A test that cannot go on says so by panicking.
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn a_step_that_fails_is_in_the_report_with_its_sentence_and_the_ends_of_the_logs() {
        let (folder, mut telling) = begin();
        fs::create_dir(folder.path().join("new-node")).unwrap();
        fs::write(folder.path().join("new-node/log"), "one\ntwo\n").unwrap();

        let parts = telling.step("parts", async { Ok(Done::new(7, "all up")) }).await;
        assert!(parts.is_ok_and(|value| value == 7));
        let told = telling.step("outage", async { anyhow::Result::<Done<()>>::Err(anyhow::anyhow!("it still answers")) }).await;
        let report = telling.end(told, folder, false);

        let steps: Vec<_> = report.steps.iter().map(|step| (step.name, step.ok, step.note.as_str())).collect();
        assert_eq!(steps, [("parts", true, "all up"), ("outage", false, "it still answers")]);
        assert!(!report.ok() && !report.complete);
        assert_eq!(report.logs.iter().map(|log| (log.node.as_str(), log.tail.as_str())).collect::<Vec<_>>(), [("new-node", "one\ntwo")]);
    }

    #[tokio::test]
    async fn the_folder_is_removed_unless_it_is_to_be_kept() {
        let (folder, telling) = begin();
        let path = folder.path().to_owned();
        assert_eq!(telling.end(Ok(()), folder, false).kept, None);
        assert!(!path.exists());

        let (folder, telling) = begin();
        let kept = telling.end(Ok(()), folder, true).kept.unwrap();
        assert!(kept.exists());
        fs::remove_dir_all(kept).unwrap();
    }

    #[test]
    fn a_tail_is_the_last_lines_or_all_there_are() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("a\n", 2), "a");
        assert_eq!(tail("", 2), "");
    }

    fn begin() -> (TempDir, Telling) {
        (tempfile::tempdir().unwrap(), Telling::begin(&DrillOptions::of("holdover")))
    }
}
