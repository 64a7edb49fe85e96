//! `holdover run` as a child process that can be killed, stopped and continued at a moment of the test's choosing.
//!
//! Its log is read as it is written, so that a kill can follow a line at once. It dies with the test, however that ends: a shell waits
//! for the end of its own input, which only the test holds open. What it wrote may not hold its credentials (all-04). Knows no story.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use holdover_drill::process::free_address;
use holdover_drill::{get, until};
use holdover_plugin::model::{Epoch, Generation, Position};
use serde_json::Value;

use crate::ground::{BOUND, binary};

const LOOK_EVERY: Duration = Duration::from_millis(5);
const STATUS_BOUND: Duration = Duration::from_secs(5);

/// What an exporter is started with. The same settings, folder and status page for every process of it.
#[derive(Clone)]
pub struct ExporterSpec {
    name: String,
    folder: PathBuf,
    settings: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    status: SocketAddr,
}

pub struct Exporter {
    spec: ExporterSpec,
    log: Arc<Log>,
    process: Option<Process>,
}

/// What all processes of one exporter said, in order.
#[derive(Default)]
struct Log {
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    lines: Vec<Line>,
    /// Where the lines of the running process begin.
    begin: usize,
    /// Kill after so many events of this process, and then so long.
    trap: Option<(usize, Duration)>,
    has_ended: bool,
}

/// One line of the log.
#[derive(Clone, Debug)]
pub struct Line {
    /// Of the decision; `None` for what is none.
    pub event: Option<String>,
    pub fields: String,
    pub text: String,
}

struct Process {
    pid: libc::pid_t,
    shell: Child,
    reading: Option<JoinHandle<()>>,
}

impl ExporterSpec {
    /// A backup node that carries no traffic and keeps its files in `<parent>/<name>`.
    pub fn new(name: &str, parent: &Path) -> anyhow::Result<Self> {
        let (folder, status) = (parent.join(name), free_address()?);
        let spec = Self { name: name.to_owned(), folder, settings: Vec::new(), environment: Vec::new(), status };
        let cache = spec.cache().display().to_string();
        let spec = spec.set("holdover_node_name", name).set("holdover_status_listen", status).set("holdover_cache_dir", cache);
        Ok(spec.set("role", "data_plane").set("holdover_gateway", "none").set("cluster_fallback_config_export", "on"))
    }

    /// The last value of one name counts.
    pub fn set(mut self, name: &str, value: impl ToString) -> Self {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_string()));
        self
    }

    pub fn env(mut self, variables: &[(String, String)]) -> Self {
        self.environment.extend_from_slice(variables);
        self
    }

    pub fn cache(&self) -> PathBuf {
        self.folder.join("cache")
    }

    fn command(&self) -> anyhow::Result<Command> {
        fs::create_dir_all(&self.folder)?;
        let config = self.folder.join("holdover.conf");
        let text: String = self.settings.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&config)?;
        file.write_all(text.as_bytes())?;
        let mut command = Command::new("sh");
        // The process's number first; then the shell lets go of the log, whose end is the process's own.
        command.args(["-c", "\"$@\" >&2 & echo $!; exec 2>/dev/null; read -r _; kill -9 $!; wait $!", "sh"]);
        command.arg(binary()).args(["--log", "json", "run", "--config"]).arg(&config);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", &self.folder);
        command.env("AWS_EC2_METADATA_DISABLED", "true").envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command)
    }
}

impl Exporter {
    pub fn start(spec: ExporterSpec) -> anyhow::Result<Self> {
        let mut exporter = Self::not_started(spec);
        exporter.start_again()?;
        Ok(exporter)
    }

    /// One whose first process is doomed already.
    pub fn start_doomed_at(spec: ExporterSpec, events: usize, and_then: Duration) -> anyhow::Result<Self> {
        let mut exporter = Self::not_started(spec);
        exporter.start_doomed(events, and_then)?;
        Ok(exporter)
    }

    fn not_started(spec: ExporterSpec) -> Self {
        Self { spec, log: Arc::new(Log::default()), process: None }
    }

    /// A process with the disk of the last one, which is over.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.start_with_trap(None)
    }

    /// A process that is killed after so many events, and then so long.
    pub fn start_doomed(&mut self, events: usize, and_then: Duration) -> anyhow::Result<()> {
        self.start_with_trap(Some((events, and_then)))
    }

    fn start_with_trap(&mut self, trap: Option<(usize, Duration)>) -> anyhow::Result<()> {
        anyhow::ensure!(self.process.is_none(), "{} runs already", self.spec.name);
        self.log.begin(trap);
        let mut shell = self.spec.command()?.spawn().with_context(|| format!("cannot start {}", self.spec.name))?;
        let (stdout, stderr) = (shell.stdout.take().context("a stdout")?, shell.stderr.take().context("a stderr")?);
        let mut number = String::new();
        BufReader::new(stdout).read_line(&mut number)?;
        let pid: libc::pid_t = number.trim().parse().with_context(|| format!("the shell said '{number}' in place of a number"))?;
        let log = self.log.clone();
        let reading = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some(and_then) = log.push(&line) {
                    std::thread::sleep(and_then);
                    send(pid, libc::SIGKILL);
                }
            }
            log.pages().has_ended = true;
        });
        self.process = Some(Process { pid, shell, reading: Some(reading) });
        Ok(())
    }

    pub fn name(&self) -> &str {
        &self.spec.name
    }

    pub fn cache(&self) -> PathBuf {
        self.spec.cache()
    }

    /// SIGKILL, and its end: no handler runs, nothing is flushed.
    pub fn kill_9(&mut self) -> anyhow::Result<()> {
        if let Some(process) = self.process.take() {
            process.end();
        }
        self.kept_its_secrets()
    }

    /// SIGTERM, and its end: it takes its leave.
    pub async fn end(&mut self) -> anyhow::Result<()> {
        self.signal(libc::SIGTERM);
        until(BOUND, LOOK_EVERY, "its end", async || Ok(self.has_ended().then_some(()))).await.with_context(|| self.said())?;
        self.kill_9()
    }

    /// SIGSTOP: it holds what it holds, and knows nothing of the time that passes.
    pub fn stop(&self) {
        self.signal(libc::SIGSTOP);
    }

    pub fn carry_on(&self) {
        self.signal(libc::SIGCONT);
    }

    fn signal(&self, signal: libc::c_int) {
        if let Some(process) = &self.process {
            send(process.pid, signal);
        }
    }

    /// Whether the process that was started last is over.
    pub fn has_ended(&self) -> bool {
        self.process.is_none() || self.log.pages().has_ended
    }

    pub fn still_runs(&self) -> anyhow::Result<()> {
        anyhow::ensure!(!self.has_ended(), "{} ended by itself; it said:\n{}", self.name(), self.said());
        Ok(())
    }

    /// All lines of all its processes.
    pub fn lines(&self) -> Vec<Line> {
        self.log.pages().lines.clone()
    }

    /// How often its processes decided this.
    pub fn counted(&self, event: &str) -> usize {
        self.log.pages().lines.iter().filter(|line| line.is(event)).count()
    }

    /// The end of what it said, for people.
    pub fn said(&self) -> String {
        let pages = self.log.pages();
        let lines = pages
            .lines
            .iter()
            .rev()
            .take(40)
            .map(|line| format!("  {} {} {}", line.event.as_deref().unwrap_or("-"), line.fields, line.text));
        let mut lines: Vec<_> = lines.collect();
        lines.reverse();
        lines.join("\n")
    }

    pub async fn status(&self) -> anyhow::Result<Value> {
        self.json("/status").await
    }

    pub async fn json(&self, path: &str) -> anyhow::Result<Value> {
        Ok(serde_json::from_slice(&get(self.spec.status, path, STATUS_BOUND).await?.body)?)
    }

    /// Waits until its status page shows this.
    pub async fn shows<T>(&self, what: &str, look: impl Fn(&Value) -> Option<T>) -> anyhow::Result<T> {
        let shown = until(BOUND, 4 * LOOK_EVERY, what, async || {
            self.still_runs()?;
            Ok(self.status().await.ok().and_then(|status| look(&status)))
        });
        shown.await.with_context(|| format!("{} said:\n{}", self.name(), self.said()))
    }

    fn kept_its_secrets(&self) -> anyhow::Result<()> {
        let secrets = self.spec.environment.iter().filter(|(name, _)| name == "AWS_SECRET_ACCESS_KEY");
        for (name, secret) in secrets {
            let said = self.log.pages().lines.iter().any(|line| line.text.contains(secret) || line.fields.contains(secret));
            anyhow::ensure!(!said, "{} wrote {name} into its log", self.name());
        }
        Ok(())
    }
}

/// What only cargo's tests ask of it.
#[cfg(test)]
impl Exporter {
    /// `http://host:port` of its status page.
    pub fn page(&self) -> String {
        format!("http://{}", self.spec.status)
    }

    /// The settings that its next process is started with.
    pub fn set(&mut self, name: &str, value: impl ToString) {
        self.spec = self.spec.clone().set(name, value);
    }

    /// Waits for an event of the running process that has this in its sentence or fields.
    pub async fn says(&self, event: &str, part: &str) -> anyhow::Result<Line> {
        let what = format!("{event} with '{part}' of {}", self.name());
        let said = until(BOUND, LOOK_EVERY, &what, async || {
            let lines = self.lines_of_this_process();
            let line = lines.into_iter().find(|line| line.is(event) && (line.text.contains(part) || line.fields.contains(part)));
            if line.is_none() {
                self.still_runs()?;
            }
            Ok(line)
        });
        said.await.with_context(|| format!("{} said:\n{}", self.name(), self.said()))
    }

    /// Those of the process that was started last.
    pub fn lines_of_this_process(&self) -> Vec<Line> {
        let pages = self.log.pages();
        pages.lines[pages.begin..].to_vec()
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            process.end();
        }
    }
}

impl Process {
    fn end(mut self) {
        send(self.pid, libc::SIGKILL);
        drop(self.shell.stdin.take());
        // What matters is that it is over.
        let _ = self.shell.wait();
        if let Some(reading) = self.reading.take() {
            let _ = reading.join();
        }
    }
}

impl Log {
    fn begin(&self, trap: Option<(usize, Duration)>) {
        let mut pages = self.pages();
        (pages.begin, pages.trap, pages.has_ended) = (pages.lines.len(), trap, false);
    }

    /// `Some`: the trap shuts, after this time.
    fn push(&self, line: &str) -> Option<Duration> {
        let line = Line::read(line);
        let is_event = line.event.is_some();
        let mut pages = self.pages();
        pages.lines.push(line);
        let begin = pages.begin;
        let events = pages.lines[begin..].iter().filter(|line| line.event.is_some()).count();
        pages.trap.filter(|(after, _)| is_event && *after == events).map(|(_, and_then)| and_then)
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn read(line: &str) -> Self {
        let json: Value = serde_json::from_str(line).unwrap_or_default();
        let text = |name: &str| json.get(name).and_then(Value::as_str).map(str::to_owned);
        Self { event: text("name"), fields: text("fields").unwrap_or_default(), text: text("message").unwrap_or_else(|| line.to_owned()) }
    }

    pub fn is(&self, event: &str) -> bool {
        self.event.as_deref() == Some(event)
    }

    /// The value of one of its fields.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
    }

    pub fn position(&self) -> Option<Position> {
        let (epoch, generation) = self.field("position")?.split_once('-')?;
        Some(Position { epoch: Epoch(epoch.parse().ok()?), generation: Generation(generation.parse().ok()?) })
    }
}

fn send(pid: libc::pid_t, signal: libc::c_int) {
    // SAFETY: kill(2) takes no memory of ours. The pid is that of a process whose parent, our shell, has not waited for it: it names no
    // other.
    let _ = unsafe { libc::kill(pid, signal) };
}
